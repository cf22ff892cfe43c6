"""Half-open intervals of whole seconds, and the set arithmetic that counts a second once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Seconds from ``start`` up to, not including, ``end`` (instants)."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """Length in seconds; never negative."""
        return max(0, self.end - self.start)

    def intersection(self, other: Interval) -> Interval | None:
        """Return the common part, or None where there is none."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start, end) if start < end else None


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the intervals merged: sorted, disjoint and not touching."""
    merged: list[Interval] = []
    for item in sorted(i for i in intervals if i.seconds):
        if merged and item.start <= merged[-1].end:
            if item.end > merged[-1].end:
                merged[-1] = Interval(merged[-1].start, item.end)
        else:
            merged.append(item)
    return tuple(merged)


def subtract(interval: Interval, holes: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what is left of an interval outside the holes, in order."""
    left: list[Interval] = []
    at = interval.start
    for hole in union(holes):
        if hole.end <= at:
            continue
        if hole.start >= interval.end:
            break
        if hole.start > at:
            left.append(Interval(at, hole.start))
        at = max(at, hole.end)
    if at < interval.end:
        left.append(Interval(at, interval.end))
    return tuple(left)


def total_seconds(intervals: Iterable[Interval]) -> int:
    """Return the number of distinct seconds that the intervals cover."""
    return sum(item.seconds for item in union(intervals))
