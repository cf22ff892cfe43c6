"""Service months and local dates: the calendar in which care management is billed.

Month and date of service follow the time zone of the billing practitioner's site, not UTC and not the
server's (billing-rules 3.6). An instant is a whole number of seconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class ServiceMonth:
    """A calendar month, written ``2025-01``."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> ServiceMonth:
        """Read ``YYYY-MM``.

        Raises:
            ValueError: the text is not a calendar month.
        """
        match = _MONTH.fullmatch(text)
        if match is None or match[1] == "0000":
            raise ValueError(f"'{text}' is not a calendar month; wanted YYYY-MM, for example 2025-01")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> ServiceMonth:
        """Return the month in which a day lies."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first_day(self) -> date:
        """First day of the month."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Last day of the month."""
        return _last_day(self.year, self.month)

    def contains(self, day: date) -> bool:
        """Whether a day lies in the month."""
        return self.year == day.year and self.month == day.month

    def plus(self, months: int) -> ServiceMonth:
        """Return the month so many months later (earlier, when negative)."""
        index = self.year * 12 + self.month - 1 + months
        return ServiceMonth(index // 12, index % 12 + 1)

    def bounds(self, zone: ZoneInfo) -> tuple[int, int]:
        """First instant of the month and first instant after it, in a zone."""
        return start_of_day(self.first_day, zone), start_of_day(self.plus(1).first_day, zone)


@lru_cache(maxsize=1024)
def _last_day(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def start_of_day(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a local date."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp())


def end_of_day(day: date, zone: ZoneInfo) -> int:
    """Return the first instant after a local date."""
    return start_of_day(day + timedelta(days=1), zone)


def local_date(instant: int, zone: ZoneInfo) -> date:
    """Return the local date on which an instant lies."""
    return datetime.fromtimestamp(instant, tz=zone).date()


def years_before(day: date, years: int) -> date:
    """Return the same calendar day so many years earlier; 29 February goes back to 28 February (rules 4.3)."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def months_after(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of that month where it is shorter."""
    target = ServiceMonth.of(day).plus(months)
    return date(target.year, target.month, min(day.day, target.last_day.day))
