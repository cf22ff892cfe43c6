"""What the record says about a patient: conditions, plans, consents, visits, stays, coverage, claims on file.

Every fact names its resource and the version that was read, because the evidence of a claim names them.
Facts hold no names and no free text. `version` is `meta.versionId`, else ``sha256:<digest>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.codes import Coding
    from caretally.facts.moment import Moment
    from caretally.facts.record import PlanActivity, PlanShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Where a fact comes from."""

    reference: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskStatement(Fact):
    """What a resource of its own (RiskAssessment, Flag) says about the risk of a condition (billing-rules 4.1)."""

    significant: bool
    start: date
    """From this day on."""
    end: date | None = None
    """Last day; None while nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionFact(Fact):
    """One diagnosis (Condition; billing-rules 4.1)."""

    icd10cm: str | None
    """Code for the claim, from the resource or the site's map; None when no code can be given."""
    codes: tuple[Coding, ...]
    group: str | None
    """Disease group of the shipped map; None outside it."""
    listed_chronic: bool
    """Whether the chronic-conditions value set holds it."""
    active_status: bool
    """clinicalStatus is active, recurrence or relapse (or absent)."""
    confirmed: bool
    """verificationStatus is confirmed (or absent)."""
    onset: date | None
    abatement: date | None
    recorded: date | None
    expected_months: int | None = None
    """Documented expected duration; None when not documented."""
    until_death: bool = False
    significant_risk: bool | None = None
    """Documented risk; None when not documented."""
    risks: tuple[RiskStatement, ...] = ()
    """What resources of their own say about the risk."""
    updated: date | None = None
    """Local date of `meta.lastUpdated`, when known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMaking:
    """Level of medical decision making in a month (CCCM)."""

    level: str
    """straightforward, low, moderate or high."""
    assessed: date
    assessor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """A recorded decision of the practitioner to bill the physician family in one month."""

    service_month: ServiceMonth
    family: str
    """``physician``."""
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmElement:
    """A dated, attested PCM element (billing-rules 4.1, P1 to P4)."""

    element: str
    attested: date
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanFact(Fact):
    """A care-management CarePlan (category `ccm`/`pcm`) (billing-rules 4.2)."""

    status: str
    programmes: tuple[str, ...]
    start: date | None
    end: date | None
    created: date | None
    updated: date | None
    """Local date of `meta.lastUpdated`, when known."""
    author: str | None
    """Practitioner reference of the author, whoever it is; PractitionerRole resolved to its practitioner."""
    addresses: tuple[str, ...] = ()
    """Condition references."""
    goals: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    """Codes of care-plan-element found in the activities."""
    care_team_lead: str | None = None
    copies_given: tuple[Moment, ...] = ()
    copy_references: tuple[str, ...] = ()
    decision_making: tuple[DecisionMaking, ...] = ()
    elections: tuple[Election, ...] = ()
    pcm_elements: tuple[PcmElement, ...] = ()
    narrative_only: bool = False
    narrative_adds: bool = False
    """The narrative says more than the elements do, by its own word (``text.status`` additional)."""
    prose: bool = False
    """A description or note is there, which nobody can check by element."""
    need_read: date | None = None
    """Day on which a person attested that the plan's text tells why the patient needs the service."""
    activities: tuple[PlanActivity, ...] = ()
    shares: tuple[PlanShare, ...] = ()
    """Messages that took the plan to other practitioners or organizations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFact(Fact):
    """A care-management Consent; a privacy consent never becomes one (billing-rules 4.4)."""

    status: str
    given: Moment | None
    """`dateTime`, else the start of the provision."""
    withdrawn: Moment | None
    """End of the provision; for an inactive consent without one, `meta.lastUpdated` (approximate)."""
    withdrawal_approximate: bool = False
    practitioners: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()
    """Programmes that it names; empty: all."""
    mode: str | None = None
    """``written``, ``verbal`` or None when unknown."""
    explained: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFact(Fact):
    """Insurance in force (billing-rules 4.5)."""

    status: str
    start: date | None
    end: date | None
    type_codes: tuple[Coding, ...] = ()
    payor: str | None = None
    payor_identifiers: tuple[Coding, ...] = ()
    order: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFact(Fact):
    """A billable visit: an Encounter or a claim line with a CPT/HCPCS code."""

    moment: Moment
    codes: tuple[Coding, ...]
    practitioners: tuple[str, ...]
    organization: str | None
    interval: tuple[int, int] | None = None
    """Instants of a visit whose both ends are known."""
    discussed: bool | None = None
    """Whether care management was discussed in it; None when nobody has recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFact(Fact):
    """An inpatient stay (class IMP, ACUTE, NONAC)."""

    start: Moment
    end: Moment | None
    conditions: tuple[str, ...] = ()
    """Condition references for which the patient was admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationFact(Fact):
    """A message between practitioners or organizations about the patient (Communication)."""

    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentFact(Fact):
    """An enrolment in care management as a system keeps it (EpisodeOfCare), ours or somebody else's."""

    programmes: tuple[str, ...]
    start: date | None
    end: date | None
    practitioners: tuple[str, ...] = ()
    organization: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HospiceFact(Fact):
    """A hospice election or service."""

    start: date
    end: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLineFact(Fact):
    """A claim line or charge on file that this product did not write."""

    code: Coding
    service_date: date
    practitioners: tuple[str, ...]
    """Practitioner references, the rendering one first."""
    npis: tuple[str, ...]
    organization: str | None
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes of the line, else of the claim."""
    units: Decimal | None = None
    is_charge: bool = False
    """From a ChargeItem rather than a Claim or ExplanationOfBenefit."""
    encounters: tuple[str, ...] = ()
    """Encounters that the line bills (Claim.item.encounter, ChargeItem.context)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFact(Fact):
    """The beneficiary."""

    deceased: Moment | None = None
    deceased_undated: bool = False
    """`deceasedBoolean` is true and no date is known."""
    linked: tuple[str, ...] = ()
    """Other Patient records of the same person (Patient.link)."""
    beneficiary_digest: str | None = None
    """SHA-256 of the Medicare beneficiary identifier, to find two records of one person; never the identifier."""
    demographics: tuple[str, ...] = ()
    """Which of name, birth date and sex are recorded; never what they say."""
