"""The nine items of the guide's documentation list ("Documentation")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.calendar import years_before
from caretally.facts.record import PaperItem
from caretally.rules.paper.care_plan import goals_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.rules.paper.care_plan import Found
    from caretally.rules.time_credit import Credit
    from caretally.rules.view import ProgrammeView

TO_EXPLAIN = ("service", "cost-sharing", "one-practitioner", "may-stop")
"""Codes of consent-element-explained: what the patient is to be told (guide, "Required Actions", 1)."""
MAY_STOP = "may-stop"


def documentation_items(view: ProgrammeView, ledger: Credit) -> tuple[PaperItem, ...]:
    """Return the state of each item for a programme."""
    items = []
    for name, look in ITEMS.items():
        state, found, evidence = look(view, ledger)
        items.append(PaperItem(item=name, state=state, found=found, evidence=evidence))
    return tuple(items)


def _need(view: ProgrammeView, _: Credit) -> Found:
    """A narrative: its presence can be seen, its content a person has to read, so it is ``found`` where one has."""
    plan = view.plan
    if plan is None or not (plan.prose or plan.narrative_only or plan.narrative_adds):
        return "missing", "no text on the care plan", ()
    if plan.need_read is None:
        return "unstructured", "a text is there; whether it tells the need, a person has to read", (plan.reference,)
    if plan.updated is not None and plan.need_read < plan.updated <= view.case.last_day:
        said = f"read on {plan.need_read}, and the plan changed on {plan.updated}: a person has to read it again"
        return "unstructured", said, (plan.reference,)
    return "found", f"a person has read it in the text, attested for {plan.need_read}", (plan.reference,)


def _eligibility(view: ProgrammeView, _: Credit) -> Found:
    finding = view.conditions
    if finding.reason is None:
        return "found", finding.found, finding.evidence
    if finding.evidence:
        return "partly", finding.found, finding.evidence
    return "missing", finding.found, ()


def _plan(view: ProgrammeView, _: Credit) -> Found:
    plan = view.plan
    if plan is None:
        return "missing", "no care plan in force", ()
    if plan.narrative_only:
        return "unstructured", "a narrative only; a person has to read it", (plan.reference,)
    if any(goal.measurable for goal in goals_of(view, plan)):
        return "found", "a plan in force with measurable goals", (plan.reference,)
    return "partly", "a plan in force without measurable goals", (plan.reference,)


def _copy(view: ProgrammeView, _: Credit) -> Found:
    plan, case = view.plan, view.case
    days = sorted(c.date_in(case.zone) for c in plan.copies_given) if plan is not None else []
    given = [day for day in days if day <= case.last_day]
    if plan is not None and given:
        return "found", f"given on {given[-1]}", plan.copy_references or (plan.reference,)
    return "missing", "no copy on record", ()


def _permission(view: ProgrammeView, _: Credit) -> Found:
    consent, case = view.consent.consent, view.case
    if consent is None or consent.given is None:
        return "missing", view.consent.found, ()
    given, evidence = consent.given.date_in(case.zone), (consent.reference,)
    if consent.mode == "written":
        return "found", f"written, {given}", evidence
    earliest = years_before(given, 1)
    seen = any(
        earliest <= v.moment.date_in(case.zone) <= given and case.in_my_group(v.practitioners, v.organization)
        for v in case.facts.visits
    )
    if consent.mode == "verbal" and seen:
        return "found", f"verbal, {given}; seen within the 12 months before", evidence
    if consent.mode == "verbal":
        return "partly", f"verbal, {given}; not seen within the 12 months before, so written is asked for", evidence
    return "partly", f"given on {given}; written or verbal is not on record", evidence


def _explanation(view: ProgrammeView, _: Credit) -> Found:
    consent = view.consent.consent
    if consent is None:
        return "missing", "no consent", ()
    lacking = [name for name in TO_EXPLAIN if name not in consent.explained]
    if not lacking:
        return "found", "everything explained", (consent.reference,)
    if consent.explained:
        return "partly", "not on record as explained: " + ", ".join(lacking), (consent.reference,)
    return "missing", "no explanation on record", (consent.reference,)


def _may_stop(view: ProgrammeView, _: Credit) -> Found:
    consent = view.consent.consent
    if consent is None:
        return "missing", "no consent", ()
    if MAY_STOP in consent.explained:
        return "found", "on record", (consent.reference,)
    return "missing", "not on record as explained", (consent.reference,)


def _services(view: ProgrammeView, ledger: Credit) -> Found:
    counted = {row.entry for row in ledger.counted(view.programme)}
    if not counted:
        return "missing", "no counted work in the month", ()
    named = {a.entry.reference for a in view.case.entries if a.entry.activities} & counted
    if named == counted:
        return "found", "each time entry says its activity", tuple(sorted(counted))
    return "partly", f"time entries without activity: {len(counted) - len(named)}", tuple(sorted(counted))


def _time(view: ProgrammeView, ledger: Credit) -> Found:
    rows = ledger.counted(view.programme)
    entries = tuple(dict.fromkeys(row.entry for row in rows))
    if not rows:
        return "missing", "no counted time in the month", ()
    if any(row.start is None for row in rows):
        return "partly", "some time has only a date, no start and end", entries
    return "found", "start, end and person of each entry", entries


ITEMS: dict[str, Callable[[ProgrammeView, Credit], Found]] = {
    "need": _need,
    "eligibility": _eligibility,
    "care-plan": _plan,
    "copy-given": _copy,
    "permission": _permission,
    "explanation": _explanation,
    "may-stop": _may_stop,
    "services-rendered": _services,
    "time-spent": _time,
}
"""The items in the guide's order."""
