"""The golden cases, decided from facts alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caretally.facts.determination import Determination
from caretally.rules import determine
from tests.rules.builder import CaseBuilder

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "cases.jsonl"
CASES = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
STATUS = {"BILLABLE": "billable", "NOT_BILLABLE": "not-billable", "HOLD": "hold"}


def decide(case: dict[str, Any], month: str | None = None, **switches: Any) -> Determination:
    builder = CaseBuilder(case, switches)
    found = [
        d
        for d in determine(builder.month(month), builder.context())
        if d.billing_practitioner == f"Practitioner/{builder.case['me']}"
    ]
    assert len(found) == 1
    return found[0]


def compare(want: dict[str, Any], found: Determination) -> None:
    assert found.status == STATUS[want["status"]]
    lines = sorted([x.code, x.units, x.service_date.isoformat()] for x in found.lines)
    assert lines == sorted(want["lines"])
    if "reasons" in want:
        assert sorted({r.code for r in found.reasons}) == sorted(want["reasons"])
    for programme, minutes in want.get("minutes", {}).items():
        assert abs(found.counted_seconds.get(programme, 0) - minutes * 60) <= 1


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_golden_case(case: dict[str, Any]) -> None:
    want, found = case["expect"], decide(case)
    compare(want, found)
    excluded: dict[str, int] = {}
    for row in found.excluded():
        key = row["code"] + (" " + row["detail"] if row["code"] == "X-SEPARATE-CODE" else "")
        excluded[key] = excluded.get(key, 0) + row["seconds"]
    excluded.pop("X-OUTSIDE-MONTH", None)
    wanted = {k: round(v * 60) for k, v in want["excluded"].items() if k != "X-OUTSIDE-MONTH"}
    assert excluded == wanted
    assert found.surplus_seconds == round(want["surplus"] * 60)
    assert set(want["warn"]) <= {n.code for n in found.notices}
    assert float(found.total_amount or 0) == pytest.approx(want["amount"])
    counted = sum(r.seconds for r in found.trace.ledger if r.excluded is None)
    assert counted + sum(r["seconds"] for r in found.excluded()) == found.logged_seconds
    if "expect_also" in case:
        compare(case["expect_also"], decide(case, case["expect_also"]["month"]))
    if "expect_alt" in case:
        compare(case["expect_alt"], decide(case, **case["expect_alt"]["policy"]))
