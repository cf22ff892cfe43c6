"""Minutes that one staff member logged for two patients at once (rules 3.5, R-STAFF-DOUBLE-BOOKED)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from caretally.facts.patient_month import DoubleBooking
from caretally.rules.duplicates import happened
from caretally.rules.enrolment import touches

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.time_entry import TimeEntry


def double_bookings(
    entries: Iterable[tuple[str, TimeEntry]], month: ServiceMonth, zone: ZoneInfo
) -> dict[str, tuple[DoubleBooking, ...]]:
    """Find overlapping entries of one person for different patients.

    Args:
        entries: (patient reference, entry) of everybody; entries without both ends cannot be tested.
        month: only entries that touch this month are looked at.
        zone: the practice's zone.

    Returns:
        For each patient concerned, the overlaps inside the month, with both entries and the other patient named.
    """
    first, last = month.bounds(zone)
    by_person: dict[str, list[tuple[int, int, str, str]]] = defaultdict(list)
    for patient, entry in entries:
        if entry.interval is None or not happened(entry):
            continue
        if touches(entry, month.first_day, month.last_day, zone):
            for performer in entry.performers:
                start, end = max(entry.interval.start, first), min(entry.interval.end, last)
                by_person[performer.reference].append((start, end, patient, entry.reference))
    found: dict[str, set[tuple[str, str, str, int, str]]] = defaultdict(set)
    for person, spans in by_person.items():
        open_spans: list[tuple[int, int, str, str]] = []
        for span in sorted(spans):
            open_spans = [s for s in open_spans if s[1] > span[0]]
            for other in open_spans:
                seconds = min(other[1], span[1]) - span[0]
                if other[2] != span[2]:
                    found[span[2]].add((person, span[3], other[3], seconds, other[2]))
                    found[other[2]].add((person, other[3], span[3], seconds, span[2]))
            open_spans.append(span)
    return {
        patient: tuple(
            DoubleBooking(performer=p, entry=e, other_entry=o, seconds=s, other_patient=w)
            for p, e, o, s, w in sorted(bookings)
        )
        for patient, bookings in found.items()
    }
