"""Resources that others published: nothing crashes, everything is accounted for, and none of them makes a claim."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

from caretally.facts.exact_json import dumps, loads
from caretally.tables.layers import layer_names
from caretally.tables.locate import data_path
from tests.cli.running import inside
from tests.mapping.patients import script, tables

ROOT = Path(__file__).parents[2]
R4 = ROOT / "profiles" / "node_modules" / "hl7.fhir.r4.examples"
US_CORE = Path(__file__).parent / "examples" / "us-core.ndjson"
LAYERS = layer_names(data_path("mappings"))
"""All of them at once, so that as much as ever can be is read."""
TYPES = {kind.name: kind for kind in tables(*LAYERS).resource_types}
CONFIGURATION = (
    f'[policy]\nzone = "America/New_York"\nother_claims_known = "full"\n[mapping]\nuse = {json.dumps(LAYERS)}\n'
)
Resource = dict[str, Any]


def r4_examples() -> list[Resource]:
    """Every example of the R4 specification that is of a type we read."""
    assert R4.is_dir(), "run scripts/bootstrap --test"
    files = [path for path in sorted(R4.glob("*.json")) if path.name.split("-")[0] in TYPES]
    found = [loads(path.read_bytes()) for path in files]
    return [r for r in found if r.get("resourceType") in TYPES]


def us_core_examples() -> list[Resource]:
    return [loads(text) for text in US_CORE.read_bytes().splitlines()]


def examples() -> list[Resource]:
    return [*r4_examples(), *(r for r in us_core_examples() if r["resourceType"] in TYPES)]


def golden(prefix: str) -> list[Resource]:
    """The resources of a patient who is billed, with ids of his own."""
    case = {"id": "G02", "month": "2025-01", "entries": json.loads(G02)["entries"]}
    rows = script().Case(case, prefix).build()
    return [resource for kind in rows.values() for resource in kind]


G02 = next(
    text
    for text in (ROOT / "fixtures" / "golden" / "cases.jsonl").read_text().splitlines()
    if json.loads(text)["id"] == "G02"
)


def of_patient(example: Resource, patient: str, name: str) -> Resource:
    """The same example, about one of our patients."""
    resource = {**copy.deepcopy(example), "id": name}
    for element in TYPES[example["resourceType"]].patient_elements:
        if element in resource:
            resource[element] = {"reference": patient}
    return resource


def applied(folder: Path, resources: list[Resource]) -> dict[str, Any]:
    source = folder / "source"
    source.mkdir()
    for resource in resources:
        with (source / f"{resource['resourceType']}.ndjson").open("ab") as file:
            file.write(dumps(resource) + b"\n")
    (folder / "caretally.toml").write_text(CONFIGURATION)
    words = ("apply", source, "--month", "2025-01", "--as-of", "2025-02-10", "--out", folder / "out", "--json")
    done = inside("--config", folder / "caretally.toml", *words)
    assert done.code == 0, done.err
    answers = [json.loads(text) for text in (folder / "out" / "determinations.ndjson").read_text().splitlines()]
    report = json.loads(done.out)["report"]
    return {"answers": {a["patient"]: a for a in answers}, "report": report, "all": answers, "out": folder / "out"}


def lines(answer: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter({(line["code"], line["service_date"]): line["units"] for line in answer["lines"]})


def test_there_are_examples_of_what_matters() -> None:
    kinds = Counter(r["resourceType"] for r in examples())
    assert {"Encounter", "Condition", "CarePlan", "Consent", "Coverage", "Claim", "Goal", "CareTeam"} <= set(kinds)
    assert kinds["Consent"] >= 12
    assert sum(kinds.values()) > 200


def test_the_published_examples_as_one_practice_make_no_claim(tmp_path: Path) -> None:
    once = {(r["resourceType"], r["id"]): r for r in examples()}
    found = applied(tmp_path, list(once.values()))
    assert [a for a in found["all"] if a["status"] == "billable" or a["lines"] or a["projected"]] == []
    assert not (found["out"] / "Claim.ndjson").exists() or not (found["out"] / "Claim.ndjson").read_text().strip()
    counts = found["report"]["resources"]
    assert sum(counts["read"].values()) + sum(counts["refused"].values()) + sum(counts["other"].values()) == len(once)


def test_no_consent_that_others_published_lets_a_patient_be_billed(tmp_path: Path) -> None:
    """The same patient is billed with a care-management consent, so that only the consent can be what is missing."""
    consents = [r for r in r4_examples() if r["resourceType"] == "Consent"]
    assert len(consents) >= 12
    resources = golden("own-")
    for number, consent in enumerate(consents):
        prefix = f"c{number}-"
        resources += [r for r in golden(prefix) if r["resourceType"] != "Consent"]
        resources.append(of_patient(consent, f"Patient/{prefix}pat", f"{prefix}example"))
    found = applied(tmp_path, resources)["answers"]
    assert lines(found["Patient/own-pat"])
    for number in range(len(consents)):
        answer = found[f"Patient/c{number}-pat"]
        assert answer["status"] != "billable"
        assert "R-CONSENT-MISSING" in {reason["code"] for reason in answer["reasons"]}


def test_an_example_in_the_record_of_a_patient_adds_no_line(tmp_path: Path) -> None:
    """Each example in turn becomes part of the record of a patient who is billed."""
    own = [r for r in examples() if TYPES[r["resourceType"]].patient_elements and r["resourceType"] != "Patient"]
    resources = golden("own-")
    for number, example in enumerate(own):
        prefix = f"x{number}-"
        resources += golden(prefix)
        resources.append(of_patient(example, f"Patient/{prefix}pat", f"{prefix}example"))
    found = applied(tmp_path, resources)["answers"]
    wanted = lines(found["Patient/own-pat"])
    assert wanted
    added = {}
    for number, example in enumerate(own):
        answer = found[f"Patient/x{number}-pat"]
        if lines(answer) - wanted:
            added[f"{example['resourceType']}/{example['id']}"] = answer["lines"]
    assert added == {}
    # Most of them change nothing at all; what does change an answer makes it stricter, and says why.
    stricter = [n for n in range(len(own)) if lines(found[f"Patient/x{n}-pat"]) != wanted]
    assert all(found[f"Patient/x{n}-pat"]["reasons"] for n in stricter)
    assert len(stricter) < len(own) / 4
    print(f"public examples\tin records of patients: {len(own)}, stricter answers: {len(stricter)}")
