"""Gates about the beneficiary: coverage, death, hospice, surgery (rules 4.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Hold, Notice
from caretally.rules.conflicts import Service, by_me, services
from caretally.rules.contradictions import in_order
from caretally.rules.view import GateOutcome

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.reasons import ReasonCode
    from caretally.rules.context import Case
    from caretally.rules.view import ProgrammeView, Reason, Remark

GLOBAL_PERIODS = (("global-period-10", 0, 10), ("global-period-90", 1, 90))
"""Value set, and the days before and after surgery that are in the surgeon's fee (Claims Processing Manual 12, 40)."""


def coverage(view: ProgrammeView) -> GateOutcome:
    """Coverage in force in the month, and whose policy holds."""
    case = view.case
    found = case.coverage
    if found is None:
        return GateOutcome(
            gate="coverage",
            found="no coverage in force in the month",
            wanted="coverage in force on the date of service",
            reasons=((Block.COVERAGE, "no coverage in force in the month", ()),),
        )
    payer = case.effective.payer
    notices: list[Remark] = []
    if not case.effective.payer_known:
        notices.append((Notice.PAYER_UNKNOWN, f"policy used: {payer}", ()))
    if case.rivals:
        said = f"{found.reference} is used, {', '.join(r.reference for r in case.rivals)} is not"
        notices.append((Notice.COVERAGE_SEVERAL, said, (found.reference, *(r.reference for r in case.rivals))))
    return GateOutcome(
        gate="coverage",
        found=f"{found.reference}, policy {payer}",
        wanted="coverage in force on the date of service",
        notices=tuple(notices),
        evidence=(found.reference,),
    )


def deceased(view: ProgrammeView) -> GateOutcome:
    """No service after death."""
    patient, case = view.case.facts.patient, view.case
    found = "alive in the month"
    reasons: tuple[Reason, ...] = ()
    if patient.deceased is not None:
        day = patient.deceased.date_in(case.zone)
        found = f"died on {day}"
        if day < case.first_day:
            reasons = ((Block.DECEASED, found, (patient.reference,)),)
    elif patient.deceased_undated:
        found = "died on an unknown date"
        reasons = ((Block.DECEASED, found, (patient.reference,)),)
    return GateOutcome(gate="deceased", found=found, wanted="alive on the date of service", reasons=reasons)


def hospice(view: ProgrammeView) -> GateOutcome:
    """A hospice election in the month: a person decides, or as the payer's switch says (D18)."""
    case = view.case
    spans = [(h, *in_order(h.start, h.end)) for h in case.facts.hospices]
    hits = [h for h, start, end in spans if start <= case.last_day and (end is None or end >= case.first_day)]
    evidence = tuple(h.reference for h in hits)
    found = f"hospice since {min(h.start for h in hits)}" if hits else "none on file"
    policy = case.policy.hospice
    warn = bool(hits) and policy == "warn"
    code: ReasonCode = Block.HOSPICE if policy == "block" else Hold.HOSPICE_REVIEW
    return GateOutcome(
        gate="hospice",
        found=found,
        wanted="no hospice election in the month",
        reasons=((code, found, evidence),) if hits and not warn else (),
        notices=((Notice.HOSPICE, found, evidence),) if warn else (),
        evidence=evidence,
    )


def global_period(view: ProgrammeView) -> GateOutcome:
    """A surgical global period of the same practitioner in the month (rules 4.5).

    Medicare treats a colleague of the same group and specialty as the same physician; the rule names the
    practitioner only, so a colleague's surgery warns.
    """
    case = view.case
    mine: list[tuple[Service, date, date]] = []
    others: list[tuple[Service, date, date]] = []
    for service in services(case):
        span = _global_span(case, service)
        if span is None or span[0] > case.last_day or span[1] < case.first_day:
            continue
        if by_me(case, service):
            mine.append((service, *span))
        elif any(case.same_specialty(p) for p in service.practitioners):
            others.append((service, *span))

    def said(hits: list[tuple[Service, date, date]]) -> str:
        return ", ".join(f"{s.coding.code} on {s.day}, period {start} to {end}" for s, start, end in hits)

    def named(hits: list[tuple[Service, date, date]]) -> tuple[str, ...]:
        return tuple(sorted({s.reference for s, _, _ in hits}))

    return GateOutcome(
        gate="global-period",
        found=said(mine) or "none on file",
        wanted="no surgical global period of this practitioner in the month",
        reasons=((Hold.GLOBAL_REVIEW, said(mine), named(mine)),) if mine else (),
        notices=((Notice.OTHER_PRACTITIONER_CLAIM, said(others), named(others)),) if others else (),
        evidence=named(mine),
    )


def _global_span(case: Case, service: Service) -> tuple[date, date] | None:
    for name, days_before, days_after in GLOBAL_PERIODS:
        if case.context.terminology.set(name).contains(service.coding, service.day):
            return service.day - timedelta(days=days_before), service.day + timedelta(days=days_after)
    return None
