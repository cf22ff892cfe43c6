"""The open month: minutes to the next threshold, the days left, nothing promised beyond the caps."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.reports.candidates import projection_lines
from caretally.reports.projection import days_left, projections
from tests.reports.answers import step

MONTH = ServiceMonth(2025, 1)


def answer(*steps: Any, family: str | None = None) -> dict[str, Any]:
    return {
        "patient": "Patient/a",
        "billing_practitioner": "Practitioner/p",
        "family": family,
        "trace": {"ladder": [one.to_json() for one in steps]},
    }


@pytest.mark.parametrize(
    ("today", "left"),
    [("2024-12-31", 31), ("2025-01-01", 31), ("2025-01-30", 2), ("2025-01-31", 1), ("2025-02-01", 0)],
)
def test_the_days_left_of_a_month(today: str, left: int) -> None:
    assert days_left(MONTH, date.fromisoformat(today)) == left


def test_the_next_code_and_what_is_missing() -> None:
    (one,) = projections([answer(step("99490", 1200, 1199, None))], MONTH, date(2025, 1, 20))
    assert (one.next_code, one.seconds_missing, one.days_left, one.reached) == ("99490", 1, 12, ())
    assert projection_lines([one]) == ["  a  ccm-staff  19 min 59 s counted: 1 s to 99490, 12 days left"]


def test_after_the_last_unit_nothing_is_promised() -> None:
    steps = (
        step("99490", 1200, 5000, 6),
        step("99439", 2400, 5000, 7),
        step("99439", 3600, 5000, 8),
        step("99439", 4800, 5000, 9, capped=True),
    )
    (one,) = projections([answer(*steps)], MONTH, date(2025, 1, 20))
    assert (one.next_code, one.reached) == (None, ("99490", "99439", "99439"))
    assert projection_lines([one]) == [
        "  a  ccm-staff  83 min 20 s counted: 99490 + 99439 + 99439 reached, nothing further can be earned"
    ]


def test_the_nearest_comes_first_and_without_time_nobody() -> None:
    near = answer(step("99490", 1200, 1000, None)) | {"patient": "Patient/z"}
    far, none = answer(step("99490", 1200, 10, None)), answer(step("99490", 1200, 0, None))
    assert [p.patient for p in projections([far, none, near], MONTH, date(2025, 1, 20))] == ["Patient/z", "Patient/a"]
