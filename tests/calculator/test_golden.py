"""The golden cases of the guide and of the billing rules: the calculator alone, without the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.calculator.calculator import calculate
from tests.rules.builder import CaseBuilder

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "golden" / "cases.jsonl").read_text().splitlines()
    if line.strip()
]
STATUS = {"BILLABLE": "billable", "NOT_BILLABLE": "not-billable", "HOLD": "hold"}


def check(
    case: dict[str, Any], want: dict[str, Any], *, month: str | None = None, switches: dict[str, Any] | None = None
) -> None:
    builder = CaseBuilder(case, switches=switches or {})
    question, context = builder.month(month), builder.context()
    answer = calculate(question, context)[f"Practitioner/{builder.case['me']}"]
    assert answer.status == STATUS[want["status"]]
    assert sorted([code, units, day] for code, units, day, _ in answer.lines) == sorted(want["lines"])
    if "reasons" in want:
        assert answer.reasons == set(want["reasons"])
    for programme, minutes in want.get("minutes", {}).items():
        assert abs(answer.counted.get(programme, 0) - minutes * 60) <= 1
    if "excluded" in want:
        wanted: dict[str, int] = {}
        for code, minutes in want["excluded"].items():
            wanted[code.split()[0]] = wanted.get(code.split()[0], 0) + round(minutes * 60)
        outside = "X-OUTSIDE-MONTH"
        assert {k: v for k, v in answer.excluded.items() if k != outside} == {
            k: v for k, v in wanted.items() if k != outside
        }
        assert abs(answer.surplus - want["surplus"] * 60) <= 1
        assert sum(float(money or 0) for *_, money in answer.lines) == pytest.approx(want["amount"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_the_calculator_gives_the_expected_lines(case: dict[str, Any]) -> None:
    check(case, case["expect"])
    if "expect_also" in case:
        check(case, case["expect_also"], month=case["expect_also"]["month"])
    if "expect_alt" in case:
        check(case, case["expect_alt"], switches=case["expect_alt"]["policy"])


def test_every_golden_case_is_there() -> None:
    assert len(CASES) == 42
