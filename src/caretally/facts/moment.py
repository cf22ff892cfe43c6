"""A point in time as FHIR gives it: an instant, or only a local date.

A date is not an instant: a consent dated 15 May holds from the first second of that day, a withdrawal of the
15th to its last. `Moment` keeps which of the two was recorded, so that each rule can read it its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.calendar import end_of_day, local_date, start_of_day

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Moment:
    """Exactly one of ``instant`` (seconds since 1970 UTC) and ``day`` (a local date) is set."""

    instant: int | None = None
    day: date | None = None

    def __post_init__(self) -> None:
        if (self.instant is None) == (self.day is None):
            raise ValueError("a moment is either an instant or a local date")

    def date_in(self, zone: ZoneInfo) -> date:
        """Return the local date of the moment."""
        if self.day is not None:
            return self.day
        assert self.instant is not None  # noqa: S101 -- narrowed by __post_init__
        return local_date(self.instant, zone)

    def earliest(self, zone: ZoneInfo) -> int:
        """Return the instant, or the first second of the date."""
        return self.instant if self.instant is not None else start_of_day(self.date_in(zone), zone)

    def after(self, zone: ZoneInfo) -> int:
        """Return the instant, or the first second after the date."""
        return self.instant if self.instant is not None else end_of_day(self.date_in(zone), zone)
