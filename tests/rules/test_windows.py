"""Spans in which time does not count: their seconds, and the dates that lie wholly in them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from caretally.facts.clinical import StayFact
from caretally.facts.intervals import Interval
from caretally.facts.moment import Moment
from caretally.rules.windows import FOREVER, Shadow, after, before, from_day, stay, whole_day

KOLKATA = ZoneInfo("Asia/Kolkata")  # Nobody's machine stands there by accident, and its day begins early.
NINE, TEN, ELEVEN = date(2025, 3, 9), date(2025, 3, 10), date(2025, 3, 11)


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KOLKATA).timestamp())


def at(text: str) -> Moment:
    return Moment(instant=second(text))


def on(day: date) -> Moment:
    return Moment(day=day)


MIDNIGHT, NEXT_MIDNIGHT = second("2025-03-10"), second("2025-03-11")


def span(start: int, end: int, first: date | None, last: date | None, detail: str = "") -> Shadow:
    return Shadow(interval=Interval(start, end), first_day=first, last_day=last, detail=detail)


def test_before_a_moment() -> None:
    early = at("2025-03-10T02:00:00")  # still the ninth in Greenwich
    assert before(early, KOLKATA) == span(-FOREVER, second("2025-03-10T02:00:00"), None, NINE)
    assert before(on(TEN), KOLKATA, "why") == span(-FOREVER, MIDNIGHT, None, NINE, "why")


def test_after_a_moment() -> None:
    early = at("2025-03-10T02:00:00")
    assert after(early, KOLKATA) == span(second("2025-03-10T02:00:00"), FOREVER, ELEVEN, None)
    assert after(on(TEN), KOLKATA, "why") == span(NEXT_MIDNIGHT, FOREVER, ELEVEN, None, "why")


def test_from_a_day_and_on_a_day() -> None:
    assert from_day(TEN, KOLKATA) == span(MIDNIGHT, FOREVER, TEN, None)
    assert from_day(TEN, KOLKATA, "why") == span(MIDNIGHT, FOREVER, TEN, None, "why")
    assert whole_day(TEN, KOLKATA) == span(MIDNIGHT, NEXT_MIDNIGHT, TEN, TEN)
    assert whole_day(TEN, KOLKATA, "why") == span(MIDNIGHT, NEXT_MIDNIGHT, TEN, TEN, "why")


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (on(NINE), on(ELEVEN), (second("2025-03-09"), NEXT_MIDNIGHT, NINE, TEN)),
        (on(TEN), None, (MIDNIGHT, FOREVER, TEN, None)),
        (at("2025-03-09T02:00:00"), None, (second("2025-03-09T02:00:00"), FOREVER, TEN, None)),
        (
            at("2025-03-09T02:00:00"),
            at("2025-03-11T02:00:00"),
            (second("2025-03-09T02:00:00"), second("2025-03-11T02:00:00"), TEN, TEN),
        ),
        # Swapped: the discharge stands before the admission.
        (on(ELEVEN), on(NINE), (second("2025-03-09"), NEXT_MIDNIGHT, NINE, TEN)),
        (
            at("2025-03-11T02:00:00"),
            at("2025-03-11T01:00:00"),
            (second("2025-03-11T01:00:00"), second("2025-03-11T02:00:00"), date(2025, 3, 12), TEN),
        ),
        # The day of discharge is over when the admission begins: swapped as well, or the stay would be lost.
        (on(ELEVEN), on(TEN), (MIDNIGHT, NEXT_MIDNIGHT, TEN, TEN)),
        (at("2025-03-11T00:00:00"), on(TEN), (MIDNIGHT, NEXT_MIDNIGHT, TEN, TEN)),
    ],
)
def test_a_stay(start: Moment, end: Moment | None, wanted: tuple[int, int, date | None, date | None]) -> None:
    fact = StayFact(reference="Encounter/stay", start=start, end=end)
    assert stay(fact, KOLKATA) == span(*wanted, "Encounter/stay")
