"""Candidates, audit and forecast of a real server: who is not enrolled is found, the paper read, nothing written."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.forking import program
from tests.live.hapi_server import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

ICD10CM, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"
EXTENSION = "https://caretally.example/fhir/StructureDefinition/"
ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}


EMERGENCY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"}


def about(kind: str, name: str, element: str = "subject", **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": name, element: {"reference": "Patient/looking-pat"}, **more}


def condition(name: str, code: str) -> dict[str, Any]:
    risk = {"url": EXTENSION + "significant-risk", "valueBoolean": True}
    coding = {"coding": [{"system": ICD10CM, "code": code}]}
    return about("Condition", name, clinicalStatus=ACTIVE, code=coding, extension=[risk], recordedDate="2024-01-05")


def resources() -> list[dict[str, Any]]:
    """A patient with two chronic conditions, an emergency visit, and the recorded data; nobody has enrolled him."""
    name = [{"family": "Demo-Looking"}]
    none_known = {"coding": [{"system": SNOMED, "code": "716186003"}]}
    period = {"start": "2025-03-10T09:00:00-05:00", "end": "2025-03-10T12:00:00-05:00"}
    plan = [{"system": "https://caretally.example/fhir/CodeSystem/care-management-service", "code": "ccm"}]
    return [
        {"resourceType": "Patient", "id": "looking-pat", "name": name, "birthDate": "1950-01-01", "gender": "male"},
        {"resourceType": "Patient", "id": "looking-well", "name": name},
        condition("looking-diabetes", "E11.9"),
        condition("looking-heart", "I50.22"),
        about("MedicationRequest", "looking-medication", status="active", intent="order",
              medicationCodeableConcept={"text": "one"}),
        about("AllergyIntolerance", "looking-allergy", "patient", code=none_known),
        {**about("Encounter", "looking-emergency", status="finished", period=period), "class": EMERGENCY},
        about("CarePlan", "looking-plan", status="revoked", intent="plan", category=[{"coding": plan}],
              period={"start": "2024-01-01", "end": "2024-02-01"}),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def server(hapi: str) -> str:
    load(hapi, resources())
    return hapi


def looked(server: str, state: Path, *words: str) -> Any:
    """Run a command that looks, and give its document."""
    command = [program(), words[0], server, "--month", "2025-03", "--as-of", "2025-03-20"]
    done = subprocess.run(
        [*command, "--json", *words[1:]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"HOME": str(state), "XDG_STATE_HOME": str(state), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def total(server: str, kind: str) -> int:
    answer = httpx.get(f"{server}/{kind}?_summary=count", headers={"Cache-Control": "no-cache"}, timeout=60).json()
    return int(answer["total"])


def test_who_is_not_enrolled_is_found_with_what_calls_for_it(server: str, tmp_path: Path) -> None:
    before = {kind: total(server, kind) for kind in ("Claim", "ChargeItem", "Provenance", "Patient")}
    document = looked(server, tmp_path, "candidates")
    found = {c["patient"]: c for c in document["candidates"]}
    one = found["Patient/looking-pat"]
    assert [m["step"] for m in one["missing"]] == ["initiating-visit", "consent", "care-plan", "minutes"]
    assert [t["kind"] for t in one["triggers"]] == ["emergency-visit"]
    assert one["diseases"] == 2
    assert "Patient/looking-well" not in found
    assert {kind: total(server, kind) for kind in before} == before


def test_medications_and_allergies_are_looked_up_on_the_server(server: str, tmp_path: Path) -> None:
    document = looked(server, tmp_path, "audit", "--patient", "looking-pat")
    assert document["paper"]["answers"] >= 1
    states = {(i["list"], i["item"]): i for i in document["paper"]["items"]}
    assert states["required_actions", "data-recorded"]["found"] == document["paper"]["answers"]
    assert states["care_plan", "problem-list"]["missing"] == document["paper"]["answers"]


def test_a_forecast_of_a_server_says_why_not(server: str, tmp_path: Path) -> None:
    document = looked(server, tmp_path, "forecast")
    assert "R-COVERAGE" in document["unbilled"]["by_reason"]
