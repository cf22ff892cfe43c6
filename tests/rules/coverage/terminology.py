"""Pairs for every row of the value sets and maps that decide: the code, and the same text where it means nothing.

A row with dates is tried on its first or last day and on the day outside; every other row beside a coding of another
system, because a bare code means nothing. These rows go through facts; those that the mapping reads are in `reading`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import ICD10CM, Coding
from caretally.mapping.roles import role_class
from tests.rules.builder import tables
from tests.rules.coverage.generated import Case, facts_on
from tests.rules.coverage.observing import shown
from tests.rules.coverage.pairs import Pair, undeciding
from tests.rules.deciding import decide_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caretally.facts.codes import CodeRule

FOREIGN = "urn:another-system"
DAY = date(2025, 3, 12)


def example(rule: CodeRule) -> str:
    """Return a code that falls under a row."""
    if rule.code is not None:
        return rule.code
    if rule.prefix is not None:
        return rule.prefix
    # Patterns are literals, classes with a count, and an open end: the first character of each class will do.
    text = re.sub(r"\[([^\]-])[^\]]*\](?:\{(\d+)\})?", lambda m: m[1] * int(m[2] or 1), rule.pattern or "")
    text = text.replace(".*", "")
    assert re.fullmatch(rule.pattern or "", text), rule.pattern
    return text


def label(name: str, rule: CodeRule) -> str:
    """Return how a row is called in the coverage."""
    shown_code = rule.code or (f"{rule.prefix} and below" if rule.prefix else rule.pattern)
    dates = f" {rule.valid_from or ''}..{rule.valid_to or ''}" if rule.valid_from or rule.valid_to else ""
    system = "" if rule.system.startswith("http://www.ama") or "hcpcs" in rule.system.lower() else _short(rule.system)
    return f"{name} {system}{shown_code}{dates}"


def _short(system: str) -> str:
    return system.rstrip("/").rpartition("/")[2] + "|"


def days(rule: CodeRule) -> tuple[date, date | None, str]:
    """Return a day on which a row holds, and one on which it does not, where it has one."""
    if rule.valid_to is not None:
        return rule.valid_to, rule.valid_to + timedelta(days=1), f"on {rule.valid_to}, the day after"
    if rule.valid_from is not None:
        return rule.valid_from, rule.valid_from - timedelta(days=1), f"on {rule.valid_from}, the day before"
    return DAY, None, "in its system, in another"


def _pair(
    name: str, rule: CodeRule, effect: str, build: Callable[[Coding, date], Case], policy: dict[str, Any] | None = None
) -> Pair:
    code = example(rule)
    day, outside, said = days(rule)
    case = build(Coding(rule.system, code), day)
    neighbour = build(Coding(rule.system, code), outside) if outside else build(Coding(FOREIGN, code), day)
    return Pair(
        name=f"{label(name, rule)}: {said}",
        rows=(f"terminology {label(name, rule)}",),
        shows=lambda: shown(decide_all(case, policy)),
        just_not=lambda: shown(decide_all(neighbour, policy)),
        effect=effect,
    )


def _entry_with(coding: Coding, day: date) -> Case:
    return {**facts_on(day, "ccm"), "change": [["entries", 0, {"procedure_codes": [token(coding)]}]]}


def token(coding: Coding) -> str:
    return f"{coding.system}|{coding.code}"


def _visit_with(*others: str, programme: str = "ccm") -> Callable[[Coding, date], Case]:
    def build(coding: Coding, day: date) -> Case:
        """Return a programme that started on the day of the visit in question."""
        start = day.isoformat()
        return {
            **facts_on(day, programme),
            "program_start": start,
            "consent": {"at": start, "practitioner": "P1"},
            "visits": [{"code": "99214", "date": start}],
            "change": [["visits", 0, {"codes": [token(coding), *others]}]],
        }

    return build


def _surgery(coding: Coding, day: date) -> Case:
    """Return a month with surgery of the same practitioner on the day in question."""
    claim = {"code": "99080", "by": "P1", "group": "GRP1", "date": day.isoformat()}
    return {**facts_on(day, "ccm", other_claims=[claim]), "change": [["claim_lines", 0, {"code": token(coding)}]]}


def _same_day(coding: Coding, day: date) -> Case:
    entry = {"who": "P1", "role": "MD", "date": day.isoformat(), "min": 20}
    case = facts_on(day, "ccm", [entry])
    case["visits"] = [*case["visits"], {"code": "99213", "date": day.isoformat()}]
    return {**case, "change": [["visits", 1, {"codes": [token(coding)]}]]}


def _second(code: str) -> str:
    """Return a chronic condition that is another disease than a code."""
    return "I50.22" if not code.startswith("I50") else "E11.9"


def _condition(coding: Coding, *, months: int | None) -> Case:
    """Return two conditions, the first one as the mapping would read it from a coding."""
    terminology = tables().terminology
    never = terminology.set("never-chronic").contains(coding)
    first = {
        "codes": [token(coding)],
        "icd10cm": coding.code if coding.system == ICD10CM else {},
        "listed_chronic": terminology.set("chronic-conditions").contains(coding) and not never,
        "group": terminology.map("condition-groups").target([coding]) or {},
        "expected_months": months if months is not None else {},
    }
    case = facts_on(DAY, "ccm", conditions=[["E11.9", True, 12, True], [_second(coding.code), True, 12, True]])
    return {**case, "change": [["conditions", 0, first]]}


def _chronic(coding: Coding, day: date) -> Case:
    del day
    return _condition(coding, months=None)


def _never(coding: Coding, day: date) -> Case:
    del day
    return _condition(coding, months=12)


def _role(coding: Coding, day: date) -> Case:
    role = role_class(tables().terminology, [coding])
    case = facts_on(day, "ccm")
    return {**case, "change": [["entries", 0, {"performers": [{"reference": "Practitioner/N1", "role": role}]}]]}


def _activity(coding: Coding, day: date) -> Case:
    case = facts_on(day, "ccm")
    known = "care-management-activity" in coding.system
    return {**case, "change": [["entries", 0, {"activities": [coding.code if known else "another"]}]]}


def _idle(coding: Coding, day: date) -> Case:
    case = facts_on(day, "ccm")
    known = "care-management-activity" in coding.system
    return {**case, "change": [["entries", 0, {"activities": [coding.code if known else "communication"]}]]}


SETS: dict[str, tuple[str, Callable[[Coding, date], Case], dict[str, Any]]] = {
    "separately-billed": ("code X-SEPARATE-CODE", _entry_with, {}),
    "global-period-10": ("code R-GLOBAL-REVIEW", _surgery, {}),
    "global-period-90": ("code R-GLOBAL-REVIEW", _surgery, {}),
    "initiating-visit-telehealth": (
        "gate ccm initiating-visit failed",
        _visit_with("99214"),
        {"initiating_visit.accept_telehealth": False},
    ),
    "same-day-em": ("code X-SAME-DAY-EM", _same_day, {}),
    "chronic-conditions": ("enough conditions", _chronic, {}),
    "never-chronic": ("code R-COND-COUNT", _never, {}),
    "role-practitioner": ("time is counted", _role, {}),
    "role-clinical-staff": ("time is counted", _role, {}),
    "role-community-health-worker": ("excluded X-ROLE community-health-worker", _role, {}),
    "role-non-clinical": ("excluded X-ROLE non-clinical", _role, {}),
    "activities-counted": ("time is counted", _activity, {}),
    "activities-not-counted": ("code X-ACTIVITY", _idle, {}),
}
"""Sets whose rows are tried through facts: what the row brings about, and the case."""


def _visits() -> Iterable[Pair]:
    """Yield a pair for each row of each set that starts a programme."""
    for name, programme in _starting().items():
        for rule in tables().terminology.set(name).rules:
            effect = f"gate {programme} initiating-visit passed"
            yield _pair(name, rule, effect, _visit_with(programme=programme))


def _starting() -> dict[str, str]:
    """Return the sets of initiating visits, each with a programme that it starts."""
    found: dict[str, str] = {}
    for programme in tables().services.programmes.values():
        for name in programme.initiating_visits:
            found.setdefault(name, programme.name)
    return found


def _starts_nothing(name: str) -> bool:
    """Whether a set of initiating visits belongs to no programme of the tables."""
    refusals = {"initiating-visit-tcm", "initiating-visit-telehealth"}
    return name.startswith("initiating-visit") and name not in {*refusals, *_starting()}


def _tcm(rule: CodeRule) -> Pair:
    """A visit of transitional care starts a programme unless the payer refuses it."""
    case = _visit_with()(Coding(rule.system, example(rule)), DAY)
    return Pair(
        name=f"{label('initiating-visit-tcm', rule)}: refused by the payer, accepted",
        rows=(f"terminology {label('initiating-visit-tcm', rule)}",),
        shows=lambda: shown(decide_all(case, {"initiating_visit.accept_tcm": False})),
        just_not=lambda: shown(decide_all(case, {"initiating_visit.accept_tcm": True})),
        effect="gate ccm initiating-visit failed",
    )


def _groups() -> Iterable[Pair]:
    """Two codes of one group are one disease where the payer groups so; by category they are two."""
    rows = tables().terminology.map("condition-groups").rows
    grouped, by_category = {"condition_grouping": "mapped_group"}, {"condition_grouping": "icd3"}
    for rule, target in rows:
        code, known = example(rule), Coding(rule.system, example(rule))
        icd = [example(r) for r, t in rows if t == target and r.system == ICD10CM and example(r)[:3] != code[:3]]
        row = f"condition-groups {code} and below = {target}"
        if rule.system != ICD10CM:
            case, neighbour = _two(known, icd[0]), _two(Coding(FOREIGN, code), icd[0])
            said, other_policy = f"with {icd[0]}, in its system and in another", grouped
        elif icd:
            case = neighbour = _two(known, icd[0])
            said, other_policy = f"with {icd[0]}, by group and by category", by_category
        else:
            case, neighbour = _two(known, code), _two(known, _second(code))
            said, other_policy = "twice, beside another disease", grouped
        yield Pair(
            name=f"{row}: {said}",
            rows=(f"terminology {row}",),
            shows=shows(case, grouped),
            just_not=shows(neighbour, other_policy),
            effect="code R-COND-COUNT",
        )


def _two(one: Coding, other: str) -> Case:
    case = _condition(one, months=12)
    case["conditions"] = [case["conditions"][0], [other, True, 12, True]]
    return case


def shows(case: Case, policy: dict[str, Any]) -> Callable[[], set[str]]:
    return lambda: shown(decide_all(case, policy))


def rows() -> Iterable[str]:
    """Return every row of every set and map that decides something."""
    terminology = tables().terminology
    conflicting = {c.code_set for c in tables().services.conflicts}
    for name, found in terminology.sets.items():
        if name in undeciding() or _starts_nothing(name):
            continue
        for rule in found.rules:
            yield f"terminology {name} {rule.code}" if name in conflicting else f"terminology {label(name, rule)}"
    for name, mapping in terminology.maps.items():
        below = " and below" if name == "condition-groups" else ""
        for rule, target in mapping.rows:
            yield f"terminology {name} {example(rule)}{below} = {target}"


def pairs() -> Iterable[Pair]:
    """Return a pair for each row that is tried through facts, but those of the conflicting services."""
    for name, (effect, build, policy) in SETS.items():
        for rule in tables().terminology.set(name).rules:
            yield _pair(name, rule, effect, build, policy)
    yield from _visits()
    for rule in tables().terminology.set("initiating-visit-tcm").rules:
        yield _tcm(rule)
    yield from _groups()
