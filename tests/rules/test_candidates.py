"""Who could be served: the conditions are met and something is missing, ordered by need, with what calls for it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from caretally.facts.candidates import Candidate, by_need
from caretally.facts.clinical import RiskStatement, StayFact
from caretally.facts.moment import Moment
from caretally.facts.practice import Site
from caretally.facts.record import EmergencyFact
from caretally.rules.candidates import candidates
from tests.rules.builder import CaseBuilder

TODAY = date(2025, 3, 20)
ENTRY = {"role": "RN", "who": "N1", "date": "2025-03-10", "min": 5}
NOBODY: dict[str, Any] = {"plan": False, "consent": None, "entries": []}


def found(case: dict[str, Any] | None = None, today: date = TODAY, **facts: Any) -> tuple[Candidate, ...]:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": [ENTRY], **(case or {})})
    month = builder.month(as_of=today)
    month = replace(month, facts=replace(month.facts, **facts))
    return candidates(month, builder.context())


def steps(candidate: Candidate) -> list[str]:
    return [missing.step for missing in candidate.missing]


def test_who_lacks_nothing_is_no_candidate() -> None:
    assert found() == ()


@pytest.mark.parametrize(
    ("case", "missing"),
    [
        ({"consent": None}, ["consent"]),
        ({"plan": False}, ["care-plan"]),
        ({"visits": []}, ["initiating-visit"]),
        ({"entries": []}, ["minutes"]),
        ({"entries": [{**ENTRY, "role": "RECEPTION", "who": "F1"}]}, ["minutes"]),
        ({"consent": None, "visits": [], "entries": []}, ["initiating-visit", "consent", "minutes"]),
        ({"conditions": [["E11.9", True, 12, None], ["I50.22", True, 12, None]]}, ["risk"]),
    ],
)  # fmt: skip
def test_each_thing_that_may_be_missing(case: dict[str, Any], missing: list[str]) -> None:
    (one,) = found(case)
    assert steps(one) == missing
    assert (one.programme, one.begun, one.practitioner) == ("ccm", True, "Practitioner/P1")


def test_a_patient_who_has_not_begun_is_found_with_who_saw_him_last() -> None:
    (one,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2025-02-15"}]})
    assert (one.begun, one.practitioner, one.programme) == (False, "Practitioner/P1", "ccm")
    # The visit of a month ago would start the programme.
    assert steps(one) == ["consent", "care-plan", "minutes"]
    assert "pcm" in one.also
    (old,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2024-03-19"}]})
    assert steps(old) == ["initiating-visit", "consent", "care-plan", "minutes"]
    (unseen,) = found({**NOBODY, "visits": []})
    assert unseen.practitioner is None


def test_one_listed_condition_without_a_known_risk_is_no_reason_for_one_programme_of_one_disease() -> None:
    assert found({**NOBODY, "conditions": [["E11.9", True, 12, None]]}) == ()
    (one,) = found({**NOBODY, "conditions": [["C50.911", True, 12, True]]})
    assert one.programme == "pcm"


@pytest.mark.parametrize(
    "case",
    [
        {"conditions": [["J06.9", True, 1, None]]},
        {"conditions": [["E11.9", True, 12, False], ["I50.22", True, 12, False]]},
        {"conditions": [["E11.9", False, 12, True], ["I50.22", False, 12, True]]},
        {"deceased": "2025-03-01"},
    ],
)
def test_who_does_not_meet_the_conditions_or_has_died_is_none(case: dict[str, Any]) -> None:
    assert found({**NOBODY, **case}) == ()


def test_what_else_stands_against_it_is_named() -> None:
    other = {"other_claims": [{"code": "99490", "by": "P9", "group": "OTHER", "date": "2025-03-05"}]}
    (one,) = found({"consent": None, **other})
    assert one.against == ("R-OTHER-CLINICIAN-CCM",)


def emergency(day: date) -> dict[str, Any]:
    return {"emergencies": (EmergencyFact(reference="Encounter/er", day=day),)}


def discharge(day: date) -> dict[str, Any]:
    stay = StayFact(reference="Encounter/stay", start=Moment(day=date(2025, 1, 1)), end=Moment(day=day))
    return {"stays": (stay,)}


@pytest.mark.parametrize(
    ("kind", "facts", "neighbour"),
    [
        ("emergency-visit", emergency(date(2025, 2, 18)), emergency(date(2025, 2, 17))),
        ("emergency-visit", emergency(date(2025, 3, 20)), emergency(date(2025, 3, 21))),
        ("discharge", discharge(date(2025, 2, 18)), discharge(date(2025, 2, 17))),
    ],
)
def test_a_trigger_lasts_thirty_days(kind: str, facts: dict[str, Any], neighbour: dict[str, Any]) -> None:
    (one,) = found(NOBODY, **facts)
    assert [t.kind for t in one.triggers] == [kind]
    (other,) = found(NOBODY, **neighbour)
    assert other.triggers == ()


def test_the_newest_trigger_stands_first() -> None:
    older, newer = emergency(date(2025, 3, 2)), discharge(date(2025, 3, 9))
    (one,) = found(NOBODY, **older, **newer)
    assert [t.kind for t in one.triggers] == ["discharge", "emergency-visit"]
    (one,) = found(NOBODY, **emergency(date(2025, 3, 12)), **newer)
    assert [t.kind for t in one.triggers] == ["emergency-visit", "discharge"]


@pytest.mark.parametrize(
    ("code", "risk", "recorded", "called"),
    [
        ("I50.22", True, date(2024, 12, 20), True),
        ("I50.22", True, date(2024, 12, 19), False),
        ("I50.22", None, date(2025, 3, 1), False),
        ("C61", None, date(2025, 3, 1), True),
    ],
)
def test_a_new_high_risk_diagnosis_calls_for_ninety_days(
    code: str, risk: bool | None, recorded: date, called: bool
) -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": [], **NOBODY})
    first, second = builder.month().facts.conditions
    conditions = (first, replace(second, icd10cm=code, significant_risk=risk, recorded=recorded, onset=recorded))
    (one,) = found(NOBODY, conditions=conditions)
    assert bool(one.triggers) is called


def test_the_order_is_that_of_need() -> None:
    (plain,) = found(NOBODY)
    (urgent,) = found(NOBODY, **emergency(date(2025, 3, 19)))
    nearer = replace(plain, patient="Patient/nearer", missing=plain.missing[:1])
    unsure = replace(plain, patient="Patient/unsure", risk_documented=False)
    many = replace(plain, patient="Patient/many", diseases=5)
    blocked = replace(urgent, patient="Patient/blocked", against=("R-HOSPICE-REVIEW",))
    ordered = sorted([blocked, unsure, plain, nearer, many, urgent], key=by_need)
    assert ordered == [urgent, many, nearer, plain, unsure, blocked]


def test_the_json_says_everything() -> None:
    (one,) = found(NOBODY, **emergency(date(2025, 3, 19)))
    told = one.to_json()
    assert told["triggers"] == [{"kind": "emergency-visit", "date": "2025-03-19", "reference": "Encounter/er"}]
    assert [m["step"] for m in told["missing"]] == ["consent", "care-plan", "minutes"]
    assert told["conditions"] == ["Condition/cond1", "Condition/cond2"]


def test_what_is_missing_is_said_in_words() -> None:
    unmapped = {"conditions": [["E11.9", True, 12, None], ["I50.22", True, 12, None]], "visits": [], **NOBODY}
    (one,) = found(unmapped)
    assert {m.step: m.found for m in one.missing} == {
        "risk": "significant risk documented for 0, not known for 2 of 2",
        "initiating-visit": "no programme start is known",
        "consent": "no care-management consent by the end of the month",
        "care-plan": "none in force in the month",
        "minutes": "no counted minute in the month",
    }
    assert not one.risk_documented


@pytest.mark.parametrize(
    "when",
    [
        {"date": "2025-03-20", "min": 5},
        {"start": "2025-03-20T23:50:00", "end": "2025-03-20T23:55:00"},
    ],
)
def test_work_of_a_later_day_is_not_done_yet(when: dict[str, Any]) -> None:
    entry = {"role": "RN", "who": "N1", **when}
    assert found({"entries": [entry]}) == ()
    (one,) = found({"entries": [entry]}, today=date(2025, 3, 19))
    assert steps(one) == ["minutes"]


def test_the_day_is_that_of_the_practice() -> None:
    evening = {"role": "RN", "who": "N1", "start": "2025-03-21T02:00:00", "end": "2025-03-21T02:05:00"}
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": [evening]})
    month, context = builder.month(as_of=TODAY), builder.context()
    (one,) = candidates(month, context)
    assert steps(one) == ["minutes"]
    there = Site(name="main", zone=ZoneInfo("Pacific/Honolulu"))
    assert candidates(month, replace(context, practice=replace(context.practice, sites=(there,)))) == ()


def test_a_condition_without_a_code_for_the_claim_is_one_thing_missing() -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": [ENTRY]})
    first, second = builder.month().facts.conditions
    uncoded = replace(second, icd10cm=None, codes=(), group="heart-failure", listed_chronic=True)
    (one,) = found(conditions=(first, uncoded))
    assert steps(one) == ["diagnosis-code"]


def test_who_saw_the_patient_last_may_bill_and_saw_him_within_two_years() -> None:
    visits = [{"code": "99214", "date": "2024-06-01", "by": "P2"}, {"code": "99214", "date": "2024-07-01", "by": "P1"}]
    (one,) = found({**NOBODY, "visits": visits})
    assert one.practitioner == "Practitioner/P1"
    (edge,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2023-03-21"}]})
    assert edge.practitioner == "Practitioner/P1"
    (old,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2023-03-20"}]})
    assert old.practitioner is None
    (coming,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2025-03-21"}]})
    assert coming.practitioner is None
    other = [{"code": "99214", "date": "2025-03-18T22:00:00", "by": "P2"}, {"code": "99214", "date": "2025-03-19"}]
    (evening,) = found({**NOBODY, "visits": other})
    assert evening.practitioner == "Practitioner/P1"
    (today,) = found({**NOBODY, "visits": [{"code": "99214", "date": "2025-03-20T22:00:00"}]})
    assert today.practitioner == "Practitioner/P1"


@pytest.mark.parametrize(
    ("visit", "would_do"),
    [
        ("2024-03-20", True),
        ("2024-03-19", False),
        ("2024-03-19T22:00:00", False),
        ("2025-03-20T22:00:00", True),
        ("2025-03-21T00:30:00", False),
    ],
)
def test_a_visit_of_the_year_before_today_would_start_a_programme(visit: str, would_do: bool) -> None:
    (one,) = found({**NOBODY, "visits": [{"code": "99214", "date": visit}]})
    assert ("initiating-visit" not in steps(one)) is would_do


def test_a_visit_after_the_month_does_not_start_a_programme_that_has_begun_before_it() -> None:
    begun = {"program_start": "2025-03-05", "consent": {"at": "2025-03-05", "practitioner": "P1"}}
    late = {**begun, "visits": [{"code": "99214", "date": "2025-04-05"}]}
    (one,) = found(late, today=date(2025, 4, 10))
    assert steps(one) == ["initiating-visit"]


def test_a_risk_that_a_resource_of_its_own_states_calls_as_well() -> None:
    first, second = CaseBuilder({"id": "T", "month": "2025-03", "entries": [], **NOBODY}).month().facts.conditions
    stated = RiskStatement(reference="RiskAssessment/r", significant=True, start=date(2025, 3, 1))
    new = replace(second, significant_risk=None, risks=(stated,), recorded=date(2025, 3, 1), onset=date(2025, 3, 1))
    (one,) = found(NOBODY, conditions=(first, new))
    assert [t.kind for t in one.triggers] == ["new-high-risk-diagnosis"]
    (other,) = found(NOBODY, conditions=(first, replace(new, risks=())))
    assert other.triggers == ()
