"""The trace is complete: from it alone the lines can be worked out again."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builder import CaseBuilder
from tests.rules.coverage.pairs import written
from tests.rules.deciding import decide_all
from tests.rules.recompute import agrees

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "cases.jsonl"
CASES = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
Json = dict[str, Any]


def recomputed(case: Json, policy: Json, month: str | None = None, as_of: date | None = None) -> int:
    from caretally.rules import determine  # noqa: PLC0415 -- beside its only use

    builder = CaseBuilder(case, policy)
    return sum(agrees(d.to_json()) for d in determine(builder.month(month, as_of), builder.context()))


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_the_lines_of_a_golden_case_follow_from_its_trace(case: Json) -> None:
    billable = len(case["expect"]["lines"])
    assert recomputed(case, {}) == billable
    if "expect_also" in case:
        recomputed(case, {}, case["expect_also"]["month"])
    for policy in [case["expect_alt"]["policy"]] if "expect_alt" in case else []:
        recomputed(case, policy)
    following = date.fromisoformat(case["month"] + "-01")
    assert recomputed(case, {}, as_of=following) == billable


def test_the_lines_of_every_written_pair_follow_from_its_trace() -> None:
    billed = 0
    for pair in written():
        for case, policy in ((pair.case, pair.policy), (pair.neighbour, pair.other_policy)):
            billed += sum(agrees(d.to_json()) for d in decide_all(case, policy))
    assert billed > 100


def test_a_trace_that_lacks_something_is_noticed() -> None:
    (found,) = decide_all({})
    document = json.loads(json.dumps(found.to_json()))
    document["trace"]["ledger"][0]["seconds"] -= 1
    with pytest.raises(AssertionError):
        agrees(document)


def test_an_answer_is_json_without_help() -> None:
    """Every value of the policy among it: a zone, an amount."""
    (found,) = decide_all({}, {"caps.99439": 3})
    told = json.loads(json.dumps(found.to_json()))
    assert told["trace"]["policy"]["zone"] == "America/New_York"
    assert told["trace"]["policy"]["caps"] == {"99439": 3}


ZONE = ZoneInfo("America/New_York")
FIRST = datetime(2025, 2, 28, 20, tzinfo=ZONE)
PEOPLE = [("N1", "RN"), ("N2", "LPN"), ("P1", "MD"), ("P1", "MD"), ("P2", "NP"), ("C1", "CHW"), ("N3", "RN")]
MIXES = [("ccm",), ("ccm", "pin"), ("ccm", "pin"), ("pcm",), ("pcm", "pin"), ("ccm", "pcm", "pin"), ("pin",)]


@st.composite
def entries(draw: st.DrawFn, programmes: tuple[str, ...]) -> Json:
    """One entry of a few minutes to some hours; many of them on few days, so that they overlap."""
    who, role = draw(st.sampled_from(PEOPLE))
    start = FIRST + timedelta(minutes=draw(st.integers(0, 12)) * 60 * 62 + draw(st.integers(0, 90)))
    seconds = draw(st.integers(60, 100 * 60))
    entry: Json = {"who": who, "role": role, "prog": draw(st.sampled_from(programmes))}
    entry["act"] = draw(st.sampled_from(["communication", "coordination", "care-plan", "education", "scheduling"]))
    if draw(st.integers(0, 3)):
        return {**entry, "start": start.isoformat(), "end": (start + timedelta(seconds=seconds)).isoformat()}
    return {**entry, "date": start.date().isoformat(), "min": seconds // 60}


@st.composite
def months(draw: st.DrawFn) -> Json:
    """A patient with two diseases, with minutes of one to three programmes."""
    programmes = draw(st.sampled_from(MIXES))
    case: Json = {
        "id": "H",
        "month": "2025-03",
        "conditions": [
            ["C50.911", True, 12, True],
            [draw(st.sampled_from(["I50.22", "I50.22", "I50.22", "C50.912"])), True, 12, True],
        ],
        "entries": draw(st.lists(entries(programmes), min_size=2, max_size=9)),
        "mdm": draw(st.sampled_from([None, "low", "moderate", "high"])),
        "elect_physician": draw(st.sampled_from([False, False, True])),
        "pin": {"cond": draw(st.sampled_from(["C50.911", "I50"]))},
        "pcm": {"cond": "C50.911"},
    }
    for key, values in (
        ("coverage_end", ["2025-03-11", "2025-03-31"]),
        ("deceased", ["2025-03-20"]),
        ("hospice", ["2025-03-31"]),
        ("consent", [{"at": "2025-03-08", "practitioner": "P1"}]),
        ("other_claims", [[{"code": "99426", "by": "P1", "group": "GRP1", "date": "2025-03-09"}]]),
    ):
        if draw(st.integers(0, 9)) == 0:
            case[key] = draw(st.sampled_from(values))
    return case


policies = st.fixed_dictionaries(
    {},
    optional={
        "dos": st.sampled_from(["threshold", "with_last", "month_end", "last_entry"]),
        "rounding": st.sampled_from(["none", "floor_entry", "floor_total"]),
        "physician_time": st.sampled_from(["auto", "roll_up", "separate"]),
        "ccm_vs_cccm": st.sampled_from(["documented", "highest_allowed", "never_complex"]),
        "cccm_requires_plan_revision": st.booleans(),
        "caps.99439": st.integers(1, 4),
        "chw_is_clinical_staff": st.booleans(),
        "hospice": st.sampled_from(["hold", "block", "warn"]),
    },
)


@given(months(), policies, st.sampled_from([date(2025, 3, 31), date(2025, 4, 3), date(2025, 4, 10)]))
def test_the_lines_of_any_month_follow_from_its_trace(case: Json, policy: Json, as_of: date) -> None:
    recomputed(case, policy, as_of=as_of)
