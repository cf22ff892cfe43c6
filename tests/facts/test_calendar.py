from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from caretally.facts.calendar import ServiceMonth, end_of_day, local_date, months_after, start_of_day, years_before

ZONES = [ZoneInfo(z) for z in ("America/New_York", "America/Phoenix", "Pacific/Honolulu", "America/Puerto_Rico", "UTC")]


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-00", "2025-1", "202501", "", "2025-01-01", "0000-01", "\uff12\uff10\uff12\uff15-01"]
)
def test_what_is_not_a_month_is_refused_with_the_form_wanted(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM"):
        ServiceMonth.parse(text)


def test_a_month_knows_its_edges_over_year_ends_and_leap_days() -> None:
    assert str(ServiceMonth.parse("2024-12").plus(1)) == "2025-01"
    assert str(ServiceMonth.parse("2025-01").plus(-1)) == "2024-12"
    assert ServiceMonth.parse("2024-02").last_day == date(2024, 2, 29)
    assert ServiceMonth.parse("2025-02").last_day == date(2025, 2, 28)
    assert ServiceMonth.of(date(2025, 3, 9)) < ServiceMonth.parse("2025-04")


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("month", ["2025-03", "2025-11", "2024-02", "2024-12"])
def test_the_bounds_of_a_month_meet_and_belong_to_its_days(zone: ZoneInfo, month: str) -> None:
    here = ServiceMonth.parse(month)
    start, end = here.bounds(zone)
    assert local_date(start, zone) == here.first_day
    assert local_date(end - 1, zone) == here.last_day
    assert here.plus(1).bounds(zone)[0] == end


def test_a_day_of_clock_change_is_an_hour_shorter_or_longer() -> None:
    zone = ZoneInfo("America/New_York")
    spring, autumn = date(2025, 3, 9), date(2025, 11, 2)
    assert end_of_day(spring, zone) - start_of_day(spring, zone) == 23 * 3600
    assert end_of_day(autumn, zone) - start_of_day(autumn, zone) == 25 * 3600


def test_a_year_back_is_the_calendar_day() -> None:
    assert years_before(date(2025, 3, 10), 1) == date(2024, 3, 10)
    assert years_before(date(2024, 2, 29), 1) == date(2023, 2, 28)
    assert months_after(date(2025, 1, 31), 1) == date(2025, 2, 28)
