"""Ladders: from counted seconds to codes, units and dates of service (rules 0, 1, 2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from caretally.facts.determination import LadderStep, Line
from caretally.rules.pricing import unit_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from caretally.facts.determination import LedgerRow
    from caretally.facts.services import Family
    from caretally.rules.context import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What one family makes of a pool of time."""

    family: Family
    rows: tuple[LedgerRow, ...]
    steps: tuple[LadderStep, ...]
    """Steps reached within the cap, then the first one that was not."""

    @property
    def total_seconds(self) -> int:
        """Return the seconds of the pool."""
        return sum(row.seconds for row in self.rows)

    @property
    def reached(self) -> tuple[LadderStep, ...]:
        """Return the steps that are billed."""
        return tuple(s for s in self.steps if s.reached_on is not None and not s.capped)

    @property
    def billed_seconds(self) -> int:
        """Return the seconds that the billed units stand for."""
        return max((s.threshold_seconds for s in self.reached), default=0)

    @property
    def surplus_seconds(self) -> int:
        """Return the counted seconds that earn nothing."""
        return self.total_seconds - self.billed_seconds if self.reached else 0


def climb(case: Case, family: Family, rows: Sequence[LedgerRow]) -> Climb:
    """Climb a family's ladder with a pool of counted time.

    A threshold counts when its last second is reached: never a midpoint, never rounded up (guide, "Time
    Requirements"). The date is the local date of that second. Thresholds are whole minutes: a floored total reaches
    the same ones.
    """
    total = sum(row.seconds for row in rows)
    if case.policy.rounding == "floor_total":
        total -= total % 60
    steps: list[LadderStep] = []
    threshold, code, units = family.base_minutes * 60, family.base, 0
    cap = add_on_cap(case, family)
    while True:
        reached = _date_of_second(rows, threshold)
        capped = cap is not None and units > cap
        steps.append(
            LadderStep(
                family=family.name,
                code=code,
                threshold_seconds=threshold,
                total_seconds=total,
                reached_on=reached,
                capped=capped,
            )
        )
        if reached is None or capped or family.add_on is None or not family.add_on_minutes:
            return Climb(family=family, rows=tuple(rows), steps=tuple(steps))
        threshold, code, units = threshold + family.add_on_minutes * 60, family.add_on, units + 1


def add_on_cap(case: Case, family: Family) -> int | None:
    """Return the most add-on units in a month: the payer's cap, else the table's; None: no limit."""
    if family.add_on is None:
        return 0
    return case.policy.caps.get(family.add_on, family.add_on_cap)


def _date_of_second(rows: Iterable[LedgerRow], threshold: int) -> date | None:
    """Return the local date of the second that completes a total; rows lie within one date each."""
    total = 0
    for row in rows:
        total += row.seconds
        if total >= threshold:
            return row.day
    return None


def lines_of(case: Case, climbed: Climb) -> tuple[Line, ...]:
    """Return the lines to be billed, dated by the payer's rule, one line for a code and date."""
    dates = _dates_of_service(case, climbed)
    units: dict[tuple[str, date], int] = {}
    for step, day in zip(climbed.reached, dates, strict=True):
        units[step.code, day] = units.get((step.code, day), 0) + 1
    return tuple(_line(case, code, day, count) for (code, day), count in units.items())


def _dates_of_service(case: Case, climbed: Climb) -> list[date]:
    reached = [s.reached_on for s in climbed.reached if s.reached_on is not None]
    if not reached or case.policy.dos == "threshold":
        return reached
    if case.policy.dos == "with_last":
        return [max(reached)] * len(reached)
    if case.policy.dos == "last_entry":
        return [max(row.day for row in climbed.rows)] * len(reached)
    # Never earlier than the threshold itself: a line cannot be dated before its time was worked.
    return [max(last_service_date(case), *reached)] * len(reached)


def last_service_date(case: Case) -> date:
    """Return the last date that a line of the month may have: its end, the death or the end of coverage (rules 2)."""
    ends = [case.last_day]
    if case.facts.patient.deceased is not None:
        ends.append(case.facts.patient.deceased.date_in(case.zone))
    if case.coverage is not None and case.coverage.end is not None:
        ends.append(case.coverage.end)
    return min(ends)


def _line(case: Case, code: str, day: date, units: int) -> Line:
    tables = case.context.tables
    row = tables.code_on(code, day)
    price = unit_price(case, code, day)
    return Line(
        code=code,
        system=row.system if row is not None else "",
        units=units,
        service_date=day,
        amount=None if price.amount is None else price.amount * units,
        charge=None if price.charge is None else price.charge * units,
        definition=price.definition,
    )


def total_amount(lines: Iterable[Line]) -> Decimal | None:
    """Return the sum of the amounts; None when a rate is missing."""
    total = Decimal(0)
    for line in lines:
        if line.amount is None:
            return None
        total += line.amount
    return total
