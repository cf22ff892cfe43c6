"""Who could be served: patients who meet the conditions of a programme and lack something to begin or to bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import date

TriggerKind = Literal["emergency-visit", "discharge", "new-high-risk-diagnosis"]
Step = Literal["risk", "diagnosis-code", "initiating-visit", "consent", "care-plan", "minutes"]
STEPS: tuple[Step, ...] = ("diagnosis-code", "risk", "initiating-visit", "consent", "care-plan", "minutes")
"""What may be missing, in the order in which it is usually settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Something that happened lately and calls for care management."""

    kind: TriggerKind
    day: date
    reference: str

    def to_json(self) -> dict[str, Any]:
        """Return the trigger as JSON."""
        return {"kind": self.kind, "date": self.day.isoformat(), "reference": self.reference}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that a candidate lacks, and what was found instead."""

    step: Step
    found: str

    def to_json(self) -> dict[str, Any]:
        """Return what is missing as JSON."""
        return {"step": self.step, "found": self.found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One patient who could be served in a programme."""

    patient: str
    practitioner: str | None
    """Who would bill: named by plan or consent, else who saw the patient last; None: nobody is known."""
    programme: str
    also: tuple[str, ...]
    """Further programmes whose conditions the patient meets."""
    begun: bool
    """Whether a plan, a consent or minutes are there already."""
    conditions: tuple[str, ...]
    diseases: int
    """Different diseases among the conditions."""
    risk_documented: bool
    missing: tuple[Missing, ...]
    against: tuple[str, ...]
    """Codes of what else stands against billing: a conflict, a coverage, hospice."""
    triggers: tuple[Trigger, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as JSON."""
        return {
            "patient": self.patient,
            "practitioner": self.practitioner,
            "programme": self.programme,
            "also": list(self.also),
            "begun": self.begun,
            "conditions": list(self.conditions),
            "diseases": self.diseases,
            "risk_documented": self.risk_documented,
            "missing": [one.to_json() for one in self.missing],
            "against": list(self.against),
            "triggers": [one.to_json() for one in self.triggers],
        }


def by_need(candidate: Candidate) -> tuple[object, ...]:
    """Order of need: nothing against, most triggers, documented risk, most diseases, least missing, by name."""
    return (
        bool(candidate.against),
        -len(candidate.triggers),
        not candidate.risk_documented,
        -candidate.diseases,
        len(candidate.missing),
        candidate.patient,
        candidate.programme,
        candidate.practitioner or "",
    )
