"""Who could be served: conditions are met, something else is missing (guide, "Steps for Practice Administration", 2).

A candidate is a suggestion for people to look at; nothing is billed on it. Conditions are judged as for a claim,
only that a risk nobody has documented yet is counted as missing rather than as an end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.candidates import Candidate, Missing, Trigger
from caretally.facts.codes import ICD10CM, Coding
from caretally.facts.reasons import Block, Hold
from caretally.facts.time_entry import RoleClass
from caretally.rules.conditions import active_in_month, disease
from caretally.rules.contradictions import stated_risks
from caretally.rules.enrolment import cases, prospective_case
from caretally.rules.gates import GATES
from caretally.rules.time_credit import credit
from caretally.rules.view import look_at
from caretally.rules.visit import visits_that_would_do

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.candidates import Step
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules.context import Case, RuleContext
    from caretally.rules.view import ProgrammeView

EMERGENCY_DAYS, DISCHARGE_DAYS, DIAGNOSIS_DAYS = 30, 30, 90
"""How long a trigger calls for somebody; engineering decisions, no payer rule exists."""
_SEEN_DAYS = 730
"""How far back a visit names who would bill."""
_TO_SETTLE = frozenset({"consent", "initiating-visit", "conditions", "care-plan", "pcm-elements", "biller-role"})
"""Gates whose failure is what is missing, or follows from it; all others stand against billing."""


def candidates(month: PatientMonth, context: RuleContext) -> tuple[Candidate, ...]:
    """Return the programmes in which a patient could be served and something is missing.

    Where care management has begun, each programme that has begun and lacks something; else the first programme
    of the tables whose conditions the patient meets. A patient who has died is none.
    """
    month = as_seen(month, context)
    patient = month.facts.patient
    if patient.deceased is not None or patient.deceased_undated:
        return ()
    known = [case for case in cases(month, context) if case.practitioner is not None]
    if not known:
        known = [prospective_case(month, context, _who_saw(month, context))]
    found = [candidate for case in known for candidate in _of_case(case)]
    return tuple(found)


def as_seen(month: PatientMonth, context: RuleContext) -> PatientMonth:
    """Return a patient-month without the work of later days than the one that stands for today.

    An open month is a question of what has been done so far; a closed one stays as it is.
    """
    zone = _zone(context)
    entries = tuple(e for e in month.facts.entries if (day := e.date_in(zone)) is None or day <= month.as_of)
    return replace(month, facts=replace(month.facts, entries=entries))


def _zone(context: RuleContext) -> ZoneInfo:
    return context.policies.effective(None, context.practice.site_of("")).policy.time_zone


def _who_saw(month: PatientMonth, context: RuleContext) -> str | None:
    """Return who may bill and saw the patient last."""
    earliest = month.as_of - timedelta(days=_SEEN_DAYS)
    zone = _zone(context)
    seen = [
        (visit.moment.date_in(zone), who)
        for visit in month.facts.visits
        for who in visit.practitioners
        if context.practice.practitioner(who).role is RoleClass.PRACTITIONER
        and earliest <= visit.moment.date_in(zone) <= month.as_of
    ]
    return max(seen)[1] if seen else None


def _of_case(case: Case) -> Iterator[Candidate]:
    views = {name: look_at(case, name) for name in case.context.tables.programmes}
    fit = {name: view for name, view in views.items() if _meets(view)}
    begun = {name: view for name, view in fit.items() if _begun(view)}
    chosen = begun or dict(list(fit.items())[:1])
    for name, view in chosen.items():
        missing = tuple(_missing(view))
        if missing:
            also = tuple(other for other in fit if other not in chosen)
            yield _candidate(view, missing, also=also, begun=name in begun)


def _meets(view: ProgrammeView) -> bool:
    """Whether the conditions are met, or would be with a documented risk or a code.

    One listed condition is no reason for a programme of a single high-risk disease: its risk has to be known.
    """
    reason = view.conditions.reason
    several = view.case.context.tables.programmes[view.programme].conditions_needed > 1
    return reason is None or (several and reason in {Hold.RISK_UNKNOWN, Block.DX_UNMAPPED})


def _begun(view: ProgrammeView) -> bool:
    case = view.case
    given = any(
        case.consent_holds_for_me(c) and (not c.programmes or view.programme in c.programmes)
        for c in case.consents_for(view.programme)
        if c.status == "active"
    )
    worked = any(a.programme == view.programme for a in case.entries)
    return view.plan is not None or given or worked


def _missing(view: ProgrammeView) -> Iterator[Missing]:
    case, programme = view.case, view.programme
    if view.conditions.reason is Block.DX_UNMAPPED:
        yield _one("diagnosis-code", view.conditions.found)
    if view.conditions.reason is Hold.RISK_UNKNOWN:
        yield _one("risk", view.conditions.found)
    if view.visit.reason is not None:
        today = case.month.as_of
        would_do = visits_that_would_do(case, programme, today) if case.programme_start(programme) is None else []
        if not would_do:
            yield _one("initiating-visit", view.visit.found)
    if view.consent.reason is not None:
        yield _one("consent", view.consent.found)
    if view.plan is None:
        yield _one("care-plan", "none in force in the month")
    if not credit(case, {programme: view.spans}).counted(programme):
        yield _one("minutes", "no counted minute in the month")


def _one(step: Step, found: str) -> Missing:
    return Missing(step=step, found=found)


def _candidate(view: ProgrammeView, missing: Sequence[Missing], *, also: tuple[str, ...], begun: bool) -> Candidate:
    case = view.case
    by_reference = {c.reference: c for c in case.facts.conditions}
    named = tuple(r for r in view.conditions.evidence if r in by_reference)
    gates = case.context.tables.programmes[view.programme].gates
    outcomes = [GATES[name](view) for name in gates if name not in _TO_SETTLE]
    against = [code.value for outcome in outcomes for code, *_ in outcome.reasons]
    return Candidate(
        patient=case.facts.patient.reference,
        practitioner=case.practitioner,
        programme=view.programme,
        also=also,
        begun=begun,
        conditions=named,
        diseases=len({disease(case, by_reference[r]) for r in named}),
        risk_documented=view.conditions.reason is None,
        missing=tuple(missing),
        against=tuple(dict.fromkeys(against)),
        triggers=tuple(sorted(triggers(case), key=lambda t: (t.day, t.reference), reverse=True)),
    )


def triggers(case: Case) -> Iterator[Trigger]:
    """Return what happened lately as seen on the day that stands for today."""
    today, facts = case.month.as_of, case.facts
    for visit in facts.emergencies:
        if _lately(visit.day, today, EMERGENCY_DAYS):
            yield Trigger(kind="emergency-visit", day=visit.day, reference=visit.reference)
    for stay in facts.stays:
        left = stay.end.date_in(case.zone) if stay.end is not None else None
        if left is not None and _lately(left, today, DISCHARGE_DAYS):
            yield Trigger(kind="discharge", day=left, reference=stay.reference)
    cancers = case.context.terminology.set("eom-cancers")
    for condition in facts.conditions:
        day = condition.recorded or condition.onset
        if day is None or not _lately(day, today, DIAGNOSIS_DAYS) or not active_in_month(case, condition):
            continue
        cancer = condition.icd10cm is not None and cancers.contains(Coding(ICD10CM, condition.icd10cm), case.first_day)
        if stated_risks(case, condition) == {True} or cancer:
            yield Trigger(kind="new-high-risk-diagnosis", day=day, reference=condition.reference)


def _lately(day: date, today: date, days: int) -> bool:
    return today - timedelta(days=days) <= day <= today
