"""HL7's validator, in one JVM: everything that is written and shipped is valid R4 and fits our profiles."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from caretally.facts.codes import CANONICAL
from caretally.facts.exact_json import dumps
from tests.cli.running import DEMO
from tests.profiles.written import (
    Resource,
    demo_written,
    golden_inputs,
    golden_written,
    packet_written,
    read,
    scenario_resources,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parents[2]
HAPI = ROOT / "docker" / "hapi" / "hapi.py"
PROFILES = json.loads((ROOT / "profiles" / "applies.json").read_bytes())
FOLDERS = ("golden-written", "demo-written", "scenarios", "packet", "golden-read", "demo-read", "broken")
NOT_CHECKED = frozenset({"ERROR_GENERATING_SNAPSHOT", "NOT_CHECKED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the validator says about one resource."""

    folder: str
    kind: str
    name: str
    profiles: tuple[str, ...]
    messages: tuple[dict[str, Any], ...]

    @property
    def errors(self) -> list[tuple[str, str]]:
        return [(m["where"], m["text"]) for m in self.messages if m["severity"] in {"error", "fatal"}]


BROKEN: dict[str, tuple[str, Callable[[Resource], object], str]] = {
    "no-code": ("ChargeItem", lambda r: r.pop("code"), "ChargeItem.code"),
    "status": ("ChargeItem", lambda r: r.update(status="done"), "ChargeItemStatus"),
    "digest": ("ChargeItem", lambda r: r.update(extension=[]), "contentDigest"),
    "revision": ("ChargeItem", lambda r: r["extension"][0].update(valueUnsignedInt=-1), "minimum value of 0"),
    "pointer": ("Claim", lambda r: r["item"][0].update(diagnosisSequence=[9]), "cm-claim-2"),
    "team": ("Claim", lambda r: r["item"][0].update(careTeamSequence=[7]), "cm-claim-3"),
    "total": ("Claim", lambda r: r["total"].update(value=1), "cm-claim-1"),
    "diagnosis-system": (
        "Claim",
        lambda r: r["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0].update(system="http://snomed.info/sct"),
        "cm-claim-4",
    ),
    "institutional": ("Claim", lambda r: r["type"]["coding"][0].update(code="institutional"), "professional"),
    "account-number": ("Claim", lambda r: r["identifier"][1].update(value="C" * 21), "20"),
    "no-place": ("Claim", lambda r: r["item"][0].pop("locationCodeableConcept"), "location"),
    "patient": ("Claim", lambda r: r.update(patient={"reference": "Practitioner/p"}), "Practitioner"),
    "frequency": ("Claim", lambda r: r["extension"][1].update(valueCode="9"), "claim-frequencies"),
    "software": ("Provenance", lambda r: r["agent"][0]["type"]["coding"][0].update(code="author"), "software"),
    "privacy": ("Consent", lambda r: r["scope"]["coding"][0].update(code="patient-privacy"), "treatment"),
    "mode": ("Consent", lambda r: r["extension"][0].update(valueCode="by post"), "consent-modes"),
    "no-author": ("CarePlan", lambda r: r.pop("author"), "CarePlan.author"),
    "no-time": ("Encounter", lambda r: (r.pop("length", None), r["period"].pop("end", None)), "cm-time-2"),
}
"""Name, type, what is done to a good resource, and a word of what must be said about it."""


def broken(good: Iterable[Resource]) -> list[Resource]:
    found = []
    for name, (kind, change, _) in BROKEN.items():
        resource = copy.deepcopy(next(r for r in good if r["resourceType"] == kind and suits(r)))
        change(resource)
        found.append({**resource, "id": f"broken-{name}"})
    return found


def suits(resource: Resource) -> bool:
    if resource["resourceType"] == "Encounter":
        return "serviceType" in resource
    return resource.get("status") not in {"cancelled", "aborted"} or resource["resourceType"] == "Provenance"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> list[Checked]:
    """One run of the validator over everything."""
    folder = tmp_path_factory.mktemp("validated")
    golden, demo, inputs = golden_written(folder), demo_written(folder), [json.loads(r) for r in golden_inputs()]
    given = {
        "golden-written": golden,
        "demo-written": demo,
        "scenarios": list(scenario_resources()),
        "packet": packet_written(folder),
        "golden-read": inputs,
        "demo-read": read(DEMO),
        "broken": broken([*golden, *inputs]),
    }
    for name, resources in given.items():
        assert resources
        (folder / f"{name}.ndjson").write_bytes(b"".join(dumps(r) + b"\n" for r in resources))
    paths = [folder / f"{name}.ndjson" for name in given]
    paths += [ROOT / "profiles" / "resources", ROOT / "mappings" / "terminology"]
    done = subprocess.run(
        [sys.executable, HAPI, "validate", *paths], capture_output=True, text=True, timeout=500, check=False
    )
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    # The broken ones are errors, so the command says so.
    assert done.returncode == 1, done.stderr
    assert rows, done.stderr
    found = [
        Checked(
            folder=Path(r["file"]).stem if r["file"].endswith(".ndjson") else Path(r["file"]).parent.name,
            kind=r.get("resourceType", ""),
            name=r.get("id", ""),
            profiles=tuple(r["profiles"]),
            messages=tuple(r["messages"]),
        )
        for r in rows
    ]
    show(found)
    return found


def show(found: list[Checked]) -> None:
    """Print the totals that ``pytest -s`` shows."""
    total: Counter[tuple[str, str, str]] = Counter()
    for row in found:
        total[row.folder, row.kind, "resources"] += 1
        for message in row.messages:
            total[row.folder, row.kind, message["severity"]] += 1
    for (folder, kind, what), count in sorted(total.items()):
        print(f"validator\t{folder}\t{kind}\t{what}\t{count}")


@pytest.mark.parametrize("folder", ["golden-written", "demo-written", "scenarios"])
def test_everything_that_is_written_is_valid_and_fits_its_profile(checked: list[Checked], folder: str) -> None:
    rows = [row for row in checked if row.folder == folder]
    assert {row.kind for row in rows} == {"Claim", "ChargeItem", "Provenance"}
    assert [(row.kind, row.name, row.errors) for row in rows if row.errors] == []
    assert all(len(row.profiles) == 1 for row in rows)


def test_a_packet_is_a_valid_document_with_all_that_it_holds(checked: list[Checked]) -> None:
    (packet,) = [row for row in checked if row.folder == "packet"]
    assert packet.kind == "Bundle"
    assert packet.errors == []


def test_the_shipped_fixtures_are_valid(checked: list[Checked]) -> None:
    rows = [row for row in checked if row.folder in {"golden-read", "demo-read"}]
    assert {profile.rsplit("/", 1)[1] for row in rows for profile in row.profiles} == {
        "cm-time-entry-encounter",
        "cm-consent",
        "cm-care-plan",
    }
    # The demonstration has one entry without an end, so that people see how a refusal looks: only our profile minds.
    wrong = {(row.name, text) for row in rows for _, text in row.errors}
    assert {name for name, _ in wrong} == {"juniper-time-4"}
    assert all("cm-time-2" in text for _, text in wrong)


def test_profiles_and_terminology_are_valid_themselves(checked: list[Checked]) -> None:
    rows = [row for row in checked if row.folder in {"resources", "terminology"}]
    assert {"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter"} <= {r.kind for r in rows}
    assert {"CapabilityStatement", "ChargeItemDefinition"} <= {r.kind for r in rows}
    # Asked about an extension alone, the validator cannot make its snapshot without a package server; where the
    # extension is used it can, as the broken resources below show. And it gives up on a ValueSet of a code system that
    # it does not know; the loader of the tables has checked those.
    errors = [
        (row.kind, row.name, message["text"])
        for row in rows
        for message in row.messages
        if message["severity"] in {"error", "fatal"} and message.get("code") not in NOT_CHECKED
    ]
    assert errors == []


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_resource_is_found_out(checked: list[Checked], name: str) -> None:
    """Without this, silence of the validator would prove nothing."""
    (row,) = [row for row in checked if row.name == f"broken-{name}"]
    assert row.errors
    said = " ".join(f"{where} {text}" for where, text in row.errors)
    assert BROKEN[name][2] in said, said


def test_codes_that_could_not_be_looked_up_are_said(checked: list[Checked]) -> None:
    """CPT and ICD-10-CM are nobody's to ship: that they were not checked is a warning, not silence."""
    unknown = {
        message["text"].split(": ", 1)[1].split(" for ")[0]
        for row in checked
        if row.folder == "golden-written"
        for message in row.messages
        if "unknown and can't be validated" in message["text"]
    }
    assert {"http://www.ama-assn.org/go/cpt", "http://hl7.org/fhir/sid/icd-10-cm"} <= unknown
    assert not [system for system in unknown if system.startswith(CANONICAL)]


def test_every_profile_says_for_which_resources_it_is() -> None:
    folder = ROOT / "profiles" / "resources"
    own = [json.loads(path.read_bytes()) for path in folder.glob("StructureDefinition-*.json")]
    assert {r["url"] for r in own if r["type"] != "Extension"} == set(PROFILES)
