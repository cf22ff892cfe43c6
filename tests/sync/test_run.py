"""A month runs from source to sink: the same answer every time, nothing written twice, nothing lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sync.practices import Resources, golden, together, write
from tests.sync.small_server import SmallServer, outcome

from caretally.billing import Decision
from caretally.errors import IncompletePullError, LockedError, UsageError, WriteError
from caretally.facts import exact_json
from caretally.rules import determine
from caretally.store import StoreBinding, open_store
from caretally.store.answers import find_answers
from caretally.store.decisions import decisions_of
from caretally.store.locking import file_lock
from caretally.store.runs import latest_run
from caretally.sync.planning import Approval
from caretally.sync.pulling import Narrowing, types_to_read
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.review import determinations_of, find_determination, list_reviews
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import LOCK, FolderSink
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from caretally.sync.sources.server import ServerSource

Values = dict[str, Any]
FILES = ("ChargeItem.ndjson", "Claim.ndjson", "Provenance.ndjson")
STAFF_20 = {"role": "RN", "who": "N1", "date": "2025-01-13", "min": 20}


def sink_at(folder: Path, values: Values) -> FolderSink:
    return FolderSink(path=folder, resource_types=types_to_read(values["tables"]))


def run(folder: Path, out: Path, values: Values, **more: Any) -> RunReport:
    return run_month(RunRequest(source=FolderSource(folder), sink=sink_at(out, values), **{**values, **more}))


def lines(out: Path, name: str) -> list[dict[str, Any]]:
    path = out / name
    return [exact_json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def answers(out: Path) -> dict[str, dict[str, Any]]:
    return {row["patient"]: row for row in lines(out, "determinations.ndjson")}


def files(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES if (out / name).exists()}


@pytest.fixture
def practice(tmp_path: Path) -> Path:
    return write(tmp_path / "source", the_practice())


def the_practice() -> Resources:
    return together(golden("G02", "a-"), golden("G25", "b-", month="2025-01"))


def test_a_month_is_decided_and_written(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    report = run(practice, out, run_values)
    assert report.error() is None
    assert report.statuses == {"billable": 1, "not-billable": 1}, report.to_json()
    assert report.amount == Decimal("152.35")
    assert {row["patient"]: row["status"] for row in answers(out).values()} == {
        "Patient/a-pat": "billable",
        "Patient/b-pat": "not-billable",
    }
    (claim,) = lines(out, "Claim.ndjson")
    assert (claim["status"], claim["patient"]["reference"], len(claim["item"])) == ("draft", "Patient/a-pat", 3)
    assert len(lines(out, "ChargeItem.ndjson")) == 3
    assert report.writes == {("create", "ChargeItem"): 3, ("create", "Claim"): 1, ("create", "Provenance"): 1}
    stored = exact_json.loads((out / "run-report.json").read_bytes())
    assert stored == exact_json.loads(exact_json.dumps(report.to_json()))


def test_every_resource_is_accounted_for(practice: Path, tmp_path: Path, run_values: Values) -> None:
    report = run(practice, tmp_path / "out", run_values)
    total = sum(len((practice / path.name).read_text().splitlines()) for path in practice.glob("*.ndjson"))
    counts = report.to_json()["resources"]
    assert sum(counts["read"].values()) + sum(counts["refused"].values()) + sum(counts["other"].values()) == total


def test_a_second_run_writes_nothing(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    before = {name: (out / name).stat() for name in FILES}
    later = run_values["now"]().replace(hour=17)
    report = run(practice, out, {**run_values, "now": lambda: later})
    assert report.writes == {}
    assert report.unchanged == report.determinations
    after = {name: (out / name).stat() for name in FILES}
    assert {n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()} == {
        n: (s.st_ino, s.st_mtime_ns) for n, s in before.items()
    }
    assert {row["action"] for row in answers(out).values()} == {"none"}


def test_a_run_without_its_store_writes_nothing_either(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    before = files(out)
    for path in out.glob("caretally.sqlite*"):
        path.unlink()
    run(practice, out, run_values)
    assert files(out) == before


def test_a_plan_leaves_no_trace(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    shown: list[str] = []
    report = run(
        practice, out, run_values, write=False, observe=lambda planned: shown.append(planned.determination.action)
    )
    assert sorted(shown) == ["create", "none"]
    assert report.writes == {}
    assert not out.exists()
    run(practice, out, run_values)
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in out.iterdir()}
    assert run(practice, out, run_values, write=False).unchanged == 2
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in out.iterdir()} == before
    without_sink = RunRequest(source=FolderSource(practice), sink=None, write=False, **run_values)
    assert run_month(without_sink).actions == {"create": 1, "none": 1}


def test_a_run_needs_somewhere_to_write(practice: Path, run_values: Values) -> None:
    with pytest.raises(UsageError, match="--out FOLDER or --to URL") as caught:
        run_month(RunRequest(source=FolderSource(practice), sink=None, **run_values))
    assert caught.value.exit_code == 2


def test_lines_of_other_months_stay(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    month = run_values["month"]
    run(practice, out, {**run_values, "month": month.plus(1), "as_of": month.plus(2).first_day.replace(day=10)})
    months = [row["service_month"] for row in lines(out, "determinations.ndjson")]
    assert sorted(months) == ["2025-01", "2025-01", "2025-02", "2025-02"]


def test_a_narrowed_run_leaves_the_others_alone(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    write(practice, together(golden("G02", "a-"), golden("G02", "b-")))
    report = run(practice, out, run_values, narrowing=Narrowing.of(patients=("a-pat",)))
    assert report.determinations == 1
    assert answers(out)["Patient/b-pat"]["status"] == "not-billable"
    report = run(practice, out, run_values, narrowing=Narrowing.of(practitioners=("b-P1",)))
    assert report.determinations == 1
    assert answers(out)["Patient/b-pat"]["status"] == "billable"
    with pytest.raises(UsageError, match="Patient/nobody is not in"):
        run(practice, out, run_values, narrowing=Narrowing.of(patients=("nobody",)))
    with pytest.raises(UsageError, match="--site north is not in the configuration"):
        run(practice, out, run_values, narrowing=Narrowing.of(sites=("north",)))


def linked(one: Resources, other: Resources, **link: Any) -> Resources:
    one["Patient"][0]["link"] = [{"other": {"reference": f"Patient/{other['Patient'][0]['id']}"}, **link}]
    return together(one, other)


def test_two_linked_records_are_one_patient_month(tmp_path: Path, run_values: Values) -> None:
    half = golden("G02", "a-", entries=[{**STAFF_20, "min": 12}])
    old = {"Patient": [{"resourceType": "Patient", "id": "old", "active": False}], "Encounter": []}
    moved = golden("G02", "a-", entries=[{**STAFF_20, "min": 8, "date": "2025-01-20", "id": "later"}])["Encounter"][-1]
    old["Encounter"] = [{**moved, "subject": {"reference": "Patient/old"}}]
    source = write(tmp_path / "source", linked(half, old, type="replaces"))
    report = run(source, tmp_path / "out", run_values)
    (answer,) = lines(tmp_path / "out", "determinations.ndjson")
    assert (answer["patient"], answer["status"]) == ("Patient/a-pat", "billable")
    assert answer["time"]["counted_seconds"]["ccm"] == 1200
    assert report.patients["joined"] == 1


def test_a_claim_keeps_its_identity_when_its_record_is_replaced(tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    before = golden("G02", "a-")
    run(write(tmp_path / "source", before), out, run_values)
    old = golden("G02", "a-")
    old["Patient"][0]["active"] = False
    new = {"Patient": [{"resourceType": "Patient", "id": "new", "active": True}]}
    source = write(tmp_path / "source", linked(old, new, type="replaced-by"))
    report = run(source, out, run_values)
    assert report.writes == {}
    assert [row["patient"] for row in lines(out, "determinations.ndjson")] == ["Patient/a-pat"]


def test_two_records_of_one_beneficiary_without_a_link_are_held(tmp_path: Path, run_values: Values) -> None:
    one, other = golden("G02", "a-"), golden("G02", "b-")
    other["Coverage"][0]["subscriberId"] = one["Coverage"][0]["subscriberId"]
    report = run(write(tmp_path / "source", together(one, other)), tmp_path / "out", run_values)
    assert report.statuses == {"hold": 2}
    assert report.reasons == {"R-DUPLICATE-PATIENT": 2}


def test_one_nurse_with_two_patients_at_once_is_held(tmp_path: Path, run_values: Values) -> None:
    entry = {"role": "RN", "who": "N1", "start": "2025-01-13T10:00:00", "end": "2025-01-13T10:30:00"}
    one, other = golden("G02", "a-", entries=[entry]), golden("G02", "b-", entries=[entry])
    for encounter in other["Encounter"]:
        if encounter["id"].startswith("b-time"):
            encounter["participant"][0]["individual"] = {"reference": "Practitioner/a-N1"}
    report = run(write(tmp_path / "source", together(one, other)), tmp_path / "out", run_values)
    assert report.reasons == {"R-STAFF-DOUBLE-BOOKED": 2}


def test_a_later_entry_updates_the_draft(tmp_path: Path, run_values: Values) -> None:
    out, source = tmp_path / "out", tmp_path / "source"
    run(write(source, golden("G02", entries=[STAFF_20])), out, run_values)
    more = [STAFF_20, {**STAFF_20, "date": "2025-01-20"}]
    report = run(write(source, golden("G02", entries=more)), out, run_values)
    assert report.actions == {"update": 1}
    (claim,) = lines(out, "Claim.ndjson")
    assert [item["productOrService"]["coding"][0]["code"] for item in claim["item"]] == ["99490", "99439"]


def test_a_partial_folder_withdraws_nothing(tmp_path: Path, run_values: Values) -> None:
    out, source = tmp_path / "out", tmp_path / "source"
    whole = golden("G02", entries=[STAFF_20])
    run(write(source, whole), out, run_values)
    without_time = {**whole, "Encounter": [one for one in whole["Encounter"] if not one["id"].startswith("time")]}
    report = run(write(source, without_time), out, run_values)
    assert report.actions == {"none": 1}
    assert lines(out, "Claim.ndjson")[0]["status"] == "draft"
    cancelled = [{**one, "status": "cancelled"} if one["id"].startswith("time") else one for one in whole["Encounter"]]
    broken = write(source, {**whole, "Encounter": cancelled})
    with (broken / "Goal.ndjson").open("a") as stream:
        stream.write('{"resourceType":')
    assert run(broken, out, run_values).actions == {"none": 1}
    report = run(write(source, {**whole, "Encounter": cancelled}), out, run_values)
    assert report.actions == {"void": 1}
    assert lines(out, "Claim.ndjson")[0]["status"] == "cancelled"


def test_a_damaged_packed_file_decides_nothing(practice: Path, tmp_path: Path, run_values: Values) -> None:
    (practice / "Encounter.more.ndjson.gz").write_bytes(b"\x1f\x8b\x08\x00 not packed")
    with pytest.raises(IncompletePullError, match=r"Encounter\.more\.ndjson\.gz") as caught:
        run(practice, tmp_path / "out", run_values)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out" / "determinations.ndjson").exists()


def test_a_run_that_fails_keeps_no_patient_data_and_says_what_failed_first(
    practice: Path, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise WriteError("the disk is full")

    monkeypatch.setattr(FolderSink, "deliver", full)
    with pytest.raises(WriteError, match="the disk is full"):
        run(practice, tmp_path / "out", run_values)
    binding = StoreBinding(target="folder:.", tenant="default")
    with open_store(tmp_path / "out" / "caretally.sqlite", binding=binding, opened_at="x") as store:
        ended = latest_run(store)
        assert ended is not None
        assert ended.state == "failed"
        with store.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM staged_resource").scalar() == 0
    monkeypatch.undo()
    assert run(practice, tmp_path / "out", run_values).recovered == {"finished": 1}


def test_resources_of_somebody_who_is_not_there_are_named(practice: Path, tmp_path: Path, run_values: Values) -> None:
    rows = [one for one in lines(practice, "Patient.ndjson") if one["id"] != "b-pat"]
    (practice / "Patient.ndjson").write_bytes(b"".join(exact_json.dumps(row) + b"\n" for row in rows))
    run(practice, tmp_path / "out", run_values)
    assert ("Patient/b-pat", "patient-not-in-source") in {
        (row["resource"], row["code"]) for row in lines(tmp_path / "out", "issues.ndjson")
    }


def test_a_claim_that_nobody_speaks_about_any_more_is_named(tmp_path: Path, run_values: Values) -> None:
    out, source = tmp_path / "out", tmp_path / "source"
    whole = golden("G02", entries=[STAFF_20])
    run(write(source, whole), out, run_values)
    kept = {kind: rows for kind, rows in whole.items() if kind not in {"CarePlan", "Consent", "Encounter"}}
    report = run(write(source, kept), out, run_values)
    assert (report.determinations, report.writes) == (0, {})
    named = [row for row in lines(out, "issues.ndjson") if row["code"] == "claim-without-determination"]
    assert {row["resource"].partition("/")[0] for row in named} == {"Claim", "ChargeItem"}
    assert lines(out, "determinations.ndjson") == []


def test_an_answer_can_be_looked_up(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    (found,) = find_determination(str(out), "Patient/a-pat", "2025-01")
    assert found == answers(out)["Patient/a-pat"]
    assert find_determination(str(out), "Patient/a-pat", "2025-01", "Practitioner/other") == []


def test_a_second_run_at_once_is_kept_out(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with file_lock(out / LOCK, held="x"), pytest.raises(LockedError):
        run(practice, out, run_values)


def test_two_processes_at_once_write_once(practice: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    processes = [started(practice, out) for _ in range(3)]
    codes = [process.wait(timeout=120) for process in processes]
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 7}
    assert len(lines(out, "Claim.ndjson")) == 1


def started(source: Path, out: Path, failpoint: str | None = None, day: str = "10") -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if key != "CARETALLY_FAILPOINT"}
    if failpoint is not None:
        environment["CARETALLY_FAILPOINT"] = failpoint
    command = [sys.executable, str(Path(__file__).with_name("run_once.py")), str(source), str(out), day]
    return subprocess.Popen(command, env=environment)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nobody kills writes."""
    folder = tmp_path_factory.mktemp("clean")
    assert started(write(folder / "source", the_practice()), folder / "out").wait(timeout=120) == 0
    return folder / "out"


@pytest.mark.parametrize(
    "failpoint",
    [
        "pulled",
        "intents-committed",
        "written:ChargeItem.ndjson",
        "replaced:ChargeItem.ndjson",
        "written:Claim.ndjson",
        "delivered:Claim",
        "replaced:Provenance.ndjson",
        "delivered",
        "outcomes-committed",
        "decided",
        "before-determinations",
        "written:determinations.ndjson",
        "replaced:determinations.ndjson",
        "written:issues.ndjson",
    ],
)
def test_a_kill_anywhere_leaves_files_whole_and_the_next_run_finishes(
    practice: Path, clean: Path, tmp_path: Path, failpoint: str
) -> None:
    out = tmp_path / "out"
    assert started(practice, out, failpoint).wait(timeout=120) == -signal.SIGKILL
    for path in out.glob("*.ndjson"):
        for line in path.read_bytes().splitlines():
            exact_json.loads(line)
    assert started(practice, out).wait(timeout=120) == 0
    assert {n: sorted(c.splitlines()) for n, c in files(out).items()} == {
        n: sorted(c.splitlines()) for n, c in files(clean).items()
    }
    assert decided(out) == decided(clean)
    assert not list(out.glob(".*.part"))


def decided(out: Path) -> list[dict[str, Any]]:
    """What is decided; what was done about it differs after a kill."""
    return [{**row, "action": None} for row in lines(out, "determinations.ndjson")]


def server_run(small: SmallServer, tmp_path: Path, values: Values, **more: Any) -> RunReport:
    server = small.server()
    return run_month(
        RunRequest(
            source=ServerSource(server=server, terminology=values["tables"].terminology),
            sink=ServerSink(server=server, resource_types=types_to_read(values["tables"])),
            store=str(tmp_path / "store"),
            **{**values, **more},
        )
    )


@pytest.fixture
def small() -> SmallServer:
    resources = together(golden("G02", "a-"), golden("G05", "b-", month="2025-01", entries=[STAFF_20]))
    return SmallServer((row for rows in resources.values() for row in rows), page=100)


def written(small: SmallServer) -> list[httpx.Request]:
    return [one for one in small.requests if one.method == "PUT" or (one.method == "POST" and one.url.path == "/fhir")]


def test_a_server_gets_its_claims_once(small: SmallServer, tmp_path: Path, run_values: Values) -> None:
    report = server_run(small, tmp_path, run_values)
    assert report.error() is None
    assert report.statuses == {"billable": 2}
    assert len(written(small)) == 2
    small.requests.clear()
    again = server_run(small, tmp_path, run_values)
    assert written(small) == []
    assert (again.unchanged, again.writes) == (2, {})
    other_machine = server_run(small, tmp_path / "elsewhere", run_values)
    assert (written(small), other_machine.unchanged) == ([], 2)


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize(
    "place", ["intents-committed", "server:before-send", "server:between-puts", "server:after-send", "delivered"]
)
def test_a_run_that_dies_while_writing_to_a_server_is_finished_by_the_next(
    small: SmallServer,
    tmp_path: Path,
    run_values: Values,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    transaction: bool,
) -> None:
    small.transaction_offered = transaction

    def die(name: str) -> None:
        if name == place:
            raise Killed

    if transaction and place == "server:between-puts":
        return
    with monkeypatch.context() as patched:
        for module in ("outgoing", "sinks.sending"):
            patched.setattr(f"caretally.sync.{module}.failpoint", die)
        with pytest.raises(Killed):
            server_run(small, tmp_path, run_values)
    report = server_run(small, tmp_path, run_values)
    assert report.error() is None
    assert sum(report.recovered.values()) == 2
    claims = [name for name in small.held if name.startswith("Claim/cm-")]
    assert len(claims) == 2
    assert {count for name, count in small.versions.items() if "/c" in name and "cm-" in name} == {1}
    assert (report.writes, report.unchanged) == ({}, 2)


class Killed(BaseException):
    """Stands for the end of the process: nothing that handles errors sees it."""


def test_a_patient_that_cannot_be_read_wholly_is_left_out(
    small: SmallServer, tmp_path: Path, run_values: Values
) -> None:
    small.faults.append(
        lambda r: (
            outcome(400, "x") if r.url.path.endswith("/Goal") and "a-pat" in r.url.params.get("patient", "") else None
        )
    )
    report = server_run(small, tmp_path, run_values)
    error = report.error()
    assert isinstance(error, IncompletePullError)
    assert "1 patients could not be read wholly" in str(error)
    assert report.statuses == {"billable": 1}
    assert [gap.patient for gap in report.gaps] == ["Patient/a-pat"]


def test_a_patient_month_that_is_refused_is_listed_and_tried_again(
    small: SmallServer, tmp_path: Path, run_values: Values
) -> None:
    small.faults.append(lambda r: outcome(422, "no such payer") if b'"Patient/a-pat"' in r.content else None)
    report = server_run(small, tmp_path, run_values)
    error = report.error()
    assert isinstance(error, WriteError)
    assert [(one.patient, one.state, one.said) for one in report.failed] == [
        ("Patient/a-pat", "refused", ("no such payer",))
    ]
    assert len([name for name in small.held if name.startswith("Claim/cm")]) == 1
    small.faults.clear()
    again = server_run(small, tmp_path, run_values)
    assert again.error() is None
    assert len([name for name in small.held if name.startswith("Claim/cm")]) == 2


def test_a_folder_can_be_written_to_a_server(practice: Path, tmp_path: Path, run_values: Values) -> None:
    small = SmallServer(page=100)
    values = {**run_values, "store": str(tmp_path / "store")}

    def to_server() -> RunReport:
        sink = ServerSink(server=small.server(), resource_types=types_to_read(values["tables"]))
        return run_month(RunRequest(source=FolderSource(practice), sink=sink, **values))

    assert to_server().writes[("create", "Claim")] == 1
    assert to_server().writes == {}


def test_a_person_releases_a_draft(practice: Path, tmp_path: Path, run_values: Values) -> None:
    out = tmp_path / "out"
    run(practice, out, run_values)
    sink = sink_at(out, run_values)
    (item,) = list_reviews(determinations_of(sink, "2025-01"), sink, tenant="default", opened_at="2025-02-10T09:00:00Z")
    assert (item.patient, item.kind, len(item.resources)) == ("Patient/a-pat", "release", 4)
    decision = Decision(by="Practitioner/a-P1", at="2025-02-11T09:00:00Z", reason="looked at", seen=item.seen)
    approval = Approval(patient=item.patient, practitioner=item.practitioner, decision=decision)
    chosen = Narrowing.of(patients=(item.patient,))
    report = run(practice, out, run_values, approvals=(approval,), narrowing=chosen)
    assert (report.approved, report.refused_approvals) == (1, [])
    assert [row["status"] for row in lines(out, "Claim.ndjson")] == ["active"]
    assert list_reviews(determinations_of(sink), sink, tenant="default", opened_at="2025-02-10T09:00:00Z") == []
    binding = StoreBinding(target="folder:.", tenant="default")
    with open_store(out / "caretally.sqlite", binding=binding, opened_at="x") as store:
        (kept,) = decisions_of(store, "Patient/a-pat")
        assert find_answers(store, "Patient/a-pat", "2025-01")[0].action == "update"
    assert (kept.who, kept.why) == ("Practitioner/a-P1", "looked at")
    stale = replace(approval, decision=replace(decision, seen="something else"))
    refused = run(practice, out, run_values, approvals=(stale,), narrowing=chosen)
    assert refused.refused_approvals[0]["patient"] == "Patient/a-pat"
    assert "changed since you looked" in refused.refused_approvals[0]["message"]


def test_a_fault_of_ours_concerns_one_patient(
    practice: Path, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:

    def faulty(month: Any, context: Any) -> Any:
        if month.facts.patient.reference == "Patient/a-pat":
            raise KeyError("the name of a patient")
        return determine(month, context)

    run(practice, tmp_path / "out", run_values)
    before = answers(tmp_path / "out")["Patient/a-pat"]
    monkeypatch.setattr("caretally.sync.deciding.determine", faulty)
    report = run(practice, tmp_path / "out", run_values)
    assert [row for row in lines(tmp_path / "out", "determinations.ndjson") if row["patient"] == "Patient/a-pat"] == [
        before
    ]
    assert find_determination(str(tmp_path / "out"), "Patient/a-pat", "2025-01") == [before]
    error = report.error()
    assert error is not None
    assert error.exit_code == 1
    assert "KeyError at test_run.py" in str(error)
    assert "name of a patient" not in str(report.to_json())
    assert report.determinations == 1


def test_nothing_of_a_pull_stays_in_the_store(practice: Path, tmp_path: Path, run_values: Values) -> None:
    run(practice, tmp_path / "out", run_values)
    binding = StoreBinding(target="folder:.", tenant="default")
    with (
        open_store(tmp_path / "out" / "caretally.sqlite", binding=binding, opened_at="x") as store,
        store.reading() as connection,
    ):
        assert connection.exec_driver_sql("SELECT count(*) FROM staged_resource").scalar() == 0
