"""Pairs for the rows of value sets and maps that the mapping reads: a resource with the code, or with a foreign one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.facts.codes import Coding
from caretally.mapping.roles import role_class
from tests.mapping.patients import changed, mapped, resources
from tests.rules.builder import tables
from tests.rules.coverage.generated import Case, facts_on
from tests.rules.coverage.pairs import Pair
from tests.rules.coverage.terminology import FOREIGN, days, example, label, shows, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from caretally.facts.codes import CodeRule


def _read(kind: str, number: int, change: Callable[[dict[str, Any]], object]) -> set[str]:
    """Return what the facts of a golden patient hold after a change of one resource."""
    facts = mapped(changed(kind, number, change)).facts
    found = {f"fact {name}" for name in ("hospices", "stays", "consents", "care_plans") if getattr(facts, name)}
    found |= {f"icd10cm {c.icd10cm}" for c in facts.conditions}
    found |= {f"visit {coding.code}" for visit in facts.visits for coding in visit.codes}
    found |= {f"programme {name}" for plan in facts.care_plans for name in plan.programmes}
    return found


def _coding(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _mapped(
    name: str, row: str, rule: CodeRule, effect: str, place: tuple[str, int, Callable[[dict[str, Any], Any], object]]
) -> Pair:
    kind, number, put = place
    code = example(rule)
    return Pair(
        name=f"{row}: in its system, in another",
        rows=(f"terminology {row}",),
        shows=lambda: _read(kind, number, lambda r: put(r, _coding(rule.system, code))),
        just_not=lambda: _read(
            kind, number, lambda r: put(r, _coding(FOREIGN, "no-" + code if name == _CLASS else code))
        ),
        effect=effect,
    )


_CLASS = "inpatient-class"
"""The class counts by its code alone: senders give old or no systems."""


def _put_type(resource: dict[str, Any], concept: dict[str, Any]) -> None:
    resource["type"] = [concept]


def _put_class(resource: dict[str, Any], concept: dict[str, Any]) -> None:
    resource["class"] = concept["coding"][0]


def _put_category(resource: dict[str, Any], concept: dict[str, Any]) -> None:
    resource["category"] = [concept]


def _put_code(resource: dict[str, Any], concept: dict[str, Any]) -> None:
    resource["code"] = concept


def _read_rows() -> Iterable[Pair]:
    terminology = tables().terminology
    places: dict[str, tuple[str, tuple[str, int, Callable[[dict[str, Any], Any], object]]]] = {
        "hospice": ("fact hospices", ("Encounter", 0, _put_type)),
        _CLASS: ("fact stays", ("Encounter", 0, _put_class)),
        "consent-category": ("fact consents", ("Consent", 0, _put_category)),
    }
    for name, (effect, place) in places.items():
        for rule in terminology.set(name).rules:
            yield _mapped(name, label(name, rule), rule, effect, place)
    for rule, target in terminology.map("programme").rows:
        row = f"programme {example(rule)} = {target}"
        yield _mapped("programme", row, rule, f"programme {target}", ("CarePlan", 0, _put_category))
    for rule, target in terminology.map("visit-to-initiating").rows:
        row = f"visit-to-initiating {example(rule)} = {target}"
        yield _mapped("visit", row, rule, f"visit {target}", ("Encounter", 0, _put_type))
    for rule, target in terminology.map("snomed-to-icd10cm").rows:
        row = f"snomed-to-icd10cm {example(rule)} = {target}"
        if [other.code for other, _ in terminology.map("snomed-to-icd10cm").rows].count(rule.code) > 1:
            yield _dated_code(row, rule, target)
            continue
        yield _mapped("snomed", row, rule, f"icd10cm {target}", ("Condition", 0, _put_code))
    for rule, target in terminology.map("role-local").rows:
        row = f"role-local {example(rule)} = {target}"
        known = Coding(rule.system, example(rule))
        yield Pair(
            name=f"{row}: in its system, in another",
            rows=(f"terminology {row}",),
            shows=lambda known=known: {f"role {role_class(terminology, [known])}"},  # type: ignore[misc]
            just_not=lambda known=known: {f"role {role_class(terminology, [Coding(FOREIGN, known.code)])}"},  # type: ignore[misc]
            effect=f"role {target}",
        )


def _activity_rows() -> Iterable[Pair]:
    """A site's code for an activity is one of ours in its own system only."""
    known = tables().terminology.map("activity-local")
    for rule, target in known.rows:
        row, code = f"activity-local {example(rule)} = {target}", example(rule)
        yield Pair(
            name=f"{row}: in its system, in another",
            rows=(f"terminology {row}",),
            shows=lambda rule=rule, code=code: {f"activity {known.target([Coding(rule.system, code)])}"},  # type: ignore[misc]
            just_not=lambda code=code: {f"activity {known.target([Coding(FOREIGN, code)])}"},  # type: ignore[misc]
            effect=f"activity {target}",
        )


def _risk(outcome: Coding, level: Coding) -> set[str]:
    """Return what an assessment of a condition comes to."""
    prediction = {
        "outcome": _coding(outcome.system, outcome.code),
        "qualitativeRisk": _coding(level.system, level.code),
    }
    assessment = {
        "resourceType": "RiskAssessment",
        "id": "risk",
        "status": "final",
        "subject": {"reference": "Patient/pat"},
        "condition": {"reference": "Condition/cond1"},
        "occurrenceDateTime": "2024-12-20",
        "prediction": [prediction],
    }
    facts = mapped([*resources("G02"), assessment], "risk-assessment").facts
    return {f"risk {'' if r.significant else 'not-'}significant" for c in facts.conditions for r in c.risks}


def _risk_rows() -> Iterable[Pair]:
    """Outcomes and levels of a risk, in an assessment whose other half is known."""
    terminology = tables().terminology
    levels = terminology.map("risk-level").rows
    high = next(Coding(rule.system, example(rule)) for rule, target in levels if target == "significant")
    outcomes = terminology.set("risk-outcome").rules
    death = Coding(outcomes[0].system, example(outcomes[0]))
    for rule in outcomes:
        row, code = label("risk-outcome", rule), example(rule)
        yield Pair(
            name=f"{row}: in its system, in another",
            rows=(f"terminology {row}",),
            shows=lambda rule=rule, code=code: _risk(Coding(rule.system, code), high),  # type: ignore[misc]
            just_not=lambda code=code: _risk(Coding(FOREIGN, code), high),  # type: ignore[misc]
            effect="risk significant",
        )
    for rule, target in levels:
        row, code = f"risk-level {example(rule)} = {target}", example(rule)
        yield Pair(
            name=f"{row}: in its system, in another",
            rows=(f"terminology {row}",),
            shows=lambda rule=rule, code=code: _risk(death, Coding(rule.system, code)),  # type: ignore[misc]
            just_not=lambda code=code: _risk(death, Coding(FOREIGN, code)),  # type: ignore[misc]
            effect=f"risk {target}",
        )


def _dated_code(row: str, rule: CodeRule, target: str) -> Pair:
    """A code that changes on a day: the claim of the month has the code of the month."""
    day, outside, said = days(rule)
    assert outside is not None
    known = Coding(rule.system, example(rule))

    def on(when: date) -> Case:
        first = {
            "codes": [token(known)],
            "icd10cm": tables().terminology.map("snomed-to-icd10cm").target([known]),
        }
        return {**facts_on(when, "ccm"), "change": [["conditions", 0, first]]}

    return Pair(
        name=f"{row}: {said}",
        rows=(f"terminology {row}",),
        shows=shows(on(day), {}),
        just_not=shows(on(outside), {}),
        effect=f"diagnosis {target}",
    )


def pairs() -> Iterable[Pair]:
    """Return a pair for each row that the mapping reads."""
    yield from _read_rows()
    yield from _activity_rows()
    yield from _risk_rows()
