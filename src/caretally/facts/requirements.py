"""What a practice vouches for itself: the rows of the self-audit, and how each stands in a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import date

RequirementList = Literal["practice", "action", "omh", "eom", "rules"]
RequirementState = Literal["held", "unsigned", "part-of-month", "lapsed", "not-yet", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeRequirement:
    """One row of mappings/practice-requirements.toml; its id is the name of the attestation."""

    id: str
    list: RequirementList
    title: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementResult:
    """How one requirement stands in a month."""

    requirement: PracticeRequirement
    state: RequirementState
    held_from: date | None = None
    held_to: date | None = None
    by: str | None = None
    ends_soon: bool = False
    """It ends within the days in which it should be renewed."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "id": self.requirement.id,
            "list": self.requirement.list,
            "title": self.requirement.title,
            "state": self.state,
            "from": None if self.held_from is None else self.held_from.isoformat(),
            "to": None if self.held_to is None else self.held_to.isoformat(),
            "by": self.by,
            "ends_soon": self.ends_soon,
            "source": self.requirement.source,
        }
