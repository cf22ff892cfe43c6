"""Candidates and projections in the words of a care coordinator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.candidates import STEPS
from caretally.reports.wording import count, duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.candidates import Candidate
    from caretally.reports.projection import Projection

STEP_WORDS = {
    "risk": "significant risk documented",
    "diagnosis-code": "ICD-10-CM code",
    "initiating-visit": "initiating visit",
    "consent": "consent",
    "care-plan": "care plan",
    "minutes": "minutes",
}
TRIGGER_WORDS = {
    "emergency-visit": "emergency visit",
    "discharge": "discharge",
    "new-high-risk-diagnosis": "new high-risk diagnosis",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """What the list says of one candidate."""

    patient: str
    practitioner: str
    programme: str
    conditions: str
    missing: str
    triggers: str
    against: str


def candidate_rows(candidates: Iterable[Candidate]) -> list[CandidateRow]:
    """Return the row of each candidate, in the order given."""
    return [
        CandidateRow(
            patient=_id(one.patient),
            practitioner=_id(one.practitioner or "nobody"),
            programme=one.programme.upper() + (" (begun)" if one.begun else ""),
            conditions=count(one.diseases, "disease"),
            missing=", ".join(STEP_WORDS[step] for step in STEPS if step in {m.step for m in one.missing}),
            triggers="\n".join(f"{TRIGGER_WORDS[t.kind]} {t.day}" for t in one.triggers),
            against=", ".join(one.against),
        )
        for one in candidates
    ]


def candidate_totals(candidates: Iterable[Candidate]) -> list[str]:
    """Return how many lack what."""
    found = list(candidates)
    lines = [f"{count(len({c.patient for c in found}), 'candidate')}: conditions are met, something is missing"]
    for step in STEPS:
        lacking = sum(step in {m.step for m in c.missing} for c in found)
        if lacking:
            lines.append(f"  {STEP_WORDS[step]} missing: {lacking}")
    triggered = sum(bool(c.triggers) for c in found)
    if triggered:
        lines.append(f"  with something that calls for care management now: {triggered}")
    return lines


def projection_lines(projections: Iterable[Projection]) -> list[str]:
    """Return the minutes to the next code of each patient with counted time."""
    lines = []
    for one in projections:
        reached = f"{' + '.join(one.reached)} reached, " if one.reached else ""
        if one.next_code is None:
            rest = "nothing further can be earned"
        else:
            rest = f"{duration(one.seconds_missing)} to {one.next_code}, {count(one.days_left, 'day')} left"
        lines.append(f"  {_id(one.patient)}  {one.family}  {duration(one.counted_seconds)} counted: {reached}{rest}")
    return lines


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]
