"""What becomes of one resource, for whoever writes a mapping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import DEMO
from tests.cli.running import inside as run

TASK = {
    "resourceType": "Task",
    "id": "t1",
    "status": "completed",
    "intent": "order",
    "for": {"reference": "Patient/p"},
    "code": {
        "coding": [
            {"system": "https://caretally.example/fhir/CodeSystem/care-management-activity", "code": "education"}
        ]
    },
    "executionPeriod": {"start": "2025-01-06T09:00:00-05:00", "end": "2025-01-06T09:12:00-05:00"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "task.json"
    path.write_text(json.dumps(TASK))
    return path


def shown(*words: str | Path) -> Any:
    done = run("map", "show", *words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_rows_and_the_facts_of_a_resource() -> None:
    found = shown(DEMO / "Consent.ndjson")
    assert {view["view"] for one in found["resources"] for view in one["views"]} == {"consent"}
    assert all("consents" in facts for facts in found["facts"])


def test_a_layer_reads_what_the_base_does_not(file: Path) -> None:
    plain = shown(file)
    assert [(one["read"], one["views"]) for one in plain["resources"]] == [(False, [])]
    layered = shown(file, "--use", "task-minutes")
    (entry,) = layered["facts"][0]["entries"]
    assert (entry["seconds"], entry["activities"]) == (720, ["education"])


def test_a_type_that_no_view_reads_names_the_layers_that_do(file: Path) -> None:
    assert "layers that do: task-minutes" in run("map", "show", file).out


def test_resources_of_several_patients_and_of_the_practice_are_all_accounted_for(tmp_path: Path) -> None:
    lines = [
        line for name in ("Consent", "Practitioner") for line in (DEMO / f"{name}.ndjson").read_text().splitlines()
    ]
    path = tmp_path / "some.ndjson"
    path.write_text("\n".join(lines) + "\n")
    assert sum(shown(path)["accounted"].values()) == len(lines)


def test_what_names_no_patient_is_shown_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_text(json.dumps({key: value for key, value in TASK.items() if key != "for"}))
    assert [i["code"] for i in shown(path, "--use", "task-minutes")["refused"]][:1] == ["no-patient"]


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    encounter = json.loads((DEMO / "Encounter.ndjson").read_text().splitlines()[1])
    encounter["period"] = {"start": "not a date"}
    path = tmp_path / "e.json"
    path.write_text(json.dumps(encounter))
    found = shown(path)
    assert any(issue["severity"] == "error" and "Encounter" in issue["resource"] for issue in found["refused"])
    assert "not a date" not in run("map", "show", path).err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_what_is_no_resource_is_a_source_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert run("map", "show", path).code == 4
    assert run("map", "show", tmp_path / "missing.json").code == 4


def test_an_unknown_layer_is_a_configuration_error(file: Path) -> None:
    done = run("map", "show", file, "--use", "epic")
    assert (done.code, "task-minutes" in done.err or "no mapping layer" in done.err) == (3, True)
