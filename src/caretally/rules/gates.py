"""The named gates of a programme: all are evaluated, all are reported (rules 4, 5, 6).

A programme names its gates in mappings/services/programmes.toml; a gate is a function of the practitioner's view
that returns what it found. New gates are added here and named there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Exclusion, Hold, Notice
from caretally.facts.time_entry import RoleClass
from caretally.rules.conditions import ConditionFinding, qualifying_conditions
from caretally.rules.conflicts import ConflictFinding, conflicting_services, enrolled_elsewhere, other_claims
from caretally.rules.consent import ConsentFinding, consent_for
from caretally.rules.visit import VisitFinding, initiating_visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.clinical import CarePlanFact
    from caretally.facts.reasons import ReasonCode
    from caretally.rules.context import Case
    from caretally.rules.windows import Shadow

MEDICATION_OR_COMORBIDITY = ("frequent-medication-adjustment", "comorbidity-complexity")
"""PCM element P3: either is enough (rules 4.1)."""
COORDINATION = "practitioner-coordination"
"""PCM element P4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What a gate says: passed, or reasons; and notices either way."""

    gate: str
    found: str
    wanted: str
    reasons: tuple[tuple[ReasonCode, str, tuple[str, ...]], ...] = ()
    notices: tuple[tuple[Notice, str, tuple[str, ...]], ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing stands against billing here."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeView:
    """One programme as one practitioner sees it in the month."""

    case: Case
    programme: str
    plan: CarePlanFact | None
    visit: VisitFinding
    consent: ConsentFinding
    conditions: ConditionFinding

    @property
    def spans(self) -> dict[Exclusion, tuple[Shadow, ...]]:
        """Return the spans of consent and visit in which this programme's time does not count."""
        return {
            Exclusion.BEFORE_CONSENT: self.consent.before,
            Exclusion.AFTER_REVOCATION: self.consent.after,
            Exclusion.BEFORE_INIT: self.visit.before,
        }


def look_at(case: Case, programme: str) -> ProgrammeView:
    """Find plan, visit, consent and conditions of a programme."""
    plan = case.plan_in_force(programme)
    visit = initiating_visit(case, programme)
    return ProgrammeView(
        case=case,
        programme=programme,
        plan=plan,
        visit=visit,
        consent=consent_for(case, programme, visit.day),
        conditions=qualifying_conditions(case, programme, plan),
    )


def evaluate_gates(view: ProgrammeView) -> tuple[GateOutcome, ...]:
    """Evaluate every gate that the programme's table names, in its order."""
    return tuple(GATES[name](view) for name in view.case.context.tables.programmes[view.programme].gates)


def _coverage(view: ProgrammeView) -> GateOutcome:
    coverage = view.case.coverage
    if coverage is None:
        return GateOutcome(
            gate="coverage",
            found="no coverage in force in the month",
            wanted="coverage in force on the date of service",
            reasons=((Block.COVERAGE, "no coverage in force in the month", ()),),
        )
    payer = view.case.effective.payer
    notices = () if view.case.effective.payer_known else ((Notice.PAYER_UNKNOWN, f"policy used: {payer}", ()),)
    return GateOutcome(
        gate="coverage",
        found=f"{coverage.reference}, policy {payer}",
        wanted="coverage in force on the date of service",
        notices=notices,
        evidence=(coverage.reference,),
    )


def _consent(view: ProgrammeView) -> GateOutcome:
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


def _initiating_visit(view: ProgrammeView) -> GateOutcome:
    finding = view.visit
    evidence = (finding.reference,) if finding.reference else ()
    return GateOutcome(
        gate="initiating-visit",
        found=finding.found,
        wanted="an initiating visit within a calendar year before the programme start",
        reasons=() if finding.reason is None else ((finding.reason, finding.found, ()),),
        evidence=evidence,
    )


def _conditions(view: ProgrammeView) -> GateOutcome:
    finding, table = view.conditions, view.case.context.tables.programmes[view.programme]
    return GateOutcome(
        gate="conditions",
        found=finding.found,
        wanted=f"{table.conditions_needed} or more, {table.months_needed} months or more, at significant risk",
        reasons=() if finding.reason is None else ((finding.reason, finding.found, finding.evidence),),
        evidence=finding.evidence,
    )


def _care_plan(view: ProgrammeView) -> GateOutcome:
    plan, case = view.plan, view.case
    wanted = "a care plan of this programme by this practitioner, in force in the month, for the counted conditions"
    if plan is None:
        known = case.plans_of(view.programme)
        found = f"{len(known)} on file, none in force in the month" if known else "none on file"
        evidence = tuple(p.reference for p in known)
        reasons = ((Block.CAREPLAN_MISSING, found, evidence),)
        return GateOutcome(gate="care-plan", found=found, wanted=wanted, reasons=reasons, evidence=evidence)
    notices: list[tuple[Notice, str, tuple[str, ...]]] = []
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


def _pcm_elements(view: ProgrammeView) -> GateOutcome:
    """P3 and P4; P1 is the conditions gate and P2 the care-plan gate (rules 4.1)."""
    case = view.case
    attested = {e.element for p in case.plans_of(view.programme) for e in p.pcm_elements if e.attested <= case.last_day}
    coordinated = any(
        "coordination" in a.entry.activities and not a.entry.invalid
        for a in case.entries
        if a.programme == view.programme
    )
    missing = []
    if not attested & set(MEDICATION_OR_COMORBIDITY):
        missing.append("P3 frequent medication adjustment or complexity by comorbidity")
    if COORDINATION not in attested and not coordinated:
        missing.append("P4 coordination between the treating practitioners")
    evidence = (view.plan.reference,) if view.plan else ()
    found = "missing: " + "; ".join(missing) if missing else "all present"
    return GateOutcome(
        gate="pcm-elements",
        found=found,
        wanted="each PCM element, dated, with its author",
        reasons=((Block.PCM_ELEMENT, found, evidence),) if missing else (),
        evidence=evidence,
    )


def _biller_role(view: ProgrammeView) -> GateOutcome:
    who = view.case.practitioner
    role = view.case.context.practice.practitioner(who).role if who else RoleClass.UNKNOWN
    reasons: tuple[tuple[ReasonCode, str, tuple[str, ...]], ...] = ()
    # Minutes without a practitioner have their own reasons: no plan, no consent.
    if who is not None and role is not RoleClass.PRACTITIONER:
        reasons = ((Block.BILLER_ROLE, f"{who} is {role.value}", (who,)),)
    npi = view.case.context.practice.practitioner(who).npi if who else None
    missing = who is not None and npi is None
    return GateOutcome(
        gate="biller-role",
        found=role.value,
        wanted="a physician, NP, PA, CNS or CNM",
        reasons=reasons,
        notices=((Notice.NPI_MISSING, "", (who,)),) if missing and who else (),
        evidence=(who,) if who else (),
    )


def _place_of_service(view: ProgrammeView) -> GateOutcome:
    site, tables = view.case.site, view.case.context.tables
    reasons: list[tuple[ReasonCode, str, tuple[str, ...]]] = []
    if site.place_of_service in tables.blocked_places:
        reasons.append((Block.POS, f"place of service {site.place_of_service} at site {site.name}", ()))
    if site.kind != "office":
        reasons.append((Block.INSTITUTIONAL, f"site {site.name} is a {site.kind.replace('-', ' ')}", ()))
    return GateOutcome(
        gate="place-of-service",
        found=f"{site.place_of_service} ({site.kind.replace('-', ' ')})",
        wanted="a place of service that a professional care-management claim may have",
        reasons=tuple(reasons),
    )


def _deceased(view: ProgrammeView) -> GateOutcome:
    patient, case = view.case.facts.patient, view.case
    found = "alive in the month"
    reasons: tuple[tuple[ReasonCode, str, tuple[str, ...]], ...] = ()
    if patient.deceased is not None:
        day = patient.deceased.date_in(case.zone)
        found = f"died on {day}"
        if day < case.first_day:
            reasons = ((Block.DECEASED, found, (patient.reference,)),)
    elif patient.deceased_undated:
        found = "died on an unknown date"
        reasons = ((Block.DECEASED, found, (patient.reference,)),)
    return GateOutcome(gate="deceased", found=found, wanted="alive on the date of service", reasons=reasons)


def _from_findings(gate: str, wanted: str, findings: list[ConflictFinding]) -> GateOutcome:
    return GateOutcome(
        gate=gate,
        found="; ".join(f.found for f in findings) or "none on file",
        wanted=wanted,
        reasons=tuple((f.reason, f.found, f.evidence) for f in findings if f.reason is not None),
        notices=tuple((f.notice, f.found, f.evidence) for f in findings if f.notice is not None),
        evidence=tuple(sorted({e for f in findings for e in f.evidence})),
    )


def _other_clinician(view: ProgrammeView) -> GateOutcome:
    findings = other_claims(view.case, view.programme, view.conditions.diagnoses)
    kept = [f for f in findings if f.reason in {Block.OTHER_CLINICIAN_CCM, Hold.PCM_SAME_CONDITION}]
    outcome = _from_findings("other-clinician", "no other practitioner's claim for the same service and month", kept)
    if view.case.policy.other_claims_known == "full":
        return outcome
    return GateOutcome(
        gate=outcome.gate,
        found=outcome.found,
        wanted=outcome.wanted,
        reasons=outcome.reasons,
        notices=(*outcome.notices, (Notice.OTHER_CLAIMS_UNKNOWN, "", ())),
        evidence=outcome.evidence,
    )


def _already_billed(view: ProgrammeView) -> GateOutcome:
    findings = other_claims(view.case, view.programme, view.conditions.diagnoses)
    kept = [f for f in findings if f.reason in {Block.ALREADY_BILLED, Hold.CCM_PCM_SAME_PRACTITIONER}]
    return _from_findings("already-billed", "no claim of this practitioner for the month that we did not write", kept)


def _conflicts(view: ProgrammeView) -> GateOutcome:
    wanted = "no service in the month that includes care management"
    return _from_findings("conflicts", wanted, conflicting_services(view.case, view.programme))


def _enrolled_elsewhere(view: ProgrammeView) -> GateOutcome:
    wanted = "no later consent to another practitioner"
    return _from_findings("enrolled-elsewhere", wanted, enrolled_elsewhere(view.case, view.programme))


def _hospice(view: ProgrammeView) -> GateOutcome:
    case = view.case
    hits = [h for h in case.facts.hospices if h.start <= case.last_day and (h.end is None or h.end >= case.first_day)]
    evidence = tuple(h.reference for h in hits)
    found = f"hospice since {min(h.start for h in hits)}" if hits else "none on file"
    policy = case.policy.hospice
    warn = bool(hits) and policy == "warn"
    code: ReasonCode = Block.HOSPICE if policy == "block" else Hold.HOSPICE_REVIEW
    return GateOutcome(
        gate="hospice",
        found=found,
        wanted="no hospice election in the month",
        reasons=((code, found, evidence),) if hits and not warn else (),
        notices=((Notice.HOSPICE, found, evidence),) if warn else (),
        evidence=evidence,
    )


GATES: dict[str, Callable[[ProgrammeView], GateOutcome]] = {
    "coverage": _coverage,
    "consent": _consent,
    "initiating-visit": _initiating_visit,
    "conditions": _conditions,
    "care-plan": _care_plan,
    "pcm-elements": _pcm_elements,
    "biller-role": _biller_role,
    "place-of-service": _place_of_service,
    "deceased": _deceased,
    "other-clinician": _other_clinician,
    "already-billed": _already_billed,
    "conflicts": _conflicts,
    "enrolled-elsewhere": _enrolled_elsewhere,
    "hospice": _hospice,
}
"""Every gate that a table may name."""
