"""Rows of the ledger: their order in time, each second once, and rounding (rules 2, 3.5, 3.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.facts.intervals import Interval, subtract
from caretally.facts.reasons import Exclusion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caretally.facts.determination import LedgerRow

ELSEWHERE = "counted in another programme"
"""Detail of an overlap with time of a programme that can be billed beside this one."""


def timeline(row: LedgerRow) -> tuple[object, ...]:
    """Order of time: timed pieces of a date first, then what has a date only (rules 2)."""
    return (
        row.day,
        row.start is None,
        row.start or 0,
        row.end or 0,
        not row.staff_time,
        row.entry,
        row.excluded or "",
    )


def by_precedence(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """Order in which rows count: what began first, staff before practitioner; midnight divides no entry (3.6)."""
    rows = list(rows)
    begun: dict[str, int] = {}
    for row in rows:
        if row.start is not None:
            begun[row.entry] = min(row.start, begun.get(row.entry, row.start))
    return sorted(rows, key=lambda row: (begun.get(row.entry, 0), not row.staff_time, row.entry, timeline(row)))


def once(rows: list[LedgerRow], exclusive: Callable[[str, str], bool] | None = None) -> list[LedgerRow]:
    """Count each second once: what an earlier piece covers is an overlap in the later one.

    Args:
        rows: in the order in which they count.
        exclusive: whether two programmes cannot both be billed; those may count the same second (rules 13), others
            may not. None: each programme for itself.
    """
    taken: dict[str | None, list[Interval]] = {}
    result: list[LedgerRow] = []
    for row in rows:
        if row.excluded is not None or row.start is None or row.end is None:
            result.append(row)
            continue
        whole = Interval(row.start, row.end)
        own = taken.setdefault(row.programme, [])
        others = [span for name in taken if _shares(row.programme, name, exclusive) for span in taken[name]]
        mine = subtract(whole, others)
        free = [left for part in mine for left in subtract(part, own)]
        again = [part for piece in mine for part in subtract(piece, subtract(piece, own))]
        result += [_part(row, part) for part in free]
        result += [_overlap(row, part, "counted once") for part in again]
        result += [_overlap(row, part, ELSEWHERE) for part in subtract(whole, mine)]
        own.append(whole)
    return result


def _shares(one: str | None, other: str | None, exclusive: Callable[[str, str], bool] | None) -> bool:
    """Whether two different programmes count a second only once between them."""
    return exclusive is not None and one is not None and other is not None and not exclusive(one, other)


def _overlap(row: LedgerRow, part: Interval, detail: str) -> LedgerRow:
    return replace(_part(row, part), excluded=Exclusion.OVERLAP.value, detail=detail)


def _part(row: LedgerRow, part: Interval) -> LedgerRow:
    return replace(row, start=part.start, end=part.end, seconds=part.seconds)


def own_time(rows: Iterable[LedgerRow], *, staff: bool, whole_minutes: bool) -> tuple[LedgerRow, ...]:
    """Return one side's time, each second once, in order; overlap with the other side does not take from it.

    Args:
        rows: the ledger of one programme.
        staff: whose time: the staff's, or the practitioner's.
        whole_minutes: whether each entry's time is floored; it is floored anew, as what was cut from it in the ledger
            was cut after the overlap.
    """
    given_back = {Exclusion.ROUNDING.value, Exclusion.OVERLAP.value, None}
    kept = [
        replace(row, excluded=None)
        for row in by_precedence(rows)
        if (row.staff_time if staff else row.practitioner_time)
        and row.excluded in given_back
        and row.detail != ELSEWHERE
    ]
    result = sorted(once(kept), key=timeline)
    return tuple(row for row in (floored(result) if whole_minutes else result) if row.excluded is None)


def floored(rows: list[LedgerRow]) -> list[LedgerRow]:
    """Floor the counted seconds of each entry, rows in order of time; the rest is X-ROUNDING (rules 13)."""
    total: dict[tuple[str, str | None], int] = {}
    for row in rows:
        if row.excluded is None:
            key = (row.entry, row.programme)
            total[key] = total.get(key, 0) + row.seconds
    rest = {key: seconds % 60 for key, seconds in total.items()}
    result: list[LedgerRow] = []
    for row in reversed(rows):
        left = 0 if row.excluded is not None else rest[row.entry, row.programme]
        if left == 0:
            result.append(row)
            continue
        cut = min(left, row.seconds)
        rest[row.entry, row.programme] = left - cut
        end = None if row.end is None else row.end - cut
        result.append(replace(row, seconds=cut, start=end, excluded=Exclusion.ROUNDING.value, detail="whole minutes"))
        if row.seconds > cut:
            result.append(replace(row, seconds=row.seconds - cut, end=end))
    return result[::-1]
