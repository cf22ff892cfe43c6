"""What engine and second calculator once said differently, one test each (docs/reference/second-calculator.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from caretally.facts.determination import Determination
from caretally.facts.moment import Moment
from caretally.facts.patient_month import DoubleBooking, PatientMonth
from caretally.rules import RuleContext, determine
from tests.rules.builder import CaseBuilder

NURSE = {"role": "RN", "who": "N1", "start": "2025-01-13T09:00:00", "end": "2025-01-13T09:25:00"}


def question(entries: list[dict[str, Any]], switches: dict[str, Any] | None = None, **case: Any) -> Any:
    builder = CaseBuilder({"month": "2025-01", "entries": entries, **case}, switches=switches or {})
    return builder.month(), builder


def answers(month: PatientMonth, context: RuleContext) -> dict[str | None, Determination]:
    return {d.billing_practitioner: d for d in determine(month, context)}


def with_facts(month: PatientMonth, **facts: Any) -> PatientMonth:
    return replace(month, facts=replace(month.facts, **facts))


def reasons(found: Determination) -> set[str]:
    return {r.code for r in found.reasons}


def codes(found: Determination) -> list[tuple[str, int]]:
    return [(line.code, line.units) for line in found.lines]


def test_a_plan_that_a_nurse_wrote_is_the_only_consented_practitioners() -> None:
    month, builder = question([NURSE])
    (plan,) = month.facts.care_plans
    nurse = builder.person("N1", "RN")
    found = answers(with_facts(month, care_plans=(replace(plan, author=nurse),)), builder.context())
    assert codes(found["Practitioner/P1"]) == [("99490", 1)]
    assert "W-CAREPLAN-AUTHOR" in {n.code for n in found["Practitioner/P1"].notices}


def test_a_plan_that_a_nurse_wrote_is_nobodys_where_two_are_consented() -> None:
    month, builder = question([NURSE])
    (plan,), (consent,) = month.facts.care_plans, month.facts.consents
    other = replace(consent, reference="Consent/2", practitioners=(builder.person("P2", "MD"),))
    changed = with_facts(
        month, care_plans=(replace(plan, author=builder.person("N1", "RN")),), consents=(consent, other)
    )
    found = answers(changed, builder.context())
    assert "R-CAREPLAN-MISSING" in reasons(found["Practitioner/P1"])


def test_a_plan_entered_in_error_claims_no_minutes_and_makes_nobody_a_candidate() -> None:
    month, builder = question([NURSE])
    (plan,) = month.facts.care_plans
    mistake = replace(plan, reference="CarePlan/mistake", status="entered-in-error", author=builder.person("P2", "MD"))
    found = answers(with_facts(month, care_plans=(plan, mistake)), builder.context())
    assert list(found) == ["Practitioner/P1"]
    assert codes(found["Practitioner/P1"]) == [("99490", 1)]


def test_the_attending_practitioners_own_enrolment_gives_the_programme() -> None:
    month, builder = question([{**NURSE, "attending": "P1"}])
    (plan,) = month.facts.care_plans
    theirs = replace(
        plan, reference="CarePlan/pcm", programmes=("pcm",), author=builder.person("P2", "MD", "GRP2"), addresses=()
    )
    (entry,) = month.facts.entries
    changed = with_facts(month, care_plans=(plan, theirs), entries=(replace(entry, programme=None),))
    found = answers(changed, builder.context())
    assert codes(found["Practitioner/P1"]) == [("99490", 1)]
    assert "R-ATTRIBUTION" not in reasons(found["Practitioner/P2"])


def test_one_event_logged_for_two_practitioners_is_counted_once() -> None:
    month, builder = question([{**NURSE, "attending": "P1"}, {**NURSE, "attending": "P2"}])
    builder.person("P2", "MD")
    found = answers(month, builder.context())
    assert found["Practitioner/P1"].counted_seconds["ccm"] == 1500
    assert [row["code"] for row in found["Practitioner/P2"].excluded()] == ["X-DUPLICATE"]


def test_a_conflict_is_ours_by_the_npi_of_the_claim_alone() -> None:
    claims = [{"code": "90961", "by": "P1", "group": "GRP1", "date": "2025-01-31"}]
    month, builder = question([NURSE], other_claims=claims)
    (line,) = month.facts.claim_lines
    for practitioners, npis, blocked in ((("Practitioner/P1",), (), True), ((), line.npis, True), ((), ("7",), False)):
        changed = replace(line, practitioners=practitioners, npis=npis)
        found = answers(with_facts(month, claim_lines=(changed,)), builder.context())["Practitioner/P1"]
        assert ("R-CONFLICT-ESRD" in reasons(found)) is blocked


def elsewhere(builder: CaseBuilder, month: PatientMonth, **changed: Any) -> Any:
    (consent,) = month.facts.consents
    other = builder.person("P9", "MD", "OTHER")
    given = {
        "given": Moment(day=date(2025, 1, 10)),
        "practitioners": (other,),
        "organizations": ("Organization/OTHER",),
    }
    return replace(consent, reference="Consent/elsewhere", **{**given, **changed})


def test_a_patient_who_withdrew_here_and_consented_elsewhere_is_enrolled_elsewhere() -> None:
    month, builder = question([NURSE])
    (consent,) = month.facts.consents
    ours = replace(consent, status="inactive", withdrawn=Moment(day=date(2025, 1, 9)))
    theirs = elsewhere(builder, month)
    found = answers(with_facts(month, consents=(ours, theirs)), builder.context())
    assert reasons(found["Practitioner/P1"]) == {"R-ENROLLED-ELSEWHERE"}


def test_a_consent_elsewhere_that_ended_before_the_month_does_not_block() -> None:
    month, builder = question([NURSE])
    ended = {"given": Moment(day=date(2024, 12, 1)), "withdrawn": Moment(day=date(2024, 12, 20))}
    for status in ("active", "inactive"):
        theirs = elsewhere(builder, month, status=status, **ended)
        found = answers(with_facts(month, consents=(*month.facts.consents, theirs)), builder.context())
        assert codes(found["Practitioner/P1"]) == [("99490", 1)]


def test_principal_care_elsewhere_does_not_block_chronic_care_here() -> None:
    month, builder = question([NURSE], switches={"consent_per_programme": False})
    theirs = elsewhere(builder, month, programmes=("pcm",))
    found = answers(with_facts(month, consents=(*month.facts.consents, theirs)), builder.context())
    assert codes(found["Practitioner/P1"]) == [("99490", 1)]


def test_whole_minutes_of_an_entry_survive_midnight_and_an_overlap() -> None:
    doctor = {"role": "MD", "who": "P2", "start": "2025-01-14T23:46:40", "end": "2025-01-15T00:06:40"}
    nurse = {"role": "RN", "who": "N1", "start": "2025-01-14T23:51:38", "end": "2025-01-15T00:06:37"}
    month, builder = question([doctor, nurse], switches={"rounding": "floor_entry"})
    found = answers(month, builder.context())["Practitioner/P1"]
    assert codes(found) == [("99490", 1)]
    assert {row["code"]: row["seconds"] for row in found.excluded()} == {"X-OVERLAP": 899}


def test_whole_minutes_of_the_practitioner_are_floored_by_entry_not_by_what_the_overlap_left() -> None:
    nurse = {"role": "RN", "who": "N1", "start": "2025-01-14T10:00:00", "end": "2025-01-14T10:10:15"}
    doctor = {"role": "MD", "who": "P1", "start": "2025-01-14T10:00:00", "end": "2025-01-14T10:30:00"}
    month, builder = question([nurse, doctor], switches={"rounding": "floor_entry"}, elect_physician=True)
    assert codes(answers(month, builder.context())["Practitioner/P1"]) == [("99491", 1)]


def test_double_booked_time_is_asked_about_also_where_it_overlaps() -> None:
    long = {"role": "RN", "who": "N1", "start": "2025-01-14T10:00:00", "end": "2025-01-14T10:40:00"}
    short = {"role": "MD", "who": "P1", "start": "2025-01-14T10:05:00", "end": "2025-01-14T10:35:00"}
    month, builder = question([long, short], elect_physician=True)
    booked = DoubleBooking(performer="Practitioner/P1", entry="Encounter/time-2", other_entry="Encounter/x", seconds=60)
    found = answers(replace(month, double_bookings=(booked,)), builder.context())["Practitioner/P1"]
    assert reasons(found) == {"R-STAFF-DOUBLE-BOOKED"}


def test_one_disease_of_two_practitioners_follows_the_payers_grouping() -> None:
    entries = [{**NURSE, "prog": "pcm", "end": "2025-01-13T09:35:00"}]
    claims = [{"code": "99426", "by": "P9", "group": "OTHER", "date": "2025-01-20", "dx": ["E10.9"]}]
    case = {"pcm": {"cond": "E11"}, "other_claims": claims}
    for grouping, expected in (("icd3", set()), ("mapped_group", {"R-PCM-SAME-CONDITION"})):
        month, builder = question(entries, switches={"condition_grouping": grouping}, **case)
        assert reasons(answers(month, builder.context())["Practitioner/P1"]) == expected


def test_a_call_over_new_year_that_has_a_code_of_its_own_counts_on_neither_side() -> None:
    call = {"role": "RN", "who": "N1", "start": "2024-12-31T23:55:00", "end": "2025-01-01T00:25:00", "sep": "99442"}
    month, builder = question([call])
    found = answers(month, builder.context())["Practitioner/P1"]
    assert {row["code"]: row["seconds"] for row in found.excluded()} == {
        "X-OUTSIDE-MONTH": 300,
        "X-SEPARATE-CODE": 1500,
    }


def test_minutes_after_the_turn_of_the_month_go_to_who_has_a_plan_then() -> None:
    late = {"role": "RN", "who": "N1", "start": "2024-12-31T23:55:00", "end": "2025-01-01T00:25:00"}
    month, builder = question([late])
    (plan,) = month.facts.care_plans
    before = replace(plan, end=date(2024, 12, 31))
    after = replace(plan, reference="CarePlan/2", start=date(2025, 1, 1), author=builder.person("P2", "MD"))
    found = answers(with_facts(month, care_plans=(before, after)), builder.context())
    assert found["Practitioner/P2"].counted_seconds == {"ccm": 1500}
    assert found["Practitioner/P1"].logged_seconds == 0


def test_a_plan_without_dates_was_there_when_it_was_last_updated() -> None:
    month, builder = question([NURSE])
    (plan,) = month.facts.care_plans
    for updated, missing in ((date(2025, 1, 31), False), (date(2025, 2, 1), True), (None, True)):
        changed = replace(plan, start=None, created=None, updated=updated)
        found = answers(with_facts(month, care_plans=(changed,)), builder.context())["Practitioner/P1"]
        assert ("R-CAREPLAN-MISSING" in reasons(found)) is missing
