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


def initiating_visit(case: Case, programme: str) -> VisitFinding:
    """Find the initiating visit of a programme.

    A visit in the window ``start - 1 calendar year .. start`` starts the programme with its first minute. A
    later visit, up to the end of the month, lets the minutes of its date and after count.
    """
    start = case.programme_start(programme)
    if start is None:
        return VisitFinding(reason=Block.INIT_VISIT_MISSING, found="no programme start is known")
    earliest = years_before(start, case.policy.initiating_visit.lookback_years)
    days = sorted((v.moment.date_in(case.zone), v.reference) for v in case.facts.visits if _initiates(case, v))
    in_window = [d for d in days if earliest <= d[0] <= start]
    if in_window:
        day, reference = in_window[-1]
        return VisitFinding(reference=reference, day=day, found=f"visit on {day}")
    if _billed_before(case, programme, start):
        return VisitFinding(found="the programme was billed within the 12 months before")
    later = [d for d in days if start < d[0] <= case.last_day]
    if later:
        day, reference = later[0]
        shadows = (before(Moment(day=day), case.zone, reference),) if day > case.first_day else ()
        return VisitFinding(reference=reference, day=day, found=f"visit on {day}, after the start", before=shadows)
    return VisitFinding(
        reason=Block.INIT_VISIT_MISSING,
        found=f"no initiating visit from {earliest} to {start}" + (f"; the last was on {days[-1][0]}" if days else ""),
    )


def _initiates(case: Case, visit: VisitFact) -> bool:
    terminology, policy = case.context.terminology, case.policy.initiating_visit
    day = visit.moment.date_in(case.zone)
    accepted = [c for c in visit.codes if terminology.set("initiating-visit").contains(c, day)]
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
    """Whether this practitioner billed the programme in the year before its start (rules 4.3)."""
    tables, earliest = case.context.tables, years_before(start, 1)
    return any(
        tables.programme_of_code(line.code.code) == programme
        and earliest <= line.service_date < start
        and any(case.is_me(p) for p in line.practitioners)
        for line in case.facts.claim_lines
    )
