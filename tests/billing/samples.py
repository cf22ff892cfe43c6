"""Determinations built by hand, and a sink small enough to read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.billing import BillingContext, Change, ChangeSet, Decision, OnFile, plan_changes
from caretally.facts.calendar import ServiceMonth
from caretally.facts.codes import CPT
from caretally.facts.determination import (
    Determination,
    Diagnosis,
    Evidence,
    Finding,
    LadderStep,
    LedgerRow,
    Line,
    Trace,
)
from caretally.facts.exact_json import dumps, loads
from caretally.facts.policy import Policy
from caretally.facts.practice import Practice, Practitioner, RoleAssignment
from caretally.facts.time_entry import RoleClass

if TYPE_CHECKING:
    from collections.abc import Iterable

MONTH = ServiceMonth(2025, 1)
PRACTICE = Practice(
    practitioners={
        "Practitioner/P1": Practitioner(
            reference="Practitioner/P1",
            role=RoleClass.PRACTITIONER,
            assignments=(
                RoleAssignment(
                    reference="PractitionerRole/r1",
                    organization="Organization/GRP1",
                    role=RoleClass.PRACTITIONER,
                    taxonomy="207RH0003X",
                ),
            ),
        )
    }
)
CONTEXT = BillingContext(
    tenant="albany-oncology",
    practice=PRACTICE,
    created=date(2025, 2, 10),
    recorded="2025-02-10T09:00:00Z",
    software_version="0.1.0",
    tables_version="tables-1",
)
AUTOMATIC = replace(CONTEXT, release="automatic")
DECISION = Decision(by="Practitioner/P1", at="2025-02-11T10:00:00Z", reason="minutes and plan reviewed")


def line(code: str, day: int, *, units: int = 1, charge: str | None = "85.00") -> Line:
    amount = None if charge is None else Decimal(charge)
    return Line(code=code, system=CPT, units=units, service_date=date(2025, 1, day), amount=amount, charge=amount)


def row(entry: str, day: int, *, seconds: int = 1200, excluded: str | None = None) -> LedgerRow:
    return LedgerRow(
        entry=entry, version="1", programme="ccm", day=date(2025, 1, day), seconds=seconds, excluded=excluded
    )


def billable(
    *lines: Line, rows: Iterable[LedgerRow] | None = None, policy: dict[str, Any] | None = None, **more: Any
) -> Determination:
    """A billable month of P1 with two conditions; one entry a line unless rows are given."""
    billed = lines or more.get("lines", (line("99490", 13),))
    ledger = (
        tuple(row(f"Encounter/e{x.service_date.day}", x.service_date.day) for x in billed) if rows is None else rows
    )
    ledger = tuple(dict.fromkeys(ledger))
    entries = tuple(dict.fromkeys(r.entry for r in sorted(ledger, key=lambda r: r.day) if r.excluded is None))
    facts: dict[str, Any] = {
        "patient": "Patient/pat",
        "service_month": MONTH,
        "billing_practitioner": "Practitioner/P1",
        "status": "billable",
        "family": "ccm-staff",
        "lines": billed,
        "organization": "Organization/GRP1",
        "evidence": evidence(entries),
        "trace": Trace(
            ledger=ledger,
            ladder=(ladder("99490", 1200), ladder("99439", 2400)),
            policy=Policy.model_validate(policy or {}).model_dump(mode="json"),
            payer="medicare",
        ),
    }
    return Determination(**(facts | more))


def evidence(entries: tuple[str, ...]) -> Evidence:
    return Evidence(
        consent="Consent/consent",
        care_plan="CarePlan/plan",
        initiating_visit="Encounter/visit1",
        coverage="Coverage/cov",
        diagnoses=(
            Diagnosis(reference="Condition/c1", icd10cm="E11.9"),
            Diagnosis(reference="Condition/c2", icd10cm="I50.22"),
        ),
        entries=entries,
        versions={
            "Consent/consent": "3",
            "CarePlan/plan": "sha256:" + "ab" * 32,
            "Coverage/cov": None,
            **dict.fromkeys(entries, "1"),
        },
    )


def ladder(code: str, threshold: int) -> LadderStep:
    return LadderStep(
        family="ccm-staff", code=code, threshold_seconds=threshold, total_seconds=2400, reached_on=date(2025, 1, 13)
    )


def not_billable(code: str = "R-TIME-MIN", **more: Any) -> Determination:
    return billable(status="not-billable", family=None, lines=(), reasons=(Finding(code=code, message="no"),), **more)


def held(code: str = "R-HOSPICE-REVIEW") -> Determination:
    found = (Finding(code=code, message="look", hold=True),)
    return replace(not_billable(), status="hold", reasons=found)


class Sink:
    """Keeps resources as a server does: bytes on the wire, versions, conditions; one transaction or nothing."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, bytes]] = {}
        self.writes = 0

    def write(self, changes: Iterable[Change]) -> None:
        for change in changes:
            version, _ = self.rows.get(change.name, (0, b""))
            assert not (change.if_none_match and version), f"{change.name} exists"
            assert change.kind == "create" or version, f"{change.name} does not exist"
            assert change.if_match in {None, str(version)}, f"{change.name} is stale"
            self.rows[change.name] = (version + 1, dumps(change.resource))
            self.writes += 1

    def apply(self, change_set: ChangeSet) -> ChangeSet:
        self.write(change_set.changes)
        return change_set

    def plan(
        self, determination: Determination, context: BillingContext = CONTEXT, *, complete: bool = True
    ) -> ChangeSet:
        return plan_changes(determination, self.on_file, context, patient_in_complete_pull=complete)

    def run(
        self, determination: Determination, context: BillingContext = CONTEXT, *, complete: bool = True
    ) -> ChangeSet:
        return self.apply(self.plan(determination, context, complete=complete))

    @property
    def on_file(self) -> list[OnFile]:
        """What a search by the identity's identifier finds, as another server would give it back."""
        found = []
        for name, (version, data) in self.rows.items():
            if not name.startswith("Provenance/"):
                resource = loads(data)
                resource["meta"] = {"versionId": str(version), "lastUpdated": "2025-02-10T09:00:01Z"}
                found.append(OnFile(resource=resource, version=str(version)))
        return found

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [loads(data) for name, (_, data) in self.rows.items() if name.startswith(kind + "/")]

    def live(self, kind: str) -> list[dict[str, Any]]:
        return [r for r in self.all(kind) if r["status"] in {"draft", "active", "planned", "billable", "billed"}]

    def claim(self) -> dict[str, Any]:
        (claim,) = self.live("Claim")
        return claim

    def edit(self, resource: dict[str, Any]) -> None:
        """Somebody else writes."""
        name = f"{resource['resourceType']}/{resource['id']}"
        version, _ = self.rows[name]
        self.rows[name] = (version + 1, dumps(resource))


def billed_lines(resources: Iterable[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Code, units and date of the lines of claims, or of charges."""
    found = []
    for resource in resources:
        if resource["resourceType"] == "ChargeItem":
            found.append((_code(resource["code"]), resource["quantity"]["value"], resource["occurrenceDateTime"]))
        found += [
            (_code(i["productOrService"]), i["quantity"]["value"], i["servicedDate"]) for i in resource.get("item", ())
        ]
    return sorted(found)


def determined(determination: Determination) -> list[tuple[str, int, str]]:
    return sorted((x.code, x.units, x.service_date.isoformat()) for x in determination.lines)


def _code(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])
