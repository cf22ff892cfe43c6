"""What must hold for every patient-month, however its entries fall."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.facts.determination import Determination
from caretally.facts.intervals import Interval
from caretally.facts.patient_month import PatientMonth
from caretally.facts.time_entry import TimeEntry
from caretally.rules import RuleContext, determine
from tests.rules.builder import CaseBuilder, tables

pytestmark = pytest.mark.prove
ZONE = ZoneInfo("America/New_York")
# March 2025 has the change to summer time; the entries reach over both edges of the month.
FIRST = datetime(2025, 2, 27, tzinfo=ZONE)

people = st.sampled_from(
    [("N1", "RN"), ("N2", "LPN"), ("P1", "MD"), ("P2", "NP"), ("F1", "RECEPTION"), ("R1", "PharmD")]
)


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    who, role = draw(people)
    entry: dict[str, Any] = {
        "who": who,
        "role": role,
        "prog": draw(st.sampled_from(["ccm", "ccm", "pcm"])),
        "act": draw(st.sampled_from(["communication", "coordination", "care-plan", "scheduling"])),
        "status": draw(st.sampled_from(["finished", "finished", "finished", "entered-in-error"])),
    }
    if draw(st.booleans()) and draw(st.booleans()):
        entry["sep"] = draw(st.sampled_from(["93792", "98012"]))
    seconds = draw(st.integers(1, 70 * 60))
    start = FIRST + timedelta(seconds=draw(st.integers(0, 35 * 24 * 60)) * 60)
    if draw(st.booleans()):
        entry["start"], entry["end"] = start.isoformat(), (start + timedelta(seconds=seconds)).isoformat()
    else:
        entry["date"], entry["min"] = start.date().isoformat(), max(1, seconds // 60)
    return entry


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": "H",
        "month": "2025-03",
        "entries": draw(st.lists(entries(), max_size=8)),
        "mdm": draw(st.sampled_from([None, None, "moderate", "high"])),
        "elect_physician": draw(st.booleans()),
        "pcm": {"cond": "E11"},
    }
    if draw(st.booleans()):
        found["consent"] = draw(
            st.sampled_from(
                [
                    None,
                    {"at": "2025-03-10", "practitioner": "P1"},
                    {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-03-20"},
                    {"at": "2024-11-01", "practitioner": "P9"},
                ]
            )
        )
    if draw(st.booleans()):
        found["stays"] = [{"from": "2025-03-05T10:00:00", "to": "2025-03-08T11:00:00"}]
    if draw(st.booleans()):
        found["visits"] = [
            {"code": "99214", "date": "2024-10-15"},
            {"code": "99213", "date": "2025-03-12", "start": "2025-03-12T09:00:00", "end": "2025-03-12T09:30:00"},
        ]
    return found


switches = st.fixed_dictionaries(
    {},
    optional={
        "dos": st.sampled_from(["threshold", "with_last", "month_end", "last_entry"]),
        "rounding": st.sampled_from(["none", "floor_entry", "floor_total"]),
        "physician_time": st.sampled_from(["auto", "roll_up", "separate"]),
        "ccm_vs_cccm": st.sampled_from(["documented", "highest_allowed", "never_complex"]),
        "same_day_em": st.sampled_from(["practitioner_distinct_only", "exclude_whole_day", "overlap_only"]),
        "revocation_effective": st.sampled_from(["end_of_month", "immediate"]),
    },
)


def decide(month: PatientMonth, context: RuleContext) -> tuple[Determination, ...]:
    return determine(month, context)


def answers(found: tuple[Determination, ...]) -> list[dict[str, Any]]:
    return [d.to_json() for d in found]


@given(cases(), switches)
def test_counted_and_excluded_make_what_was_logged(case: dict[str, Any], policy: dict[str, Any]) -> None:
    builder = CaseBuilder(case, policy)
    month, context = builder.month(), builder.context()
    found = decide(month, context)
    touching = 0
    for entry in month.facts.entries:
        start, end = month.service_month.bounds(ZONE)
        if entry.interval is not None:
            touching += entry.seconds if entry.interval.intersection(Interval(start, end)) else 0
        elif entry.day is not None and month.service_month.contains(entry.day):
            touching += entry.seconds
    assert sum(d.logged_seconds for d in found) == touching
    for d in found:
        counted = sum(r.seconds for r in d.trace.ledger if r.excluded is None)
        assert counted == sum(d.counted_seconds.values())
        assert counted + sum(x["seconds"] for x in d.excluded()) == d.logged_seconds


@given(cases(), switches, st.randoms(use_true_random=False))
def test_the_order_of_facts_means_nothing(case: dict[str, Any], policy: dict[str, Any], random: Any) -> None:
    builder = CaseBuilder(case, policy)
    month, context = builder.month(), builder.context()
    shuffled: dict[str, Any] = {}
    for name in ("entries", "conditions", "care_plans", "consents", "visits", "stays"):
        values = list(getattr(month.facts, name))
        random.shuffle(values)
        shuffled[name] = tuple(values)
    again = replace(month, facts=replace(month.facts, **shuffled))
    assert answers(decide(again, context)) == answers(decide(month, context))


@given(cases(), switches)
def test_lines_keep_the_limits(case: dict[str, Any], policy: dict[str, Any]) -> None:
    builder = CaseBuilder(case, policy)
    month, context = builder.month(), builder.context()
    services = tables().services
    billed = set()
    for d in decide(month, context):
        if not d.lines:
            assert d.status != "billable"
            assert d.reasons
            continue
        assert d.status == "billable"
        assert not d.reasons
        assert d.billing_practitioner not in billed
        billed.add(d.billing_practitioner)
        family = services.families[d.family or ""]
        units: dict[str, int] = {}
        for line in d.lines:
            assert month.service_month.contains(line.service_date)
            units[line.code] = units.get(line.code, 0) + line.units
        assert set(units) <= {family.base, family.add_on}
        assert units[family.base] == 1
        assert units.get(family.add_on or "", 0) <= (family.add_on_cap or 0)
        needed = family.base_minutes + units.get(family.add_on or "", 0) * (family.add_on_minutes or 0)
        assert d.counted_seconds[family.programme] >= needed * 60
        assert d.evidence.consent is not None
        assert d.evidence.care_plan is not None


@given(cases())
def test_without_consent_there_is_no_line(case: dict[str, Any]) -> None:
    builder = CaseBuilder({**case, "consent": None})
    assert all(not d.lines for d in decide(builder.month(), builder.context()))


@given(cases(), switches.filter(lambda p: p.get("rounding") != "floor_entry"), st.data())
def test_an_entry_cut_in_two_changes_nothing(case: dict[str, Any], policy: dict[str, Any], data: st.DataObject) -> None:
    builder = CaseBuilder(case, policy)
    month, context = builder.month(), builder.context()
    timed = [e for e in month.facts.entries if e.interval is not None and e.interval.seconds > 1]
    if not timed:
        return
    # Two records with the same performer, start and end are one event; a half of one of them would be another.
    spans = [(e.performers, e.interval, e.programme) for e in timed]
    chosen = data.draw(st.sampled_from(timed))
    if spans.count((chosen.performers, chosen.interval, chosen.programme)) > 1:
        return
    assert chosen.interval is not None
    cut = data.draw(st.integers(chosen.interval.start + 1, chosen.interval.end - 1))
    halves = (
        _part(chosen, Interval(chosen.interval.start, cut), "a"),
        _part(chosen, Interval(cut, chosen.interval.end), "b"),
    )
    # A half that equals another entry would rightly be a duplicate of it.
    if any((h.performers, h.interval, h.programme) in spans for h in halves):
        return
    others = tuple(e for e in month.facts.entries if e is not chosen)
    again = replace(month, facts=replace(month.facts, entries=(*others, *halves)))
    for before, after in zip(decide(month, context), decide(again, context), strict=True):
        assert before.status == after.status
        assert before.lines == after.lines
        assert before.counted_seconds == after.counted_seconds


def _part(entry: TimeEntry, interval: Interval, suffix: str) -> TimeEntry:
    return replace(entry, reference=entry.reference + suffix, interval=interval, seconds=interval.seconds)


@given(cases(), st.integers(1, 60))
def test_more_staff_time_never_removes_a_line(case: dict[str, Any], minutes: int) -> None:
    case = {**case, "elect_physician": False, "entries": [e for e in case["entries"] if e["role"] != "MD"]}
    case["entries"] = [e for e in case["entries"] if e["prog"] == "ccm"]
    builder = CaseBuilder(case)
    more = CaseBuilder(
        {
            **case,
            "entries": [
                *case["entries"],
                {"id": "more", "who": "N7", "role": "RN", "date": "2025-03-28", "min": minutes, "act": "education"},
            ],
        }
    )
    few = {d.billing_practitioner: d for d in decide(builder.month(), builder.context())}
    many = {d.billing_practitioner: d for d in decide(more.month(), more.context())}
    for who, before in few.items():
        if before.lines:
            after = many[who]
            assert after.status == "billable"
            if before.family == after.family:
                assert len(after.lines) >= len(before.lines)
