"""The self-audit of a practice: what it vouches for, and what its patients' paper holds, for one month."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from caretally.facts.requirements import RequirementResult
from caretally.reports.paper import LISTS, ORDER, STATES, title_of
from caretally.reports.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.practice import Attestation
    from caretally.facts.requirements import PracticeRequirement, RequirementState

SOON = timedelta(days=60)
"""How long before its end an attestation should be renewed; an engineering decision."""
PAPER_WARNINGS = (
    "W-CAREPLAN-COPY",
    "W-CAREPLAN-CHANGED",
    "W-CAREPLAN-NOT-SHARED",
    "W-CAREPLAN-REVIEW",
    "W-CAREPLAN-AUTHOR",
    "W-CARE-TEAM-LEAD",
    "W-RECORD-INCOMPLETE",
    "W-ROLE-DIVISION",
)
"""Notices about the paper and the roles."""
LIST_WORDS = {
    "practice": "Practice requirements",
    "action": "Required actions",
    "omh": "Oncology Medical Home standards",
    "eom": "Enhancing Oncology Model",
    "rules": "Read by rules",
}
STATE_WORDS = {
    "held": "held",
    "unsigned": "NOT SIGNED: nobody is named",
    "part-of-month": "HELD FOR PART OF THE MONTH",
    "lapsed": "LAPSED",
    "not-yet": "NOT YET HELD",
    "missing": "MISSING",
}
ASKED_OF_ALL = frozenset({"practice", "action"})
"""Lists that every practice is asked for; others only where it has begun one of them."""


def requirement_results(
    requirements: Sequence[PracticeRequirement],
    attestations: Sequence[Attestation],
    month: ServiceMonth,
    today: date,
) -> tuple[RequirementResult, ...]:
    """Return how each requirement stands in a month.

    Args:
        requirements: the table.
        attestations: of the configuration.
        month: the service month.
        today: for the warning that an attestation ends soon.
    """
    return tuple(_result(row, attestations, month, today) for row in requirements)


def _result(
    row: PracticeRequirement, attestations: Sequence[Attestation], month: ServiceMonth, today: date
) -> RequirementResult:
    found = next((a for a in attestations if a.name == row.id), None)
    if found is None:
        return RequirementResult(requirement=row, state="missing")
    return RequirementResult(
        requirement=row,
        state=_state(found, month),
        held_from=found.held_from,
        held_to=found.held_to,
        by=found.by,
        ends_soon=found.held_to is not None and today <= found.held_to <= today + SOON,
    )


def _state(found: Attestation, month: ServiceMonth) -> RequirementState:
    if found.held_from > month.last_day:
        return "not-yet"
    if found.held_to is not None and found.held_to < month.first_day:
        return "lapsed"
    if found.held_from > month.first_day or (found.held_to is not None and found.held_to < month.last_day):
        return "part-of-month"
    return "held" if found.by else "unsigned"


def wanting(results: Iterable[RequirementResult]) -> tuple[RequirementResult, ...]:
    """Return what a practice should settle: of the lists that are asked of it, whatever is not held."""
    found = list(results)
    begun = ASKED_OF_ALL | {r.requirement.list for r in found if r.state != "missing"}
    return tuple(r for r in found if r.state != "held" and r.requirement.list in begun - {"rules"})


def unknown_attestations(
    requirements: Sequence[PracticeRequirement], attestations: Sequence[Attestation]
) -> dict[str, str]:
    """Return the attestations that no row knows, each with the nearest id, or nothing."""
    known = [row.id for row in requirements]
    return {a.name: next(iter(get_close_matches(a.name, known, n=1)), "") for a in attestations if a.name not in known}


@dataclass(slots=True)
class PaperTally:
    """Adds the paper of patients up, one answer at a time."""

    answers: int = 0
    items: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """By list and item: answers by state."""
    warnings: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    """Failed checks before the claim."""
    patients: list[dict[str, Any]] = field(default_factory=list)
    """What is not found, by patient."""

    def add(self, determination: Mapping[str, Any]) -> None:
        """Take in one answer."""
        self.answers += 1
        lacking: list[dict[str, Any]] = []
        for paper in determination.get("paper", ()):
            for which, _, _ in LISTS:
                for item in paper[which]:
                    self.items.setdefault((which, item["item"]), Counter())[item["state"]] += 1
                    if item["state"] != "found":
                        lacking.append(
                            {
                                "list": which,
                                "programme": paper["programme"],
                                "item": item["item"],
                                "state": item["state"],
                                "found": item["found"],
                            }
                        )
        warned = [n["code"] for n in determination.get("notices", ()) if n["code"] in PAPER_WARNINGS]
        self.warnings.update(set(warned))
        failed = [c["check"] for c in determination.get("pre_submission", ()) if c["outcome"] == "failed"]
        self.denials.update(failed)
        if lacking or warned:
            self.patients.append(
                {
                    "patient": determination["patient"],
                    "billing_practitioner": determination["billing_practitioner"],
                    "status": determination["status"],
                    "not_found": lacking,
                    "warnings": sorted(set(warned)),
                }
            )

    def to_json(self) -> dict[str, Any]:
        """Return the totals and the patients."""
        return {
            "answers": self.answers,
            "items": [
                {"list": which, "item": item, **{state: states.get(state, 0) for state in ORDER}}
                for (which, item), states in self.items.items()
            ],
            "warnings": dict(sorted(self.warnings.items())),
            "likely_denials": dict(sorted(self.denials.items())),
            "patients": self.patients,
        }


def requirement_lines(results: Sequence[RequirementResult]) -> Iterator[str]:
    """Give the self-audit, one requirement a line; lists that the practice has not begun in one line."""
    begun = ASKED_OF_ALL | {r.requirement.list for r in results if r.state != "missing"}
    for name, words in LIST_WORDS.items():
        rows = [r for r in results if r.requirement.list == name]
        if not rows:
            continue
        if name not in begun:
            yield f"{words}: not begun ({', '.join(r.requirement.id for r in rows)})"
            continue
        yield f"{words}:"
        for row in rows:
            yield f"  {row.requirement.id}: {_told(row)}; {row.requirement.title}"


def _told(row: RequirementResult) -> str:
    if row.held_from is None:
        return STATE_WORDS[row.state]
    until = f" to {row.held_to}" if row.held_to else ""
    by = f" by {row.by}" if row.by else ""
    soon = ", ENDS SOON" if row.ends_soon and row.state == "held" else ""
    return f"{STATE_WORDS[row.state]}, from {row.held_from}{until}{by}{soon}"


def tally_lines(tally: PaperTally) -> Iterator[str]:
    """Give the totals of the patients' paper."""
    yield f"The patients' paper, {count(tally.answers, 'answer')}, each programme for itself:"
    for which, heading, source in LISTS:
        rows = {item: states for (name, item), states in tally.items.items() if name == which}
        if not rows:
            continue
        yield f"  {heading} ({source})"
        for item, states in rows.items():
            told = ", ".join(f"{states[state]} {STATES[state].lower()}" for state in ORDER if states.get(state))
            yield f"    {title_of(which, item)}: {told}"
    for code, number in sorted(tally.warnings.items()):
        yield f"  {code}: {count(number, 'answer')}"
    for check, number in sorted(tally.denials.items()):
        yield f"  before the claim, {check}: {count(number, 'answer')}"


def settle_line(results: Iterable[RequirementResult]) -> str | None:
    """Return one line about what the practice should settle; None where nothing is wanting."""
    found = wanting(results)
    if not found:
        return None
    names = ", ".join(r.requirement.id for r in found)
    return f"not vouched for by the practice in this month: {names}; see: caretally audit"
