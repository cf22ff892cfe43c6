"""Other services of the same month: somebody else's claim, our own by hand, and codes that exclude ours (rules 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.reasons import Block, Hold, Notice
from caretally.rules.conditions import disease_of_code
from caretally.rules.consent import withdrawn_before
from caretally.rules.duplicates import happened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from caretally.facts.clinical import ClaimLineFact
    from caretally.facts.codes import Coding
    from caretally.facts.determination import Diagnosis
    from caretally.facts.reasons import ReasonCode
    from caretally.facts.services import Conflict
    from caretally.rules.context import Case

_REASONS: dict[str, ReasonCode] = {reason.value: reason for reason in (*Block, *Hold)}
EXACERBATION = "acute-exacerbation"
"""PCM element of point D13: the disease became acutely worse in the month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFinding:
    """One conflict: a reason, or a notice where it only warns."""

    reason: ReasonCode | None
    notice: Notice | None
    found: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service on record in the month, from a claim, a visit or a coded time entry."""

    reference: str
    coding: Coding
    day: date
    practitioners: tuple[str, ...]
    organization: str | None
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes that it was billed for; empty when none is known."""
    npis: tuple[str, ...] = ()
    """NPIs of who rendered it; known of a claim also where the person is not on file."""


def conflicting_services(case: Case, programme: str, focus: tuple[Diagnosis, ...]) -> list[ConflictFinding]:
    """Return the conflicts of the matrix that hold in the month: blocks, holds and warnings."""
    in_month = [s for s in services(case) if case.service_month.contains(s.day)]
    found: list[ConflictFinding] = []
    for conflict in case.context.tables.conflicts:
        if programme not in conflict.programmes or not _enabled(case, conflict):
            continue
        codes, reason = case.context.terminology.set(conflict.code_set), reason_code(conflict.reason)
        hits = [s for s in in_month if codes.contains(s.coding, s.day)]
        inside = [s for s in hits if _in_scope(case, conflict, s)]
        outside = [s for s in hits if s not in inside]
        if conflict.same_condition:
            unsaid = _without_diagnosis(inside)
            if unsaid:
                found.append(_finding(unsaid, None, Notice.CONFLICT_CONDITION_UNKNOWN))
            inside = [s for s in inside if same_disease(case, s.diagnoses, focus)]
            outside = [s for s in outside if same_disease(case, s.diagnoses, focus)]
        if inside:
            found.append(_finding(inside, reason, None))
        if outside and conflict.other in {"block", "hold"}:
            found.append(_finding(outside, reason, None))
        elif outside and conflict.other == "warn":
            found.append(_finding(outside, None, Notice.OTHER_PRACTITIONER_CLAIM))
    return found


def _without_diagnosis(found: list[Service]) -> list[Service]:
    """Return the services of which no record names a diagnosis; a visit and its claim are one service."""
    said = {(s.coding, s.day) for s in found if s.diagnoses}
    return [s for s in found if (s.coding, s.day) not in said]


def reason_code(code: str) -> ReasonCode:
    """Return the block or hold of a table's row."""
    return _REASONS[code]


def other_claims(case: Case, programme: str, focus: tuple[Diagnosis, ...]) -> list[ConflictFinding]:
    """Return what claims on file for care management itself mean for ours (rules 5, 13).

    The same practitioner's claim that we did not write blocks the same programme and holds the other one; another
    practitioner's blocks a programme that only one may bill, and holds one of the same disease.
    """
    tables, found = case.context.tables, []
    table = tables.programmes[programme]
    for line in case.facts.claim_lines:
        theirs = tables.programme_of_code(line.code.code)
        if theirs is None or not case.service_month.contains(line.service_date):
            continue
        service = _of_line(line)
        if _mine(case, line):
            if theirs == programme:
                found.append(_finding([service], Block.ALREADY_BILLED, None))
            elif theirs in table.exclusive_with:
                found.append(_finding([service], Hold.CCM_PCM_SAME_PRACTITIONER, None))
        elif theirs == programme and table.one_practitioner:
            found.append(_finding([service], Block.OTHER_CLINICIAN_CCM, None))
        elif theirs == programme and table.same_condition_hold is not None:
            if same_disease(case, line.diagnoses, focus):
                found.append(_finding([service], reason_code(table.same_condition_hold), None))
            elif programme == "pcm" and case.policy.pcm_multi_requires_exacerbation and not _exacerbated(case):
                found.append(_finding([service], Hold.PCM_EXACERBATION, None))
    return found


def _exacerbated(case: Case) -> bool:
    """Whether an exacerbation is attested in the month (D13)."""
    return any(
        e.element == EXACERBATION and case.service_month.contains(e.attested) and e.by is not None
        for plan in case.plans
        for e in plan.pcm_elements
    )


def enrolled_elsewhere(case: Case, programme: str) -> list[ConflictFinding]:
    """Return what shows that the patient is enrolled with somebody outside the group: an enrolment, a later consent."""
    if not case.context.tables.programmes[programme].one_practitioner:
        return []
    return [*_enrolments_elsewhere(case, programme), *_later_consents(case, programme)]


def _enrolments_elsewhere(case: Case, programme: str) -> list[ConflictFinding]:
    """Return enrolments of another group that hold on any day of the month (rules 5, "Enrolled Elsewhere")."""
    found = [
        e
        for e in case.facts.enrolments
        if programme in e.programmes
        and (e.practitioners or e.organization is not None)
        and not case.in_my_group(e.practitioners, e.organization)
        and (e.start is None or e.start <= case.last_day)
        and (e.end is None or e.end >= case.first_day)
    ]
    return [
        ConflictFinding(
            reason=Block.ENROLLED_ELSEWHERE,
            notice=None,
            found="enrolled with " + (", ".join(e.practitioners) or str(e.organization)),
            evidence=(e.reference,),
        )
        for e in found
    ]


def _later_consents(case: Case, programme: str) -> list[ConflictFinding]:
    """Return consents that name a practitioner outside the group and are later than ours."""
    given = [c for c in case.consents_for(programme) if not withdrawn_before(case, c)]
    mine = [c.given.earliest(case.zone) for c in given if c.given is not None and case.consent_holds_for_me(c)]
    if not mine:
        return []
    later = [
        c
        for c in given
        if c.given is not None
        and c.practitioners
        and (not c.programmes or programme in c.programmes)
        and not case.in_my_group(c.practitioners)
        and all(case.context.practice.groups_of(p) for p in c.practitioners)
        and c.given.earliest(case.zone) > max(mine)
    ]
    if not later:
        return []
    names = sorted({p for c in later for p in c.practitioners})
    return [
        ConflictFinding(
            reason=Block.ENROLLED_ELSEWHERE,
            notice=None,
            found="a later consent names " + ", ".join(names),
            evidence=tuple(c.reference for c in later),
        )
    ]


def switch_value(policy: Any, dotted: str) -> Any:
    """Return the value of a dotted policy switch."""
    for name in dotted.split("."):
        policy = getattr(policy, name)
    return policy


def _enabled(case: Case, conflict: Conflict) -> bool:
    if conflict.enabled_switch is None:
        return True
    return bool(switch_value(case.policy, conflict.enabled_switch) == conflict.enabled_value)


def _in_scope(case: Case, conflict: Conflict, service: Service) -> bool:
    scope = conflict.scope if conflict.scope_switch is None else switch_value(case.policy, conflict.scope_switch)
    if scope == "any":
        return True
    if by_me(case, service):
        return True
    return scope == "same_group" and case.in_my_group(service.practitioners, service.organization)


def services(case: Case) -> list[Service]:
    """Return every coded service on record, of any date: claim lines, visits and coded time entries."""
    zone, own = case.zone, case.context.tables.own_codes()
    found = [_of_line(line) for line in case.facts.claim_lines]
    claims = {line.reference for line in case.facts.claim_lines}
    for visit in case.facts.visits:
        if visit.reference in claims:
            continue
        day = visit.moment.date_in(zone)
        found += [
            Service(
                reference=visit.reference,
                coding=coding,
                day=day,
                practitioners=visit.practitioners,
                organization=visit.organization,
            )
            for coding in visit.codes
        ]
    for attributed in case.entries:
        entry = attributed.entry
        if not happened(entry):
            continue
        day = entry.date_in(zone) or case.first_day
        found += [
            Service(
                reference=entry.reference,
                coding=coding,
                day=day,
                practitioners=(case.practitioner,) if case.practitioner else (),
                organization=None,
            )
            for coding in entry.procedure_codes
            # A code of our own ladders on an entry says what the work is for; it was not billed by that.
            if coding.code not in own
        ]
    return found


def _of_line(line: ClaimLineFact) -> Service:
    return Service(
        reference=line.reference,
        coding=line.code,
        day=line.service_date,
        practitioners=line.practitioners,
        organization=line.organization,
        diagnoses=line.diagnoses,
        npis=line.npis,
    )


def by_me(case: Case, service: Service) -> bool:
    """Whether this practitioner rendered a service: by reference, or by the NPI of its claim (design 4)."""
    return any(case.is_me(p) for p in service.practitioners) or case.has_npi(service.npis)


def _mine(case: Case, line: ClaimLineFact) -> bool:
    # The rendering practitioner decides; the rest of the care team only where nobody else is named.
    first = line.practitioners[:1]
    return any(case.is_me(p) for p in first) or case.has_npi(line.npis[:1])


def same_disease(case: Case, diagnoses: Iterable[str], focus: tuple[Diagnosis, ...]) -> bool:
    """Whether any of some ICD-10-CM codes is of any disease that ours rests on, by the payer's grouping (D21)."""
    ours = {disease_of_code(case, d.icd10cm) for d in focus if d.icd10cm}
    return bool(ours & {disease_of_code(case, code) for code in diagnoses})


def _finding(services: list[Service], reason: ReasonCode | None, notice: Notice | None) -> ConflictFinding:
    said = ", ".join(f"{s.coding.code} on {s.day} by {_who(s)}" for s in services)
    return ConflictFinding(
        reason=reason, notice=notice, found=said, evidence=tuple(sorted({s.reference for s in services}))
    )


def _who(service: Service) -> str:
    return ", ".join(service.practitioners) or service.organization or "an unnamed practitioner"
