"""The patient's paper: what the record holds beside what decides a claim (guide, "Documentation", "Required Actions").

Facts hold no names and no free text: that a narrative is there is a fact, what it says is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from caretally.facts.clinical import Fact

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.moment import Moment

State = Literal["found", "partly", "unstructured", "missing"]
"""``unstructured``: only a narrative is there, which nobody can check by element; it is never ``found``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationFact(Fact):
    """A medication on the list (MedicationRequest), in use or not."""

    active: bool
    recorded: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllergyFact(Fact):
    """An allergy or intolerance on file, or the statement that none is known."""

    active: bool
    none_known: bool
    recorded: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalFact(Fact):
    """A Goal that a care plan may name."""

    measurable: bool
    """A target says how much: ``target.detail[x]``."""
    outcome: bool
    """A target or an outcome is recorded."""
    social: bool
    """A goal about a social need (category sdoh)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanActivity:
    """One activity of a care plan."""

    element: str | None
    """Code of care-plan-element, when the activity carries one."""
    target: str | None
    """Reference of the resource that stands for the activity."""
    coded: bool
    """Whether it has a code of any kind."""
    outcome: bool
    reasons: tuple[str, ...]
    """Conditions that are the reason for it."""
    scheduled: bool
    review_on: date | None
    """Last day of its schedule, where it gives one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShare:
    """A message by which a care plan went to other practitioners or organizations."""

    plan: str
    moment: Moment
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyFact(Fact):
    """A visit to an emergency department."""

    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperItem:
    """One thing that the documentation should hold, and whether the record does."""

    item: str
    state: State
    found: str
    evidence: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the item as it stands in the output."""
        return {"item": self.item, "state": self.state, "found": self.found, "evidence": list(self.evidence)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The paper of one patient-month as one billing practitioner sees it."""

    programme: str
    documentation: tuple[PaperItem, ...]
    """The nine items of the guide's list."""
    care_plan: tuple[PaperItem, ...]
    """The eight elements of the care plan."""
    required_actions: tuple[PaperItem, ...]
    """The four required actions."""

    def to_json(self) -> dict[str, Any]:
        """Return the paper as it stands in the output."""
        return {
            "programme": self.programme,
            "documentation": [item.to_json() for item in self.documentation],
            "care_plan": [item.to_json() for item in self.care_plan],
            "required_actions": [item.to_json() for item in self.required_actions],
        }
