from __future__ import annotations

import copy
from decimal import Decimal

from caretally.reports.summary import summarise
from tests.reports import answers


def test_a_month_adds_up() -> None:
    summary = summarise(iter([answers.billable(), answers.refused(), answers.held(), answers.billable()]))
    assert summary.determinations == 4
    assert summary.patients == 3
    assert dict(summary.statuses) == {"billable": 2, "hold": 1, "not-billable": 1}
    assert [(c.code, c.units, c.amount, c.lines_without_rate) for c in summary.codes] == [
        ("99439", 4, Decimal("91.86"), 2),
        ("99490", 2, Decimal("120.98"), 0),
    ]
    assert summary.amount == Decimal("212.84")
    assert summary.charge == Decimal("290.00")
    assert summary.lines_without_rate == 2
    assert dict(summary.reasons) == {"R-CONSENT-MISSING": 1, "R-MONTH-OPEN": 1, "R-TIME-MIN": 1}
    assert dict(summary.excluded_seconds) == {"X-ROLE": 1800}
    assert summary.counted_seconds + 1800 == summary.logged_seconds
    assert dict(summary.actions) == {"create": 2, "none": 2}


def test_an_empty_month_is_all_zero() -> None:
    empty = summarise([])
    assert empty.to_json()["statuses"] == {"billable": 0, "hold": 0, "not-billable": 0}
    assert empty.to_json()["amount"] == "0"


def test_amounts_leave_as_exact_strings() -> None:
    document = summarise([answers.billable()]).to_json()
    assert document["amount"] == "106.42"
    assert document["codes"][0] == {
        "code": "99439",
        "units": 2,
        "amount": "45.93",
        "charge": "60.00",
        "lines_without_rate": 1,
    }


def test_a_reason_counts_once_in_a_determination() -> None:
    twice = copy.deepcopy(answers.refused())
    twice["reasons"].append(twice["reasons"][0])
    assert summarise([twice]).reasons["R-TIME-MIN"] == 1


def test_a_projected_line_is_not_money() -> None:
    assert summarise([answers.held()]).amount == Decimal(0)
