"""FHIR dates and times, read exactly: what was written, how precise it is, and what it means in a zone.

A FHIR dateTime may stop at the year, the month or the day. An imprecise date is never guessed to a day here:
`Stamp` keeps its first and last possible day, and each fact says which of the two is safe for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from caretally.facts.calendar import ServiceMonth, local_date
from caretally.facts.moment import Moment

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_PATTERN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})(?P<fraction>\.\d+)?"
    r"(?P<offset>Z|[+-]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_LATEST_HOUR, _LATEST_MINUTE, _LEAP_SECOND = 23, 59, 60
_WIDEST_OFFSET = 14 * 3600
_FIRST_YEAR, _LAST_YEAR = 1800, 2200
"""Years outside are slips of the pen; they would also carry the calendar over its edge."""

WANTED = "a date YYYY-MM-DD, or a date and time YYYY-MM-DDThh:mm:ss with an offset"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date or a date and time as FHIR gave it.

    ``first_day`` and ``last_day`` are the same for everything that names a day; both are local dates of the zone
    in which the stamp was read. ``instant`` is set when a time was given: whole seconds, a fraction cut off;
    ``instant_up`` is the same rounded up.
    """

    first_day: date
    last_day: date
    instant: int | None = None
    instant_up: int | None = None
    zone_assumed: bool = False

    @property
    def names_a_day(self) -> bool:
        """Whether the stamp is at least as precise as a day."""
        return self.first_day == self.last_day

    def earliest(self) -> Moment:
        """Return the instant, or the first day that is meant."""
        return Moment(instant=self.instant) if self.instant is not None else Moment(day=self.first_day)

    def latest(self) -> Moment:
        """Return the instant, or the last day that is meant."""
        return Moment(instant=self.instant) if self.instant is not None else Moment(day=self.last_day)


@lru_cache(maxsize=16_384)
def read_stamp(text: str, zone: ZoneInfo) -> Stamp | None:
    """Read a FHIR date, dateTime or instant; a time without offset is taken in `zone` and flagged.

    Returns None for everything else, also for dates that do not exist: half-read dates are worse than none.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or not _FIRST_YEAR <= int(match["year"]) <= _LAST_YEAR:
        return None
    try:
        if match["hour"] is None:
            return _of_days(match)
        return _of_time(match, zone)
    except (ValueError, OverflowError):
        return None


def _of_days(match: re.Match[str]) -> Stamp:
    year = int(match["year"])
    if match["month"] is None:
        return Stamp(date(year, 1, 1), date(year, 12, 31))
    month = ServiceMonth(year, int(match["month"]))
    if match["day"] is None:
        return Stamp(month.first_day, month.last_day)
    day = date(year, month.month, int(match["day"]))
    return Stamp(day, day)


def _of_time(match: re.Match[str], zone: ZoneInfo) -> Stamp | None:
    day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if hour > _LATEST_HOUR or minute > _LATEST_MINUTE or second > _LEAP_SECOND:
        return None
    of_day = hour * 3600 + minute * 60 + second
    offset = match["offset"]
    if offset is None:
        naive = datetime(day.year, day.month, day.day) + timedelta(seconds=of_day)  # noqa: DTZ001 -- the zone follows below
        instant = int(naive.replace(tzinfo=zone).timestamp())
    else:
        shift = _offset_seconds(offset)
        if shift is None:
            return None
        instant = (day.toordinal() - _EPOCH) * _DAY + of_day - shift
    fraction = match["fraction"]
    up = instant + 1 if fraction and fraction.strip(".0") else instant
    local = local_date(instant, zone)
    return Stamp(local, local, instant, up, offset is None)


def _offset_seconds(offset: str) -> int | None:
    if offset == "Z":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    seconds = hours * 3600 + minutes * 60
    if minutes > _LATEST_MINUTE or seconds > _WIDEST_OFFSET:
        return None
    return -seconds if offset[0] == "-" else seconds
