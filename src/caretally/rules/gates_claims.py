"""Gates about other services: claims on file, conflicting codes, enrolment elsewhere (rules 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Hold, Notice
from caretally.rules.conflicts import conflicting_services, enrolled_elsewhere, other_claims
from caretally.rules.view import GateOutcome

if TYPE_CHECKING:
    from caretally.rules.conflicts import ConflictFinding
    from caretally.rules.view import ProgrammeView

OWN_CLAIM = frozenset({Block.ALREADY_BILLED, Hold.CCM_PCM_SAME_PRACTITIONER})
"""What a claim of this practitioner leads to; everything else is another practitioner's."""


def other_clinician(view: ProgrammeView) -> GateOutcome:
    """Another practitioner's claim for the same service and month."""
    findings = other_claims(view.case, view.programme, view.conditions.diagnoses)
    kept = [f for f in findings if f.reason not in OWN_CLAIM]
    outcome = _outcome("other-clinician", "no other practitioner's claim for the same service and month", kept)
    if view.case.policy.other_claims_known == "full":
        return outcome
    return replace(outcome, notices=(*outcome.notices, (Notice.OTHER_CLAIMS_UNKNOWN, "", ())))


def already_billed(view: ProgrammeView) -> GateOutcome:
    """A claim of this practitioner for the month that was not made here."""
    findings = other_claims(view.case, view.programme, view.conditions.diagnoses)
    kept = [f for f in findings if f.reason in OWN_CLAIM]
    return _outcome("already-billed", "no claim of this practitioner for the month that we did not write", kept)


def conflicts(view: ProgrammeView) -> GateOutcome:
    """A service of the conflict table in the month."""
    wanted = "no service in the month that includes care management"
    found = conflicting_services(view.case, view.programme, view.conditions.diagnoses)
    return _outcome("conflicts", wanted, found)


def elsewhere(view: ProgrammeView) -> GateOutcome:
    """A later consent to a practitioner of another group."""
    wanted = "no later consent to another practitioner"
    return _outcome("enrolled-elsewhere", wanted, enrolled_elsewhere(view.case, view.programme))


def _outcome(gate: str, wanted: str, findings: list[ConflictFinding]) -> GateOutcome:
    return GateOutcome(
        gate=gate,
        found="; ".join(f.found for f in findings) or "none on file",
        wanted=wanted,
        reasons=tuple((f.reason, f.found, f.evidence) for f in findings if f.reason is not None),
        notices=tuple((f.notice, f.found, f.evidence) for f in findings if f.notice is not None),
        evidence=tuple(sorted({e for f in findings for e in f.evidence})),
    )
