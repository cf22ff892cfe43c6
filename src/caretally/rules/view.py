"""One programme as one practitioner sees it in the month, and what a gate says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.reasons import Exclusion, Notice, ReasonCode
from caretally.rules.conditions import ConditionFinding, qualifying_conditions
from caretally.rules.consent import ConsentFinding, consent_for
from caretally.rules.visit import VisitFinding, initiating_visit

if TYPE_CHECKING:
    from caretally.facts.clinical import CarePlanFact
    from caretally.facts.services import Programme
    from caretally.rules.context import Case
    from caretally.rules.windows import Shadow

Reason = tuple[ReasonCode, str, tuple[str, ...]]
"""Code, what was found, references."""
Remark = tuple[Notice, str, tuple[str, ...]]
"""Notice, what was found, references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What a gate says: passed, or reasons; and notices either way."""

    gate: str
    found: str
    wanted: str
    reasons: tuple[Reason, ...] = ()
    notices: tuple[Remark, ...] = ()
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
    def table(self) -> Programme:
        """Return the programme's row."""
        return self.case.context.tables.programmes[self.programme]

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
