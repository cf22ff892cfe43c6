"""One person, two patients, the same seconds: both are named, to the second."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.facts.intervals import Interval
from caretally.facts.patient_month import DoubleBooking
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.rules import double_bookings
from tests.rules.builder import instant

ZONE = ZoneInfo("America/New_York")
MARCH = ServiceMonth.parse("2025-03")
PATIENTS = ("Patient/one", "Patient/two", "Patient/three")


def entry(
    name: str, start: str, end: str, *, who: str = "N1", status: str = "finished", invalid: str | None = None
) -> TimeEntry:
    return TimeEntry(
        reference=f"Encounter/{name}",
        version="1",
        status=status,
        performers=(Performer(reference=f"Practitioner/{who}", role=RoleClass.CLINICAL_STAFF),),
        programme="ccm",
        activities=("communication",),
        procedure_codes=(),
        seconds=60,
        interval=Interval(instant(f"2025-{start}", ZONE), instant(f"2025-{end}", ZONE)),
        invalid=invalid,
    )


def found(*entries: TimeEntry) -> dict[str, tuple[DoubleBooking, ...]]:
    return double_bookings(zip(PATIENTS, entries, strict=False), MARCH, ZONE)


def booking(
    entry_name: str, other: str, patient: str, seconds: int, performer: str = "Practitioner/N1"
) -> DoubleBooking:
    return DoubleBooking(
        performer=performer,
        entry=f"Encounter/{entry_name}",
        other_entry=f"Encounter/{other}",
        seconds=seconds,
        other_patient=patient,
    )


def test_one_shared_second_names_both_entries_for_both_patients() -> None:
    pair = entry("a", "03-20T09:00:00", "03-20T09:20:00"), entry("b", "03-20T09:19:59", "03-20T09:40:00")
    assert found(*pair) == {
        "Patient/one": (booking("a", "b", "Patient/two", 1),),
        "Patient/two": (booking("b", "a", "Patient/one", 1),),
    }


def test_one_after_the_other_is_no_overlap() -> None:
    assert found(entry("a", "03-20T09:00:00", "03-20T09:20:00"), entry("b", "03-20T09:20:00", "03-20T09:40:00")) == {}


def test_an_entry_inside_another_overlaps_by_its_own_length() -> None:
    pair = entry("a", "03-20T09:00:00", "03-20T10:00:00"), entry("b", "03-20T09:10:00", "03-20T09:15:00")
    assert found(*pair)["Patient/two"] == (booking("b", "a", "Patient/one", 300),)


def test_an_overlap_with_an_earlier_entry_is_seen_behind_a_short_one() -> None:
    three = (
        entry("a", "03-20T09:00:00", "03-20T10:00:00"),
        entry("b", "03-20T09:10:00", "03-20T09:15:00"),
        entry("c", "03-20T09:30:00", "03-20T10:30:00"),
    )
    bookings = found(*three)
    assert bookings["Patient/three"] == (booking("c", "a", "Patient/one", 1800),)
    assert {b.other_entry for b in bookings["Patient/one"]} == {"Encounter/b", "Encounter/c"}


@pytest.mark.parametrize(
    "other",
    [
        entry("b", "03-20T09:00:00", "03-20T09:20:00", who="N2"),
        entry("b", "03-20T09:00:00", "03-20T09:20:00", status="entered-in-error"),
        entry("b", "03-20T09:00:00", "03-20T09:20:00", invalid="entry-too-long"),
    ],
    ids=["another person", "entered in error", "refused"],
)
def test_what_is_no_work_of_the_same_person_is_left_out(other: TimeEntry) -> None:
    assert found(entry("a", "03-20T09:00:00", "03-20T09:20:00"), other) == {}


def test_two_entries_of_one_patient_are_no_double_booking() -> None:
    pair = entry("a", "03-20T09:00:00", "03-20T09:20:00"), entry("b", "03-20T09:00:00", "03-20T09:20:00")
    assert double_bookings([("Patient/one", pair[0]), ("Patient/one", pair[1])], MARCH, ZONE) == {}


def test_entries_of_other_months_are_left_out_and_those_over_its_edge_are_not() -> None:
    before = entry("a", "02-20T09:00:00", "02-20T09:20:00"), entry("b", "02-20T09:00:00", "02-20T09:20:00")
    assert found(*before) == {}
    over = entry("a", "02-28T23:50:00", "03-01T00:00:01"), entry("b", "02-28T23:50:00", "03-01T00:10:00")
    assert set(found(*over)) == {"Patient/one", "Patient/two"}


def test_the_month_is_that_of_the_practice() -> None:
    evening = entry("a", "03-31T22:00:00", "03-31T22:20:00"), entry("b", "03-31T22:10:00", "03-31T22:30:00")
    assert found(*evening)["Patient/one"] == (booking("a", "b", "Patient/two", 600),)
    before = entry("a", "02-28T22:00:00", "02-28T22:20:00"), entry("b", "02-28T22:10:00", "02-28T22:30:00")
    assert found(*before) == {}


def test_an_entry_without_times_or_that_was_cancelled_hides_none_behind_it() -> None:
    dated = replace(entry("x", "03-20T09:00:00", "03-20T09:20:00"), interval=None, day=date(2025, 3, 20))
    cancelled = entry("y", "03-20T09:00:00", "03-20T09:20:00", status="cancelled")
    pair = entry("a", "03-20T09:00:00", "03-20T09:20:00"), entry("b", "03-20T09:10:00", "03-20T09:30:00")
    for hidden in (dated, cancelled):
        booked = double_bookings([("Patient/none", hidden), *zip(PATIENTS, pair, strict=False)], MARCH, ZONE)
        assert set(booked) == {"Patient/one", "Patient/two"}
