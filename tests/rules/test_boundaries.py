"""Each threshold and cap at one second less, to the second, and one second more; edges of months, clocks and zones.

Thresholds, steps and caps are read from the tables: a family that is added is swept as well.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.rules.builder import tables
from tests.rules.coverage.generated import Case, facts_on
from tests.rules.deciding import decide

if TYPE_CHECKING:
    from caretally.facts.determination import Determination
    from caretally.facts.services import Family

FAMILIES = tuple(tables().services.families.values())
ZONES = ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Europe/London", "Asia/Kolkata")
"""West and east of UTC, with and without summer time, and one half an hour off."""
UNCAPPED_STEPS = 4
CLOCK_CHANGES = (date(2024, 3, 10), date(2024, 11, 3), date(2025, 3, 9), date(2025, 11, 2), date(2026, 3, 8))
MONTHS = tuple(date(year, month, 1) for year in (2024, 2025, 2026) for month in range(1, 13))
"""Every month of every year with a table: each month's end, three year's ends, the leap day."""


def people(family: Family) -> tuple[str, str]:
    """Who feeds a family."""
    return ("P1", "MD") if family.pool == "practitioner" else ("N1", "RN")


def span(family: Family, start: datetime, seconds: int, **more: Any) -> dict[str, Any]:
    """An entry of so many seconds, in instants."""
    who, role = people(family)
    end = start + timedelta(seconds=seconds)
    return {
        "who": who,
        "role": role,
        "prog": family.programme,
        "start": start.isoformat(),
        "end": end.isoformat(),
        **more,
    }


def entries(family: Family, start: datetime, seconds: int) -> list[dict[str, Any]]:
    """So many seconds, in entries of an hour at most, one on each day that follows."""
    found, left, day = [], seconds, 0
    while left > 0:
        part = min(left, 3600)
        found.append(span(family, start + timedelta(days=day), part))
        left, day = left - part, day + 1
    return found


def case_of(family: Family, day: date, rows: list[dict[str, Any]], zone: str = "America/New_York") -> Case:
    """A month in which a family can be billed, with some entries."""
    return facts_on(day, family.programme, rows, mdm="high" if family.complex else None, tz=zone)


def units(found: Determination, family: Family) -> list[int]:
    """Units of base and add-on."""
    return [sum(x.units for x in found.lines if x.code == code) for code in (family.base, family.add_on)]


def steps() -> list[tuple[Family, int, int]]:
    """Every threshold of every ladder: the family, the seconds, the add-ons that are reached with them."""
    found = []
    for family in FAMILIES:
        found.append((family, family.base_minutes * 60, 0))
        if family.add_on_minutes is not None:
            cap = family.add_on_cap or UNCAPPED_STEPS
            found += [(family, (family.base_minutes + n * family.add_on_minutes) * 60, n) for n in range(1, cap + 2)]
    return found


@pytest.mark.parametrize("delta", [-1, 0, 1])
@pytest.mark.parametrize(("family", "seconds", "add_ons"), steps(), ids=lambda v: getattr(v, "name", str(v)))
def test_every_threshold_and_cap_to_the_second(family: Family, seconds: int, add_ons: int, delta: int) -> None:
    start = datetime(2025, 3, 11, 9, tzinfo=ZoneInfo("America/New_York"))
    found = decide(case_of(family, start.date(), entries(family, start, seconds + delta)))
    reached = add_ons if delta >= 0 else add_ons - 1
    if reached < 0:
        # One second short of the base: another family may be reached, this one is not.
        assert found.family != family.name
        return
    billed = reached if family.add_on_cap is None else min(reached, family.add_on_cap)
    assert found.family == family.name
    assert units(found, family) == [1, billed]
    assert found.counted_seconds[family.programme] == seconds + delta
    paid = family.base_minutes * 60 + billed * (family.add_on_minutes or 0) * 60
    assert found.surplus_seconds == seconds + delta - paid


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_day_of_service_is_the_local_day_of_the_last_second(family: Family, zone: str) -> None:
    """The threshold is reached one second before, at, and one second after a local midnight."""
    midnight = datetime(2025, 3, 12, tzinfo=ZoneInfo(zone))
    seconds = family.base_minutes * 60
    for delta, day in ((-1, date(2025, 3, 11)), (0, date(2025, 3, 11)), (1, date(2025, 3, 12))):
        start = midnight + timedelta(seconds=delta - seconds)
        found = decide(case_of(family, midnight.date(), [span(family, start, seconds)], zone), {"zone": zone})
        assert [(x.code, x.service_date) for x in found.lines] == [(family.base, day)], delta


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("first", MONTHS, ids=str)
def test_minutes_belong_to_the_local_month_to_the_second(first: date, zone: str) -> None:
    """An entry over a month's end gives each month its own seconds, in every month, leap or not."""
    family = tables().services.families["ccm-staff"]
    seconds = family.base_minutes * 60
    begin = datetime(first.year, first.month, 1, tzinfo=ZoneInfo(zone))
    for delta in (-1, 0, 1):
        # From the first second of the month, one second more or less of it before the month.
        entry = span(family, begin - timedelta(seconds=delta), seconds)
        found = decide(case_of(family, first, [entry], zone), {"zone": zone})
        inside = seconds - max(delta, 0)
        assert found.counted_seconds.get("ccm", 0) == inside
        assert found.status == ("billable" if inside >= seconds else "not-billable")
        outside = [x for x in found.excluded() if x["code"] == "X-OUTSIDE-MONTH"]
        assert sum(x["seconds"] for x in outside) == max(delta, 0)
        assert found.logged_seconds == seconds
        if found.lines:
            assert {x.service_date for x in found.lines} == {first}


@pytest.mark.parametrize(
    "day", [date(2024, 2, 29), date(2024, 12, 31), date(2025, 12, 31), date(2026, 12, 31)], ids=str
)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_last_day_of_a_month_and_year_is_a_day_like_any_other(family: Family, day: date) -> None:
    seconds = family.base_minutes * 60
    following = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York")) + timedelta(days=1)
    for delta in (-1, 0, 1):
        # `seconds` up to the end of the day, and so many of them after it.
        entry = span(family, following + timedelta(seconds=delta - seconds), seconds)
        found = decide(case_of(family, day, [entry]))
        if delta <= 0:
            assert [(x.code, x.service_date) for x in found.lines] == [(family.base, day)]
        else:
            assert found.family != family.name
        assert found.counted_seconds.get(family.programme, 0) == seconds - max(delta, 0)


@pytest.mark.parametrize("day", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_change_of_the_clock_neither_adds_nor_removes_a_second(family: Family, day: date) -> None:
    zone = ZoneInfo("America/New_York")
    seconds = family.base_minutes * 60
    # Ten seconds before the change, by instants: the wall clock jumps within the entry.
    change = datetime(day.year, day.month, day.day, 0, 59, 50, tzinfo=zone).timestamp() + 3600
    for delta in (-1, 0, 1):
        start = datetime.fromtimestamp(change, tz=zone).astimezone(ZoneInfo("UTC"))
        found = decide(case_of(family, day, [span(family, start, seconds + delta)]))
        assert found.counted_seconds[family.programme] == seconds + delta
        assert (found.family == family.name) is (delta >= 0)
        if delta >= 0:
            assert {x.service_date for x in found.lines} == {day}


@pytest.mark.parametrize("zone", ZONES)
def test_one_instant_is_another_month_in_another_zone(zone: str) -> None:
    family = tables().services.families["ccm-staff"]
    start = datetime(2025, 3, 31, 23, 30, tzinfo=ZoneInfo(zone))
    here = decide(case_of(family, date(2025, 3, 1), [span(family, start, 1200)], zone), {"zone": zone})
    assert [(x.code, x.service_date) for x in here.lines] == [("99490", date(2025, 3, 31))]
    for other in ZONES:
        offset = start.astimezone(ZoneInfo(other))
        local = {offset.date(), (offset + timedelta(seconds=1199)).date()}
        if local == {date(2025, 3, 31)} or len(local) > 1:
            continue
        there = decide(case_of(family, date(2025, 3, 1), [span(family, start, 1200)], other), {"zone": other})
        assert there.status == "not-billable"
        assert "R-TIME-MIN" in {r.code for r in there.reasons}
