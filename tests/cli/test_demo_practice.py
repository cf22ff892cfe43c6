"""The shipped practice: written by the script, sound FHIR, wholly invented."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo"


def resources() -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(DEMO.glob("*.ndjson")) for line in file.read_text().splitlines()]


def identifiers(system: str) -> list[str]:
    return [i["value"] for r in resources() for i in r.get("identifier", []) if i["system"] == system]


def test_the_script_writes_exactly_what_is_shipped(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_demo.py", tmp_path / "new"], check=True, capture_output=True
    )
    written = {file.name: file.read_bytes() for file in (tmp_path / "new").iterdir()}
    shipped = {file.name: file.read_bytes() for file in DEMO.glob("*.ndjson")}
    assert written == shipped, "run scripts/make_demo.py"


def test_every_resource_is_valid_r4b() -> None:
    for resource in resources():
        kind = resource["resourceType"]
        model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate(resource)


def test_every_reference_leads_to_a_resource() -> None:
    known = {f"{r['resourceType']}/{r['id']}" for r in resources()}
    named = set(re.findall(r'"reference":\s*"([^"]+)"', "".join(f.read_text() for f in DEMO.glob("*.ndjson"))))
    assert named <= known
    assert len(known) == len(resources()), "an id stands twice"


def test_every_name_is_marked_as_invented() -> None:
    named = [n for r in resources() if r["resourceType"] in {"Patient", "Practitioner"} for n in r["name"]]
    assert named
    assert all(name["family"].startswith("Demo-") for name in named)


def test_provider_numbers_have_a_valid_check_digit() -> None:
    numbers = identifiers("http://hl7.org/fhir/sid/us-npi")
    assert numbers
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        digits = [int(d) for d in "80840" + number]
        doubled = [sum(divmod(2 * d, 10)) if place % 2 else d for place, d in enumerate(reversed(digits))]
        assert len(number) == 10
        assert sum(doubled) % 10 == 0


def test_beneficiary_identifiers_have_the_shape_of_one() -> None:
    letter = "[AC-HJKMNP-RT-Y]"
    shape = rf"[1-9]{letter}[0-9AC-HJKMNP-RT-Y]\d{letter}[0-9AC-HJKMNP-RT-Y]\d{letter}{letter}\d\d"
    numbers = [r["subscriberId"] for r in resources() if r["resourceType"] == "Coverage"]
    assert len(set(numbers)) == 12
    assert all(re.fullmatch(shape, number) for number in numbers)


def test_nobody_is_with_two_patients_at_once() -> None:
    work: dict[str, list[tuple[datetime, datetime, str]]] = {}
    for entry in resources():
        period = entry.get("period", {})
        if entry["resourceType"] != "Encounter" or "-time-" not in entry["id"] or "end" not in period:
            continue
        span = datetime.fromisoformat(period["start"]), datetime.fromisoformat(period["end"])
        work.setdefault(entry["participant"][0]["individual"]["reference"], []).append((*span, entry["id"]))
    for spans in work.values():
        for one, other in pairwise(sorted(spans)):
            assert one[1] <= other[0], f"{one[2]} and {other[2]}"


@pytest.mark.parametrize("word", ["example.com", "gmail", "555-"])
def test_no_address_that_could_be_somebodys(word: str) -> None:
    assert word not in "".join(f.read_text() for f in DEMO.glob("*.ndjson"))
