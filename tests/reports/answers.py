"""Stored answers to explain: built with the vocabulary, so that they have the shape that is really stored."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from caretally.facts.calendar import ServiceMonth
from caretally.facts.codes import CPT
from caretally.facts.determination import (
    Determination,
    Diagnosis,
    Evidence,
    Finding,
    GateResult,
    LadderStep,
    LedgerRow,
    Line,
    Trace,
)
from caretally.facts.policy import Policy

NINE = 1_736_172_000  # 2025-01-06T09:00:00-05:00


def line(code: str, day: int, amount: str | None, charge: str | None = None, units: int = 1) -> Line:
    return Line(
        code=code,
        system=CPT,
        units=units,
        service_date=date(2025, 1, day),
        amount=None if amount is None else Decimal(amount),
        charge=None if charge is None else Decimal(charge),
    )


def row(entry: str, seconds: int, day: int = 6, **more: Any) -> LedgerRow:
    values: dict[str, Any] = {
        "programme": "ccm",
        "version": "1",
        "start": NINE + (day - 6) * 86400,
        "end": NINE + (day - 6) * 86400 + seconds,
        "performers": ("Practitioner/rn",),
        "staff_time": True,
    }
    return LedgerRow(entry=f"Encounter/{entry}", day=date(2025, 1, day), seconds=seconds, **values | more)


def step(code: str, threshold: int, total: int, day: int | None, *, capped: bool = False) -> LadderStep:
    reached = None if day is None else date(2025, 1, day)
    return LadderStep(
        family="ccm-staff",
        code=code,
        threshold_seconds=threshold,
        total_seconds=total,
        reached_on=reached,
        capped=capped,
    )


def billable() -> dict[str, Any]:
    """62 minutes counted, 15 excluded; a base code and two add-ons, one of them without a rate."""
    return Determination(
        patient="Patient/ash",
        service_month=ServiceMonth(2025, 1),
        billing_practitioner="Practitioner/dr",
        status="billable",
        family="ccm-staff",
        lines=(
            line("99490", 6, "60.49", "85.00"),
            line("99439", 14, "45.93", "60.00"),
            line("99439", 27, None, None),
        ),
        notices=(Finding(code="I-SURPLUS", message="2 min beyond the last unit"),),
        counted_seconds={"ccm": 3720},
        surplus_seconds=120,
        evidence=Evidence(
            consent="Consent/c",
            care_plan="CarePlan/p",
            coverage="Coverage/v",
            diagnoses=(Diagnosis(reference="Condition/1", icd10cm="C50.911"),),
            entries=("Encounter/e1", "Encounter/e2"),
            versions={"Consent/c": "3", "CarePlan/p": "sha256:" + "ab" * 32},
        ),
        trace=Trace(
            programmes=("ccm",),
            gates=(
                GateResult(
                    gate="consent",
                    programme="ccm",
                    passed=True,
                    found="given on 2024-11-04",
                    wanted="a consent",
                    evidence=("Consent/c",),
                ),
            ),
            ladder=(
                step("99490", 1200, 3720, 6),
                step("99439", 2400, 3720, 14),
                step("99439", 3600, 3720, 27),
                step("99439", 4800, 3720, None, capped=True),
            ),
            ledger=(
                row("e1", 1800),
                row("e2", 1920, 14, practitioner_time=True),
                row("e3", 900, 20, excluded="X-ROLE", detail="reception"),
            ),
            choice="staff time, to which the practitioner's time adds",
            payer="medicare",
            policy=Policy(dos="with_last", caps={"99439": 2}).model_dump(mode="json"),
            policy_origins={"dos": "caretally.toml [policy]", "zone": "caretally.toml [policy]"},
            tables_version="2025-1",
            programme_starts={"ccm": "2024-11-04"},
        ),
        action="create",
    ).to_json()


def refused() -> dict[str, Any]:
    """One second short, and the consent is missing."""
    return Determination(
        patient="Patient/elder",
        service_month=ServiceMonth(2025, 1),
        billing_practitioner="Practitioner/dr",
        status="not-billable",
        family=None,
        reasons=(
            Finding(
                code="R-TIME-MIN",
                message="too little time (19 min 59 s counted; 1 s short of 99490)",
                cite="guide, Time Requirements",
                evidence=("Encounter/e1", "Encounter/e2"),
            ),
            Finding(code="R-CONSENT-MISSING", message="no consent", cite="guide, Consent"),
        ),
        counted_seconds={"ccm": 1199},
        trace=Trace(
            gates=(
                GateResult(
                    gate="consent",
                    programme="ccm",
                    passed=False,
                    found="none",
                    wanted="a consent in force",
                    reason="R-CONSENT-MISSING",
                ),
            ),
            ladder=(step("99490", 1200, 1199, None),),
            ledger=(row("e1", 600), row("e2", 599, 24)),
            policy=Policy().model_dump(mode="json"),
        ),
    ).to_json()


def held() -> dict[str, Any]:
    """An open month with the lines that it would have, minutes of nobody in particular."""
    return Determination(
        patient="Patient/fir",
        service_month=ServiceMonth(2025, 1),
        billing_practitioner=None,
        status="hold",
        family="ccm-staff",
        projected=(line("99490", 6, "60.49"),),
        reasons=(Finding(code="R-MONTH-OPEN", message="the month is open (closes on 2025-02-04)", hold=True),),
        counted_seconds={"ccm": 1500},
        trace=Trace(ledger=(row("e1", 1500),)),
    ).to_json()
