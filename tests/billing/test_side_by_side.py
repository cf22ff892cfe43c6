"""Two programmes on one claim: each line points at its own diagnoses and its own work."""

from __future__ import annotations

from typing import Any

from caretally.billing.build import desired
from tests.billing.samples import CONTEXT
from tests.rules.deciding import decide

CASE: dict[str, Any] = {
    "conditions": [
        ["E11.9", True, 12, True],
        ["I50.22", True, 12, True],
        ["J44.9", True, 12, True],
        ["N18.4", True, 12, True],
        ["C50.911", True, 12, True],
    ],
    "pin": {"cond": "C50"},
    "entries": [
        {"who": "N1", "role": "RN", "date": "2025-03-10", "min": 20},
        {"who": "C1", "role": "CHW", "date": "2025-03-10", "min": 90, "prog": "pin"},
    ],
}


def test_each_line_points_at_its_own_diagnoses_and_its_own_work() -> None:
    determination = decide(CASE)
    assert determination.families == ("ccm-staff", "pin-staff")
    made = desired(determination, CONTEXT)
    claim = made.claim
    assert claim is not None
    codes = [d["diagnosisCodeableConcept"]["coding"][0]["code"] for d in claim["diagnosis"]]
    items = {item["productOrService"]["coding"][0]["code"]: item for item in claim["item"]}
    assert list(items) == ["99490", "G0023", "G0024"]
    pointed = {code: [codes[n - 1] for n in item["diagnosisSequence"]] for code, item in items.items()}
    assert len(pointed["99490"]) == 4
    assert pointed["G0023"] == pointed["G0024"] == ["C50.911"]
    assert items["99490"]["diagnosisSequence"] == sorted(items["99490"]["diagnosisSequence"])
    charges = {c["code"]["coding"][0]["code"]: c for c in made.charge_items}
    told = {code: {x["reference"] for x in c["supportingInformation"]} for code, c in charges.items()}
    assert "Encounter/time-1" in told["99490"]
    assert "Encounter/time-2" not in told["99490"]
    assert "Encounter/time-2" in told["G0023"]
    assert "Encounter/time-1" not in told["G0023"]
    assert [r["coding"][0]["code"] for r in charges["G0024"]["reason"]] == ["C50.911"]
    assert len(charges["99490"]["reason"]) == 5


def test_the_papers_of_both_programmes_are_evidence() -> None:
    determination = decide(CASE)
    assert determination.evidence.care_plan == "CarePlan/plan-ccm"
    assert determination.evidence.others == ("CarePlan/plan-pin",)
    assert determination.evidence.versions["CarePlan/plan-pin"] == "1"
    claim = desired(determination, CONTEXT).claim
    assert claim is not None
    named = [info["valueReference"]["reference"] for info in claim["supportingInfo"]]
    assert {"CarePlan/plan-ccm", "CarePlan/plan-pin"} <= set(named)
