"""Choosing one family of a programme (rules 5.1, 5.2, D3, D4, D5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.calendar import ServiceMonth
from caretally.rules.ladder import Climb, climb, lines_of, total_amount
from caretally.rules.rulings import elected_family

if TYPE_CHECKING:
    from decimal import Decimal

    from caretally.facts.services import Family
    from caretally.rules.context import Case
    from caretally.rules.time_credit import Credit

LEVELS = ("straightforward", "low", "moderate", "high")
COMPLEX_LEVELS = frozenset({"moderate", "high"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The family that is billed (``climb`` None: no base code was reached), and why."""

    climb: Climb | None
    tried: tuple[Climb, ...]
    why: str
    alternative: tuple[str, Decimal | None] | None = None
    """The family that was not taken although reached, and its amount: information, never advice."""
    staff_not_used: bool = False


def choose(case: Case, programme: str, credit: Credit) -> Choice:
    """Choose the family for a programme's counted time.

    The practitioner's own family is taken on a recorded election or when no staff worked; the complex one on
    documented decision making; else the staff family, to which the practitioner's minutes add.
    """
    families = case.context.tables.families_of(programme)
    pool, own, staff = credit.counted(programme), credit.practitioner_rows(programme), credit.staff_rows(programme)
    separate, roll_up = case.policy.physician_time == "separate", case.policy.physician_time == "roll_up"
    staff_pool = staff if separate else pool
    tried: list[Climb] = []

    def attempt(family: Family) -> Climb:
        climbed = climb(case, family, own if family.pool == "practitioner" else staff_pool)
        tried.append(climbed)
        return climbed

    def first_reached(kind: list[Family]) -> Climb | None:
        return next((c for f in kind if (c := attempt(f)).reached), None)

    personal = [f for f in families if f.pool == "practitioner"]
    plain = [f for f in families if f.pool == "staff" and not f.complex]
    hard = [f for f in families if f.complex]
    elected = is_elected(case, programme)
    if elected and not roll_up and (taken := first_reached(personal)):
        why = "the practitioner elected the physician code for this month; staff time is left aside"
        return Choice(climb=taken, tried=tuple(tried), why=why, staff_not_used=bool(staff))

    def without_complexity() -> tuple[Climb | None, str]:
        if not staff and not roll_up and not separate and (taken := first_reached(personal)):
            return taken, "only the practitioner worked, long enough for the physician code"
        if taken := first_reached(plain):
            return taken, "staff time" + (", to which the practitioner's time adds" if own and not separate else "")
        if separate and (taken := first_reached(personal)):
            return taken, "staff time alone reached nothing; the practitioner's did"
        return None, "no base code was reached"

    complex_climb = first_reached(hard) if _complexity(case, programme) is not None else None
    if complex_climb is None:
        taken, why = without_complexity()
        return Choice(climb=taken, tried=tuple(tried), why=why)
    plain_climb, why = without_complexity()
    complex_amount, plain_amount = _amount(case, complex_climb), _amount(case, plain_climb)
    level = _complexity(case, programme)
    highest = case.policy.ccm_vs_cccm == "highest_allowed"
    if (
        plain_climb is not None
        and highest
        and complex_amount is not None
        and plain_amount is not None
        and plain_amount > complex_amount
    ):
        return Choice(
            climb=plain_climb,
            tried=tuple(tried),
            why=f"payer policy takes the higher of two allowed families: {plain_amount} over {complex_amount}",
            alternative=(complex_climb.family.name, complex_amount),
        )
    return Choice(
        climb=complex_climb,
        tried=tuple(tried),
        why=f"decision making documented as {level} in the month",
        alternative=None if plain_climb is None else (plain_climb.family.name, plain_amount),
    )


def _amount(case: Case, climbed: Climb | None) -> Decimal | None:
    return None if climbed is None else total_amount(lines_of(case, climbed))


def is_elected(case: Case, programme: str) -> bool:
    """Whether the practitioner elected the physician family for this month: recorded, never inferred."""
    decided = elected_family(case)
    if decided is not None:
        return decided == "physician"
    return any(
        election.service_month == case.service_month and election.family == "physician"
        for plan in case.plans_of(programme)
        for election in plan.elections
    )


def _complexity(case: Case, programme: str) -> str | None:
    """Return the documented level of decision making in the month when it allows the complex family."""
    if case.policy.ccm_vs_cccm == "never_complex":
        return None
    if case.policy.cccm_requires_plan_revision and not plan_revised(case, programme):
        return None
    level = decision_level(case, programme)
    return level if level in COMPLEX_LEVELS else None


def decision_level(case: Case, programme: str) -> str | None:
    """Return the level of decision making of the month: the latest statement, of two on one date the lower."""
    found = [
        d
        for plan in case.plans_of(programme)
        for d in plan.decision_making
        if ServiceMonth.of(d.assessed) == case.service_month
    ]
    latest = max((d.assessed for d in found), default=None)
    return min((d.level for d in found if d.assessed == latest), key=LEVELS.index, default=None)


def plan_revised(case: Case, programme: str) -> bool:
    """Whether the plan in force was written or changed in the month (D4)."""
    plan = case.plan_in_force(programme)
    days = [] if plan is None else [d for d in (plan.created, plan.updated) if d is not None]
    return any(case.service_month.contains(day) for day in days)
