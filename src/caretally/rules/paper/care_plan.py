"""The eight elements of a comprehensive care plan (guide, "Patient Care Plan")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.record import PaperItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caretally.facts.clinical import CarePlanFact
    from caretally.facts.record import GoalFact, PlanActivity, State
    from caretally.rules.view import ProgrammeView

_INTERVENTIONS = frozenset({"Appointment", "DeviceRequest", "NutritionOrder", "RequestGroup", "ServiceRequest", "Task"})
_MEDICATIONS = frozenset({"MedicationRequest", "MedicationStatement", "MedicationAdministration"})
_SYMPTOM = "R"
"""Chapter XVIII of ICD-10-CM: symptoms and signs."""
Found = tuple["State", str, tuple[str, ...]]


def care_plan_elements(view: ProgrammeView) -> tuple[PaperItem, ...]:
    """Return the state of each element of the plan in force; without a plan all are missing."""
    plan = view.plan
    return tuple(
        PaperItem(item=name, state="missing", found="no care plan in force")
        if plan is None
        else _item(name, plan, look(view, plan))
        for name, look in ELEMENTS.items()
    )


def _item(name: str, plan: CarePlanFact, found: Found) -> PaperItem:
    state, said, evidence = found
    if state == "missing" and (plan.narrative_only or plan.narrative_adds):
        said = "only the narrative of the plan could hold it; a person has to read it"
        return PaperItem(item=name, state="unstructured", found=said, evidence=(plan.reference,))
    return PaperItem(item=name, state=state, found=said, evidence=evidence)


def goals_of(view: ProgrammeView, plan: CarePlanFact) -> list[GoalFact]:
    """Return the goals that the plan names and the record holds."""
    found = (goal for goal in view.case.facts.goals if goal.reference in plan.goals)
    return sorted(found, key=lambda goal: goal.reference)


def _activities(plan: CarePlanFact, element: str) -> list[PlanActivity]:
    return [a for a in plan.activities if a.element == element]


def _targets(plan: CarePlanFact, kinds: Iterable[str]) -> tuple[str, ...]:
    wanted = frozenset(kinds)
    return tuple(dict.fromkeys(a.target for a in plan.activities if a.target and a.target.partition("/")[0] in wanted))


def _coded(plan: CarePlanFact, element: str) -> Found | None:
    if element not in plan.elements and not _activities(plan, element):
        return None
    return "found", "an activity of the plan", (plan.reference,)


def _problems(view: ProgrammeView, plan: CarePlanFact) -> Found:
    known = {c.reference for c in view.case.facts.conditions}
    there = tuple(a for a in plan.addresses if a in known)
    needed = view.case.context.tables.programmes[view.programme].conditions_needed
    if len(there) >= needed:
        return "found", f"{len(there)} on file", there
    if there:
        return "partly", f"{len(there)} of {needed} on file", there
    if plan.addresses:
        return "partly", "the plan names problems that the record does not hold", (plan.reference,)
    return "missing", "the plan addresses no problem", ()


def _outcome(view: ProgrammeView, plan: CarePlanFact) -> Found:
    if (coded := _coded(plan, "expected-outcome")) is not None:
        return coded
    if any(a.outcome for a in plan.activities):
        return "found", "an outcome of an activity", (plan.reference,)
    goals = goals_of(view, plan)
    with_target = tuple(g.reference for g in goals if g.outcome)
    if with_target:
        return "found", "a target of a goal", with_target
    if goals:
        return "partly", "goals without target", tuple(g.reference for g in goals)
    return "missing", "no outcome, no goal", ()


def _measurable(view: ProgrammeView, plan: CarePlanFact) -> Found:
    goals = goals_of(view, plan)
    measurable = tuple(g.reference for g in goals if g.measurable)
    if measurable:
        return "found", "a goal with a measurable target", measurable
    if goals:
        return "partly", "goals without a measurable target", tuple(g.reference for g in goals)
    if plan.goals:
        return "partly", "the plan names goals that the record does not hold", (plan.reference,)
    return "missing", "no goal", ()


def _symptoms(view: ProgrammeView, plan: CarePlanFact) -> Found:
    if (coded := _coded(plan, "symptom-management")) is not None:
        return coded
    symptoms = {c.reference for c in view.case.facts.conditions if (c.icd10cm or "").startswith(_SYMPTOM)}
    for activity in plan.activities:
        treated = tuple(reason for reason in activity.reasons if reason in symptoms)
        if treated:
            return "found", "an activity whose reason is a symptom", treated
    return "missing", "no activity about symptoms", ()


def _interventions(_: ProgrammeView, plan: CarePlanFact) -> Found:
    if (coded := _coded(plan, "planned-intervention")) is not None:
        return coded
    ordered = _targets(plan, _INTERVENTIONS)
    if ordered:
        return "found", "activities with orders", ordered
    if any(a.coded and a.element is None for a in plan.activities):
        return "found", "coded activities", (plan.reference,)
    if plan.activities:
        return "partly", "activities without code or order", (plan.reference,)
    return "missing", "no activity", ()


def _medication(view: ProgrammeView, plan: CarePlanFact) -> Found:
    if (coded := _coded(plan, "medication-management")) is not None:
        return coded
    ordered = _targets(plan, _MEDICATIONS)
    if ordered:
        return "found", "medications among the activities", ordered
    in_use = sorted(m.reference for m in view.case.facts.medications if m.active)
    if in_use:
        return "partly", "a medication list, which the plan does not name", tuple(in_use[:_SHOWN])
    return "missing", "no activity about medications", ()


def _community(view: ProgrammeView, plan: CarePlanFact) -> Found:
    if (coded := _coded(plan, "community-services")) is not None:
        return coded
    social = tuple(g.reference for g in goals_of(view, plan) if g.social)
    if social:
        return "found", "a goal about a social need", social
    return "missing", "no community or social service", ()


def _review(_: ProgrammeView, plan: CarePlanFact) -> Found:
    named = _activities(plan, "review-schedule")
    dated = [a for a in named if a.review_on is not None or a.scheduled]
    if dated:
        due = max((a.review_on for a in dated if a.review_on is not None), default=None)
        return "found", f"review by {due}" if due else "a schedule for the review", (plan.reference,)
    if named:
        return "partly", "a review is planned, but no date", (plan.reference,)
    if plan.end is not None:
        return "partly", f"the plan ends on {plan.end}; no review is planned", (plan.reference,)
    scheduled = [a for a in plan.activities if a.scheduled]
    if scheduled:
        return "partly", "activities have dates; no review is planned", (plan.reference,)
    appointments = _targets(plan, {"Appointment"})
    if appointments:
        return "partly", "an appointment; no review is planned", appointments
    return "missing", "no schedule", ()


_SHOWN = 5
ELEMENTS: dict[str, Callable[[ProgrammeView, CarePlanFact], Found]] = {
    "problem-list": _problems,
    "expected-outcome": _outcome,
    "treatment-goals": _measurable,
    "symptom-management": _symptoms,
    "planned-interventions": _interventions,
    "medication-management": _medication,
    "community-services": _community,
    "review-schedule": _review,
}
"""The elements in the guide's order."""
