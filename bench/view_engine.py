"""Measures the ViewDefinition engine against plain orjson.loads and against extraction written by hand.

    python bench/view_engine.py [RESOURCES] [ROUNDS]

Every line parses the same JSON texts first, because a row costs at least that. The ways run in turn, round after
round, so that a change in the machine's load hits all of them; the median of the rounds is printed, as resources per
second and as the ratio to orjson.loads of the same run. Numbers of different machines can be compared by ratio only.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from caretally.mapping import compile_view

CPT = "http://www.ama-assn.org/go/cpt"
GOAL = 0.25

ENCOUNTER_VIEW: dict[str, Any] = {
    "name": "bench_encounter",
    "resource": "Encounter",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "id"},
                {"name": "status", "path": "status", "type": "code"},
                {"name": "class", "path": "class.code", "type": "code"},
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "id"},
                {"name": "start", "path": "period.start", "type": "dateTime"},
                {"name": "end", "path": "period.end", "type": "dateTime"},
                {"name": "minutes", "path": "length.where(code = 'min').value.first()", "type": "decimal"},
                {"name": "cpt", "path": f"type.coding.where(system = '{CPT}').code.first()", "type": "code"},
            ]
        },
        {
            "forEachOrNull": "participant.where(type.coding.where(code = 'PPRF').exists()).first()",
            "column": [{"name": "performer", "path": "individual.reference", "type": "string"}],
        },
    ],
}

CONDITION_VIEW: dict[str, Any] = {
    "name": "bench_condition",
    "resource": "Condition",
    "where": [{"path": "verificationStatus.coding.where(code = 'entered-in-error').empty()"}],
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "id"},
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "id"},
                {"name": "status", "path": "clinicalStatus.coding.code.first()", "type": "code"},
                {"name": "onset", "path": "onset.ofType(dateTime)", "type": "dateTime"},
                {"name": "abatement", "path": "abatement.ofType(dateTime)", "type": "dateTime"},
                {"name": "recorded", "path": "recordedDate", "type": "dateTime"},
            ]
        },
        {
            "forEach": "code.coding",
            "column": [
                {"name": "system", "path": "system", "type": "uri"},
                {"name": "code", "path": "code", "type": "code"},
            ],
        },
    ],
}

Parsed = dict[str, Any]


def encounter(number: int, pick: random.Random) -> Parsed:
    """Return a telephone encounter of about the size that an EHR gives (2.3 kB)."""
    patient, person = pick.randrange(2000), pick.randrange(40)

    def participant(role: str) -> Parsed:
        base = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
        return {
            "type": [{"coding": [{"system": base, "code": role, "display": "participant"}], "text": "participant"}],
            "period": {"start": "2025-03-04T09:00:00-05:00", "end": "2025-03-04T09:23:00-05:00"},
            "individual": {"reference": f"Practitioner/p{person}", "display": f"Practitioner {person}"},
        }

    profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-encounter"
    return {
        "resourceType": "Encounter",
        "id": f"e{number}",
        "meta": {"versionId": "1", "lastUpdated": "2025-03-05T01:02:03.456Z", "profile": [profile]},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">' + "note " * 60 + "</div>"},
        "identifier": [{"use": "official", "system": "https://ehr.example/encounter", "value": f"{number:08}"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR", "display": "virtual"},
        "type": [
            {
                "coding": [
                    {"system": "http://snomed.info/sct", "code": "185317003", "display": "Telephone encounter"},
                    {"system": CPT, "code": "99490"},
                ],
                "text": "Telephone encounter",
            }
        ],
        "subject": {"reference": f"Patient/pt{patient}", "display": f"Patient {patient}"},
        "participant": [participant("ATND"), participant("PPRF")],
        "period": {"start": "2025-03-04T09:00:00-05:00", "end": "2025-03-04T09:23:00-05:00"},
        "length": {"value": 23, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"},
        "reasonCode": [
            {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}], "text": "Follow-up of diabetes"}
        ],
        "location": [{"location": {"reference": "Location/l1", "display": "Office"}, "status": "completed"}],
        "serviceProvider": {"reference": "Organization/o1", "display": "Practice"},
    }


def condition(number: int, pick: random.Random) -> Parsed:
    """Return a problem-list item with SNOMED CT and ICD-10-CM (about 1.7 kB)."""
    status = "http://terminology.hl7.org/CodeSystem/condition-"
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "meta": {"versionId": "3", "lastUpdated": "2025-03-05T01:02:03.456Z"},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">' + "note " * 60 + "</div>"},
        "identifier": [{"system": "https://ehr.example/condition", "value": f"{number:08}"}],
        "clinicalStatus": {"coding": [{"system": f"{status}clinical", "code": "active", "display": "Active"}]},
        "verificationStatus": {"coding": [{"system": f"{status}ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{status}category", "code": "problem-list-item"}]}],
        "code": {
            "coding": [
                {"system": "http://snomed.info/sct", "code": "44054006", "display": "Diabetes mellitus type 2"},
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9", "display": "Type 2 diabetes"},
            ],
            "text": "Type 2 diabetes",
        },
        "subject": {"reference": f"Patient/pt{pick.randrange(2000)}"},
        "encounter": {"reference": f"Encounter/e{number}"},
        "onsetDateTime": "2019-04-02",
        "recordedDate": "2019-04-03T10:11:12-05:00",
        "recorder": {"reference": f"Practitioner/p{pick.randrange(40)}"},
    }


def encounter_by_hand(resource: Parsed) -> list[Parsed]:
    """The encounter view, as a programmer would write it for this one shape."""
    length = resource.get("length") or {}
    performer = None
    for participant in resource.get("participant") or ():
        codings = [coding for kind in participant.get("type") or () for coding in kind.get("coding") or ()]
        if any(coding.get("code") == "PPRF" for coding in codings):
            performer = (participant.get("individual") or {}).get("reference")
            break
    codings = [coding for kind in resource.get("type") or () for coding in kind.get("coding") or ()]
    subject = (resource.get("subject") or {}).get("reference") or ""
    period = resource.get("period") or {}
    return [
        {
            "id": resource["id"],
            "status": resource.get("status"),
            "class": (resource.get("class") or {}).get("code"),
            "patient": subject[8:] if subject.startswith("Patient/") else None,
            "start": period.get("start"),
            "end": period.get("end"),
            "minutes": length.get("value") if length.get("code") == "min" else None,
            "cpt": next((coding.get("code") for coding in codings if coding.get("system") == CPT), None),
            "performer": performer,
        }
    ]


def condition_by_hand(resource: Parsed) -> list[Parsed]:
    """The condition view, as a programmer would write it for this one shape."""
    verification = (resource.get("verificationStatus") or {}).get("coding") or ()
    if any(coding.get("code") == "entered-in-error" for coding in verification):
        return []
    status = (resource.get("clinicalStatus") or {}).get("coding") or ()
    subject = (resource.get("subject") or {}).get("reference") or ""
    shared = {
        "id": resource["id"],
        "patient": subject[8:] if subject.startswith("Patient/") else None,
        "status": status[0].get("code") if status else None,
        "onset": resource.get("onsetDateTime"),
        "abatement": resource.get("abatementDateTime"),
        "recorded": resource.get("recordedDate"),
    }
    codings = (resource.get("code") or {}).get("coding") or ()
    return [{**shared, "system": coding.get("system"), "code": coding.get("code")} for coding in codings]


Way = Callable[[list[bytes]], None]


def ways(view: dict[str, Any], by_hand: Callable[[Parsed], list[Parsed]]) -> dict[str, Way]:
    """Return the three ways by name."""
    rows = compile_view(view).rows

    def loads(texts: list[bytes]) -> None:
        for text in texts:
            orjson.loads(text)

    def engine(texts: list[bytes]) -> None:
        for text in texts:
            rows(orjson.loads(text))

    def hand(texts: list[bytes]) -> None:
        for text in texts:
            by_hand(orjson.loads(text))

    return {"orjson.loads": loads, "view engine": engine, "written by hand": hand}


def seconds(way: Way, texts: list[bytes]) -> float:
    start = time.perf_counter()
    way(texts)
    return time.perf_counter() - start


def measure(
    label: str, view: dict[str, Any], make: Callable[[int, random.Random], Parsed], hand: Any, size: tuple[int, int]
) -> bool:
    """Print the table of one view; return whether the engine reaches the goal."""
    count, rounds = size
    pick = random.Random(20250304)  # noqa: S311  test data, nothing secret
    resources = [make(number, pick) for number in range(count)]
    rows = compile_view(view).rows
    if any(rows(resource) != hand(resource) for resource in resources):
        raise SystemExit(f"{label}: the engine and the code written by hand give different rows")
    texts = [orjson.dumps(resource) for resource in resources]
    candidates = ways(view, hand)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, way in candidates.items():
            times[name].append(seconds(way, texts))
    base = statistics.median(times["orjson.loads"])
    columns = len(compile_view(view).columns)
    print(f"{label}: {columns} columns, {count} resources of {sum(map(len, texts)) // count} bytes, {rounds} rounds")
    ratios = {name: base / statistics.median(found) for name, found in times.items()}
    for name, ratio in ratios.items():
        note = "" if ratio <= ratios["view engine"] else f"  {ratio / ratios['view engine']:.1f} times the view engine"
        print(f"  {name:16} {count / statistics.median(times[name]):9,.0f} /s   ratio {ratio:.2f}{note}")
    reached = ratios["view engine"] >= GOAL
    print(f"  goal {GOAL}: {'reached' if reached else 'MISSED'}\n")
    return reached


def main(arguments: list[str]) -> int:
    """Measure both views; exit code 1 if one misses the goal."""
    size = int(arguments[0]) if arguments else 4000, int(arguments[1]) if len(arguments) > 1 else 9
    reached = [
        measure("Encounter", ENCOUNTER_VIEW, encounter, encounter_by_hand, size),
        measure("Condition", CONDITION_VIEW, condition, condition_by_hand, size),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
