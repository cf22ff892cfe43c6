"""The open month's projection: minutes to the next threshold and the days left, from determinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from caretally.facts.calendar import ServiceMonth


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """How far one patient is from the next code of a programme."""

    patient: str
    practitioner: str | None
    family: str
    counted_seconds: int
    reached: tuple[str, ...]
    """Codes reached so far, one for each unit."""
    next_code: str | None
    """None: everything that the caps allow is reached."""
    seconds_missing: int
    days_left: int

    def to_json(self) -> dict[str, Any]:
        """Return the projection as JSON."""
        return {
            "patient": self.patient,
            "practitioner": self.practitioner,
            "family": self.family,
            "counted_seconds": self.counted_seconds,
            "reached": list(self.reached),
            "next_code": self.next_code,
            "seconds_missing": self.seconds_missing,
            "days_left": self.days_left,
        }


def days_left(month: ServiceMonth, today: date) -> int:
    """Return the days of a month that are left, today among them; none once it has ended."""
    return max((month.last_day - max(today, month.first_day)).days + 1, 0) if today <= month.last_day else 0


def projections(
    determinations: Iterable[Mapping[str, Any]], month: ServiceMonth, today: date
) -> tuple[Projection, ...]:
    """Return the projection of each family with counted time, the nearest to a code first."""
    left = days_left(month, today)
    found = [one for determination in determinations for one in _of(determination, left)]
    return tuple(sorted(found, key=lambda p: (p.next_code is None, p.seconds_missing, p.patient, p.family)))


def _of(determination: Mapping[str, Any], left: int) -> Iterator[Projection]:
    ladders: dict[str, list[Mapping[str, Any]]] = {}
    for step in determination.get("trace", {}).get("ladder", ()):
        ladders.setdefault(step["family"], []).append(step)
    climbed = {name: steps for name, steps in ladders.items() if steps[0]["total_seconds"] > 0}
    chosen = determination.get("family")
    if chosen in climbed:
        climbed = {chosen: climbed[chosen]}
    for family, steps in climbed.items():
        reached = tuple(s["code"] for s in steps if s["reached_on"] is not None and not s["capped"])
        # The last step that was tried is the first one that was not billed: short of time, or over the cap.
        last = steps[-1]
        open_step = None if last["capped"] or last["reached_on"] is not None else last
        yield Projection(
            patient=determination["patient"],
            practitioner=determination["billing_practitioner"],
            family=family,
            counted_seconds=last["total_seconds"],
            reached=reached,
            next_code=open_step["code"] if open_step else None,
            seconds_missing=open_step["threshold_seconds"] - open_step["total_seconds"] if open_step else 0,
            days_left=left,
        )
