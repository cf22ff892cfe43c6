from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.reports.wording import clock, count, duration, family_words, money, status_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"),
        (45, "45 s"),
        (60, "1 min"),
        (1199, "19 min 59 s"),
        (1200, "20 min"),
        (7500, "125 min"),
        (-61, "-1 min 1 s"),
    ],
)
def test_seconds_are_said_exactly(seconds: int, words: str) -> None:
    assert duration(seconds) == words


@given(st.integers(min_value=0, max_value=10**7))
def test_no_second_is_lost_or_added(seconds: int) -> None:
    parts = duration(seconds).split()
    units = dict(zip(parts[1::2], map(int, parts[::2]), strict=True))
    assert units.get("min", 0) * 60 + units.get("s", 0) == seconds


@pytest.mark.parametrize(
    ("amount", "words"),
    [("60.49", "$60.49"), ("1234.50", "$1,234.50"), (Decimal("0.00"), "$0.00"), ("-5.10", "-$5.10"), (None, "no rate")],
)
def test_money_keeps_its_digits(amount: str | Decimal | None, words: str) -> None:
    assert money(amount) == words


def test_clock_is_local() -> None:
    midnight_utc = 1_738_378_800  # 2025-02-01T03:00:00Z
    assert clock(midnight_utc, midnight_utc + 1500, ZoneInfo("America/New_York")) == "22:00:00-22:25:00"
    assert clock(None, None, ZoneInfo("UTC")) == ""


def test_an_unknown_word_is_shown_as_it_is() -> None:
    assert status_words("parked") == "parked"
    assert family_words("rpm-staff") == "rpm-staff"
    assert family_words(None) == ""


def test_nouns_follow_their_number() -> None:
    assert (count(1, "line"), count(2, "line"), count(0, "entry", "entries")) == ("1 line", "2 lines", "0 entries")
