"""The initiating visit: needed at the start of a programme, within a calendar year before it (rules 4.3, D12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.calendar import years_before
from caretally.facts.moment import Moment
from caretally.facts.reasons import Block
from caretally.rules.windows import Shadow, before

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import VisitFact
    from caretally.rules.context import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFinding:
    """The visit that started the programme, or why none did."""

    reference: str | None = None
    day: date | None = None
    reason: Block | None = None
    found: str = ""
    before: tuple[Shadow, ...] = ()
    undiscussed: str | None = None
    """The visit, where it was required and nobody recorded that care management was discussed in it."""


def initiating_visit(case: Case, programme: str) -> VisitFinding:
    """Find the initiating visit of a programme.

    A visit in the window ``start - 1 calendar year .. start`` starts the programme with its first minute. A
    later visit, up to the end of the month, lets the minutes of its date and after count.
    """
    start = case.programme_start(programme)
    if start is None:
        return VisitFinding(reason=Block.INIT_VISIT_MISSING, found="no programme start is known")
    earliest = years_before(start, case.policy.initiating_visit.lookback_years)
    days = sorted(
        (v.moment.date_in(case.zone), v.reference) for v in case.facts.visits if _initiates(case, programme, v)
    )
    in_window = [d for d in days if earliest <= d[0] <= start]
    if in_window:
        day, reference = in_window[-1]
        return VisitFinding(
            reference=reference,
            day=day,
            found=f"visit on {day}",
            undiscussed=_undiscussed(case, programme, start, day, reference),
        )
    if _billed_before(case, programme, start):
        return VisitFinding(found="the programme was billed within the 12 months before")
    later = [d for d in days if start < d[0] <= case.last_day]
    if later:
        day, reference = later[0]
        return VisitFinding(
            reference=reference,
            day=day,
            found=f"visit on {day}, after the start",
            before=(before(Moment(day=day), case.zone, reference),),
            undiscussed=_undiscussed(case, programme, start, day, reference),
        )
    return VisitFinding(
        reason=Block.INIT_VISIT_MISSING,
        found=f"no initiating visit from {earliest} to {start}" + (f"; the last was on {days[-1][0]}" if days else ""),
    )


def visits_that_would_do(case: Case, programme: str, start: date) -> list[tuple[date, str]]:
    """Return the visits within the window before a start that has not come yet, the last one last."""
    earliest = years_before(start, case.policy.initiating_visit.lookback_years)
    days = ((v.moment.date_in(case.zone), v.reference) for v in case.facts.visits if _initiates(case, programme, v))
    return sorted(d for d in days if earliest <= d[0] <= start)


def _initiates(case: Case, programme: str, visit: VisitFact) -> bool:
    terminology, policy = case.context.terminology, case.policy.initiating_visit
    day = visit.moment.date_in(case.zone)
    sets = [terminology.set(name) for name in case.context.tables.programmes[programme].initiating_visits]
    accepted = [c for c in visit.codes if any(found.contains(c, day) for found in sets)]
    if not policy.accept_tcm:
        accepted = [c for c in accepted if not terminology.set("initiating-visit-tcm").contains(c, day)]
    if not policy.accept_telehealth and any(
        terminology.set("initiating-visit-telehealth").contains(c, day) for c in visit.codes
    ):
        return False
    if not accepted:
        return False
    if policy.performer == "same_npi":
        return any(case.is_me(reference) for reference in visit.practitioners)
    return case.in_my_group(visit.practitioners, visit.organization)


def _billed_before(case: Case, programme: str, start: date) -> bool:
    """Whether this practitioner billed the programme within 12 months before its start, or before the month (4.3)."""
    tables = case.context.tables
    spans = ((years_before(start, 1), start), (years_before(case.first_day, 1), case.first_day))
    return any(
        tables.programme_of_code(line.code.code) == programme
        and any(first <= line.service_date < last for first, last in spans)
        and (any(case.is_me(p) for p in line.practitioners[:1]) or case.has_npi(line.npis[:1]))
        for line in case.facts.claim_lines
    )


def _undiscussed(case: Case, programme: str, start: date, day: date, reference: str) -> str | None:
    """Return the visit when it was required and nobody recorded the discussion; asked once, as the programme begins.

    A visit is required for a patient who is new or was not seen for a year: it comes after the start, or nobody of
    the group saw the patient in the year before it. Consent on the day of the visit shows the discussion.
    """
    if not (case.service_month.contains(start) or case.service_month.contains(day)):
        return None
    zone, facts = case.zone, case.facts
    that_day = [v for v in facts.visits if v.moment.date_in(zone) == day]
    consented = any(
        c.given is not None and c.given.date_in(zone) == day and case.consent_holds_for_me(c)
        for c in case.consents_for(programme)
    )
    if consented or any(v.discussed for v in that_day):
        return None
    seen_before = any(
        years_before(day, 1) <= v.moment.date_in(zone) < day and case.in_my_group(v.practitioners, v.organization)
        for v in facts.visits
    )
    return None if day <= start and seen_before else reference
