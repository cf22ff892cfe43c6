"""A second calculator of what may be billed, written from the billing rules without a look at `caretally.rules`.

It shares the facts and the policy object with the engine and nothing else: numbers and code lists are its own copies.
Style is plain on purpose: read it beside docs/reference/billing-rules.md. How it came about, and what the two said
differently, stands in docs/reference/second-calculator.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.calculator import numbers
from tests.calculator.answer import Answer
from tests.calculator.desk import Desk
from tests.calculator.front_office import FrontOffice

if TYPE_CHECKING:
    from caretally.facts.clinical import CoverageFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext


def calculate(month: PatientMonth, context: RuleContext) -> dict[str | None, Answer]:
    """The answer for each billing practitioner; None: minutes that belong to nobody or to several."""
    office = FrontOffice(month, context)
    people = office.candidates | {who for _, who, _, _ in office.shares if who is not None}
    people |= {who for *_, claimants in office.shares for who in claimants}
    desks = {who: decide(month, context, who, office) for who in sorted(people)}
    among_colleagues(list(desks.values()))
    answers: dict[str | None, Answer] = {who: desk.answer for who, desk in desks.items()}
    lost = [i for i, who, _, _ in office.shares if who is None]
    if lost or (not people and (month.facts.care_plans or month.facts.consents)):
        answers[None] = Answer()
        answers[None].lost = sum(office.entries[i].seconds for i in lost)
    return answers


def decide(month: PatientMonth, context: RuleContext, who: str, office: FrontOffice) -> Desk:
    """Under the coverage that pays first, or under the one that is in force on all dates of the lines (rules 4.5)."""
    ranked: list[CoverageFact | None] = [*office.coverages] or [None]
    first = Desk(month, context, who, office, ranked[0])
    if "R-COVERAGE-CHANGED" in first.answer.reasons:
        for coverage in ranked[1:]:
            desk = Desk(month, context, who, office, coverage)
            if desk.taken is not None:
                return desk
    return first


def among_colleagues(desks: list[Desk]) -> None:
    """Only one practitioner bills CCM for a beneficiary and month; PCM of one disease, too (rules 5)."""
    held: dict[int, set[str]] = {}
    for i, one in enumerate(desks):
        for k, other in enumerate(desks):
            if i == k or one.taken is None or other.taken is None:
                continue
            programme = numbers.LADDERS[one.taken[0]][0]
            if programme != numbers.LADDERS[other.taken[0]][0]:
                continue
            if programme == "ccm":
                held.setdefault(i, set()).add("R-SEVERAL-PRACTITIONERS")
            elif one.focus_diseases() & other.focus_diseases():
                held.setdefault(i, set()).add("R-PCM-SAME-CONDITION")
    for i, codes in held.items():
        answer = desks[i].answer
        answer.reasons |= codes
        answer.status, answer.family, answer.lines, answer.projected, answer.surplus = "hold", None, [], [], 0
