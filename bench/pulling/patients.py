"""Patients by number: every contestant pulls the same ones, and nobody has to keep twenty thousand of them."""

from __future__ import annotations

from typing import Any

TYPES = {
    "Patient": 1,
    "Encounter": 12,
    "Condition": 4,
    "Procedure": 2,
    "MedicationRequest": 2,
    "AllergyIntolerance": 1,
}
"""What everybody can pull, and how many of each a patient has: smart-fetch knows no CarePlan, Consent or Coverage."""
PER_PATIENT = sum(TYPES.values())
CPT, SNOMED = "http://www.ama-assn.org/go/cpt", "http://snomed.info/sct"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
NOTE = "Reviewed the list with the patient by telephone; nothing to change until the next visit. " * 3


def patient_id(number: int) -> str:
    """The id of a patient."""
    return f"pull{number:06}"


def resources_of(number: int, kind: str) -> list[dict[str, Any]]:
    """All resources of a type about one patient."""
    who = patient_id(number)
    about = {"reference": f"Patient/{who}"}
    return [_made(kind, f"{who}-{kind[:2].lower()}{place}", about, place, who) for place in range(TYPES[kind])]


def _made(kind: str, name: str, about: dict[str, str], place: int, who: str) -> dict[str, Any]:
    day = f"2025-{place % 12 + 1:02}-13"
    made: dict[str, Any] = {"resourceType": kind, "id": name}
    if kind == "Patient":
        made |= {
            "id": who,
            "name": [{"family": "Bench", "given": ["Pull", who]}],
            "gender": "female",
            "birthDate": "1950-02-03",
            "address": [{"line": ["1 Long Road"], "city": "Boston", "state": "MA", "postalCode": "02115"}],
        }
    elif kind == "Encounter":
        made |= {
            "status": "finished",
            "class": {"system": TERMINOLOGY + "v3-ActCode", "code": "AMB"},
            "type": [{"coding": [{"system": CPT, "code": "99214"}], "text": NOTE[:90]}],
            "subject": about,
            "period": {"start": f"{day}T10:00:00-05:00", "end": f"{day}T10:20:30-05:00"},
            "length": {"value": 20.5, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"},
        }
    elif kind == "AllergyIntolerance":
        made |= {"patient": about, "code": _concept("91936005"), "recordedDate": day}
        made["clinicalStatus"] = _concept("active", TERMINOLOGY + "allergyintolerance-clinical")
        made["note"] = [{"text": NOTE}]
    elif kind == "Condition":
        made |= {"subject": about, "code": _concept("44054006"), "recordedDate": day}
        made["clinicalStatus"] = _concept("active", TERMINOLOGY + "condition-clinical")
        made["note"] = [{"text": NOTE}]
    elif kind == "Procedure":
        made |= {"status": "completed", "subject": about, "code": _concept("80146002"), "performedDateTime": day}
    else:
        made |= {"status": "active", "intent": "order", "subject": about, "authoredOn": day}
        made["medicationCodeableConcept"] = _concept("387207008")
        made["dosageInstruction"] = [{"text": NOTE, "doseAndRate": [{"doseQuantity": {"value": 2.50, "unit": "mg"}}]}]
    return made


def _concept(code: str, system: str = SNOMED) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], "text": f"{code} as it is written in the chart"}
