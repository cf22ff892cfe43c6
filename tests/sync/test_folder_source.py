"""A folder is read to the last line; what cannot be read is named, counted and never shown."""

from __future__ import annotations

import gzip
import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from caretally.errors import SourceError, UsageError
from caretally.store import staging
from caretally.sync.pulling import Narrowing, PullResult
from caretally.sync.resources import read_body
from caretally.sync.sources.folder import FolderSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest

    Make = Callable[..., PullRequest]

PATIENT = {"resourceType": "Patient", "id": "p"}


def entry(name: str, patient: str = "Patient/p", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Encounter", "id": name, "subject": {"reference": patient}, **more}


def write(folder: Path, name: str, *lines: Any) -> None:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / name).write_text(text)


def pulled(folder: Path, store: Store, make: Make, **narrowing: tuple[str, ...]) -> PullResult:
    with staging.StagingWriter(store, "pull", staging.SOURCE) as writer:
        return FolderSource(folder).pull(make(**narrowing), writer)


def references(store: Store, patient: str = "Patient/p") -> list[str]:
    return [row.reference for row in staging.of_patients(store, "pull", [patient])[patient]]


def test_lines_packed_lines_and_bundles_are_read_together(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT)
    (tmp_path / "Encounter.000.ndjson.gz").write_bytes(gzip.compress(json.dumps(entry("e1")).encode() + b"\n"))
    write(tmp_path, "more.jsonl", entry("e2"), "", {"resourceType": "Bundle", "entry": [{"resource": entry("e3")}]})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": entry("e4")}]}
    (tmp_path / "z.json").write_text(json.dumps(bundle, indent=2))
    (tmp_path / "zz.json").write_text("\ufeff" + json.dumps(entry("e5"), indent=2))
    result = pulled(tmp_path, store, pull_request)
    assert references(store) == [f"Encounter/e{n}" for n in (1,)] + [
        "Patient/p",
        *(f"Encounter/e{n}" for n in (2, 3, 4, 5)),
    ]
    assert result.read == {"Patient": 1, "Encounter": 5}
    assert (result.issues, result.refused, result.gaps) == ([], {}, [])


def test_amounts_keep_their_digits_also_from_a_bundle(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT)
    claim = '{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/p"},"total":{"value":60.50}}'
    (tmp_path / "b.json").write_text('{"resourceType":"Bundle","entry":[{"resource":' + claim + "}]}")
    pulled(tmp_path, store, pull_request)
    _, row = staging.of_patients(store, "pull", ["Patient/p"])["Patient/p"]
    value = read_body(row.body)["total"]["value"]
    assert (type(value), str(value)) == (Decimal, "60.50")


def test_the_names_inside_a_bundle_become_references(tmp_path: Path, store: Store, pull_request: Make) -> None:
    entries = [
        {"fullUrl": "urn:uuid:1111", "resource": PATIENT},
        {"fullUrl": "urn:uuid:2222", "resource": {**entry("e", "urn:uuid:1111"), "id": None}},
        {"fullUrl": "urn:uuid:3333", "resource": entry("f", "urn:uuid:1111", partOf={"reference": "urn:uuid:2222"})},
    ]
    write(tmp_path, "b.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    pulled(tmp_path, store, pull_request)
    rows = staging.of_patients(store, "pull", ["Patient/p"])["Patient/p"]
    assert [row.reference for row in rows] == ["Patient/p", "Encounter/2222", "Encounter/f"]
    assert read_body(rows[2].body)["partOf"] == {"reference": "Encounter/2222"}


def test_a_resource_stays_the_bytes_that_came(tmp_path: Path, store: Store, pull_request: Make) -> None:
    line = '{"resourceType" : "Patient",  "id":"p", "x": 1.10}'
    write(tmp_path, "Patient.ndjson", line)
    pulled(tmp_path, store, pull_request)
    assert staging.of_types(store, "pull", ["Patient"])[0].body == line.encode()


def test_a_broken_line_is_named_without_content_and_the_rest_goes_on(
    tmp_path: Path, store: Store, pull_request: Make
) -> None:
    write(tmp_path, "Encounter.ndjson", entry("e1"), '{"resourceType":"Encounter","id":"secret', entry("e2"), "[1, 2]")
    write(tmp_path, "Patient.ndjson", PATIENT, "{not json}")
    (tmp_path / "latin.ndjson").write_bytes(b'{"resourceType":"Encounter","id":"\xff"}\n')
    result = pulled(tmp_path, store, pull_request)
    assert references(store) == ["Encounter/e1", "Encounter/e2", "Patient/p"]
    assert [(issue.resource, issue.code, issue.found) for issue in result.issues] == [
        ("Encounter.ndjson:2", "unreadable-line", "a line of 40 bytes that ends in the middle"),
        ("Encounter.ndjson:4", "not-a-resource", "JSON without resourceType"),
        ("Patient.ndjson:2", "unreadable-line", "a line of 10 bytes that is not valid JSON"),
        ("latin.ndjson:1", "unreadable-line", "a line of 37 bytes that is not valid JSON"),
    ]
    assert result.refused == {"unreadable-line": 3, "not-a-resource": 1}
    assert not any("secret" in str(issue) for issue in result.issues)


def test_what_is_no_resource_of_ours_is_accounted_for(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(
        tmp_path, "Patient.ndjson", PATIENT, {"resourceType": "Observation", "id": "o"}, {"resourceType": "Observation"}
    )
    write(tmp_path, "case.json", {"id": "G01"})
    write(tmp_path, "caretally.toml", "[policy]")
    write(tmp_path, "determinations.ndjson", {"patient": "Patient/p"})
    write(tmp_path, "issues.ndjson", {"resource": "x"})
    write(tmp_path, "run-report.json", {"run": "x"})
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", "Patient.ndjson", {"resourceType": "Patient", "id": "hidden"})
    result = pulled(tmp_path, store, pull_request)
    assert result.read == {"Patient": 1}
    assert result.other == {"Observation": 2}
    assert sorted(result.ignored) == [
        "caretally.toml",
        "case.json",
        "determinations.ndjson",
        "inner",
        "issues.ndjson",
        "run-report.json",
    ]
    assert [(issue.resource, issue.element, issue.code, issue.severity, issue.found) for issue in result.issues] == [
        ("Patient.ndjson", "Observation", "type-not-read", "information", "2 of a type that is not read")
    ]


def test_resources_without_id_or_patient_are_refused_by_name(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(
        tmp_path,
        "Encounter.ndjson",
        {"resourceType": "Encounter", "subject": {"reference": "Patient/p"}},
        {"resourceType": "Encounter", "id": "g", "subject": {"reference": "Group/g"}},
        entry("absolute", "https://server.example/fhir/Patient/p/_history/3"),
    )
    write(tmp_path, "Patient.ndjson", PATIENT)
    result = pulled(tmp_path, store, pull_request)
    assert [(issue.resource, issue.code, issue.severity) for issue in result.issues] == [
        ("Encounter.ndjson:1", "resource-without-id", "error"),
        ("Encounter/g", "no-patient", "warning"),
    ]
    assert references(store) == ["Encounter/absolute", "Patient/p"]


def test_the_same_id_twice_is_kept_twice(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT)
    write(tmp_path, "Encounter.ndjson", entry("e", status="finished"), entry("e", status="cancelled"))
    result = pulled(tmp_path, store, pull_request)
    assert references(store) == ["Encounter/e", "Encounter/e", "Patient/p"]
    assert result.read["Encounter"] == 2


def test_a_bundle_of_history_is_not_the_present_state(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT)
    write(tmp_path, "h.json", {"resourceType": "Bundle", "type": "history", "entry": [{"resource": entry("e")}]})
    write(tmp_path, "s.json", {"resourceType": "Bundle", "type": "searchset", "entry": [{"request": {}}, "x"]})
    result = pulled(tmp_path, store, pull_request)
    assert [(issue.resource, issue.code) for issue in result.issues] == [
        ("h.json", "bundle-type"),
        ("s.json entry 0", "entry-without-resource"),
        ("s.json entry 1", "entry-without-resource"),
    ]


def test_a_file_that_ends_in_the_middle_leaves_a_gap_for_everybody(
    tmp_path: Path, store: Store, pull_request: Make
) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT)
    packed = gzip.compress(b"".join(json.dumps(entry(f"e{os.urandom(8).hex()}")).encode() + b"\n" for _ in range(500)))
    (tmp_path / "Encounter.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    result = pulled(tmp_path, store, pull_request)
    assert [(gap.patient, gap.resource_type) for gap in result.gaps] == [(None, "Encounter.ndjson.gz")]
    assert result.incomplete("Patient/p")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is empty"),
        ({"readme.txt": "x"}, "holds only readme.txt"),
        ({"Encounter.ndjson": json.dumps(entry("e"))}, r"no Patient \(found: 1 Encounter\)"),
        ({"Patient.ndjson": "{"}, r"no Patient .*and 1 lines or entries"),
    ],
)
def test_a_folder_that_cannot_be_a_source_is_refused(
    tmp_path: Path, store: Store, pull_request: Make, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=message) as caught:
        pulled(tmp_path, store, pull_request)
    assert caught.value.exit_code == 4


def test_what_is_no_folder_is_refused(tmp_path: Path, store: Store, pull_request: Make) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        pulled(tmp_path / "none", store, pull_request)
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="is not a folder"):
        pulled(tmp_path / "file", store, pull_request)


def test_a_group_narrows_to_its_members(tmp_path: Path, store: Store, pull_request: Make) -> None:
    write(tmp_path, "Patient.ndjson", PATIENT, {"resourceType": "Patient", "id": "q"})
    members = [{"entity": {"reference": "Patient/q"}}]
    write(tmp_path, "Group.ndjson", {"resourceType": "Group", "id": "g", "member": members})
    assert pulled(tmp_path, store, pull_request).chosen is None
    assert pulled(tmp_path, store, pull_request, groups=("g",)).chosen == frozenset({"Patient/q"})
    assert pulled(tmp_path, store, pull_request, patients=("Patient/p",)).chosen == frozenset({"Patient/p"})
    with pytest.raises(SourceError, match="no Group/other"):
        pulled(tmp_path, store, pull_request, groups=("other",))


def test_narrowing_understands_ids_and_references() -> None:
    assert Narrowing.of(patients=("p", "Patient/q")).patients == {"Patient/p", "Patient/q"}
    with pytest.raises(UsageError, match="--practitioner 'Patient/p' is not a Practitioner"):
        Narrowing.of(practitioners=("Patient/p",))


def test_memory_does_not_grow_with_a_file(tmp_path: Path, store: Store, pull_request: Make) -> None:
    import tracemalloc  # noqa: PLC0415 -- slows everything else down

    write(tmp_path, "Patient.ndjson", PATIENT)
    with (tmp_path / "Encounter.ndjson").open("w") as stream:
        for number in range(20_000):
            stream.write(json.dumps(entry(f"e{number}", reason="x" * 500)) + "\n")
    size = (tmp_path / "Encounter.ndjson").stat().st_size
    tracemalloc.start()
    pulled(tmp_path, store, pull_request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 11_000_000
    assert peak < size / 2
