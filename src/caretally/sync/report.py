"""What a run says at its end: counts that add up, what failed and why, and how long each part took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.errors import CaretallyError, IncompletePullError, WriteError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.billing import ChangeSet
    from caretally.facts.determination import Determination
    from caretally.store.runs import Gap
    from caretally.sync.pulling import PullResult


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWrite:
    """A patient-month that could not be written.

    Attributes:
        state: refused, conflict or unknown.
        message: for a person, without patient data.
        said: the sink's own words; may hold patient data.
    """

    patient: str
    service_month: str
    practitioner: str | None
    state: str
    message: str
    said: tuple[str, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the row of the report."""
        return {
            "patient": self.patient,
            "service_month": self.service_month,
            "practitioner": self.practitioner,
            "state": self.state,
            "message": self.message,
            "said": list(self.said),
        }


@dataclass(slots=True, kw_only=True)
class RunReport:
    """One run. Counts of determinations, of resources and of writes each add up to what was seen.

    Attributes:
        command: ``apply``, ``plan`` or ``approve``.
        source, sink: as people name them; no sink for a plan without one.
        milliseconds: how long each part took.
        patients: how many records there were, were decided, are joined to another one, could not be read wholly.
        statuses, families, reasons, notices, actions: determinations by each of them.
        claim_checks: by what a check stops (``release``, ``export``), how many claims did not pass each.
        amount: of everything billable, where rates are known.
        pulled: see `PullResult.counts`.
        mapped: resources by ``Type.fate``, as the mapping accounts for them.
        writes: resources by kind (``create``, ``update``) and type, as far as they were written.
        found: patient-months that somebody else had written meanwhile, just as we would have.
        unchanged: determinations that ask nothing of the sink.
        proposed: determinations whose change waits for a person.
        recovered: what became of intents that an interrupted run left open.
        issues: issue rows by severity, and ``code`` by severity.
        faults: patients that led to a fault of ours, and its kind and place.
        gaps: what of the source could not be read.
        decisions: recorded decisions of people that the sink did not have yet.
        answered: claims that a ClaimResponse moved along.
        refused_approvals: what a person asked for and why it was not done.
    """

    run_id: str
    command: str
    service_month: str
    as_of: str
    source: str
    sink: str | None
    started_at: str
    ended_at: str | None = None
    tables_version: str = ""
    software_version: str = ""
    milliseconds: dict[str, int] = field(default_factory=dict)
    patients: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    claim_checks: dict[str, Counter[str]] = field(default_factory=dict)
    amount: Decimal = Decimal("0.00")
    pulled: Mapping[str, Any] = field(default_factory=dict)
    mapped: Counter[str] = field(default_factory=Counter)
    writes: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: int = 0
    unchanged: int = 0
    proposed: int = 0
    recovered: Counter[str] = field(default_factory=Counter)
    issues: dict[tuple[str, str], int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    failed: list[FailedWrite] = field(default_factory=list)
    approved: int = 0
    decisions: int = 0
    answered: int = 0
    refused_approvals: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    write_strategy: dict[str, str] | None = None
    """How changes reach the server, and why so; None for a folder."""

    @property
    def determinations(self) -> int:
        """Return the number of determinations."""
        return sum(self.statuses.values())

    @property
    def issue_count(self) -> int:
        """Return the number of issue rows that name something refused or doubtful."""
        return sum(count for (severity, _), count in self.issues.items() if severity != "information")

    def error(self) -> CaretallyError | None:
        """Return how the command has to end when not everything could be done: the gravest first; None: done."""
        if self.faults:
            places = ", ".join(sorted(set(self.faults.values())))
            return CaretallyError(
                f"a fault of Caretally kept {len(self.faults)} patients from being decided ({places}); the others "
                "were. Please report these places; the run report lists the patients"
            )
        if self.failed:
            states = ", ".join(
                f"{count} {state}" for state, count in sorted(Counter(f.state for f in self.failed).items())
            )
            return WriteError(
                f"{len(self.failed)} patient-months could not be written ({states}); the others were. They are listed "
                "in the run report with the server's words; run apply again when the cause is gone"
            )
        if self.gaps:
            return IncompletePullError(
                f"{_gap_words(self.gaps)} could not be read wholly, so nothing was decided for them; the others were "
                "decided. Run again when the source answers"
            )
        return None

    def count_pull(self, result: PullResult) -> None:
        """Take in what a pull brought."""
        self.pulled = result.counts()
        self.gaps = list(result.gaps)
        self.requests += result.requests

    def count_determination(self, determination: Determination, change_set: ChangeSet | None) -> None:
        """Take in one answer and what it asks of the sink."""
        self.statuses[determination.status] += 1
        if determination.status == "billable":
            self.families.update(determination.families or (determination.family or "none",))
            self.amount += determination.total_amount or Decimal(0)
        self.reasons.update({finding.code for finding in determination.reasons})
        self.notices.update({finding.code for finding in determination.notices})
        self.actions[determination.action] += 1
        if determination.claim_checks is not None:
            for stops, code in {(one.rule.stops, one.id) for one in determination.claim_checks.failed}:
                if stops != "nothing":
                    self.claim_checks.setdefault(stops, Counter())[code] += 1
        if change_set is not None:
            self.proposed += change_set.proposed
            self.unchanged += not (change_set.changes or change_set.proposed)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        by_severity: Counter[str] = Counter()
        for (severity, _), count in self.issues.items():
            by_severity[severity] += count
        return {
            "run": self.run_id,
            "command": self.command,
            "service_month": self.service_month,
            "as_of": self.as_of,
            "source": self.source,
            "sink": self.sink,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "tables_version": self.tables_version,
            "software_version": self.software_version,
            "milliseconds": dict(self.milliseconds),
            "patients": dict(sorted(self.patients.items())),
            "determinations": {
                "total": self.determinations,
                "by_status": dict(sorted(self.statuses.items())),
                "by_family": dict(sorted(self.families.items())),
                "by_reason": dict(sorted(self.reasons.items())),
                "by_notice": dict(sorted(self.notices.items())),
                "by_action": dict(sorted(self.actions.items())),
                "amount": str(self.amount),
            },
            "claim_checks": {stops: dict(sorted(found.items())) for stops, found in sorted(self.claim_checks.items())},
            "resources": {**self.pulled, "mapped": dict(sorted(self.mapped.items()))},
            "writes": {
                kind: {name: count for (k, name), count in sorted(self.writes.items()) if k == kind}
                for kind in ("create", "update")
            }
            | {"found": self.found, "unchanged": self.unchanged, "proposed": self.proposed},
            "approved": self.approved,
            "decisions": self.decisions,
            "answered": self.answered,
            "refused_approvals": self.refused_approvals,
            "recovered": dict(sorted(self.recovered.items())),
            "faults": dict(sorted(self.faults.items())),
            "failed": [row.to_json() for row in self.failed],
            "incomplete": [
                {"patient": gap.patient, "resource_type": gap.resource_type, "reason": gap.reason} for gap in self.gaps
            ],
            "issues": {
                "total": sum(by_severity.values()),
                "by_severity": dict(sorted(by_severity.items())),
                "by_code": {code: count for (_, code), count in sorted(self.issues.items(), key=lambda row: row[0][1])},
            },
            "requests": self.requests,
            "write_strategy": self.write_strategy,
        }


def _gap_words(gaps: list[Gap]) -> str:
    patients = sorted({gap.patient for gap in gaps if gap.patient is not None})
    if len(patients) < len({gap.patient for gap in gaps}):
        return "part of the source"
    return f"{len(patients)} patients"
