"""Everything that the rules may look at for one beneficiary and one month."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.clinical import (
        CarePlanFact,
        ClaimLineFact,
        ConditionFact,
        ConsentFact,
        CoordinationFact,
        CoverageFact,
        EnrolmentFact,
        Fact,
        HospiceFact,
        PatientFact,
        StayFact,
        VisitFact,
    )
    from caretally.facts.decision import DecisionRecord
    from caretally.facts.record import AllergyFact, EmergencyFact, GoalFact, MedicationFact
    from caretally.facts.time_entry import TimeEntry


F = TypeVar("F", bound="Fact")
_SEVERAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleBooking:
    """Minutes that one staff member logged for two patients at once."""

    performer: str
    entry: str
    other_entry: str
    seconds: int
    other_patient: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """All facts of one beneficiary, not cut to a month; the order of each tuple means nothing."""

    patient: PatientFact
    entries: tuple[TimeEntry, ...] = ()
    conditions: tuple[ConditionFact, ...] = ()
    care_plans: tuple[CarePlanFact, ...] = ()
    consents: tuple[ConsentFact, ...] = ()
    coverages: tuple[CoverageFact, ...] = ()
    visits: tuple[VisitFact, ...] = ()
    stays: tuple[StayFact, ...] = ()
    hospices: tuple[HospiceFact, ...] = ()
    claim_lines: tuple[ClaimLineFact, ...] = ()
    care_team_leads: tuple[str, ...] = ()
    """Practitioners who lead an active CareTeam of the patient."""
    medications: tuple[MedicationFact, ...] = ()
    allergies: tuple[AllergyFact, ...] = ()
    goals: tuple[GoalFact, ...] = ()
    emergencies: tuple[EmergencyFact, ...] = ()
    coordination: tuple[CoordinationFact, ...] = ()
    enrolments: tuple[EnrolmentFact, ...] = ()

    def in_order(self) -> PatientFacts:
        """Return the same facts in the order of their references, so that no answer hangs on the source's order."""
        return replace(
            self,
            entries=tuple(sorted(self.entries, key=lambda e: (e.reference, e.copy_number))),
            conditions=_by_reference(self.conditions),
            care_plans=_by_reference(self.care_plans),
            consents=_by_reference(self.consents),
            coverages=_by_reference(self.coverages),
            visits=tuple(sorted(self.visits, key=lambda v: (v.reference, v.codes))),
            stays=_by_reference(self.stays),
            hospices=_by_reference(self.hospices),
            claim_lines=tuple(sorted(self.claim_lines, key=lambda c: (c.reference, c.service_date, c.code))),
            care_team_leads=tuple(sorted(self.care_team_leads)),
            medications=_by_reference(self.medications),
            allergies=_by_reference(self.allergies),
            goals=_by_reference(self.goals),
            emergencies=_by_reference(self.emergencies),
            coordination=_by_reference(self.coordination),
            enrolments=_by_reference(self.enrolments),
        )


def _by_reference(facts: tuple[F, ...]) -> tuple[F, ...]:
    return facts if len(facts) < _SEVERAL else tuple(sorted(facts, key=lambda fact: fact.reference))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientMonth:
    """The question: what may be billed for this beneficiary in this month, as seen on a day."""

    facts: PatientFacts
    service_month: ServiceMonth
    as_of: date
    double_bookings: tuple[DoubleBooking, ...] = ()
    duplicate_of: tuple[str, ...] = ()
    """Other Patient records with the same Medicare beneficiary identifier and no recorded link."""
    decisions: tuple[DecisionRecord, ...] = ()
    """What people decided about the patient-month, in force, oldest first; attested facts stand in `facts` already."""
