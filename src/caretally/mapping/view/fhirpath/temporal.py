"""Partial dates and times as FHIR writes them: parsing, comparison at the shared precision, and their boundaries.

A date, a dateTime and an instant are compared field by field. Two that agree as far as the less precise one goes
cannot be ordered: the answer is None (the empty collection of FHIRPath). If one side has a zone and the other has a
time without one, the answer is None, too; a pure date is held against the local fields of the other side.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

TemporalKind = Literal["date", "dateTime", "time"]

_SHAPE = re.compile(
    r"""
    (?:(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?)?
    (?:(?P<t>T)?(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9})\d*)?)?)?)?
    (?P<zone>Z|[+-]\d\d:\d\d)?
    """,
    re.VERBOSE | re.ASCII,
)
_LONGEST = 64
_NANOSECONDS = 1_000_000_000
_DATE_FIELDS = 3
_HOUR, _MINUTE = 4, 5
_LAST_HOUR, _LAST_MINUTE, _LAST_SECOND = 23, 59, 60
_EARLIEST_ZONE, _LATEST_ZONE = "+14:00", "-12:00"


class Temporal(NamedTuple):
    """A parsed moment.

    `fields` holds, as far as known, year, month, day, hour, minute and nanoseconds of the minute (of a time: from
    the hour on). `offset` is minutes east of UTC, None without a zone.
    """

    kind: TemporalKind
    fields: tuple[int, ...]
    offset: int | None


def parse_temporal(text: str) -> Temporal | None:
    """Return `text` as a moment, or None if it is none (also for a day that does not exist)."""
    if len(text) > _LONGEST or not text[:2].isdigit():
        return None
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    day = tuple(int(part) for part in match.group("year", "month", "day") if part is not None)
    clock = _clock(match)
    if clock is None:
        return None
    zone = match.group("zone")
    if not day:
        is_time = match.group("t") is None and match.group("minute") is not None and zone is None
        return Temporal("time", clock, None) if is_time else None
    if not _exists(day):
        return None
    if not clock:
        return Temporal("date", day, None) if zone is None else None
    if match.group("t") is None or len(day) < _DATE_FIELDS:
        return None
    return Temporal("dateTime", day + clock, _offset(zone))


def _clock(match: re.Match[str]) -> tuple[int, ...] | None:
    hour, minute, second = (int(part) if part else 0 for part in match.group("hour", "minute", "second"))
    if hour > _LAST_HOUR or minute > _LAST_MINUTE or second > _LAST_SECOND:
        return None
    fraction = int((match.group("fraction") or "").ljust(9, "0"))
    known = sum(part is not None for part in match.group("hour", "minute", "second"))
    return (hour, minute, second * _NANOSECONDS + fraction)[:known]


def _exists(day: tuple[int, ...]) -> bool:
    try:
        year, month, day_of_month = (*day, 1, 1)[:_DATE_FIELDS]
        date(year, month, day_of_month)
    except ValueError:
        return False
    return True


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def compare_temporal(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1, or None if the precision or the missing zone of one side leaves it open."""
    if (left.kind == "time") != (right.kind == "time"):
        return None
    first, second = left.fields, right.fields
    if len(first) > _DATE_FIELDS and len(second) > _DATE_FIELDS and left.kind != "time":
        if (left.offset is None) != (right.offset is None):
            return None
        if left.offset != right.offset:
            in_utc = _utc(left), _utc(right)
            if in_utc[0] is None or in_utc[1] is None:
                return None
            first, second = in_utc[0], in_utc[1]
    shared = min(len(first), len(second))
    if first[:shared] != second[:shared]:
        return -1 if first[:shared] < second[:shared] else 1
    return 0 if len(first) == len(second) else None


def _utc(moment: Temporal) -> tuple[int, ...] | None:
    fields = moment.fields
    year, month, day, hour = fields[:_HOUR]
    minute = fields[_HOUR] if len(fields) > _HOUR else 0
    try:
        local = datetime(year, month, day, hour, minute)  # noqa: DTZ001  the offset is taken off in the next line
        shifted = local - timedelta(minutes=moment.offset or 0)
    except OverflowError:
        return None
    whole = (shifted.year, shifted.month, shifted.day, shifted.hour, shifted.minute, *fields[_MINUTE:])
    return whole[: len(fields)]


def boundary(text: str, *, low: bool, kind: str | None) -> str | None:
    """Return the first (`low`) or last moment that a partial date, dateTime or time may stand for.

    Args:
        text: the moment as FHIR writes it.
        low: the first moment; otherwise the last.
        kind: the FHIR type where it is known; a bare day is a dateTime only if this says so.

    Returns:
        A full date, or a dateTime with milliseconds and zone, or a time with milliseconds; None if `text` is none.
    """
    moment = parse_temporal(text)
    if moment is None:
        return None
    if moment.kind == "time":
        return _clock_boundary(text, moment.fields, low=low)
    year, month, day = _full_day(moment.fields, low=low)
    full_date = f"{year:04}-{month:02}-{day:02}"
    if moment.kind == "date" and kind not in ("dateTime", "instant"):
        return full_date
    clock_text = text.partition("T")[2]
    zone = re.search(r"(Z|[+-]\d\d:\d\d)$", clock_text)
    clock = _clock_boundary(clock_text[: zone.start()] if zone else clock_text, moment.fields[_DATE_FIELDS:], low=low)
    return f"{full_date}T{clock}{zone.group() if zone else (_EARLIEST_ZONE if low else _LATEST_ZONE)}"


def _full_day(fields: tuple[int, ...], *, low: bool) -> tuple[int, int, int]:
    year = fields[0]
    month = fields[1] if len(fields) > 1 else (1 if low else 12)
    if len(fields) >= _DATE_FIELDS:
        return year, month, fields[2]
    return year, month, 1 if low else monthrange(year, month)[1]


def _clock_boundary(text: str, fields: tuple[int, ...], *, low: bool) -> str:
    """Complete hh:mm:ss.fff; digits of the fraction that are written stay as they are."""
    fill = (0, 0, 0) if low else (_LAST_HOUR, _LAST_MINUTE, 59)
    hour, minute = (*fields[:2], *fill[len(fields) : 2]) if len(fields) < _DATE_FIELDS else fields[:2]
    second = text[6:8] or f"{fill[2]:02}"
    fraction = text.partition(".")[2].ljust(3, "0" if low else "9")
    return f"{hour:02}:{minute:02}:{second}.{fraction}"
