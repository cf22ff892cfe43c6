"""The patient's paper: each item found, partly found, unstructured or missing; and what it warns of."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from caretally.facts.determination import Determination
from caretally.facts.moment import Moment
from caretally.facts.record import AllergyFact, GoalFact, MedicationFact, PaperItem, PlanActivity, PlanShare
from caretally.rules import determine
from caretally.rules.paper.care_plan import ELEMENTS
from caretally.rules.paper.documentation import ITEMS
from caretally.rules.paper.required_actions import ACTIONS
from tests.rules.builder import CaseBuilder

TWENTY = [{"role": "RN", "who": "N1", "date": "2025-03-20", "min": 20}]
TIMED = [{"role": "RN", "who": "N1", "start": "2025-03-20T09:00:00", "end": "2025-03-20T09:20:00"}]
ALL_EXPLAINED = ("service", "cost-sharing", "one-practitioner", "may-stop")


def goal(*, measurable: bool = True, outcome: bool = True, social: bool = False) -> GoalFact:
    return GoalFact(reference="Goal/g", measurable=measurable, outcome=outcome, social=social)


def activity(element: str | None = None, **changes: Any) -> PlanActivity:
    base = PlanActivity(
        element=element, target=None, coded=element is not None, outcome=False, reasons=(), scheduled=False,
        review_on=None,
    )  # fmt: skip
    return replace(base, **changes)


def decide(*, case: dict[str, Any] | None = None, plan: dict[str, Any] | None = None, **facts: Any) -> Determination:
    """Decide a month whose one care plan, and whose facts, are changed."""
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": TWENTY, **(case or {})})
    month = builder.month()
    plans = tuple(replace(one, **(plan or {})) for one in month.facts.care_plans)
    consent = facts.pop("consent", None)
    if consent is not None:
        facts["consents"] = tuple(replace(one, **consent) for one in month.facts.consents)
    demographics = facts.pop("demographics", None)
    if demographics is not None:
        facts["patient"] = replace(month.facts.patient, demographics=demographics)
    month = replace(month, facts=replace(month.facts, **{"care_plans": plans, **facts}))
    (found,) = determine(month, builder.context())
    return found


def item(found: Determination, which: str, name: str) -> PaperItem:
    (paper,) = found.paper
    items: tuple[PaperItem, ...] = getattr(paper, which)
    return next(one for one in items if one.item == name)


class Row(NamedTuple):
    which: str
    name: str
    state: str
    evidence: str | None = None
    case: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    facts: dict[str, Any] | None = None


NARRATIVE = {"addresses": (), "goals": (), "narrative_only": True}
ROWS = [
    # ---- documentation
    Row("documentation", "need", "missing"),
    Row("documentation", "need", "unstructured", "CarePlan/plan-ccm", plan={"prose": True}),
    Row("documentation", "need", "found", "CarePlan/plan-ccm",
        plan={"prose": True, "need_read": date(2025, 3, 10), "updated": date(2025, 3, 10)}),
    Row("documentation", "need", "unstructured", "CarePlan/plan-ccm",
        plan={"narrative_only": True, "need_read": date(2025, 3, 10), "updated": date(2025, 3, 31)}),
    Row("documentation", "need", "found", "CarePlan/plan-ccm",
        plan={"narrative_adds": True, "need_read": date(2025, 3, 10), "updated": date(2025, 4, 1)}),
    Row("documentation", "need", "missing", plan={"need_read": date(2025, 3, 10)}),
    Row("documentation", "eligibility", "found", "Condition/cond1"),
    Row("documentation", "eligibility", "partly", case={"conditions": [["E11.9", True, 12, True]]}),
    Row("documentation", "eligibility", "missing", case={"conditions": []}),
    Row("documentation", "care-plan", "found", "CarePlan/plan-ccm", plan={"goals": ("Goal/g",)},
        facts={"goals": (goal(),)}),
    Row("documentation", "care-plan", "partly", "CarePlan/plan-ccm", plan={"goals": ("Goal/g",)},
        facts={"goals": (goal(measurable=False),)}),
    Row("documentation", "care-plan", "unstructured", "CarePlan/plan-ccm", plan=NARRATIVE),
    Row("documentation", "care-plan", "missing", case={"plan": False}),
    Row("documentation", "copy-given", "found"),
    Row("documentation", "copy-given", "missing", plan={"copies_given": (Moment(day=date(2025, 4, 1)),)}),
    Row("documentation", "copy-given", "found", "Communication/c", plan={
        "copies_given": (Moment(day=date(2025, 3, 31)), Moment(day=date(2025, 2, 1)), Moment(day=date(2025, 4, 1))),
        "copy_references": ("Communication/c",)}),
    Row("documentation", "copy-given", "missing", case={"plan": False}),
    Row("documentation", "permission", "found", "Consent/consent"),
    Row("documentation", "permission", "found", "Consent/consent", facts={"consent": {"mode": "verbal"}}),
    Row("documentation", "permission", "partly", "Consent/consent", facts={"consent": {"mode": None}}),
    Row("documentation", "permission", "partly", "Consent/consent",
        facts={"consent": {"mode": "verbal"}, "visits": ()}),
    Row("documentation", "permission", "partly", "Consent/consent",
        case={"visits": [{"code": "99214", "date": "2023-10-31"}, {"code": "99214", "date": "2024-11-02"}]},
        facts={"consent": {"mode": "verbal"}}),
    Row("documentation", "permission", "found", "Consent/consent",
        case={"visits": [{"code": "99214", "date": "2023-11-01"}]}, facts={"consent": {"mode": "verbal"}}),
    Row("documentation", "permission", "found", "Consent/consent",
        case={"visits": [{"code": "99214", "date": "2024-11-01"}]}, facts={"consent": {"mode": "verbal"}}),
    Row("documentation", "permission", "missing", case={"consent": None}),
    Row("documentation", "explanation", "found", facts={"consent": {"explained": ALL_EXPLAINED}}),
    Row("documentation", "explanation", "partly", facts={"consent": {"explained": ALL_EXPLAINED[:1]}}),
    Row("documentation", "explanation", "missing", "Consent/consent", facts={"consent": {"explained": ()}}),
    Row("documentation", "may-stop", "found", facts={"consent": {"explained": ("may-stop",)}}),
    Row("documentation", "explanation", "missing", case={"consent": None}),
    Row("documentation", "may-stop", "missing", facts={"consent": {"explained": ("service",)}}),
    Row("documentation", "may-stop", "missing", case={"consent": None}),
    Row("documentation", "services-rendered", "found", "Encounter/time-1"),
    Row("documentation", "services-rendered", "partly", case={"entries": [*TWENTY, {**TIMED[0], "act": None}]}),
    Row("documentation", "services-rendered", "partly", case={"entries": [
        {**TIMED[0], "act": None}, {**TWENTY[0], "act": None}, *TWENTY]}),
    Row("documentation", "services-rendered", "missing", case={"entries": []}),
    Row("documentation", "time-spent", "found", "Encounter/time-1", case={"entries": TIMED}),
    Row("documentation", "time-spent", "partly", "Encounter/time-1"),
    Row("documentation", "time-spent", "partly", "Encounter/time-2", case={"entries": [*TIMED, *TWENTY]}),
    Row("documentation", "time-spent", "missing", case={"entries": []}),
    # ---- care plan
    Row("care_plan", "problem-list", "found", "Condition/cond1"),
    Row("care_plan", "problem-list", "partly", "Condition/cond1", plan={"addresses": ("Condition/cond1",)}),
    Row("care_plan", "problem-list", "partly", "CarePlan/plan-ccm", plan={"addresses": ("Condition/elsewhere",)}),
    Row("care_plan", "problem-list", "missing", plan={"addresses": ()}),
    Row("care_plan", "expected-outcome", "found", "CarePlan/plan-ccm",
        plan={"activities": (activity("expected-outcome"),)}),
    Row("care_plan", "expected-outcome", "found", "CarePlan/plan-ccm", plan={"activities": (activity(outcome=True),)}),
    Row("care_plan", "expected-outcome", "found", "Goal/g", plan={"goals": ("Goal/g",)}, facts={"goals": (goal(),)}),
    Row("care_plan", "expected-outcome", "partly", "Goal/g", plan={"goals": ("Goal/g",)},
        facts={"goals": (goal(outcome=False),)}),
    Row("care_plan", "expected-outcome", "missing", facts={"goals": (goal(),)}),
    Row("care_plan", "treatment-goals", "found", "Goal/g", plan={"goals": ("Goal/g",)}, facts={"goals": (goal(),)}),
    Row("care_plan", "treatment-goals", "partly", "Goal/g", plan={"goals": ("Goal/g",)},
        facts={"goals": (goal(measurable=False),)}),
    Row("care_plan", "treatment-goals", "partly", plan={"goals": ("Goal/not-read",)}),
    Row("care_plan", "treatment-goals", "missing"),
    Row("care_plan", "symptom-management", "found", plan={"elements": ("symptom-management",)}),
    Row("care_plan", "symptom-management", "found", "Condition/cond3",
        case={"conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, True], ["R11.0", True, None, None]]},
        plan={"activities": (activity(reasons=("Condition/cond3",)),)}),
    Row("care_plan", "symptom-management", "found", "Condition/cond3",
        case={"conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, True], ["R11.0", True, None, None]]},
        plan={"activities": (activity(), activity(reasons=("Condition/cond1", "Condition/cond3")))}),
    Row("care_plan", "symptom-management", "missing", plan={"activities": (activity(reasons=("Condition/cond1",)),)}),
    Row("care_plan", "planned-interventions", "found", "ServiceRequest/s",
        plan={"activities": (activity(target="ServiceRequest/s"),)}),
    Row("care_plan", "planned-interventions", "found", plan={"activities": (activity(coded=True),)}),
    Row("care_plan", "planned-interventions", "partly", plan={"activities": (activity(),)}),
    Row("care_plan", "planned-interventions", "missing"),
    Row("care_plan", "medication-management", "found", "MedicationRequest/m",
        plan={"activities": (activity(target="MedicationRequest/m"),)}),
    Row("care_plan", "medication-management", "partly", "MedicationRequest/m",
        facts={"medications": (MedicationFact(reference="MedicationRequest/m", active=True, recorded=None),)}),
    Row("care_plan", "medication-management", "partly", "MedicationRequest/1",
        facts={"medications": tuple(
            MedicationFact(reference=f"MedicationRequest/{n}", active=n != 2, recorded=None)
            for n in range(7, 0, -1))}),
    Row("care_plan", "medication-management", "found", "MedicationStatement/s", plan={"activities": (
        activity(target="MedicationStatement/s"), activity(target="MedicationRequest/m"), activity(),
        activity(target="MedicationStatement/s"), activity(target="ServiceRequest/s"))}),
    Row("care_plan", "medication-management", "missing",
        facts={"medications": (MedicationFact(reference="MedicationRequest/m", active=False, recorded=None),)}),
    Row("care_plan", "community-services", "found", plan={"elements": ("community-services",)}),
    Row("care_plan", "community-services", "found", "Goal/g", plan={"goals": ("Goal/g",)},
        facts={"goals": (goal(social=True),)}),
    Row("care_plan", "community-services", "found", "Goal/b", plan={"goals": ("Goal/a", "Goal/b", "Goal/c")},
        facts={"goals": (
            replace(goal(social=True), reference="Goal/c"), replace(goal(social=True), reference="Goal/b"),
            replace(goal(), reference="Goal/a"), replace(goal(social=True), reference="Goal/not-named"))}),
    Row("care_plan", "community-services", "missing"),
    Row("care_plan", "review-schedule", "found",
        plan={"activities": (activity("review-schedule", scheduled=True, review_on=date(2025, 6, 1)),)}),
    Row("care_plan", "review-schedule", "found",
        plan={"activities": (activity("review-schedule", scheduled=True),)}),
    Row("care_plan", "review-schedule", "found", plan={"activities": (
        activity("review-schedule", review_on=date(2025, 6, 1)),
        activity("review-schedule", review_on=date(2025, 9, 1)), activity("review-schedule", scheduled=True))}),
    Row("care_plan", "review-schedule", "partly", plan={"activities": (activity(scheduled=True),)}),
    Row("care_plan", "review-schedule", "partly", "Appointment/a",
        plan={"activities": (activity(target="Appointment/a"),)}),
    Row("care_plan", "review-schedule", "partly", plan={"activities": (activity("review-schedule"),)}),
    Row("care_plan", "review-schedule", "partly", plan={"end": date(2025, 12, 31)}),
    Row("care_plan", "review-schedule", "missing"),
    # ---- required actions
    Row("required_actions", "consent", "found", "Consent/consent"),
    Row("required_actions", "consent", "missing", case={"consent": None}),
    Row("required_actions", "care-team-lead", "found", "Practitioner/P1", plan={"care_team_lead": "Practitioner/P1"}),
    Row("required_actions", "care-team-lead", "found", "Practitioner/P1",
        facts={"care_team_leads": ("Practitioner/P1",)}),
    Row("required_actions", "care-team-lead", "found", "Practitioner/P1", plan={"care_team_lead": "Practitioner/P1"},
        facts={"care_team_leads": ("Practitioner/P2",)}),
    Row("required_actions", "care-team-lead", "missing"),
    Row("required_actions", "care-plan", "partly", plan={"copies_given": (), "shares": (
        PlanShare(plan="CarePlan/plan", moment=Moment(day=date(2025, 3, 31)), reference="Communication/s"),)}),
    Row("required_actions", "care-plan", "partly", plan={
        "copies_given": (Moment(day=date(2025, 4, 1)),), "copy_references": ("Communication/c",), "shares": (
            PlanShare(plan="CarePlan/plan", moment=Moment(day=date(2025, 4, 1)), reference="Communication/s"),)}),
    Row("required_actions", "care-plan", "found", plan={
        "shares": (PlanShare(plan="CarePlan/plan", moment=Moment(day=date(2025, 3, 1)), reference="Communication/s"),)
    }),
    Row("required_actions", "care-plan", "partly"),
    Row("required_actions", "care-plan", "missing", case={"plan": False}),
    Row("required_actions", "data-recorded", "found", "AllergyIntolerance/a", facts={
        "demographics": ("name", "birth date", "sex"),
        "medications": (MedicationFact(reference="MedicationRequest/m", active=False, recorded=None),),
        "allergies": (AllergyFact(reference="AllergyIntolerance/a", active=True, none_known=True, recorded=None),),
    }),
    Row("required_actions", "data-recorded", "partly"),
    Row("required_actions", "data-recorded", "partly", "MedicationRequest/1", case={"conditions": []}, facts={
        "demographics": ("name", "sex", "birth date"),
        "medications": tuple(
            MedicationFact(reference=f"MedicationRequest/{n}", active=True, recorded=None) for n in range(7, 0, -1))}),
    Row("required_actions", "data-recorded", "missing", case={"conditions": []}),
]  # fmt: skip


WORDS = json.loads((Path(__file__).parent / "paper_words.json").read_text())
"""What each row, and each warning, says word for word; read by a person when it changes."""


def told(row: Row) -> PaperItem:
    return item(decide(case=row.case, plan=row.plan, **(row.facts or {})), row.which, row.name)


@pytest.mark.parametrize("place", range(len(ROWS)), ids=lambda n: f"{ROWS[n].name}-{ROWS[n].state}-{n}")
def test_each_state_of_each_item(place: int) -> None:
    row = ROWS[place]
    found = told(row)
    assert found.state == row.state, found
    assert found.to_json() == WORDS["items"][place]
    if row.evidence is not None:
        assert row.evidence in found.evidence


def test_every_item_has_a_row_for_found_and_for_missing() -> None:
    seen = {(row.which, row.name, row.state) for row in ROWS}
    for which, names in (("documentation", ITEMS), ("care_plan", ELEMENTS), ("required_actions", ACTIONS)):
        for name in names:
            assert (which, name, "missing") in seen
            assert (which, name, "found") in seen


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_narrative_is_never_found(name: str) -> None:
    found = item(decide(plan=NARRATIVE), "care_plan", name)
    assert found.state == "unstructured"
    assert found.evidence == ("CarePlan/plan-ccm",)


def test_the_lists_are_the_guides() -> None:
    (paper,) = decide().paper
    assert [len(x) for x in (paper.documentation, paper.care_plan, paper.required_actions)] == [9, 8, 4]


DUE = (activity("review-schedule", scheduled=True, review_on=date(2025, 3, 10)),)
SHARED = PlanShare(plan="CarePlan/plan-ccm", moment=Moment(day=date(2025, 3, 31)), reference="Communication/s")
COMPLETE: dict[str, Any] = {
    "demographics": ("name", "birth date", "sex"),
    "medications": (MedicationFact(reference="MedicationRequest/m", active=True, recorded=None),),
    "allergies": (AllergyFact(reference="AllergyIntolerance/a", active=True, none_known=False, recorded=None),),
}


class Warning(NamedTuple):  # noqa: A001 -- of the paper
    """What brings a warning, and its neighbour."""

    code: str
    this: dict[str, Any]
    other: dict[str, Any]


def _plan(**changes: Any) -> dict[str, Any]:
    return {"plan": changes}


WARNINGS = [
    Warning("W-CAREPLAN-CHANGED", _plan(updated=date(2024, 11, 2)), _plan(updated=date(2024, 11, 1))),
    Warning("W-CAREPLAN-CHANGED", _plan(updated=date(2025, 3, 31)), _plan(updated=date(2025, 4, 1))),
    Warning("W-CAREPLAN-CHANGED", _plan(updated=date(2025, 3, 1)), _plan(updated=date(2025, 3, 1), copies_given=())),
    Warning("W-CAREPLAN-NOT-SHARED", {}, _plan(shares=(SHARED,))),
    Warning(
        "W-CAREPLAN-NOT-SHARED",
        _plan(shares=(replace(SHARED, moment=Moment(day=date(2025, 4, 1))),)),
        _plan(shares=(SHARED,)),
    ),
    Warning("W-CAREPLAN-REVIEW", _plan(activities=DUE), _plan(activities=DUE, updated=date(2025, 3, 10))),
    Warning(
        "W-CAREPLAN-REVIEW",
        _plan(activities=(replace(DUE[0], review_on=date(2025, 3, 31)),)),
        _plan(activities=(replace(DUE[0], review_on=date(2025, 4, 1)),)),
    ),
    Warning(
        "W-CAREPLAN-REVIEW",
        _plan(activities=DUE),
        {**_plan(activities=DUE), "case": {"entries": [{**TWENTY[0], "act": "care-plan", "role": "MD", "who": "P1"}]}},
    ),
    Warning(
        "W-CAREPLAN-REVIEW",
        _plan(activities=DUE, updated=date(2025, 3, 9)),
        {
            **_plan(activities=DUE),
            "case": {
                "entries": [{**TIMED[0], "start": "2025-03-10T00:00:00", "act": "care-plan", "role": "MD", "who": "P1"}]
            },
        },
    ),
    Warning(
        "W-CAREPLAN-REVIEW",
        {
            **_plan(activities=DUE),
            "case": {"entries": [*TWENTY, {**TWENTY[0], "date": "2025-03-09", "act": "care-plan"}]},
        },
        {
            **_plan(activities=DUE),
            "case": {"entries": [*TWENTY, {**TWENTY[0], "date": "2025-03-10", "act": "care-plan"}]},
        },
    ),
    Warning(
        "W-CAREPLAN-CHANGED",
        _plan(updated=date(2025, 3, 2), copies_given=(Moment(day=date(2025, 3, 1)), Moment(day=date(2025, 1, 5)))),
        _plan(updated=date(2025, 3, 2), copies_given=(Moment(day=date(2025, 3, 2)), Moment(day=date(2025, 1, 5)))),
    ),
    Warning("W-CARE-TEAM-LEAD", {}, {"care_team_leads": ("Practitioner/P1",)}),
    Warning("W-RECORD-INCOMPLETE", {**COMPLETE, "allergies": ()}, COMPLETE),
    Warning("W-RECORD-INCOMPLETE", {**COMPLETE, "demographics": ("name", "sex")}, COMPLETE),
    Warning(
        "W-ROLE-DIVISION",
        {"case": {"entries": [{**TWENTY[0], "act": "care-plan"}]}},
        {"case": {"entries": [{**TWENTY[0], "act": "education"}]}},
    ),
    Warning(
        "W-ROLE-DIVISION",
        {"case": {"entries": [{**TWENTY[0], "act": "care-plan"}]}},
        {"case": {"entries": [{**TWENTY[0], "act": "care-plan", "role": "NP", "who": "P1"}]}},
    ),
]


def said(row: Warning) -> dict[str, Any]:
    return next(n.to_json() for n in decide(**row.this).notices if n.code == row.code)


@pytest.mark.parametrize("place", range(len(WARNINGS)), ids=lambda n: f"{WARNINGS[n].code}-{n}")
def test_each_warning_and_its_neighbour(place: int) -> None:
    row = WARNINGS[place]
    with_it, without = decide(**row.this), decide(**row.other)
    assert said(row) == WORDS["warnings"][place]
    assert row.code not in {n.code for n in without.notices}
    assert with_it.status == without.status == "billable"


def test_the_paper_decides_nothing() -> None:
    plain, full = decide(), decide(**COMPLETE, plan={"shares": (SHARED,), "care_team_lead": "Practitioner/P1"})
    assert (plain.lines, plain.reasons) == (full.lines, full.reasons)


def test_the_paper_stands_in_the_output() -> None:
    (paper,) = decide().to_json()["paper"]
    assert paper["programme"] == "ccm"
    assert paper["documentation"][0] == {
        "item": "need", "state": "missing", "found": "no text on the care plan", "evidence": []
    }  # fmt: skip


def test_a_plan_of_two_programmes_is_judged_for_each() -> None:
    pcm = {"role": "RN", "who": "N1", "date": "2025-03-20", "min": 30, "prog": "pcm"}
    found = decide(case={"entries": [*TWENTY, pcm], "pcm": {"cond": "I50"}})
    assert [paper.programme for paper in found.paper] == ["ccm", "pcm"]


@pytest.mark.parametrize("element", ["planned-intervention", "medication-management"])
def test_an_activity_or_an_element_with_its_code_is_found(element: str) -> None:
    name = "planned-interventions" if element == "planned-intervention" else element
    for plan in ({"elements": (element,)}, {"activities": (activity(element),)}):
        found = item(decide(plan=plan), "care_plan", name)
        assert (found.state, found.found) == ("found", "an activity of the plan")
    assert item(decide(plan={"elements": ("something-else",)}), "care_plan", name).state == "missing"


def test_what_only_a_narrative_could_hold_says_that_a_person_has_to_read_it() -> None:
    found = item(decide(plan=NARRATIVE), "care_plan", "planned-interventions")
    assert found.found == "only the narrative of the plan could hold it; a person has to read it"
