"""The one door into the rules: a patient-month and the tables give determinations, one a billing practitioner."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.determination import Determination
from caretally.facts.reasons import Hold
from caretally.rules.decision import among_colleagues, decide
from caretally.rules.enrolment import cases
from caretally.rules.findings import finding
from caretally.rules.notices import notices
from caretally.rules.paper import paper_of
from caretally.rules.payments import oncology_comparison, patient_share
from caretally.rules.tracing import evidence_of, trace_of

if TYPE_CHECKING:
    from caretally.facts.determination import Finding, Line, Status
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules.context import RuleContext
    from caretally.rules.decision import Decision
    from caretally.rules.judging import Judged


def determine(month: PatientMonth, context: RuleContext) -> tuple[Determination, ...]:
    """Decide a patient-month for every billing practitioner concerned.

    Returns:
        One determination for each candidate (design 4, "Who bills"), in the order of their references; one with
        ``billing_practitioner`` None for minutes that belong to nobody or to several.

    Raises:
        KeyError: a table names a gate, programme or value set that does not exist; `tables` refuses that at start.
    """
    decisions = among_colleagues([decide(case) for case in cases(month, context)])
    return tuple(_written(decision) for decision in decisions)


def _written(decision: Decision) -> Determination:
    case, taken, reasons = decision.case, decision.taken, decision.reasons
    lines = tuple(_with_diagnoses(line, j) for j in taken for line in j.lines)
    surplus = sum(j.choice.climb.surplus_seconds for j in taken if j.choice.climb is not None)
    closes_on = case.last_day + timedelta(days=case.policy.close_grace_days + 1)
    open_month = case.month.as_of < closes_on
    projected: tuple[Line, ...] = ()
    if open_month:
        reasons = (finding(case, Hold.MONTH_OPEN, f"closes on {closes_on}"), *reasons)
        projected, lines = lines, ()
    families = tuple(j.choice.climb.family.name for j in taken if j.choice.climb is not None)
    counted = {row.programme for row in decision.ledger.rows if row.programme is not None and row.excluded is None}
    return Determination(
        patient=case.facts.patient.reference,
        service_month=case.service_month,
        billing_practitioner=case.practitioner,
        status=_status(lines, reasons, open_month=open_month),
        family=families[0] if families else None,
        families=families,
        lines=lines,
        projected=projected,
        reasons=reasons,
        notices=notices(decision),
        counted_seconds={name: sum(r.seconds for r in decision.ledger.counted(name)) for name in sorted(counted)},
        surplus_seconds=surplus,
        place_of_service=case.site.place_of_service,
        organization=(
            case.site.organization or case.context.practice.organization_of(case.practitioner)
            if case.practitioner
            else None
        ),
        evidence=evidence_of(decision),
        trace=trace_of(decision, closes_on),
        paper=tuple(paper_of(j.view, decision.ledger) for j in decision.judged),
        patient_share=patient_share(case, lines or projected),
        oncology=oncology_comparison(case, {j.name: j.lines for j in decision.judged}),
    )


def _status(lines: tuple[Line, ...], reasons: tuple[Finding, ...], *, open_month: bool) -> Status:
    if lines:
        return "billable"
    hold = open_month or (bool(reasons) and all(found.hold for found in reasons))
    return "hold" if hold else "not-billable"


def _with_diagnoses(line: Line, judged: Judged) -> Line:
    """Say on a line which programme earned it and what that rests on: each points at its own diagnoses."""
    codes = dict.fromkeys(d.icd10cm for d in judged.view.conditions.diagnoses if d.icd10cm is not None)
    return replace(line, programme=judged.name, diagnoses=tuple(codes))
