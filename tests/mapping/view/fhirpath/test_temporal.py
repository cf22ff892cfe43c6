"""Partial dates: what is one, how two compare, and where they begin and end."""

from __future__ import annotations

import pytest

from caretally.mapping.view.fhirpath.temporal import boundary, compare_temporal, parse_temporal


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2025", "date"),
        ("2025-03", "date"),
        ("2024-02-29", "date"),
        ("2025-03-04T09:00:00Z", "dateTime"),
        ("2025-03-04T09:00:00.123456789-05:00", "dateTime"),
        ("2025-03-04T09", "dateTime"),
        ("2016-12-31T23:59:60Z", "dateTime"),
        ("09:30", "time"),
        ("09:30:15.5", "time"),
    ],
)
def test_shapes_of_moments(text: str, kind: str) -> None:
    moment = parse_temporal(text)
    assert moment is not None
    assert moment.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "25", "20250304", "2025-13", "2025-02-30", "2025-3-4", "0000", "2025-03-04 09:00:00"),
        *("2025-03T09:00", "2025Z", "24:00", "09", "09:60", "T09:30", "09:30Z", "2025-03-04T", "185317003", "9" * 99),
    ],
)
def test_what_is_no_moment(text: str) -> None:
    assert parse_temporal(text) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2025-03-04", "2025-03-04", 0),
        ("2025-03-04", "2025-03-05", -1),
        ("2025", "2024-12-31", 1),
        ("2025", "2025-03", None),
        ("2025-03-04T09:00:00Z", "2025-03-04T10:00:00+01:00", 0),
        ("2025-03-04T23:30:00-05:00", "2025-03-05T04:29:59Z", 1),
        ("2025-03-04T09:00:00", "2025-03-04T09:00:00Z", None),
        ("2025-03-04T23:30:00-05:00", "2025-03-04", None),
        ("2025-03-04T23:30:00-05:00", "2025-03-05", -1),
        ("2025-03-04T09:00:00.5Z", "2025-03-04T09:00:00.500Z", 0),
        ("2025-03-04T09:00Z", "2025-03-04T09:00:00Z", None),
        ("2025-03-04T09+01:00", "2025-03-04T09Z", -1),
        ("0001-01-01T00:00:00+14:00", "2025-03-04T09:00:00Z", None),
        ("09:30", "09:30:00", None),
        ("09:30", "10:00:00", -1),
        ("09:30", "2025-03-04", None),
    ],
)
def test_comparison_goes_as_far_as_both_are_known(left: str, right: str, expected: int | None) -> None:
    first, second = parse_temporal(left), parse_temporal(right)
    assert first is not None
    assert second is not None
    assert compare_temporal(first, second) == expected
    assert compare_temporal(second, first) == (None if expected is None else -expected)


@pytest.mark.parametrize(
    ("text", "kind", "low", "high"),
    [
        ("2025", None, "2025-01-01", "2025-12-31"),
        ("2024-02", None, "2024-02-01", "2024-02-29"),
        ("2025-03-04", "date", "2025-03-04", "2025-03-04"),
        ("2025-03-04", "dateTime", "2025-03-04T00:00:00.000+14:00", "2025-03-04T23:59:59.999-12:00"),
        ("2025-03-04T09:15Z", None, "2025-03-04T09:15:00.000Z", "2025-03-04T09:15:59.999Z"),
        ("2025-03-04T09:15:07", None, "2025-03-04T09:15:07.000+14:00", "2025-03-04T09:15:07.999-12:00"),
        ("2025-03-04T09:15:07.1-05:00", None, "2025-03-04T09:15:07.100-05:00", "2025-03-04T09:15:07.199-05:00"),
        ("2025-03-04T09:15:07.1234Z", None, "2025-03-04T09:15:07.1234Z", "2025-03-04T09:15:07.1234Z"),
        ("09:15", "time", "09:15:00.000", "09:15:59.999"),
        ("2025-02-30", None, None, None),
    ],
)
def test_boundaries(text: str, kind: str | None, low: str | None, high: str | None) -> None:
    assert boundary(text, low=True, kind=kind) == low
    assert boundary(text, low=False, kind=kind) == high
