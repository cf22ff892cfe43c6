"""Risk that a resource of its own states: dated, the latest holds, and a contradiction is no answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from caretally.facts.clinical import RiskStatement
from caretally.facts.decision import DecisionRecord
from caretally.facts.determination import Determination
from caretally.mapping.attested import with_attestations
from caretally.rules import determine
from tests.rules.builder import CaseBuilder

NURSE = {"role": "RN", "who": "N1", "start": "2025-01-13T09:00:00", "end": "2025-01-13T09:25:00"}
Said = tuple[bool, str, str | None]


def decided(*said: Said, own: bool | None = None) -> Determination:
    """January 2025 of a patient with two conditions, the second at risk as `own` and the statements say."""
    risks = [["E11.9", True, 12, True], ["I10", True, 12, own]]
    builder = CaseBuilder({"month": "2025-01", "entries": [NURSE], "conditions": risks})
    month = builder.month()
    first, second = month.facts.conditions
    statements = tuple(
        RiskStatement(
            reference=f"RiskAssessment/{number}",
            version=str(number),
            significant=significant,
            start=date.fromisoformat(start),
            end=None if end is None else date.fromisoformat(end),
        )
        for number, (significant, start, end) in enumerate(said)
    )
    facts = replace(month.facts, conditions=(first, replace(second, risks=statements)))
    (found,) = determine(replace(month, facts=facts), builder.context())
    return found


@pytest.mark.parametrize(
    ("said", "own", "reason"),
    [
        ([(True, "2024-12-01", None)], None, ""),
        ([(True, "2025-01-31", None)], None, ""),
        ([(True, "2025-02-01", None)], None, "R-RISK-UNKNOWN"),
        ([(True, "2024-12-01", "2024-12-31")], None, "R-RISK-UNKNOWN"),
        ([(True, "2024-12-01", "2025-01-01")], None, ""),
        ([(False, "2024-12-01", None)], None, "R-COND-RISK"),
        ([(False, "2024-11-01", None), (True, "2024-12-01", None)], None, ""),
        ([(True, "2024-11-01", None), (False, "2024-12-01", None)], None, "R-COND-RISK"),
        ([(True, "2024-12-01", None), (False, "2024-12-01", None)], None, "R-RISK-UNKNOWN"),
        ([(False, "2024-12-01", None)], True, "R-RISK-UNKNOWN"),
        ([(True, "2024-12-01", None)], False, "R-RISK-UNKNOWN"),
        ([], True, ""),
    ],
)
def test_the_latest_statement_as_of_the_month_holds(said: list[Said], own: bool | None, reason: str) -> None:
    found = decided(*said, own=own)
    assert {r.code for r in found.reasons} == ({reason} if reason else set())
    assert bool(found.lines) == (not reason)


def test_what_states_the_risk_is_evidence_of_the_claim() -> None:
    found = decided((False, "2024-11-01", None), (True, "2024-12-01", None))
    assert found.evidence.others == ("RiskAssessment/1",)
    assert found.evidence.versions["RiskAssessment/1"] == "1"


@pytest.mark.parametrize(("day", "overruled"), [("2025-01-10", True), ("2024-11-30", False)])
def test_a_person_overrules_what_was_stated_until_then(day: str, overruled: bool) -> None:
    low = RiskStatement(reference="RiskAssessment/low", significant=False, start=date(2024, 12, 1))
    builder = CaseBuilder({"month": "2025-01", "entries": [NURSE]})
    month = builder.month()
    first, second = month.facts.conditions
    facts = replace(month.facts, conditions=(first, replace(second, risks=(low,), significant_risk=None)))
    said = DecisionRecord(
        id="1",
        kind="attest",
        patient=facts.patient.reference,
        service_month=None,
        practitioner=None,
        resource=second.reference,
        who="ann",
        at=f"{day}T10:00:00Z",
        why="",
        document={"fact": "risk", "value": "yes", "date": day},
    )
    attested = with_attestations(facts, [said], month.service_month).facts
    assert attested.conditions[1].risks == (() if overruled else (low,))
    (found,) = determine(replace(month, facts=attested), builder.context())
    assert {r.code for r in found.reasons} == (set() if overruled else {"R-RISK-UNKNOWN"})
