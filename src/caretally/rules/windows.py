"""When time starts and stops to count: consent, initiating visit, death, coverage, stays, visits (rules 3.4 to 3.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.calendar import end_of_day, start_of_day
from caretally.facts.intervals import Interval

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.clinical import StayFact
    from caretally.facts.moment import Moment

FOREVER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A span in which time does not count, for timed pieces and for entries that have a date only.

    ``interval`` cuts timed pieces. ``first_day`` and ``last_day`` (inclusive) are the dates on which an entry
    without times falls wholly into the span; on a date that the span only touches such an entry counts,
    because it cannot be cut (rules 13).
    """

    interval: Interval
    first_day: date | None
    last_day: date | None
    detail: str = ""

    def covers_day(self, day: date) -> bool:
        """Whether a whole local date lies in the span."""
        return (self.first_day is None or self.first_day <= day) and (self.last_day is None or day <= self.last_day)


def before(moment: Moment, zone: ZoneInfo, detail: str = "") -> Shadow:
    """Return the span before a moment; a date counts from its first second."""
    day = moment.date_in(zone)
    return Shadow(
        interval=Interval(-FOREVER, moment.earliest(zone)),
        first_day=None,
        last_day=_day_before(day),
        detail=detail,
    )


def after(moment: Moment, zone: ZoneInfo, detail: str = "") -> Shadow:
    """Return the span after a moment; a date counts to its last second."""
    day = moment.date_in(zone)
    return Shadow(
        interval=Interval(moment.after(zone), FOREVER),
        first_day=_day_after(day),
        last_day=None,
        detail=detail,
    )


def from_day(day: date, zone: ZoneInfo, detail: str = "") -> Shadow:
    """Return the span that begins with a local date."""
    return Shadow(interval=Interval(start_of_day(day, zone), FOREVER), first_day=day, last_day=None, detail=detail)


def whole_day(day: date, zone: ZoneInfo, detail: str = "") -> Shadow:
    """Return one local date as a span."""
    return Shadow(
        interval=Interval(start_of_day(day, zone), end_of_day(day, zone)), first_day=day, last_day=day, detail=detail
    )


def stay(fact: StayFact, zone: ZoneInfo) -> Shadow:
    """Return an inpatient stay: from admission to discharge; with dates only, to the day before discharge (3.7)."""
    begin, finish = fact.start, fact.end
    if finish is not None and finish.after(zone) <= begin.earliest(zone):
        # A discharge before the admission: the two are taken as swapped, so that the stay is not lost.
        begin, finish = finish, begin
    admitted = begin.date_in(zone)
    first = _day_after(admitted) if begin.instant is not None else admitted
    if finish is None:
        end, last = FOREVER, None
    else:
        last = _day_before(finish.date_in(zone))
        end = finish.earliest(zone)
    return Shadow(
        interval=Interval(begin.earliest(zone), end),
        first_day=first,
        last_day=last,
        detail=fact.reference,
    )


def _day_before(day: date) -> date:
    return type(day).fromordinal(day.toordinal() - 1)


def _day_after(day: date) -> date:
    return type(day).fromordinal(day.toordinal() + 1)
