"""The paper of one programme, and what it warns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.reasons import Notice
from caretally.facts.record import Paper
from caretally.facts.time_entry import RoleClass
from caretally.rules.paper.care_plan import care_plan_elements
from caretally.rules.paper.documentation import documentation_items
from caretally.rules.paper.required_actions import data_recorded, lead_of, required_actions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from caretally.facts.clinical import CarePlanFact
    from caretally.rules.context import Case
    from caretally.rules.time_credit import Credit
    from caretally.rules.view import ProgrammeView

Warned = tuple[Notice, str, tuple[str, ...]]


def paper_of(view: ProgrammeView, ledger: Credit) -> Paper:
    """Return what the record holds for a programme."""
    return Paper(
        programme=view.programme,
        documentation=documentation_items(view, ledger),
        care_plan=care_plan_elements(view),
        required_actions=required_actions(view),
    )


def paper_warnings(view: ProgrammeView, ledger: Credit) -> Iterator[Warned]:
    """Return what a reader of the answer should know of the paper; without a plan the gate has said so."""
    if view.plan is not None:
        yield from _plan_warnings(view, view.plan)
        if lead_of(view) is None:
            yield Notice.CARE_TEAM_LEAD, "", ()
    lacking = [name for name, evidence in data_recorded(view).items() if not evidence]
    if lacking:
        yield Notice.RECORD_INCOMPLETE, ", ".join(lacking), (view.case.facts.patient.reference,)
    outside = _outside_role(view, ledger)
    if outside:
        yield Notice.ROLE_DIVISION, ", ".join(sorted(set(outside.values()))), tuple(outside)


def _plan_warnings(view: ProgrammeView, plan: CarePlanFact) -> Iterator[Warned]:
    case = view.case
    given = [day for c in plan.copies_given if (day := c.date_in(case.zone)) <= case.last_day]
    changed = _known_change(case, plan)
    if given and changed is not None and max(given) < changed:
        said = f"changed on {changed}, last copy of {max(given)}"
        yield Notice.CAREPLAN_CHANGED, said, (plan.reference, *plan.copy_references)
    if not any(s.moment.date_in(case.zone) <= case.last_day for s in plan.shares):
        yield Notice.CAREPLAN_NOT_SHARED, "", (plan.reference,)
    due = max((a.review_on for a in plan.activities if a.element == "review-schedule" and a.review_on), default=None)
    if due is not None and due <= case.last_day and not _reviewed(case, plan, due):
        yield Notice.CAREPLAN_REVIEW, f"due on {due}", (plan.reference,)


def _known_change(case: Case, plan: CarePlanFact) -> date | None:
    """Return the day of the last change as of the month; a change after the month says nothing about it."""
    return plan.updated if plan.updated is not None and plan.updated <= case.last_day else None


def _reviewed(case: Case, plan: CarePlanFact, due: date) -> bool:
    """Whether the plan was changed, or worked on, on the day of the review or after it."""
    changed = _known_change(case, plan)
    return (changed is not None and changed >= due) or any(
        "care-plan" in a.entry.activities
        and (day := a.entry.date_in(case.zone)) is not None
        and due <= day <= case.last_day
        for a in case.entries
    )


def _outside_role(view: ProgrammeView, ledger: Credit) -> dict[str, str]:
    """Return counted entries of clinical staff alone on work of the practitioner, with the activity."""
    counted = {row.entry for row in ledger.counted(view.programme)}
    reserved = {rule.code for rule in view.case.context.terminology.set("activities-of-practitioners").rules}
    found = {}
    for attributed in view.case.entries:
        entry = attributed.entry
        roles = {performer.role for performer in entry.performers}
        work = [activity for activity in entry.activities if activity in reserved]
        if entry.reference in counted and work and RoleClass.PRACTITIONER not in roles:
            found[entry.reference] = work[0]
    return found
