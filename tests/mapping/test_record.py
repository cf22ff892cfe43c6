"""Medications, allergies, goals, plan activities, demographics and emergency visits become facts of the paper."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from caretally.facts.moment import Moment
from caretally.mapping import MappedPatient
from tests.mapping.patients import mapped, resources

PATIENT = {"reference": "Patient/pat-G02"}


def golden() -> list[dict[str, Any]]:
    found = resources("G02")
    global PATIENT  # noqa: PLW0603 -- the name that the golden case gives its patient
    PATIENT = {"reference": f"Patient/{next(r['id'] for r in found if r['resourceType'] == 'Patient')}"}
    return found


def with_more(*more: dict[str, Any]) -> MappedPatient:
    return mapped([*golden(), *more])


def medication(**more: Any) -> dict[str, Any]:
    golden()
    return {
        "resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order", "subject": PATIENT,
        "authoredOn": "2025-01-02", **more,
    }  # fmt: skip


def allergy(**more: Any) -> dict[str, Any]:
    golden()
    return {"resourceType": "AllergyIntolerance", "id": "a", "patient": PATIENT, **more}


def plan_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    return next(r for r in found if r["resourceType"] == "CarePlan")


@pytest.mark.parametrize(
    ("more", "active"),
    [({}, True), ({"status": "stopped"}, False), ({"status": "on-hold"}, True), ({"status": "completed"}, False)],
)
def test_a_medication_is_on_the_list_in_use_or_not(more: dict[str, Any], active: bool) -> None:
    (found,) = with_more(medication(**more)).facts.medications
    assert (found.reference, found.active, found.recorded) == ("MedicationRequest/m", active, date(2025, 1, 2))


@pytest.mark.parametrize("more", [{"status": "entered-in-error"}, {"status": "draft"}, {"doNotPerform": True}])
def test_what_is_not_to_be_given_is_no_medication(more: dict[str, Any]) -> None:
    assert with_more(medication(**more)).facts.medications == ()


def test_a_medication_with_an_unknown_status_is_refused_by_name() -> None:
    found = with_more(medication(status=5))
    assert found.facts.medications == ()
    assert any(i.resource == "MedicationRequest/m" and i.code == "unknown-status" for i in found.issues)


def test_an_allergy_and_the_statement_that_there_is_none() -> None:
    none = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]}
    (found,) = with_more(allergy()).facts.allergies
    assert (found.none_known, found.active) == (False, True)
    (found,) = with_more(allergy(code=none)).facts.allergies
    assert found.none_known
    refuted = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    assert with_more(allergy(**refuted)).facts.allergies == ()


def test_a_goal_is_measurable_by_its_detail() -> None:
    found = golden()
    (fact,) = mapped(found).facts.goals
    assert (fact.measurable, fact.outcome, fact.social) == (True, True, False)
    goal = next(r for r in found if r["resourceType"] == "Goal")
    del goal["target"][0]["detailInteger"]
    (fact,) = mapped(found).facts.goals
    assert (fact.measurable, fact.outcome) == (False, True)
    goal["lifecycleStatus"] = "rejected"
    assert mapped(found).facts.goals == ()


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ({"scheduledPeriod": {"start": "2025-01-01", "end": "2025-06-30"}}, date(2025, 6, 30)),
        ({"scheduledPeriod": {"start": "2025-01-05"}}, date(2025, 1, 5)),
        ({"scheduledTiming": {"repeat": {"boundsPeriod": {"end": "2025-07"}}}}, date(2025, 7, 31)),
        ({"scheduledTiming": {"event": ["2025-03-01", "2025-02-01"]}}, date(2025, 3, 1)),
        ({"scheduledString": "quarterly"}, None),
    ],
)
def test_the_schedule_of_a_review(schedule: dict[str, Any], due: date | None) -> None:
    found = golden()
    review = next(
        a for a in plan_of(found)["activity"] if a["detail"]["code"]["coding"][0]["code"] == "review-schedule"
    )
    review["detail"] |= schedule
    (plan,) = mapped(found).facts.care_plans
    (activity,) = [a for a in plan.activities if a.element == "review-schedule"]
    assert (activity.scheduled, activity.review_on) == (True, due)


def test_a_plan_says_what_its_activities_and_texts_are() -> None:
    found = golden()
    body = plan_of(found)
    body["activity"].append({"reference": {"reference": "MedicationRequest/m"}})
    body["activity"].append({"outcomeCodeableConcept": [{"text": "better"}]})
    body["text"] = {"status": "additional", "div": "<div>more</div>"}
    (plan,) = mapped(found).facts.care_plans
    assert plan.activities[-2].target == "MedicationRequest/m"
    assert plan.activities[-1].outcome
    assert (plan.prose, plan.narrative_adds, plan.narrative_only) == (True, True, False)


@pytest.mark.parametrize("recipient", ["Practitioner/other", "Organization/clinic", "PractitionerRole/role"])
def test_a_plan_that_went_to_other_providers_is_shared_and_no_copy(recipient: str) -> None:
    found = golden()
    plan = plan_of(found)
    message = {
        "resourceType": "Communication", "id": "share", "status": "completed", "subject": PATIENT,
        "about": [{"reference": f"CarePlan/{plan['id']}"}], "recipient": [{"reference": recipient}],
        "sent": "2025-01-03",
    }  # fmt: skip
    (fact,) = mapped([*found, message]).facts.care_plans
    assert [(s.reference, s.moment) for s in fact.shares] == [("Communication/share", Moment(day=date(2025, 1, 3)))]
    assert "Communication/share" not in fact.copy_references


def test_demographics_are_known_by_kind_only() -> None:
    found = golden()
    patient = next(r for r in found if r["resourceType"] == "Patient")
    patient |= {"name": [{"family": "Canary"}], "birthDate": "1950-01-01", "gender": "female"}
    facts = mapped(found).facts
    assert facts.patient.demographics == ("name", "birth date", "sex")
    assert "Canary" not in repr(facts)
    del patient["birthDate"]
    assert mapped(found).facts.patient.demographics == ("name", "sex")


@pytest.mark.parametrize(
    "more",
    [
        {"class": {"code": "EMER"}},
        {
            "class": {"code": "AMB"},
            "type": [{"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "99284"}]}],
        },
    ],
)
def test_an_emergency_visit_by_class_or_code(more: dict[str, Any]) -> None:
    golden()
    visit = {
        "resourceType": "Encounter", "id": "er", "status": "finished", "subject": PATIENT,
        "period": {"start": "2025-01-09T10:00:00-05:00", "end": "2025-01-09T14:00:00-05:00"}, **more,
    }  # fmt: skip
    (found,) = with_more(visit).facts.emergencies
    assert (found.reference, found.day) == ("Encounter/er", date(2025, 1, 9))
    assert with_more({**visit, "class": {"code": "AMB"}, "type": []}).facts.emergencies == ()
