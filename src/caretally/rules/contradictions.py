"""Facts that contradict each other: which of two readings is taken, and the notice that says so.

The reading is always the one under which less is billed; it stands in the rule concerned, the notice here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from caretally.facts.reasons import Notice
from caretally.rules.duplicates import happened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.clinical import ConditionFact, RiskStatement
    from caretally.facts.moment import Moment
    from caretally.rules.context import Case
    from caretally.rules.view import Remark

Point = TypeVar("Point", "date", int)


def in_order(start: Point, end: Point | None) -> tuple[Point, Point | None]:
    """Return the two ends of a span in which something must not be billed; reversed ones are taken as swapped."""
    return (end, start) if end is not None and end < start else (start, end)


def contradictions(case: Case) -> Iterator[Remark]:
    """Yield a notice for every contradiction in the facts of a patient-month."""
    yield from _reversed_periods(case)
    yield from _conditions(case)
    yield from _decision_making(case)
    yield from _death(case)


def _reversed_periods(case: Case) -> Iterator[Remark]:
    facts, zone = case.facts, case.zone
    spans: list[tuple[str, date | int | None, date | int | None]] = [
        *((p.reference, p.start, p.end) for p in facts.care_plans),
        *((c.reference, c.start, c.end) for c in facts.coverages),
        *((h.reference, h.start, h.end) for h in facts.hospices),
        *((s.reference, s.start.earliest(zone), _last_second(s.end, zone)) for s in facts.stays),
        *(
            (c.reference, c.given.date_in(zone), c.withdrawn.date_in(zone))
            for c in facts.consents
            if c.given is not None and c.withdrawn is not None
        ),
        *((c.reference, c.onset, c.abatement) for c in facts.conditions),
    ]
    for reference, start, end in sorted(spans, key=lambda span: span[0]):
        if start is not None and end is not None and end < start:  # type: ignore[operator]
            yield Notice.DATES_REVERSED, reference, (reference,)


def _last_second(moment: Moment | None, zone: ZoneInfo) -> int | None:
    """Return the instant, or the last second of the date: who left on the day before the admission, left before it."""
    if moment is None:
        return None
    return moment.after(zone) - 1 if moment.instant is None else moment.instant


def _conditions(case: Case) -> Iterator[Remark]:
    for condition in case.facts.conditions:
        if condition.active_status and condition.abatement is not None and condition.abatement < case.last_day:
            said = f"active, and ended on {condition.abatement}"
            yield Notice.CONDITION_STATUS, said, (condition.reference,)
    for members in same_code(case).values():
        ended = [c for c in members if superseded_by(c, members) is not None]
        for condition in ended:
            other = superseded_by(condition, members)
            assert other is not None  # noqa: S101 -- narrowed by the list above
            yield Notice.CONDITION_STATUS, "active and ended", tuple(sorted((condition.reference, other.reference)))
        if len({said for c in members for said in stated_risks(case, c)}) > 1:
            yield Notice.RISK_CONTRADICTED, "", tuple(sorted(c.reference for c in members))


def standing_risks(case: Case, condition: ConditionFact) -> list[RiskStatement]:
    """Return what resources of their own say about the risk as of the month: the latest; an earlier one is history."""
    standing = [r for r in condition.risks if r.start <= case.last_day and (r.end is None or r.end >= case.first_day)]
    latest = max((r.start for r in standing), default=None)
    return [r for r in standing if r.start == latest]


def stated_risks(case: Case, condition: ConditionFact) -> set[bool]:
    """Return what the record says about the risk as of the month: nothing, one answer, or both, which is no answer."""
    said = set() if condition.significant_risk is None else {condition.significant_risk}
    return said | {r.significant for r in standing_risks(case, condition)}


def same_code(case: Case) -> dict[str, list[ConditionFact]]:
    """Return the confirmed conditions by their ICD-10-CM code: two records of one are about the same thing."""
    found: dict[str, list[ConditionFact]] = {}
    for condition in case.facts.conditions:
        if condition.icd10cm is not None and condition.confirmed:
            found.setdefault(condition.icd10cm, []).append(condition)
    return found


def superseded_by(condition: ConditionFact, members: list[ConditionFact]) -> ConditionFact | None:
    """Return a record of the same code by which a condition without an end had ended; None: it stands.

    One that began, or was recorded, after the end of the other is a recurrence.
    """
    if condition.abatement is not None or not condition.active_status:
        return None
    begin = max((d for d in (condition.onset, condition.recorded) if d is not None), default=None)
    for other in members:
        if other is condition or other.active_status or other.abatement is None:
            continue
        if begin is None or begin <= other.abatement:
            return other
    return None


def _decision_making(case: Case) -> Iterator[Remark]:
    plans = [p for p in case.plans if any(case.service_month.contains(d.assessed) for d in p.decision_making)]
    levels = {d.level for p in plans for d in p.decision_making if case.service_month.contains(d.assessed)}
    if len(levels) > 1:
        yield Notice.DECISION_MAKING_SEVERAL, ", ".join(sorted(levels)), tuple(p.reference for p in plans)


def _death(case: Case) -> Iterator[Remark]:
    died = case.facts.patient.deceased
    if died is None:
        return
    day = died.date_in(case.zone)
    late = [v.reference for v in case.facts.visits if v.moment.date_in(case.zone) > day]
    late += [
        e.reference
        for e in case.facts.entries
        if happened(e)
        and (
            (e.day is not None and e.day > day)
            or (e.interval is not None and e.interval.start >= died.after(case.zone))
        )
    ]
    if late:
        yield Notice.DEATH_CONTRADICTED, f"died on {day}", tuple(sorted(set(late)))
