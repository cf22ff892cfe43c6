"""The elements of principal care management, one by one (rules 4.1, P1 to P4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.reasons import Block
from caretally.rules.context import plan_start
from caretally.rules.duplicates import happened
from caretally.rules.view import GateOutcome

if TYPE_CHECKING:
    from datetime import date

    from caretally.rules.view import ProgrammeView

MEDICATION_OR_COMORBIDITY = ("frequent-medication-adjustment", "comorbidity-complexity")
"""P3: either is enough."""
COORDINATION = "practitioner-coordination"
"""P4."""
FREQUENT_CHANGES = 2
"""On so many dates of the plan's time medications are ordered before the record shows frequent adjustment; no source
names a number (engineering decision)."""
Element = tuple[bool, str, tuple[str, ...]]
"""Whether it is there, what was found, references."""


def pcm_elements(view: ProgrammeView) -> GateOutcome:
    """Name each element with its evidence.

    P1 is what the conditions gate looks at and a lack of P1 is its reason; of P2 this gate adds that the plan is
    about the disease.
    """
    elements = {"P1": _condition(view), "P2": _plan(view), "P3": _complexity(view), "P4": _coordination(view)}
    said = "; ".join(f"{name} {found}" for name, (_, found, _) in elements.items())
    evidence = tuple(dict.fromkeys(x for _, _, references in elements.values() for x in references))
    missing = [f"{name} {found}" for name, (there, found, _) in elements.items() if not there]
    plan = (view.plan.reference,) if view.plan else ()
    return GateOutcome(
        gate="pcm-elements",
        found=said,
        wanted="each PCM element, dated, with its author",
        reasons=((Block.PCM_ELEMENT, "missing: " + "; ".join(missing), plan),) if missing else (),
        evidence=evidence,
    )


def _condition(view: ProgrammeView) -> Element:
    return True, "condition: " + view.conditions.found, view.conditions.evidence


def _plan(view: ProgrammeView) -> Element:
    plan = view.plan
    if plan is None:
        return True, "plan: see the care-plan gate", ()
    if not plan.addresses:
        return False, "plan that names the condition it is for", (plan.reference,)
    return True, f"plan: {plan.reference}", (plan.reference,)


def _complexity(view: ProgrammeView) -> Element:
    attested = _attested(view, MEDICATION_OR_COMORBIDITY)
    if attested is not None:
        return attested
    changes = _medication_changes(view)
    if len({day for day, _ in changes}) >= FREQUENT_CHANGES:
        named = tuple(reference for _, reference in changes)
        return True, f"medications changed on {len({day for day, _ in changes})} dates of the plan", named
    return False, "frequent medication adjustment or complexity by comorbidity", ()


def _medication_changes(view: ProgrammeView) -> list[tuple[date, str]]:
    """Return the medications that were ordered while the plan was in force, up to the end of the month."""
    case, start = view.case, plan_start(view.plan) if view.plan else None
    if start is None:
        return []
    return sorted(
        (m.recorded, m.reference)
        for m in case.facts.medications
        if m.recorded is not None and start <= m.recorded <= case.last_day
    )


def _coordination(view: ProgrammeView) -> Element:
    case = view.case
    attested = _attested(view, (COORDINATION,))
    if attested is not None:
        return attested
    logged = [
        a.entry.reference
        for a in case.entries
        if a.programme == view.programme and "coordination" in a.entry.activities and happened(a.entry)
    ]
    if logged:
        return True, f"coordination: {logged[0]}", (logged[0],)
    start = plan_start(view.plan) if view.plan else None
    messages = [(c.moment, c.reference) for c in case.facts.coordination]
    messages += [(s.moment, s.reference) for s in (view.plan.shares if view.plan else ())]
    sent = sorted(
        (day, reference)
        for moment, reference in messages
        if start is not None and start <= (day := moment.date_in(case.zone)) <= case.last_day
    )
    if sent:
        return True, f"coordination: {sent[-1][1]}, {sent[-1][0]}", (sent[-1][1],)
    return False, "coordination between the treating practitioners", ()


def _attested(view: ProgrammeView, names: tuple[str, ...]) -> Element | None:
    """Return an attestation by the end of the month that says who attests; without an author it is none."""
    case = view.case
    for plan in case.plans_of(view.programme):
        for element in plan.pcm_elements:
            if element.element in names and element.attested <= case.last_day and element.by is not None:
                said = f"{element.element}, attested {element.attested} by {element.by}"
                return True, said, (plan.reference,)
    return None
