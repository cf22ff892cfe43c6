"""What people decided about a patient-month: holds, overrides, the choice of programme, the physician's election."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.decision import DecisionKind, latest
from caretally.facts.reasons import Notice
from caretally.rules.findings import finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.decision import DecisionRecord
    from caretally.facts.determination import Finding
    from caretally.rules.context import Case

_KEPT_AS_EVIDENCE = frozenset(
    {
        DecisionKind.ATTEST,
        DecisionKind.ELECT_PHYSICIAN,
        DecisionKind.CHOOSE_PROGRAMME,
        DecisionKind.OVERRIDE,
        DecisionKind.HOLD,
        DecisionKind.RELEASE,
        DecisionKind.SAME_PERSON,
        DecisionKind.DIFFERENT_PEOPLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Findings after people's overrides.

    Attributes:
        kept: what still stands against billing.
        notices: one for each hold that a person decided to go on in spite of.
    """

    kept: tuple[Finding, ...]
    notices: tuple[Finding, ...]


def _last(case: Case, *kinds: DecisionKind) -> DecisionRecord | None:
    return latest(case.month.decisions, kinds, str(case.service_month), case.practitioner)


def person_holding(case: Case) -> DecisionRecord | None:
    """Return the hold of a person that was not released."""
    last = _last(case, DecisionKind.HOLD, DecisionKind.RELEASE)
    return last if last is not None and last.kind == DecisionKind.HOLD else None


def chosen_programme(case: Case) -> str | None:
    """Return the programme that a person chose where two could be billed."""
    last = _last(case, DecisionKind.CHOOSE_PROGRAMME)
    return last.value("value") if last is not None else None


def elected_family(case: Case) -> str | None:
    """Return what was elected for the month: ``physician``, ``staff``, or None where nobody decided."""
    last = _last(case, DecisionKind.ELECT_PHYSICIAN)
    return last.value("value") if last is not None else None


def without_overridden(case: Case, findings: Iterable[Finding]) -> Settled:
    """Part findings from those that a person overrode.

    An override holds for what the person saw: evidence that came later brings the hold back. Which holds can be
    overridden at all says the catalogue (`ReasonText.overridable`).
    """
    kept: list[Finding] = []
    notices: list[Finding] = []
    for found in findings:
        decision = _override(case, found)
        if decision is None:
            kept.append(found)
            continue
        said = f"{found.code}: {said_by(decision)}"
        evidence = (*found.evidence, decision.name)
        notices.append(finding(case, Notice.OVERRIDDEN, said, evidence))
    return Settled(kept=tuple(kept), notices=tuple(notices))


def decisions_in_evidence(case: Case) -> tuple[DecisionRecord, ...]:
    """Return the decisions that the answer of this practitioner takes into account."""
    month = str(case.service_month)
    return tuple(
        d for d in case.month.decisions if d.kind in _KEPT_AS_EVIDENCE and d.concerns(month, case.practitioner)
    )


def said_by(decision: DecisionRecord) -> str:
    """Return who decided and when."""
    return f"{decision.who} on {decision.at[:10]}"


def _override(case: Case, found: Finding) -> DecisionRecord | None:
    if not (found.hold and case.text(found.code).overridable):
        return None
    month = str(case.service_month)
    for one in reversed(case.month.decisions):
        if one.kind != DecisionKind.OVERRIDE or not one.concerns(month, case.practitioner):
            continue
        seen = one.document.get("evidence")
        if one.value("code") == found.code and set(found.evidence) <= set(seen if isinstance(seen, list) else ()):
            return one
    return None
