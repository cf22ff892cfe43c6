"""Other services of the same month: somebody else's claim, our own by hand, and codes that exclude ours (rules 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.calendar import local_date
from caretally.facts.reasons import Block, Hold, Notice
from caretally.rules.duplicates import happened

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import ClaimLineFact
    from caretally.facts.codes import Coding
    from caretally.facts.determination import Diagnosis
    from caretally.facts.reasons import ReasonCode
    from caretally.facts.services import Conflict
    from caretally.rules.context import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFinding:
    """One conflict: a reason, or a notice where it only warns."""

    reason: ReasonCode | None
    notice: Notice | None
    found: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A service on record in the month, from a claim, a visit or a coded time entry."""

    reference: str
    coding: Coding
    day: date
    practitioners: tuple[str, ...]
    organization: str | None


def conflicting_services(case: Case, programme: str) -> list[ConflictFinding]:
    """Return the conflicts of the matrix that hold in the month, blocks and warnings."""
    services = _services(case)
    found: list[ConflictFinding] = []
    for conflict in case.context.tables.conflicts:
        if programme not in conflict.programmes or not _enabled(case, conflict):
            continue
        codes = case.context.terminology.set(conflict.code_set)
        hits = [s for s in services if codes.contains(s.coding, s.day)]
        inside = [s for s in hits if _in_scope(case, conflict, s)]
        outside = [s for s in hits if s not in inside]
        if inside:
            found.append(_finding(inside, Block(conflict.reason), None))
        if outside and conflict.other == "block":
            found.append(_finding(outside, Block(conflict.reason), None))
        elif outside and conflict.other is not None:
            found.append(_finding(outside, None, Notice.OTHER_PRACTITIONER_CLAIM))
    return found


def other_claims(case: Case, programme: str, focus: tuple[Diagnosis, ...]) -> list[ConflictFinding]:
    """Return what claims on file for care management itself mean for ours (rules 5, 13).

    The same practitioner's claim that we did not write blocks the same programme and holds the other one; another
    practitioner's blocks a programme that only one may bill, and holds PCM for the same condition.
    """
    tables, found = case.context.tables, []
    for line in case.facts.claim_lines:
        if not case.service_month.contains(line.service_date):
            continue
        theirs = tables.programme_of_code(line.code.code)
        if theirs is None:
            continue
        service = _Service(
            reference=line.reference,
            coding=line.code,
            day=line.service_date,
            practitioners=line.practitioners,
            organization=line.organization,
        )
        if _mine(case, line):
            if theirs == programme:
                found.append(_finding([service], Block.ALREADY_BILLED, None))
            elif theirs in tables.programmes[programme].exclusive_with:
                found.append(_finding([service], Hold.CCM_PCM_SAME_PRACTITIONER, None))
        elif theirs == programme and tables.programmes[programme].one_practitioner:
            found.append(_finding([service], Block.OTHER_CLINICIAN_CCM, None))
        elif theirs == programme and _same_disease(line, focus):
            found.append(_finding([service], Hold.PCM_SAME_CONDITION, None))
    return found


def enrolled_elsewhere(case: Case, programme: str) -> list[ConflictFinding]:
    """Return consents that name a practitioner outside the group and are later than ours: enrolled elsewhere."""
    if not case.context.tables.programmes[programme].one_practitioner:
        return []
    given = [c for c in case.consents_for(programme) if c.status == "active" and c.given is not None]
    mine = [c.given.earliest(case.zone) for c in given if c.given is not None and case.consent_holds_for_me(c)]
    if not mine:
        return []
    later = [
        c
        for c in given
        if c.given is not None
        and c.practitioners
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


def _in_scope(case: Case, conflict: Conflict, service: _Service) -> bool:
    scope = conflict.scope if conflict.scope_switch is None else switch_value(case.policy, conflict.scope_switch)
    if scope == "any":
        return True
    if any(case.is_me(p) for p in service.practitioners):
        return True
    return scope == "same_group" and case.in_my_group(service.practitioners, service.organization)


def _services(case: Case) -> list[_Service]:
    month, zone = case.service_month, case.zone
    found = [
        _Service(
            reference=line.reference,
            coding=line.code,
            day=line.service_date,
            practitioners=line.practitioners,
            organization=line.organization,
        )
        for line in case.facts.claim_lines
    ]
    for visit in case.facts.visits:
        day = visit.moment.date_in(zone)
        found += [
            _Service(
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
        day = entry.day or (local_date(entry.interval.start, zone) if entry.interval else month.first_day)
        found += [
            _Service(
                reference=entry.reference,
                coding=coding,
                day=day,
                practitioners=(case.practitioner,) if case.practitioner else (),
                organization=None,
            )
            for coding in entry.procedure_codes
        ]
    return [service for service in found if month.contains(service.day)]


def _mine(case: Case, line: ClaimLineFact) -> bool:
    if case.practitioner is None:
        return False
    npi = case.context.practice.practitioner(case.practitioner).npi
    # The rendering practitioner decides; the rest of the care team only where nobody else is named.
    first = line.practitioners[:1]
    return any(case.is_me(p) for p in first) or (npi is not None and line.npis[:1] == (npi,))


def _same_disease(line: ClaimLineFact, focus: tuple[Diagnosis, ...]) -> bool:
    ours = {d.icd10cm.replace(".", "")[:3].upper() for d in focus if d.icd10cm}
    theirs = {code.replace(".", "")[:3].upper() for code in line.diagnoses}
    return bool(ours & theirs)


def _finding(services: list[_Service], reason: ReasonCode | None, notice: Notice | None) -> ConflictFinding:
    said = ", ".join(f"{s.coding.code} on {s.day} by {_who(s)}" for s in services)
    return ConflictFinding(
        reason=reason, notice=notice, found=said, evidence=tuple(sorted({s.reference for s in services}))
    )


def _who(service: _Service) -> str:
    return ", ".join(service.practitioners) or service.organization or "an unnamed practitioner"
