"""Resources of one golden patient, to be changed by a test and mapped."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from caretally.mapping import MappedPatient, MappingContext, map_patient, map_practice
from caretally.tables import Tables, load_tables

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
OWN = "https://caretally.example/fhir/identifier/claim"
PRACTICE_TYPES = ("Practitioner", "PractitionerRole", "Organization")
Resource = dict[str, Any]


@lru_cache
def tables(*layers: str) -> Tables:
    return load_tables(mapping_layers=layers)


@lru_cache
def script() -> Any:
    spec = importlib.util.spec_from_file_location("golden_to_fhir", GOLDEN / "to_fhir.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache
def _case(name: str) -> str:
    lines = (GOLDEN / "cases.jsonl").read_text().splitlines()
    case = next(c for c in map(json.loads, lines) if c["id"] == name)
    built = script().Case(case).build()
    return json.dumps([r for rows in built.values() for r in rows])


def resources(name: str = "G02") -> list[Resource]:
    """Every resource of a golden case, afresh."""
    found: list[Resource] = json.loads(_case(name))
    return found


def context(found: list[Resource], *layers: str) -> MappingContext:
    practice = map_practice(
        [r for r in found if r.get("resourceType") in PRACTICE_TYPES],
        views=tables(*layers).views,
        terminology=tables(*layers).terminology,
    )
    return MappingContext(
        views=tables(*layers).views,
        terminology=tables(*layers).terminology,
        zone=ZoneInfo("America/New_York"),
        max_entry_minutes=240,
        practice=practice.practice,
        own_identifier_system=OWN,
    )


def mapped(found: list[Resource], *layers: str) -> MappedPatient:
    own = [r for r in found if r.get("resourceType") not in PRACTICE_TYPES]
    return map_patient("Patient/pat", own, context(found, *layers))


def changed(kind: str, number: int, change: Callable[[Resource], object], name: str = "G02") -> list[Resource]:
    """The resources of a case, with the n-th of a type changed in place."""
    found = resources(name)
    change([r for r in found if r["resourceType"] == kind][number])
    return copy.deepcopy(found)
