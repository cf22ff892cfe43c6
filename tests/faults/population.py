"""A practice of many patients with little about each: one nurse and one physician, forty minutes a month."""

from __future__ import annotations

import json
from typing import Any

from tests.sync.practices import golden

PRACTICE = ("Practitioner", "Organization", "PractitionerRole")
MONTHS = ("2025-01", "2025-02")
CHARGES = 2
"""Charges of a patient-month: twenty minutes, and twenty more."""


def patient_ids(mark: str, count: int) -> list[str]:
    return [f"{mark}{number}-pat" for number in range(count)]


def population(mark: str, count: int) -> list[dict[str, Any]]:
    """All resources; `mark`, letters only, keeps populations on one server apart."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(count):
        prefix = f"{mark}{number}-"
        for kind, rows in golden(
            "G02", prefix, entries=[_entry(month, day) for month in MONTHS for day in (13, 20)]
        ).items():
            for row in rows:
                shared = _shared(row, prefix, mark)
                found[f"{kind}/{shared['id']}"] = shared
    return list(found.values())


def _entry(month: str, day: int) -> dict[str, Any]:
    # A length without a time of day, so that the nurse is not with two patients at once.
    return {"role": "RN", "who": "N1", "date": f"{month}-{day}", "min": 20}


def _shared(row: dict[str, Any], prefix: str, mark: str) -> dict[str, Any]:
    """One practice for all patients: its people and places lose the patient's prefix."""
    text = json.dumps(row)
    for kind in PRACTICE:
        text = text.replace(f'"{kind}/{prefix}', f'"{kind}/{mark}-')
    found: dict[str, Any] = json.loads(text)
    if found["resourceType"] in PRACTICE:
        found["id"] = mark + "-" + str(found["id"]).removeprefix(prefix)
    return found
