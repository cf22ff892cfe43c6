"""The work list of denials: what a payer denied, with its codes and the check that should have caught it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.decision import DecisionKind, DecisionRecord, in_force
from caretally.store.answers import find_answers
from caretally.store.decisions import all_decisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caretally.facts.pre_submission import PreSubmissionCheck
    from caretally.store.opening import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One claim, or lines of it, that a payer denied and nobody has dealt with.

    Attributes:
        checks: checks before the claim that answer to the payer's codes, each with how it came out then.
    """

    claim: str
    patient: str
    service_month: str
    practitioner: str | None
    control_number: str | None
    at: str
    source: str
    denied: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]

    @property
    def codes(self) -> list[str]:
        """Return the payer's reason codes, each once."""
        return list(dict.fromkeys(code for one in self.denied for code in (*one["carc"], *one["rarc"])))

    def to_json(self) -> dict[str, Any]:
        """Return the denial as JSON."""
        return {
            "claim": self.claim,
            "patient": self.patient,
            "service_month": self.service_month,
            "billing_practitioner": self.practitioner,
            "control_number": self.control_number,
            "at": self.at,
            "source": self.source,
            "denied": [dict(one) for one in self.denied],
            "checks": [dict(one) for one in self.checks],
        }


def open_denials(store: Store, checks: Iterable[PreSubmissionCheck], month: str | None = None) -> list[Denial]:
    """List the denials that nobody has dealt with, oldest first.

    A later answer of the payer to the same patient-month stands in place of an earlier one.
    """
    known = list(checks)
    latest: dict[tuple[str, str | None, str | None], DecisionRecord] = {}
    settled: dict[str, str] = {}
    for one in in_force(all_decisions(store)):
        if one.kind == DecisionKind.MARK:
            latest[one.patient, one.service_month, one.practitioner] = one
        elif one.kind == DecisionKind.SETTLE_DENIAL and one.resource:
            settled[one.resource] = one.id
    return [
        _denial(store, one, known)
        for one in latest.values()
        if one.document.get("denied") or one.value("value") == "denied"
        if month in {None, one.service_month} and settled.get(str(one.resource), "") < one.id
    ]


def checks_for(codes: Iterable[str], checks: Iterable[PreSubmissionCheck]) -> list[PreSubmissionCheck]:
    """Return the checks whose reason or remark codes a payer gave; the group of a reason code is not compared."""
    given = {code.partition("-")[2] or code for code in codes}
    return [one for one in checks if given & {code.partition("-")[2] or code for code in (*one.carc, *one.rarc)}]


def _denial(store: Store, one: DecisionRecord, checks: list[PreSubmissionCheck]) -> Denial:
    denied = list(one.document.get("denied") or ())
    codes = [code for part in denied for code in (*part["carc"], *part["rarc"])]
    stored = find_answers(store, one.patient, str(one.service_month), one.practitioner)
    outcomes = _outcomes(stored[0].document) if stored else {}
    return Denial(
        claim=str(one.resource or ""),
        patient=one.patient,
        service_month=str(one.service_month),
        practitioner=one.practitioner,
        control_number=one.value("control_number") or None,
        at=one.at,
        source=one.value("source"),
        denied=denied,
        checks=[
            {"check": check.id, "title": check.title, "outcome": outcomes.get(check.id, "not run")}
            for check in checks_for(codes, checks)
        ],
    )


def _outcomes(document: Mapping[str, Any]) -> dict[str, str]:
    """Return how the checks before the claim came out, as the stored answer tells."""
    return {
        str(row.get("check")): str(row.get("outcome"))
        for row in document.get("pre_submission") or ()
        if row.get("check")
    }
