"""Conditions: how many distinct chronic diseases, how long, at what risk (rules 4.1, 13, D21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.calendar import years_before
from caretally.facts.codes import ICD10CM, Coding
from caretally.facts.determination import Diagnosis
from caretally.facts.reasons import Block, Hold
from caretally.rules.contradictions import same_code, standing_risks, stated_risks, superseded_by

if TYPE_CHECKING:
    from caretally.facts.clinical import CarePlanFact, ConditionFact
    from caretally.facts.reasons import ReasonCode
    from caretally.rules.context import Case

LISTED_MONTHS = 12
"""A condition on the shipped chronic list is expected to last 12 months unless documented otherwise (4.1)."""
MOST_DIAGNOSES = 12
"""A professional claim has room for twelve diagnoses (box 21 A to L)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionFinding:
    """The conditions that qualify, one for each distinct disease, or what is lacking."""

    diagnoses: tuple[Diagnosis, ...] = ()
    reason: ReasonCode | None = None
    found: str = ""
    evidence: tuple[str, ...] = ()


def qualifying_conditions(case: Case, programme: str, plan: CarePlanFact | None) -> ConditionFinding:
    """Find the conditions that a programme rests on.

    The PCM focus is a condition that its plan addresses; for CCM every chronic condition of the patient counts.
    """
    table = case.context.tables.programmes[programme]
    needed = table.conditions_needed
    addressed = plan.addresses if plan is not None else ()
    active = [c for c in case.facts.conditions if active_in_month(case, c)]
    active = [c for c in active if not _ended_elsewhere(case, c)]
    if needed == 1 and addressed:
        active = [c for c in active if c.reference in addressed]
    groups: dict[str, list[ConditionFact]] = {}
    for condition in active:
        if _is_chronic(case, condition, table.months_needed):
            groups.setdefault(disease(case, condition), []).append(condition)
    references = tuple(sorted(c.reference for members in groups.values() for c in members))
    if len(groups) < needed:
        return ConditionFinding(
            reason=Block.COND_COUNT,
            found=f"{len(groups)} distinct chronic condition{'s' if len(groups) != 1 else ''} in the month",
            evidence=references,
        )
    lasting = {
        name: kept
        for name, members in groups.items()
        if (kept := [c for c in members if _lasts(c, table.months_needed)])
    }
    if len(lasting) < needed:
        return ConditionFinding(
            reason=Block.COND_DURATION,
            found=f"{len(lasting)} of {len(groups)} expected to last {table.months_needed} months or more",
            evidence=references,
        )
    return _at_risk(case, programme, lasting, addressed, references)


def active_in_month(case: Case, condition: ConditionFact) -> bool:
    """Whether a condition stood in the month: as of then, not as of today."""
    begin = condition.onset or condition.recorded
    if not condition.confirmed or (begin is not None and begin > case.last_day):
        return False
    if condition.abatement is not None and begin is not None and condition.abatement < begin:
        return False
    if condition.abatement is not None:
        return condition.abatement >= case.first_day
    return condition.active_status


def _ended_elsewhere(case: Case, condition: ConditionFact) -> bool:
    """Whether another record of the same code says that the condition had ended before the month."""
    other = superseded_by(condition, [c for c in case.facts.conditions if c.icd10cm == condition.icd10cm])
    return other is not None and other.abatement is not None and other.abatement < case.first_day


def disease(case: Case, condition: ConditionFact) -> str:
    """Return the key under which two codes are one disease: the mapped group or the ICD-10-CM category."""
    if case.policy.condition_grouping == "mapped_group" and condition.group is not None:
        return "group:" + condition.group
    if condition.icd10cm is not None:
        return "icd:" + condition.icd10cm[:3].upper()
    return "group:" + condition.group if condition.group else "code:" + (condition.codes or (Coding("", ""),))[0].code


def claim_code(case: Case, condition: ConditionFact) -> str | None:
    """Return the code for the claim: the record's own, else the one that the map gives for the month.

    Codes change on 1 October (G35 became G35.A to G35.D in 2025), and the mapping reads a patient for all months.
    """
    if condition.icd10cm is None or any(c.system == ICD10CM for c in condition.codes):
        return condition.icd10cm
    mapped = case.context.terminology.map("snomed-to-icd10cm").target(condition.codes, case.last_day)
    return mapped or condition.icd10cm


def disease_of_code(case: Case, icd10cm: str) -> str:
    """Return the key of `disease` for a code alone, such as the diagnosis of somebody's claim."""
    if case.policy.condition_grouping == "mapped_group":
        group = case.context.terminology.map("condition-groups").target([Coding(ICD10CM, icd10cm)])
        if group is not None:
            return "group:" + group
    return "icd:" + icd10cm[:3].upper()


def _is_chronic(case: Case, condition: ConditionFact, months_needed: int) -> bool:
    codings = [*condition.codes, *([Coding(ICD10CM, condition.icd10cm)] if condition.icd10cm else [])]
    if case.context.terminology.set("never-chronic").first(codings) is not None:
        return False
    if condition.listed_chronic or condition.until_death:
        return True
    return condition.expected_months is not None and condition.expected_months >= months_needed


def _admitted(case: Case, condition: ConditionFact) -> bool:
    """Whether the patient was admitted for a condition in the year before the end of the month (P1)."""
    earliest = years_before(case.last_day, 1)
    return any(
        condition.reference in stay.conditions and earliest <= stay.start.date_in(case.zone) <= case.last_day
        for stay in case.facts.stays
    )


def _lasts(condition: ConditionFact, months_needed: int) -> bool:
    if condition.until_death:
        return True
    months = condition.expected_months if condition.expected_months is not None else LISTED_MONTHS
    return months >= months_needed


def _at_risk(
    case: Case,
    programme: str,
    lasting: dict[str, list[ConditionFact]],
    addressed: tuple[str, ...],
    references: tuple[str, ...],
) -> ConditionFinding:
    table, twins = case.context.tables.programmes[programme], same_code(case)
    needed = table.conditions_needed

    def risk(condition: ConditionFact) -> bool | None:
        own = stated_risks(case, condition)
        if len(own.union(*(stated_risks(case, c) for c in twins.get(condition.icd10cm or "", [condition])))) > 1:
            return None
        if own:
            return next(iter(own))
        assumed = condition.listed_chronic and case.policy.assume_risk_for_listed
        return True if assumed or (table.admission_shows_risk and _admitted(case, condition)) else None

    sure = {name: kept for name, members in lasting.items() if (kept := [c for c in members if risk(c) is True])}
    unknown = [name for name, members in lasting.items() if name not in sure and any(risk(c) is None for c in members)]
    if len(sure) < needed:
        short = len(sure) + len(unknown) < needed
        return ConditionFinding(
            reason=Block.COND_RISK if short else Hold.RISK_UNKNOWN,
            found=f"significant risk documented for {len(sure)}, not known for {len(unknown)} of {len(lasting)}",
            evidence=references,
        )
    order = {reference: index for index, reference in enumerate(addressed)}

    def rank(condition: ConditionFact) -> tuple[bool, int, str, str]:
        place = order.get(condition.reference, len(order))
        return (condition.icd10cm is None, place, condition.icd10cm or "", condition.reference)

    best = sorted((min(members, key=rank) for members in sure.values()), key=rank)
    coded = [c for c in best if c.icd10cm is not None]
    papers = (risk.reference for c in best for risk in standing_risks(case, c))
    return ConditionFinding(
        diagnoses=tuple(Diagnosis(reference=c.reference, icd10cm=claim_code(case, c)) for c in coded[:MOST_DIAGNOSES]),
        reason=Block.DX_UNMAPPED if len(coded) < needed else None,
        found=f"{len(sure)} condition{'s' if len(sure) != 1 else ''} that qualify"
        + (f", {len(sure) - len(coded)} without an ICD-10-CM code" if len(coded) < len(sure) else ""),
        evidence=tuple(dict.fromkeys((*(c.reference for c in best), *papers))),
    )
