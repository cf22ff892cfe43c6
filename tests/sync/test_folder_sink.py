"""A folder sink keeps what is not ours, replaces files whole, and keeps a second run out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from caretally.billing import CLAIM_IDENTIFIER
from caretally.errors import LockedError, UsageError, WriteError
from caretally.facts import exact_json
from caretally.facts.issue import Issue
from caretally.store import staging
from caretally.sync.pulling import types_to_read
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.writes import Parcel, Write

if TYPE_CHECKING:
    from pathlib import Path

    from caretally.store.opening import Store
    from caretally.tables import Tables


@pytest.fixture
def sink(tmp_path: Path, tables: Tables) -> FolderSink:
    (tmp_path / "out").mkdir()
    return FolderSink(path=tmp_path / "out", resource_types=types_to_read(tables))


def claim(name: str, status: str = "draft", amount: str = "60.50", *, ours: bool = True) -> dict[str, Any]:
    system = CLAIM_IDENTIFIER if ours else "https://other.example"
    return {
        "resourceType": "Claim",
        "id": name,
        "status": status,
        "patient": {"reference": "Patient/p"},
        "identifier": [{"system": system, "value": "k-" + name}],
        "total": {"value": Decimal(amount)},
    }


def charge(name: str) -> dict[str, Any]:
    return {**claim(name, "planned"), "resourceType": "ChargeItem", "subject": {"reference": "Patient/p"}}


def parcel(name: str, *writes: tuple[str, dict[str, Any]]) -> Parcel:
    return Parcel(intent_id=name, writes=tuple(Write(kind=kind, resource=body) for kind, body in writes))  # type: ignore[arg-type]


def lines(sink: FolderSink, name: str) -> list[dict[str, Any]]:
    return [exact_json.loads(line) for line in (sink.path / name).read_bytes().splitlines()]


def test_creations_and_updates_reach_their_files(sink: FolderSink) -> None:
    first = sink.deliver([parcel("i", ("create", charge("ci")), ("create", claim("cm")))])
    assert [(one.intent_id, one.state) for one in first] == [("i", "applied")]
    sink.deliver([parcel("ii", ("update", claim("cm", "active", "85.00")), ("create", claim("cm2")))])
    assert [(one["id"], one["status"], str(one["total"]["value"])) for one in lines(sink, "Claim.ndjson")] == [
        ("cm", "active", "85.00"),
        ("cm2", "draft", "60.50"),
    ]
    assert [one["id"] for one in lines(sink, "ChargeItem.ndjson")] == ["ci"]


def test_foreign_lines_stay_byte_for_byte(sink: FolderSink) -> None:
    foreign = b'{"resourceType" : "Claim", "id":"x",  "total":1.10}\nnot json at all\n{"resourceType":"Claim"}'
    (sink.path / "Claim.ndjson").write_bytes(foreign)
    sink.deliver([parcel("i", ("create", claim("cm")))])
    assert (sink.path / "Claim.ndjson").read_bytes().startswith(foreign + b"\n{")


def test_nothing_new_leaves_the_files_untouched(sink: FolderSink) -> None:
    change = parcel("i", ("create", charge("ci")), ("create", claim("cm")))
    sink.deliver([change])
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in sink.path.iterdir()}
    assert sink.deliver([change])[0].state == "applied"
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in sink.path.iterdir()} == before


def test_a_parcel_that_does_not_fit_is_left_out_wholly(sink: FolderSink) -> None:
    sink.deliver([parcel("i", ("create", claim("cm", amount="1.00")))])
    second = sink.deliver(
        [
            parcel("ii", ("create", charge("ci")), ("create", claim("cm", amount="2.00"))),
            parcel("iii", ("create", claim("other"))),
        ]
    )
    assert [(one.intent_id, one.state) for one in second] == [("ii", "conflict"), ("iii", "applied")]
    assert "Claim/cm is in the folder already" in second[0].message
    assert [one["id"] for one in lines(sink, "Claim.ndjson")] == ["cm", "other"]
    assert not (sink.path / "ChargeItem.ndjson").exists()


def test_a_second_line_of_the_same_id_does_not_bring_the_old_state_back(sink: FolderSink) -> None:
    text = exact_json.dumps(claim("cm")) + b"\n"
    (sink.path / "Claim.ndjson").write_bytes(text + text)
    sink.deliver([parcel("i", ("update", claim("cm", "active")))])
    assert [one["status"] for one in lines(sink, "Claim.ndjson")] == ["active"]


def test_only_ours_is_on_file(sink: FolderSink, store: Store) -> None:
    sink.deliver([parcel("i", ("create", charge("ci")), ("create", claim("cm")))])
    with (sink.path / "Claim.ndjson").open("ab") as stream:
        stream.write(exact_json.dumps(claim("foreign", ours=False)) + b"\nbroken\n")
    with staging.StagingWriter(store, "pull", staging.SINK) as writer:
        sink.stage_on_file(writer, ())
    rows = staging.of_patients(store, "pull", ["Patient/p"])["Patient/p"]
    assert [(row.reference, row.origin, row.place) for row in rows] == [
        ("ChargeItem/ci", "sink", "ChargeItem.ndjson:1"),
        ("Claim/cm", "sink", "Claim.ndjson:1"),
    ]


def test_what_is_there_now_is_looked_up(sink: FolderSink) -> None:
    sink.deliver([parcel("i", ("create", claim("cm")))])
    found = sink.look(["Claim/cm", "Claim/none", "ChargeItem/none"])
    assert list(found) == ["Claim/cm"]
    assert str(found["Claim/cm"].resource["total"]["value"]) == "60.50"


def test_determinations_of_other_months_stay(sink: FolderSink) -> None:
    old = b'{"patient":"Patient/p",  "service_month":"2024-12"}\n{"patient":"Patient/p","service_month":"2025-01"}\n'
    (sink.path / "determinations.ndjson").write_bytes(old)
    new = [{"patient": "Patient/q", "service_month": "2025-01"}]
    sink.publish_determinations(new, lambda line: line["service_month"] == "2025-01")
    content = (sink.path / "determinations.ndjson").read_bytes()
    assert content == old.splitlines(keepends=True)[0] + b'{"patient":"Patient/q","service_month":"2025-01"}\n'
    assert [one["patient"] for one in sink.determinations()] == ["Patient/p", "Patient/q"]


def test_issues_and_report_are_replaced(sink: FolderSink) -> None:
    issue = Issue("Encounter/e", "Encounter.length", "entry-too-long", "300 minutes", "at most 240")
    sink.publish_issues([issue, issue])
    sink.publish_issues([issue])
    assert lines(sink, "issues.ndjson") == [issue.to_json()]
    sink.publish_report({"run": "r", "amount": "60.50"})
    assert json.loads((sink.path / "run-report.json").read_text()) == {"run": "r", "amount": "60.50"}


def test_a_new_file_is_its_owners_only_and_an_old_one_keeps_its_rights(sink: FolderSink) -> None:
    sink.publish_issues([])
    assert (sink.path / "issues.ndjson").stat().st_mode & 0o777 == 0o600
    (sink.path / "issues.ndjson").chmod(0o640)
    sink.publish_issues([])
    assert (sink.path / "issues.ndjson").stat().st_mode & 0o777 == 0o640


def test_an_error_on_the_way_leaves_the_old_file(sink: FolderSink) -> None:
    sink.publish_determinations([{"patient": "Patient/p"}], lambda _line: True)
    before = (sink.path / "determinations.ndjson").read_bytes()

    def rows() -> Any:
        yield {"patient": "Patient/q"}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        sink.publish_determinations(rows(), lambda _line: True)
    assert (sink.path / "determinations.ndjson").read_bytes() == before
    assert [path.name for path in sink.path.iterdir()] == ["determinations.ndjson"]


def test_a_file_is_no_sink(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "file").write_text("")
    sink = FolderSink(path=tmp_path / "file", resource_types=types_to_read(tables))
    with pytest.raises(UsageError, match="is a file; wanted is a folder"), sink.lock():
        pass
    inner = FolderSink(path=tmp_path / "file" / "inner", resource_types=types_to_read(tables))
    with pytest.raises(WriteError, match="cannot be made"), inner.lock():
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everything")
def test_a_folder_that_cannot_be_written_is_refused(sink: FolderSink) -> None:
    sink.path.chmod(0o500)
    with pytest.raises(WriteError, match="cannot be written"), sink.lock():
        pass


def test_a_second_run_is_kept_out_and_leftovers_are_removed(sink: FolderSink) -> None:
    (sink.path / ".Claim.ndjson.abc.part").write_text("half")
    code = (
        "import sys; from pathlib import Path; from caretally.sync.sinks.folder import FolderSink\n"
        f"with FolderSink(path=Path({str(sink.path)!r}), resource_types={{}}).lock():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match="in use by another run") as caught, sink.lock():
            pass
        assert caught.value.exit_code == 7
        assert not list(sink.path.glob(".*.part"))
    finally:
        holder.kill()
        holder.wait(timeout=30)
        holder.stdin.close()
        holder.stdout.close()
    with sink.lock():
        pass
