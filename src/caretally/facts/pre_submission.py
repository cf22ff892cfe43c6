"""Checks before the claim: each likely denial by name, with the payer's codes for it and how the check came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import date

CheckEffect = Literal["block", "warn"]
Outcome = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreSubmissionCheck:
    """One row of mappings/pre-submission.toml; its id names the check function."""

    id: str
    title: str
    carc: tuple[str, ...]
    """Claim adjustment reason codes with their group, ``CO-29``."""
    rarc: tuple[str, ...]
    """Remittance advice remark codes."""
    effect: CheckEffect
    """``block``: a failed check holds the month; ``warn``: it is told and the claim goes out."""
    notice: str
    """Notice of a failed check that only warns."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check came out for one claim."""

    check: str
    title: str
    outcome: Outcome
    """``unknown``: the record does not hold what the check needs."""
    effect: CheckEffect
    found: str
    carc: tuple[str, ...] = ()
    rarc: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as it stands in the output."""
        return {
            "check": self.check,
            "title": self.title,
            "outcome": self.outcome,
            "effect": self.effect,
            "found": self.found,
            "carc": list(self.carc),
            "rarc": list(self.rarc),
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Until when the payer takes the claim."""

    last_day: date
    days_left: int
    """Negative when it is too late."""

    def to_json(self) -> dict[str, Any]:
        """Return the countdown as it stands in the output."""
        return {"last_day": self.last_day.isoformat(), "days_left": self.days_left}
