"""Reading by export when the server loses, breaks or qualifies what it exports: named, begun anew, or incomplete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.sync.practices import golden, together
from tests.sync.small_server import answer, outcome
from tests.sync.syncing_server import SyncingServer
from tests.sync.test_run import answers, lines
from tests.sync.test_synchronizing import TIMED, CutError, Values, decided, late_minutes, sync

from caretally.errors import IncompletePullError
from caretally.fhir import bulk
from caretally.sync.mirroring import export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def small() -> SyncingServer:
    rows = together(*(golden(name, f"{name.lower()}-") for name in TIMED))
    server = SyncingServer(one for kind in rows.values() for one in kind)
    server.polls_needed = 0  # a look that finds nothing costs a second
    return server


def failing(path_end: str, status: int, *, times: int, method: str = "GET") -> Callable[[httpx.Request], Any]:
    left = [times]

    def fault(request: httpx.Request) -> httpx.Response | None:
        if request.method == method and request.url.path.endswith(path_end) and left[0]:
            left[0] -= 1
            return outcome(status, "no longer here")
        return None

    return fault


def with_file(small: SyncingServer, monkeypatch: pytest.MonkeyPatch, kind: str, lines: list[dict[str, Any]]) -> None:
    """Let the server's manifest name one more file."""
    plain = small.manifest

    def manifest(name: str, job: dict[str, Any]) -> dict[str, Any]:
        found = plain(name, job)
        job["files"]["more.ndjson"] = lines
        found[kind] = [*found[kind], {"type": "OperationOutcome", "url": f"{found_base(found)}/more.ndjson"}]
        return found

    monkeypatch.setattr(small, "manifest", manifest)


def found_base(manifest: dict[str, Any]) -> str:
    return str(manifest["output"][0]["url"]).rpartition("/")[0]


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.ndjson") if path.parent.parent.name == "export"]


def test_an_export_whose_files_expired_is_made_anew(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    wanted = sync(small, tmp_path / "wanted", run_values, by="export")
    small.faults.append(failing("/Encounter.ndjson", 410, times=1))
    report = sync(small, tmp_path / "out", run_values, by="export")
    assert small.started == 3
    assert report.held == wanted.held
    assert answers(tmp_path / "out") == answers(tmp_path / "wanted")


def test_one_that_is_lost_again_and_again_ends_the_run_and_the_next_one_goes_on(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    small.faults.append(failing("/Encounter.ndjson", 404, times=2))
    with pytest.raises(bulk.LostExportError, match="--by search"):
        sync(small, tmp_path, run_values, by="export")
    assert decided(sync(small, tmp_path, run_values, by="export")) == (4, 0)


def test_one_that_failed_is_not_asked_for_again(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    small.faults.append(failing("/job1", 500, times=1_000))
    with pytest.raises(bulk.FailedExportError):
        sync(small, tmp_path, run_values, by="export")
    assert decided(sync(small, tmp_path, run_values, by="export")) == (4, 0)
    assert small.started == 2


def test_who_asks_for_search_after_an_export_was_cut_off_gets_search(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(name: str) -> None:
        if name == "export:file-fetched":
            raise CutError

    monkeypatch.setattr(export, "failpoint", crash)
    with pytest.raises(CutError):
        sync(small, tmp_path, run_values, by="export")
    monkeypatch.undo()
    assert left_behind(tmp_path)
    report = sync(small, tmp_path, run_values, by="search")
    assert (report.mode, decided(report)) == ("full", (4, 0))
    # The server need not keep what nobody fetches, and neither do we.
    assert small.jobs == {}
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("damage", [False, True])
def test_files_that_were_fetched_whole_before_a_crash_are_not_fetched_again(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch, damage: bool
) -> None:
    wanted = sync(small, tmp_path / "wanted", run_values, by="export")

    def crash(name: str) -> None:
        if name == "export:file-kept":
            raise CutError

    # All of them at a time, so that all are there when the first one is kept.
    monkeypatch.setattr(export, "DOWNLOADS_AT_ONCE", 50)
    monkeypatch.setattr(export, "failpoint", crash)
    small.requests.clear()
    out = tmp_path / "out"
    with pytest.raises(CutError):
        sync(small, out, run_values, by="export")
    monkeypatch.undo()
    fetched = {one.url.path for one in small.requests if one.url.path.endswith(".ndjson")}
    (damaged, *_) = [path for path in out.rglob("*.ndjson") if path.parent.parent.name == "export"]
    if damage:
        damaged.write_bytes(damaged.read_bytes()[:-40])
    small.requests.clear()
    report = sync(small, out, run_values, by="export")
    again = [one.url.path for one in small.requests if one.url.path.endswith(".ndjson") and one.url.path in fetched]
    assert len(fetched) > 3
    assert len(again) <= damage
    assert report.held == wanted.held
    assert answers(out) == answers(tmp_path / "wanted")
    assert left_behind(out) == []


@pytest.mark.parametrize("severity", ["error", None])
def test_what_could_not_be_exported_leaves_everybody_undecided(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch, severity: str | None
) -> None:
    words = {"severity": severity, "code": "exception", "diagnostics": "Encounter/CANARY could not be read"}
    line = {"resourceType": "OperationOutcome", "issue": [words]} if severity else {"resourceType": "OperationOutcome"}
    with_file(small, monkeypatch, "error", [line])
    with pytest.raises(IncompletePullError, match=r"could not export everything.*Nothing was decided") as caught:
        sync(small, tmp_path, run_values, by="export")
    assert "CANARY" not in str(caught.value)
    monkeypatch.undo()
    report = sync(small, tmp_path, run_values, by="export")
    assert (report.mode, decided(report)) == ("export", (4, 0))


def test_a_remark_of_the_server_changes_nothing(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"severity": "warning", "code": "not-supported", "diagnostics": "CANARY"}
    with_file(small, monkeypatch, "error", [{"resourceType": "OperationOutcome", "issue": [words]}])
    report = sync(small, tmp_path, run_values, by="export")
    assert decided(report) == (4, 0)
    assert report.months[0].issues["information", "export-remark"] == 1


def test_an_export_of_what_was_held_last_night_loses_no_change_of_today(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = small.now - timedelta(hours=9)
    plain = small.manifest

    def manifest(name: str, job: dict[str, Any]) -> dict[str, Any]:
        if "files" not in job:
            today = {key: one for key, one in small.held.items() if small.changed[key] > night}
            for key in today:
                small.held[key] = yesterday[key]
            found = plain(name, job)
            small.held.update(today)
        else:
            found = plain(name, job)
        return {**found, "transactionTime": night.isoformat()}

    yesterday = dict(small.held)
    patient = late_minutes(small)
    monkeypatch.setattr(small, "manifest", manifest)
    sync(small, tmp_path, run_values, by="export")
    before = answers(tmp_path)
    monkeypatch.undo()
    small.now += timedelta(hours=1)
    report = sync(small, tmp_path, run_values, by="export")
    assert (report.mode, decided(report)) == ("export-changes", (1, 3))
    assert {name for name, row in answers(tmp_path).items() if row != before[name]} == {patient}


def cut(small: SyncingServer, *, times: int) -> None:
    """Cut a file in the middle of its last line, as a connection does that is closed early and told no length."""
    left = [times]

    def fault(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/Encounter.ndjson") or not left[0]:
            return None
        left[0] -= 1
        found = small.job(request, request.url.path.removeprefix("/fhir/"))
        return httpx.Response(200, content=found.content[:-40])

    small.faults.append(fault)


@pytest.mark.parametrize("counted", [True, False])
def test_a_file_that_is_cut_is_fetched_again_and_then_named(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    plain = small.manifest

    def manifest(name: str, job: dict[str, Any]) -> dict[str, Any]:
        found = plain(name, job)
        for entry in found["output"]:
            entry["count"] += 1 if counted and entry["type"] == "Encounter" and broken else 0
            if not counted:
                del entry["count"]
        return found

    broken = counted
    monkeypatch.setattr(small, "manifest", manifest)
    if not counted:
        cut(small, times=2)
    with pytest.raises(IncompletePullError, match=r"\(Encounter\) .* twice: run the command again"):
        sync(small, tmp_path / "never", run_values, by="export")
    broken = False
    small.faults.clear()
    cut(small, times=0 if counted else 1)
    assert decided(sync(small, tmp_path / "once", run_values, by="export")) == (4, 0)


def test_a_line_that_is_no_resource_is_counted_among_the_refused(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_file(small, monkeypatch, "output", [{"no": "resource"}])
    report = sync(small, tmp_path, run_values, by="export")
    assert report.months[0].issues["error", "unreadable-line"] == 1
    assert decided(report) == (4, 0)


def issues_of(folder: Path, code: str) -> list[tuple[str, str]]:
    return sorted((row["resource"], row["found"]) for row in lines(folder, "issues.ndjson") if row["code"] == code)


@pytest.mark.parametrize("most", [1, 3])
def test_what_a_server_leaves_out_of_an_export_without_a_word_is_read_by_search(
    small: SyncingServer, tmp_path: Path, run_values: Values, most: int
) -> None:
    """As HAPI does where ``max_page_size`` is set: so many of each type, and neither error file nor count."""
    wanted = sync(small, tmp_path / "wanted", run_values, by="search")
    small.most_exported = most
    report = sync(small, tmp_path / "out", run_values, by="export")
    assert (report.mode, report.gaps) == ("export", 0)
    assert report.held == wanted.held
    assert answers(tmp_path / "out") == answers(tmp_path / "wanted")
    short = dict(issues_of(tmp_path / "out", "export-short"))
    assert short["Patient"] == f"the export brought {most} of 4; the type was read by search instead"
    assert short.keys() >= {"Patient", "Encounter", "Condition"}


@pytest.mark.parametrize("honours_since", [True, False])
def test_changes_that_an_export_leaves_out_are_read_by_search(
    small: SyncingServer, tmp_path: Path, run_values: Values, honours_since: bool
) -> None:
    small.honours_since = honours_since
    for folder in ("wanted", "out"):
        sync(small, tmp_path / folder, run_values, by="export")
    small.now += timedelta(hours=1)
    timed = [one for one in small.held.values() if one["resourceType"] == "Encounter" and "length" in one]
    for one in timed[1:]:
        small.keep({**one, "length": {**one["length"], "value": 1}})
    small.now += timedelta(hours=1)
    sync(small, tmp_path / "wanted", run_values, by="export")
    small.most_exported = 1
    report = sync(small, tmp_path / "out", run_values, by="export")
    assert report.mode == "export-changes"
    (short,) = issues_of(tmp_path / "out", "export-short")
    brought = 1 if honours_since else 0  # the first one, which did not change
    assert short == (
        "Encounter",
        f"the export brought {brought} of {len(timed) - 1}; the type was read by search instead",
    )
    assert answers(tmp_path / "out") == answers(tmp_path / "wanted")


def test_a_whole_export_is_counted_and_nothing_is_read_twice(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    sync(small, tmp_path, run_values, by="export")
    assert issues_of(tmp_path, "export-short") == []
    assert issues_of(tmp_path, "export-not-counted") == []
    assert not [one for one in small.asked() if one.startswith("/Encounter?patient")]


def test_where_a_server_does_not_count_this_is_said(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    small.counts = False
    assert decided(sync(small, tmp_path, run_values, by="export")) == (4, 0)
    assert {"Patient", "Encounter"} <= {name for name, _ in issues_of(tmp_path, "export-not-counted")}


def test_what_is_written_while_an_export_runs_does_not_make_it_short(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    added: list[dict[str, Any]] = []

    def meanwhile(request: httpx.Request) -> None:
        if request.url.path.endswith("/Encounter.ndjson") and not added:
            entry = next(one for one in small.held.values() if one["resourceType"] == "Encounter" and "length" in one)
            added.append({**entry, "id": "meanwhile"})
            small.keep(added[0])

    small.faults.append(meanwhile)
    sync(small, tmp_path, run_values, by="export")
    assert added
    assert issues_of(tmp_path, "export-short") == []


def test_a_server_that_does_not_take_the_end_fails_no_run(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    small.faults.append(lambda request: answer(500) if request.method == "DELETE" else None)
    assert decided(sync(small, tmp_path, run_values, by="export")) == (4, 0)
