"""What people attested, laid over what the record says: the latest dated statement wins (design 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from caretally.facts.calendar import ServiceMonth
from caretally.facts.clinical import DecisionMaking, PcmElement
from caretally.facts.decision import AttestedFact, DecisionKind
from caretally.facts.moment import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.facts.clinical import CarePlanFact, ConditionFact
    from caretally.facts.decision import DecisionRecord
    from caretally.facts.patient_month import PatientFacts
    from caretally.facts.time_entry import TimeEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """Facts with what people attested.

    Attributes:
        used: attestations that the facts rest on now.
        without_subject: attestations about a resource that the patient's record does not hold.
    """

    facts: PatientFacts
    used: tuple[DecisionRecord, ...] = ()
    without_subject: tuple[DecisionRecord, ...] = ()


def with_attestations(facts: PatientFacts, decisions: Iterable[DecisionRecord], month: ServiceMonth) -> Attested:
    """Lay attestations over the facts of a patient, as they stood in a month.

    Args:
        facts: as the record says them.
        decisions: about the patient, in force, oldest first; other kinds are not looked at.
        month: what was attested for a later day is left out.
    """
    stated = [d for d in decisions if d.kind == DecisionKind.ATTEST and _holds_in(d, month)]
    if not stated:
        return Attested(facts=facts)
    known = {
        AttestedFact.RISK: {c.reference for c in facts.conditions},
        AttestedFact.DISTINCT_TIME: {e.reference for e in facts.entries},
        AttestedFact.NEED: {p.reference for p in facts.care_plans},
        AttestedFact.COPY_GIVEN: {p.reference for p in facts.care_plans},
        AttestedFact.DECISION_MAKING: {p.reference for p in facts.care_plans},
        AttestedFact.PCM_ELEMENT: {p.reference for p in facts.care_plans},
    }
    lost = tuple(d for d in stated if d.resource is not None and d.resource not in known[AttestedFact(d.value("fact"))])
    last = _last([d for d in stated if d not in lost])
    used: list[DecisionRecord] = []
    changed = replace(
        facts,
        conditions=tuple(_condition(c, last, used) for c in facts.conditions),
        entries=tuple(_entry(e, last, used) for e in facts.entries),
        care_plans=tuple(_plan(p, last, used, month) for p in facts.care_plans),
    )
    return Attested(facts=changed, used=tuple(dict.fromkeys(used)), without_subject=lost)


def dated(decision: DecisionRecord) -> date | None:
    """Return the day of what was attested; None where it has none."""
    try:
        return date.fromisoformat(decision.value("date"))
    except ValueError:
        return None


def _holds_in(decision: DecisionRecord, month: ServiceMonth) -> bool:
    if decision.value("fact") not in set(AttestedFact):
        return False
    day = dated(decision)
    return (day is None or day <= month.last_day) and decision.service_month in {None, str(month)}


def _last(stated: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    """Return the latest dated attestation of each matter."""
    found: dict[tuple[str | None, ...], DecisionRecord] = {}
    for one in sorted(stated, key=lambda d: (dated(d) or date.min, d.at, d.id)):
        fact = one.value("fact")
        # Two levels in two months, and two different elements, are two statements.
        apart = one.value("element") if fact == AttestedFact.PCM_ELEMENT else ""
        apart = one.value("date")[:7] if fact == AttestedFact.DECISION_MAKING else apart
        found[fact, one.resource, one.practitioner, apart] = one
    return list(found.values())


def _about(last: Iterable[DecisionRecord], fact: AttestedFact, reference: str) -> list[DecisionRecord]:
    return [d for d in last if d.value("fact") == fact and d.resource in {None, reference}]


def _condition(condition: ConditionFact, last: list[DecisionRecord], used: list[DecisionRecord]) -> ConditionFact:
    for one in _about(last, AttestedFact.RISK, condition.reference):
        updated, day = condition.updated, dated(one)
        if condition.significant_risk is not None and updated is not None and day is not None and updated > day:
            continue  # the record was brought up to date after the attestation
        used.append(one)
        # What a resource of its own said until then is overruled, too.
        later = tuple(r for r in condition.risks if day is None or r.start > day)
        condition = replace(condition, significant_risk=one.value("value") == "yes", risks=later)
    return condition


def _entry(entry: TimeEntry, last: list[DecisionRecord], used: list[DecisionRecord]) -> TimeEntry:
    for one in _about(last, AttestedFact.DISTINCT_TIME, entry.reference):
        used.append(one)
        entry = replace(entry, distinct_from_visit=one.value("value") == "yes")
    return entry


def _plan(
    plan: CarePlanFact, last: list[DecisionRecord], used: list[DecisionRecord], month: ServiceMonth
) -> CarePlanFact:
    for one in _of_plan(plan, last, AttestedFact.DECISION_MAKING):
        day = dated(one)
        if day is None or ServiceMonth.of(day) != month:
            continue
        used.append(one)
        kept = [d for d in plan.decision_making if ServiceMonth.of(d.assessed) != month or d.assessed > day]
        stated = DecisionMaking(level=one.value("value"), assessed=day, assessor=one.practitioner)
        plan = replace(plan, decision_making=(*kept, stated))
    for one in _of_plan(plan, last, AttestedFact.PCM_ELEMENT):
        day, element = dated(one), one.value("element")
        if day is None:
            continue
        used.append(one)
        kept_elements = [e for e in plan.pcm_elements if e.element != element or e.attested > day]
        stated_element = PcmElement(element=element, attested=day, by=one.practitioner)
        present = (stated_element,) if one.value("value") != "no" else ()
        plan = replace(plan, pcm_elements=(*kept_elements, *present))
    for one in _of_plan(plan, last, AttestedFact.COPY_GIVEN):
        day = dated(one)
        if day is not None:
            used.append(one)
            plan = replace(plan, copies_given=(*plan.copies_given, Moment(day=day)))
    for one in _of_plan(plan, last, AttestedFact.NEED):
        used.append(one)
        plan = replace(plan, need_read=dated(one))
    return plan


def _of_plan(plan: CarePlanFact, last: Iterable[DecisionRecord], fact: AttestedFact) -> list[DecisionRecord]:
    """Return attestations about a plan: those that name it, and those that name none and are not another author's."""
    return [
        d
        for d in _about(last, fact, plan.reference)
        if d.resource is not None or d.practitioner is None or plan.author in {None, d.practitioner}
    ]
