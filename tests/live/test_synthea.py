"""Patients of Synthea on a real server: no claim as they are, exactly their codes with what is added; none is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.live.hapi_server import load
from tests.synthea import ADDED, CONFIGURATION, PRACTICE, about, additions, chosen, day_of, sample

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

Resource = dict[str, Any]
CHOSEN = ("2c7f251b", "07a1968c", "7353e17f")
"""A form, a document, and a form that says no; minutes in five places. With CARETALLY_PROVE all twelve."""
PREFIX = "syn-live-"
NOT_READ = {
    *("Device", "DiagnosticReport", "ImagingStudy", "Immunization", "MedicationAdministration", "SupplyDelivery"),
    "Medication",
}
"""Types that decide nothing, and that a server is not asked for."""


def some(everybody: list[Resource], ids: set[str]) -> list[Resource]:
    """Everything about some patients."""
    return [r for r in everybody if about(r) in ids]


def around(everybody: list[Resource], resources: list[Resource]) -> list[Resource]:
    """The people, places and medications that resources name, by identifier or id."""
    text = json.dumps(resources)
    found = [r for r in everybody if r["resourceType"] in {*PRACTICE, "Medication"}]
    return [r for r in found if any(name in text for name in (r["id"], *(i["value"] for i in r.get("identifier", ()))))]


@pytest.fixture(scope="module")
def everybody() -> list[Resource]:
    return [json.loads(line) for line in sample()]


@pytest.fixture(scope="module")
def ids(everybody: list[Resource]) -> dict[str, str]:
    whole = bool(os.environ.get("CARETALLY_PROVE"))
    return {short: full for short, full in chosen(everybody).items() if whole or short in CHOSEN}


@pytest.fixture(scope="module")
def server(hapi: str, everybody: list[Resource], ids: dict[str, str]) -> str:
    """Synthea's practice first, for references such as ``Practitioner?identifier=...`` are resolved on the way in."""
    records = some(everybody, set(ids.values()))
    load(hapi, around(everybody, records))
    load(hapi, records)
    return hapi


def run(folder: Path, *words: str) -> Resource:
    (folder / "caretally.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "caretally", "--config", str(folder / "caretally.toml"), *words, "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder), "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    document: Resource = json.loads(done.stdout)
    return document


def test_synthea_on_a_server_bills_nobody_and_then_exactly_what_was_added(
    server: str, everybody: list[Resource], ids: dict[str, str], tmp_path: Path
) -> None:
    narrowed = [word for full in ids.values() for word in ("--patient", full)]
    month = ("--month", "2025-01", "--as-of", "2025-02-10")
    on_file = some(everybody, set(ids.values()))

    plain = run(tmp_path, "plan", server, *month, *narrowed)
    assert plain["answers"] == []
    check_accounts(plain["report"], on_file)

    added = [r for r in additions(everybody, PREFIX) if r["resourceType"] in PRACTICE or about_added(r) in ids.values()]
    load(server, added)
    full = run(tmp_path, "plan", server, *month, *narrowed)
    check_accounts(full["report"], [*on_file, *added])
    found = {a["patient"]: a for a in full["answers"]}
    assert sorted(found) == sorted(f"Patient/{i}" for i in ids.values())
    for number, row in enumerate(ADDED):
        if row.patient in ids:
            answer = found[f"Patient/{ids[row.patient]}"]
            lines = [(line["code"], line["units"], line["service_date"]) for line in answer["lines"]]
            assert lines == [(code, units, day_of(number)) for code, units in row.codes], (row, answer["reasons"])
            assert answer["reasons"] == ([row.reason] if row.reason else []), row


def about_added(resource: Resource) -> str | None:
    reference = next(
        (resource[n]["reference"] for n in ("subject", "patient", "for", "beneficiary") if n in resource), ""
    )
    return str(reference.partition("/")[2]) or None


def check_accounts(report: Resource, resources: list[Resource]) -> None:
    """What is about the patients was read, and each resource that was read became something."""
    counts = report["resources"]
    read = Counter(counts["read"])
    wanted = Counter(r["resourceType"] for r in resources if r["resourceType"] not in PRACTICE)
    assert {k: n for k, n in read.items() if k not in PRACTICE} == {k: n for k, n in wanted.items() if k in read}
    assert set(wanted) - set(read) <= NOT_READ
    mapped: Counter[str] = Counter()
    for key, number in counts["mapped"].items():
        mapped[key.partition(".")[0]] += number
    assert mapped == read
    assert counts["refused"] == {}


def test_who_has_minutes_or_a_consent_in_another_place_is_found_there(server: str, tmp_path: Path) -> None:
    """Found with this work: a server was only asked for Encounters, CarePlans and Consents, whatever a layer reads."""
    code = {
        "coding": [
            {"system": "https://caretally.example/fhir/CodeSystem/care-management-activity", "code": "education"}
        ]
    }
    form = "https://caretally.example/fhir/Questionnaire/care-management-consent"
    category = {
        "coding": [{"system": "https://caretally.example/fhir/CodeSystem/consent-category", "code": "care-management"}]
    }
    period = {"start": "2026-07-03T09:00:00-04:00", "end": "2026-07-03T09:30:00-04:00"}
    shapes: dict[str, Resource] = {
        "task": {
            "resourceType": "Task",
            "status": "completed",
            "intent": "order",
            "code": code,
            "executionPeriod": period,
        },
        "observation": {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "73980-5"}]},
            "category": [code],
            "effectiveDateTime": period["start"],
            "valueQuantity": {"value": 20, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"},
        },
        "procedure": {"resourceType": "Procedure", "status": "completed", "code": code, "performedPeriod": period},
        "call": {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
            "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "185317003"}]}],
            "period": period,
        },
        "document": {
            "resourceType": "DocumentReference",
            "status": "current",
            "category": [category],
            "date": "2026-07-01T09:00:00Z",
            "custodian": {"reference": "Organization/syn-found-group"},
            "content": [{"attachment": {"url": "https://files.example/1"}}],
        },
        "form": {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "questionnaire": form,
            "authored": "2026-07-01T09:00:00Z",
            "item": [
                {"linkId": "consent-given", "answer": [{"valueBoolean": True}]},
                {
                    "linkId": "organization",
                    "answer": [{"valueReference": {"reference": "Organization/syn-found-group"}}],
                },
            ],
        },
    }
    rows: list[Resource] = [{"resourceType": "Organization", "id": "syn-found-group", "name": "Practice"}]
    for name, shape in shapes.items():
        patient = f"syn-found-{name}"
        rows.append({"resourceType": "Patient", "id": patient})
        about_whom = "for" if name == "task" else "subject"
        rows.append({**shape, "id": f"syn-found-{name}-1", about_whom: {"reference": f"Patient/{patient}"}})
    load(server, rows)
    found = run(tmp_path, "plan", server, "--month", "2026-07", "--as-of", "2026-08-10")
    assert {f"Patient/syn-found-{name}" for name in shapes} <= {a["patient"] for a in found["answers"]}
