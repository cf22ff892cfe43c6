"""The four required actions (guide, "Required Actions"): looked up in the record, not attested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.record import PaperItem
from caretally.rules.conditions import active_in_month

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caretally.rules.paper.care_plan import Found
    from caretally.rules.view import ProgrammeView

DEMOGRAPHICS = ("name", "birth date", "sex")
_SHOWN = 5


def required_actions(view: ProgrammeView) -> tuple[PaperItem, ...]:
    """Return the state of each action."""
    items = []
    for name, look in ACTIONS.items():
        state, found, evidence = look(view)
        items.append(PaperItem(item=name, state=state, found=found, evidence=evidence))
    return tuple(items)


def lead_of(view: ProgrammeView) -> str | None:
    """Return the care-team lead: of the plan's team, else of a team of the patient."""
    plan = view.plan
    named = plan.care_team_lead if plan is not None else None
    return named or next(iter(view.case.facts.care_team_leads), None)


def data_recorded(view: ProgrammeView) -> dict[str, tuple[str, ...]]:
    """Return what of demographics, medications, allergies and problems is recorded; an empty one is not."""
    facts, case = view.case.facts, view.case
    complete = all(what in facts.patient.demographics for what in DEMOGRAPHICS)
    return {
        "demographics": (facts.patient.reference,) if complete else (),
        "medications": _some(m.reference for m in facts.medications),
        "allergies": _some(a.reference for a in facts.allergies),
        "problems": _some(c.reference for c in facts.conditions if active_in_month(case, c)),
    }


def _some(references: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(references)[:_SHOWN])


def _consent(view: ProgrammeView) -> Found:
    consent = view.consent.consent
    if consent is None:
        return "missing", view.consent.found, ()
    return "found", view.consent.found, (consent.reference,)


def _lead(view: ProgrammeView) -> Found:
    lead = lead_of(view)
    if lead is None:
        return "missing", "no lead of a care team", ()
    return "found", "lead of the care team", (lead,)


def _plan(view: ProgrammeView) -> Found:
    plan, case = view.plan, view.case
    if plan is None:
        return "missing", "no care plan in force", ()
    evidence = (plan.reference, *plan.copy_references)
    copied = any(c.date_in(case.zone) <= case.last_day for c in plan.copies_given)
    shared = any(s.moment.date_in(case.zone) <= case.last_day for s in plan.shares)
    lacking = [what for what, there in (("with the patient", copied), ("with other providers", shared)) if not there]
    if lacking:
        return "partly", "in force, not on record as shared " + " or ".join(lacking), evidence
    return "found", "in force, shared with patient and providers", evidence


def _data(view: ProgrammeView) -> Found:
    recorded = data_recorded(view)
    lacking = [name for name, evidence in recorded.items() if not evidence]
    evidence = tuple(reference for found in recorded.values() for reference in found)
    if not lacking:
        return "found", "demographics, medications, allergies and problems", evidence
    return "partly" if len(lacking) < len(recorded) else "missing", "not recorded: " + ", ".join(lacking), evidence


ACTIONS: dict[str, Callable[[ProgrammeView], Found]] = {
    "consent": _consent,
    "care-team-lead": _lead,
    "care-plan": _plan,
    "data-recorded": _data,
}
"""The actions in the guide's order."""
