"""The same work recorded twice: certain duplicates, and those that only look like one (rules 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caretally.facts.time_entry import TimeEntry
    from caretally.rules.context import Case

DONE_STATUSES = frozenset({"finished", "completed"})
"""Statuses of work that was done; every other one is X-STATUS."""


def happened(entry: TimeEntry) -> bool:
    """Whether an entry is the first copy of work that was done and could be read."""
    return entry.status in DONE_STATUSES and not entry.invalid and entry.copy_number == 0


def _signature(entry: TimeEntry) -> tuple[object, ...] | None:
    """Return what two records of one event share: performer, start and end (rules 3.5)."""
    if entry.interval is None or not entry.performers:
        return None
    return (tuple(sorted(p.reference for p in entry.performers)), entry.interval)


def duplicates(case: Case) -> dict[tuple[str, int], str]:
    """Return the entries that repeat another one of the programme, with the entry that they repeat.

    Whoever they were logged for: one event is not two practitioners' time (rules 3.5).
    """
    found = {
        (a.entry.reference, a.entry.copy_number): a.entry.reference for a in case.entries if a.entry.copy_number > 0
    }
    seen: dict[tuple[str, tuple[object, ...]], str] = {}
    everybody = (*case.entries, *case.entries_of_others)
    for attributed in sorted(everybody, key=lambda a: (a.entry.reference, a.entry.copy_number)):
        entry, signature = attributed.entry, _signature(attributed.entry)
        if signature is None or not happened(entry):
            continue
        key = (attributed.programme, signature)
        if key in seen:
            found[entry.reference, entry.copy_number] = seen[key]
        else:
            seen[key] = entry.reference
    return found


def possible_duplicates(case: Case) -> tuple[str, ...]:
    """Return dated entries that agree in performer, date and minutes: both count, both are named."""
    seen: dict[tuple[object, ...], list[str]] = {}
    for attributed in case.entries:
        entry = attributed.entry
        if entry.interval is None and happened(entry):
            people = tuple(sorted(p.reference for p in entry.performers))
            seen.setdefault((people, entry.day, entry.seconds), []).append(entry.reference)
    return tuple(sorted(reference for group in seen.values() if len(group) > 1 for reference in group))
