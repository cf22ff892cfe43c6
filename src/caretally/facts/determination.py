"""The answer for one patient, month and billing practitioner, with everything needed to recompute it.

`Determination.to_json` is the output contract (design 5): keys may be added, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.claim_check import CheckOutcome
    from caretally.facts.decision import DecisionRecord
    from caretally.facts.payments import OncologyComparison, PatientShare
    from caretally.facts.pre_submission import CheckResult, Filing
    from caretally.facts.record import Paper

Status = Literal["billable", "not-billable", "hold"]
Action = Literal["create", "update", "replace", "void", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A code to be billed on one date."""

    code: str
    system: str
    units: int
    service_date: date
    amount: Decimal | None
    """Units times the payer's rate; None when no rate is known."""
    charge: Decimal | None
    """What the claim asks."""
    definition: str | None = None
    """Canonical address of the price that the charge comes from; None: of our own definition of the code."""
    programme: str | None = None
    """Programme whose ladder earned it."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes that it rests on, the most important first; empty: those of the whole answer."""

    def to_json(self) -> dict[str, Any]:
        """Return the line of the output contract; amounts are decimal strings."""
        return {
            "code": self.code,
            "units": self.units,
            "service_date": self.service_date.isoformat(),
            "amount": None if self.amount is None else str(self.amount),
            "charge": None if self.charge is None else str(self.charge),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reason (block or hold) or a notice."""

    code: str
    message: str
    cite: str = ""
    evidence: tuple[str, ...] = ()
    hold: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the finding as it stands in `reasons` and `notices`."""
        return {
            "code": self.code,
            "message": self.message,
            "evidence": list(self.evidence),
            "cite": self.cite,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One piece of one entry: counted or excluded, never both; the rows of a month add up to what was logged."""

    entry: str
    version: str | None
    programme: str | None
    day: date
    seconds: int
    start: int | None = None
    end: int | None = None
    performers: tuple[str, ...] = ()
    practitioner_time: bool = False
    staff_time: bool = False
    excluded: str | None = None
    """Exclusion code; None: counted."""
    detail: str = ""
    used: bool = True
    """False for counted staff time that a physician code left aside."""

    def to_json(self) -> dict[str, Any]:
        """Return the row of the trace."""
        return {
            "entry": self.entry,
            "version": self.version,
            "programme": self.programme,
            "date": self.day.isoformat(),
            "seconds": self.seconds,
            "start": self.start,
            "end": self.end,
            "performers": list(self.performers),
            "practitioner_time": self.practitioner_time,
            "staff_time": self.staff_time,
            "excluded": self.excluded,
            "detail": self.detail,
            "used": self.used,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate of one programme, passed or not, with what it looked at."""

    gate: str
    programme: str
    passed: bool
    found: str
    wanted: str
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    cite: str = ""
    reasons: tuple[str, ...] = ()
    """Every code that the gate gave; `reason` is the first."""
    standing: tuple[str, ...] = ()
    """Those of them that no person has overridden."""
    held: bool = False
    """Whether all that stand are holds: a person could still open the gate."""

    def to_json(self) -> dict[str, Any]:
        """Return the gate of the trace."""
        return {
            "reasons": list(self.reasons),
            "standing": list(self.standing),
            "held": self.held,
            "gate": self.gate,
            "programme": self.programme,
            "passed": self.passed,
            "found": self.found,
            "wanted": self.wanted,
            "reason": self.reason,
            "evidence": list(self.evidence),
            "cite": self.cite,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """One threshold of one family: reached on a date, or short by so many seconds."""

    family: str
    code: str
    threshold_seconds: int
    total_seconds: int
    reached_on: date | None
    capped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the step of the trace."""
        return {
            "family": self.family,
            "code": self.code,
            "threshold_seconds": self.threshold_seconds,
            "total_seconds": self.total_seconds,
            "reached_on": None if self.reached_on is None else self.reached_on.isoformat(),
            "capped": self.capped,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A condition that the claim rests on."""

    reference: str
    icd10cm: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The exact resources that the answer rests on; `versions` maps each reference to the version that was read."""

    consent: str | None = None
    care_plan: str | None = None
    initiating_visit: str | None = None
    coverage: str | None = None
    other_coverages: tuple[str, ...] = ()
    """Coverages that pay after it, in their order."""
    diagnoses: tuple[Diagnosis, ...] = ()
    """In the order of the claim: the PCM focus first."""
    entries: tuple[str, ...] = ()
    """Entries with counted seconds, in time order."""
    others: tuple[str, ...] = ()
    """Consents, plans and visits of further programmes that are billed beside the first."""
    versions: Mapping[str, str | None] = field(default_factory=dict)
    decisions: tuple[DecisionRecord, ...] = ()
    """What people attested and decided that the answer takes into account, oldest first."""

    def to_json(self) -> dict[str, Any]:
        """Return the evidence of the trace."""
        return {
            "consent": self.consent,
            "care_plan": self.care_plan,
            "initiating_visit": self.initiating_visit,
            "coverage": self.coverage,
            "other_coverages": list(self.other_coverages),
            "diagnoses": [{"reference": d.reference, "icd10cm": d.icd10cm} for d in self.diagnoses],
            "entries": list(self.entries),
            "others": list(self.others),
            "versions": dict(self.versions),
            "decisions": [decision.to_json() for decision in self.decisions],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """How the answer came about."""

    programmes: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()
    ladder: tuple[LadderStep, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    choice: str = ""
    """One sentence: why this family."""
    payer: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    policy_origins: Mapping[str, str] = field(default_factory=dict)
    tables_version: str = ""
    programme_starts: Mapping[str, str] = field(default_factory=dict)
    facility: bool = False
    locality: str | None = None
    """Payment locality whose geographic indices were asked for; None: national amounts."""
    qualifying_apm: bool = False
    ground: Mapping[str, Any] = field(default_factory=dict)
    """What else a person needs to work the answer out again: ladders, rates, dates, statements."""

    def to_json(self) -> dict[str, Any]:
        """Return the trace as it stands in the output."""
        return {
            "ground": dict(self.ground),
            "programmes": list(self.programmes),
            "gates": [gate.to_json() for gate in self.gates],
            "ladder": [step.to_json() for step in self.ladder],
            "ledger": [row.to_json() for row in self.ledger],
            "choice": self.choice,
            "payer": self.payer,
            "policy": dict(self.policy),
            "policy_origins": dict(self.policy_origins),
            "tables_version": self.tables_version,
            "programme_starts": dict(self.programme_starts),
            "facility": self.facility,
            "locality": self.locality,
            "qualifying_apm": self.qualifying_apm,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Determination:
    """The answer. ``lines`` is empty unless billable; ``reasons`` is empty when it is."""

    patient: str
    service_month: ServiceMonth
    billing_practitioner: str | None
    status: Status
    family: str | None
    """The first of `families`."""
    lines: tuple[Line, ...] = ()
    projected: tuple[Line, ...] = ()
    """Lines that an open month would have today."""
    reasons: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()
    counted_seconds: Mapping[str, int] = field(default_factory=dict)
    surplus_seconds: int = 0
    place_of_service: str = "11"
    organization: str | None = None
    """Organization that bills."""
    evidence: Evidence = field(default_factory=Evidence)
    trace: Trace = field(default_factory=Trace)
    action: Action = "none"
    paper: tuple[Paper, ...] = ()
    """What the record holds of the documentation, for each programme that was judged."""
    pre_submission: tuple[CheckResult, ...] = ()
    """Checks for likely denials; empty where nothing could be billed, or where nothing was planned."""
    filing: Filing | None = None
    patient_share: PatientShare | None = None
    oncology: OncologyComparison | None = None
    """The oncology model beside care management, for patients with one of its cancers; information only."""
    claim_checks: CheckOutcome | None = None
    """What the checks of its claim found; None where no claim is made."""
    families: tuple[str, ...] = ()
    """Every family that is billed: one, or one of each programme where programmes go side by side."""

    @property
    def logged_seconds(self) -> int:
        """Return all seconds of the ledger, counted or not."""
        return sum(row.seconds for row in self.trace.ledger)

    @property
    def total_amount(self) -> Decimal | None:
        """Return the sum of the amounts; None when one has no rate."""
        amounts = [line.amount for line in self.lines]
        return None if any(a is None for a in amounts) else sum((a for a in amounts if a is not None), Decimal(0))

    def excluded(self) -> list[dict[str, Any]]:
        """Return the excluded seconds by code, detail and entry, in ledger order."""
        rows: dict[tuple[str, str, str], int] = {}
        for row in self.trace.ledger:
            if row.excluded is not None:
                key = (row.excluded, row.detail, row.entry)
                rows[key] = rows.get(key, 0) + row.seconds
        return [
            {"code": code, "detail": detail, "seconds": seconds, "entry": entry}
            for (code, detail, entry), seconds in rows.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the line of determinations.ndjson."""
        return {
            "patient": self.patient,
            "service_month": str(self.service_month),
            "billing_practitioner": self.billing_practitioner,
            "status": self.status,
            "family": self.family,
            "families": list(self.families),
            "lines": [line.to_json() for line in self.lines],
            "projected": [line.to_json() for line in self.projected],
            "reasons": [finding.to_json() for finding in self.reasons],
            "notices": [finding.to_json() for finding in self.notices],
            "time": {
                "logged_seconds": self.logged_seconds,
                "counted_seconds": {"ccm": 0, "pcm": 0, **self.counted_seconds},
                "surplus_seconds": self.surplus_seconds,
                "excluded": self.excluded(),
            },
            "action": self.action,
            "place_of_service": self.place_of_service,
            "paper": [paper.to_json() for paper in self.paper],
            "pre_submission": [check.to_json() for check in self.pre_submission],
            "filing": None if self.filing is None else self.filing.to_json(),
            "patient_share": None if self.patient_share is None else self.patient_share.to_json(),
            "oncology": None if self.oncology is None else self.oncology.to_json(),
            "claim_checks": None if self.claim_checks is None else self.claim_checks.to_json(),
            "evidence": self.evidence.to_json(),
            "trace": self.trace.to_json(),
        }
