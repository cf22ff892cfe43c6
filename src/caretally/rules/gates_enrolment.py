"""Gates about the enrolment: consent, initiating visit, conditions, care plan (rules 4.1 to 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Notice
from caretally.facts.time_entry import RoleClass
from caretally.rules.view import GateOutcome

if TYPE_CHECKING:
    from caretally.rules.view import ProgrammeView, Remark


def consent(view: ProgrammeView) -> GateOutcome:
    """Consent to the programme by this practitioner, before the work (rules 4.4)."""
    finding = view.consent
    reasons = () if finding.reason is None else ((finding.reason, finding.found, finding.evidence),)
    return GateOutcome(
        gate="consent",
        found=finding.found,
        wanted="consent to this programme by this practitioner, given and not withdrawn before the month",
        reasons=reasons,
        notices=finding.notices,
        evidence=finding.evidence,
    )


def initiating_visit(view: ProgrammeView) -> GateOutcome:
    """A visit that started the programme (rules 4.3)."""
    finding = view.visit
    evidence = (finding.reference,) if finding.reference else ()
    return GateOutcome(
        gate="initiating-visit",
        found=finding.found,
        wanted="an initiating visit within a calendar year before the programme start",
        reasons=() if finding.reason is None else ((finding.reason, finding.found, ()),),
        notices=()
        if finding.undiscussed is None
        else ((Notice.VISIT_DISCUSSION, finding.found, (finding.undiscussed,)),),
        evidence=evidence,
    )


def conditions(view: ProgrammeView) -> GateOutcome:
    """Enough conditions that last and carry a risk (rules 4.1)."""
    finding, table = view.conditions, view.case.context.tables.programmes[view.programme]
    return GateOutcome(
        gate="conditions",
        found=finding.found,
        wanted=f"{table.conditions_needed} or more, {table.months_needed} months or more, at significant risk",
        reasons=() if finding.reason is None else ((finding.reason, finding.found, finding.evidence),),
        evidence=finding.evidence,
    )


def care_plan(view: ProgrammeView) -> GateOutcome:
    """A care plan in force for the counted conditions, of which the patient has a copy (rules 4.2)."""
    plan, case = view.plan, view.case
    wanted = "a care plan of this programme by this practitioner, in force in the month, for the counted conditions"
    if plan is None:
        known = case.plans_of(view.programme)
        found = f"{len(known)} on file, none in force in the month" if known else "none on file"
        evidence = tuple(p.reference for p in known)
        reasons = ((Block.CAREPLAN_MISSING, found, evidence),)
        return GateOutcome(gate="care-plan", found=found, wanted=wanted, reasons=reasons, evidence=evidence)
    notices: list[Remark] = []
    given = [c for c in plan.copies_given if c.date_in(case.zone) <= case.last_day]
    if not given:
        notices.append((Notice.CAREPLAN_COPY, "", (plan.reference,)))
    author = plan.author
    if author is None or case.context.practice.practitioner(author).role is not RoleClass.PRACTITIONER:
        notices.append((Notice.CAREPLAN_AUTHOR, author or "no author", (plan.reference,)))
    counted = {d.reference for d in view.conditions.diagnoses}
    needed = case.context.tables.programmes[view.programme].conditions_needed
    addressed = counted & set(plan.addresses)
    if not plan.addresses:
        notices.append((Notice.CAREPLAN_ADDRESSES, "", (plan.reference,)))
    elif view.conditions.reason is None and len(addressed) < min(needed, len(counted)):
        found = f"{plan.reference} addresses {len(addressed)} of the counted conditions"
        return GateOutcome(
            gate="care-plan",
            found=found,
            wanted=wanted,
            reasons=((Block.CAREPLAN_MISSING, found, (plan.reference,)),),
            notices=tuple(notices),
            evidence=(plan.reference,),
        )
    return GateOutcome(
        gate="care-plan",
        found=f"{plan.reference}, in force",
        wanted=wanted,
        notices=tuple(notices),
        evidence=(plan.reference,),
    )
