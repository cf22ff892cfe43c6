"""Keeping up with a server: what changed is read and decided again, nothing else, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.store.samples import decision
from tests.sync.practices import golden, together
from tests.sync.small_server import outcome
from tests.sync.syncing_server import SyncingServer
from tests.sync.test_run import answers, lines, sink_at

from caretally.errors import CaretallyError, IncompletePullError, LockedError, SourceError
from caretally.fhir import bulk
from caretally.store import open_store
from caretally.store.decisions import add_decision
from caretally.sync import failpoints, pull_step, steps, synchronizing
from caretally.sync.mirroring import export, refresh, slice_reader
from caretally.sync.request import RunRequest
from caretally.sync.sources.server import ServerSource
from caretally.sync.store_place import store_of
from caretally.sync.synchronizing import SyncReport, SyncRequest, synchronize

if TYPE_CHECKING:
    from pathlib import Path

Values = dict[str, Any]
TIMED = ("G02", "G11", "G36", "G39")


@pytest.fixture
def small() -> SyncingServer:
    rows = together(*(golden(name, f"{name.lower()}-") for name in TIMED))
    return SyncingServer(one for kind in rows.values() for one in kind)


def sync(small: SyncingServer, out: Path, values: Values, **more: Any) -> SyncReport:
    server = small.server()
    source = ServerSource(server=server, terminology=values["tables"].terminology)
    run = RunRequest(
        source=source, sink=sink_at(out, values), **{**values, "now": lambda: small.now, "as_of": small.now.date()}
    )
    request = SyncRequest(run=run, months=(run.month,), server=server, **more)
    (report,) = list(synchronize(lambda: request, again=lambda: False))
    return report


def decided(report: SyncReport) -> tuple[int, int]:
    (month,) = report.months
    return month.patients["decided"], month.patients["unchanged"]


def wrote(report: SyncReport) -> int:
    return sum(report.months[0].writes.values())


def written(out: Path) -> dict[str, list[dict[str, Any]]]:
    """What stands in the folder, but for when it was written."""
    moments = ("recorded", "created", "enteredDate", "occurredDateTime")
    found: dict[str, list[dict[str, Any]]] = {}
    for name in ("ChargeItem.ndjson", "Claim.ndjson"):
        rows = sorted(lines(out, name), key=lambda row: str(row["id"]))
        found[name] = [{key: value for key, value in row.items() if key not in moments} for row in rows]
    return found


def late_minutes(small: SyncingServer) -> str:
    """Correct an entry of one patient, so that there is more time."""
    entry = next(
        one
        for one in small.held.values()
        if one["resourceType"] == "Encounter" and one["subject"]["reference"] == "Patient/g39-pat" and "length" in one
    )
    small.keep(
        {**entry, "length": {**entry["length"], "value": 39}, "period": {"start": entry["period"]["start"][:10]}}
    )
    return "Patient/g39-pat"


@pytest.mark.parametrize("by", ["search", "export"])
def test_only_what_changed_is_read_and_decided_again(
    small: SyncingServer, tmp_path: Path, run_values: Values, by: str
) -> None:
    first = sync(small, tmp_path, run_values, by=by)
    assert first.mode == ("full" if by == "search" else "export")
    assert decided(first) == (4, 0)
    before = answers(tmp_path)
    requests = len(small.requests)
    small.now += timedelta(hours=1)
    second = sync(small, tmp_path, run_values, by=by)
    assert second.mode == ("changes" if by == "search" else "export-changes")
    assert (decided(second), wrote(second)) == ((0, 4), 0)
    assert len(small.requests) - requests < 30
    assert answers(tmp_path) == before
    patient = late_minutes(small)
    small.now += timedelta(hours=1)
    third = sync(small, tmp_path, run_values, by=by)
    assert decided(third) == (1, 3)
    changed = {name for name, row in answers(tmp_path).items() if row != before[name]}
    assert changed == {patient}


def test_search_and_export_bring_the_same(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    by_search = sync(small, tmp_path / "a", run_values, by="search")
    by_export = sync(small, tmp_path / "b", run_values, by="export")
    assert by_search.held == by_export.held
    assert answers(tmp_path / "a") == answers(tmp_path / "b")
    assert written(tmp_path / "a") == written(tmp_path / "b")


@pytest.mark.parametrize("by", ["search", "export"])
def test_what_was_deleted_is_found(small: SyncingServer, tmp_path: Path, run_values: Values, by: str) -> None:
    sync(small, tmp_path, run_values, by=by)
    before = answers(tmp_path)
    small.now += timedelta(hours=1)
    small.delete(next(name for name in small.held if name.startswith("Encounter/g36-")))
    small.now += timedelta(hours=1)
    report = sync(small, tmp_path, run_values, by=by)
    # An export lists what was deleted; a search cannot, so that everything is read again from time to time.
    assert decided(report) == ((0, 4) if by == "search" else (1, 3))
    small.now += timedelta(hours=24)
    report = sync(small, tmp_path, run_values, by=by)
    assert report.mode == ("full" if by == "search" else "export")
    assert {name for name, row in answers(tmp_path).items() if row != before[name]} == {"Patient/g36-pat"}


def test_a_resource_that_went_back_in_time_is_found(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    sync(small, tmp_path, run_values)
    before = answers(tmp_path)
    late_minutes(small)
    small.changed = {name: when - timedelta(days=9) for name, when in small.changed.items()}
    small.now += timedelta(hours=1)
    assert decided(sync(small, tmp_path, run_values)) == (0, 4)
    assert decided(sync(small, tmp_path, run_values, full=True)) == (1, 3)
    assert answers(tmp_path) != before


def test_a_server_that_does_not_search_by_time_is_compared_in_full(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    run_values = seldom_in_full(run_values)
    small.ignored_parameters = {"_lastUpdated"}
    sync(small, tmp_path, run_values, by="search")
    small.refused_parameters = {"_lastUpdated"}
    patient = late_minutes(small)
    before = answers(tmp_path)
    small.now += timedelta(days=3)  # several windows, and everything is read once all the same
    report = sync(small, tmp_path, run_values, by="search")
    assert report.mode == "changes"
    assert decided(report) == (1, 3)
    assert {name for name, row in answers(tmp_path).items() if row != before[name]} == {patient}
    whole = [one for one in small.asked() if one.startswith("/Encounter?patient=")]
    assert len(whole) == len(set(whole)) * 2  # the first reading, and this one


def seldom_in_full(values: Values) -> Values:
    """Everything is read anew once in half a year."""
    configuration = values["configuration"]
    seldom = configuration.sync.model_copy(update={"reconcile_hours": 4_000.0})
    return {**values, "configuration": configuration.model_copy(update={"sync": seldom})}


@pytest.mark.parametrize("days", [0, 3, 90])
def test_changes_are_read_in_windows_and_none_is_lost_between_them(
    small: SyncingServer, tmp_path: Path, run_values: Values, days: int
) -> None:
    run_values = seldom_in_full(run_values)
    sync(small, tmp_path, run_values)
    began, before = small.now, answers(tmp_path)
    patient = late_minutes(small)
    # Every resource changed at another hour of the time since, also at the very edges of the windows.
    names = sorted(small.held)
    small.now = began + timedelta(days=days, hours=1)
    for number, name in enumerate(names):
        small.changed[name] = began + timedelta(hours=number % (24 * days + 1))
    report = sync(small, tmp_path, run_values)
    assert report.mode == "changes"
    asked = [one for one in small.asked() if one.startswith("/Encounter?_lastUpdated")]
    assert len(asked) == min(days + 1, 31)
    assert sum("lt" in one for one in asked) == len(asked) - 1
    assert {name for name, row in answers(tmp_path).items() if row != before[name]} == {patient}
    assert report.held == sync(small, tmp_path, run_values, full=True).held


def test_a_new_patient_comes_with_everything(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    sync(small, tmp_path, run_values)
    small.now += timedelta(hours=1)
    for rows in golden("G01", "new-").values():
        for one in rows:
            small.keep(one)
    # What was there long before they came into care management is read too.
    small.changed = {
        n: (w - timedelta(days=900) if "new-" in n and "Encounter" not in n else w) for n, w in small.changed.items()
    }
    report = sync(small, tmp_path, run_values)
    # Everybody: with the patient came new people of the practice, and anybody's minutes may be theirs.
    assert decided(report) == (5, 0)
    assert "Patient/new-pat" in answers(tmp_path)


def test_another_copy_is_kept_out(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    source = ServerSource(server=small.server(), terminology=run_values["tables"].terminology)
    run = RunRequest(source=source, sink=sink_at(tmp_path, run_values), **run_values)
    request = SyncRequest(run=run, months=(run.month,), server=source.server)
    rounds = synchronize(lambda: request, again=lambda: True)
    next(rounds)
    with pytest.raises(LockedError):
        sync(small, tmp_path, run_values)
    del rounds
    sync(small, tmp_path, run_values)


class CutError(Exception):
    """Stands for a crash of the process."""


PLACES = {
    "search": [
        "mirror:page-read",
        "mirror:page-kept",
        "mirror:read",
        "sync:read",
        "sync:completed",
        "pulled",
        "decided",
    ],
    "export": ["export:started", "export:ready", "export:file-fetched", "export:file-kept", "sync:read", "decided"],
}


@pytest.mark.parametrize(("by", "place"), [(by, place) for by, places in PLACES.items() for place in places])
def test_a_crash_at_any_place_changes_nothing_in_the_end(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch, by: str, place: str
) -> None:
    wanted = tmp_path / "wanted"
    sync(small, wanted, run_values, by=by)
    out = tmp_path / "out"
    passed = 0

    def crash(name: str) -> None:
        nonlocal passed
        if name == place:
            passed += 1
            if passed in {1, 3}:
                raise CutError

    for module in (slice_reader, export, refresh, synchronizing, steps, pull_step):
        monkeypatch.setattr(module, "failpoint", crash)
    reports = []
    for _ in range(6):
        try:
            reports.append(sync(small, out, run_values, by=by))
        except CutError:
            continue
        break
    assert passed >= 1
    assert len(reports) == 1
    assert answers(out) == answers(wanted)
    assert written(out) == written(wanted)
    assert failpoints.failpoint is not crash


def test_whoever_links_to_a_patient_is_read_too_when_the_reading_was_cut_off(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = {"other": {"reference": "Patient/g02-pat"}, "type": "seealso"}
    small.keep({**small.held["Patient/g02-pat"], "id": "linking", "link": [link]})
    condition = next(one for one in small.held.values() if one["resourceType"] == "Condition")
    small.keep({**condition, "id": "of-linking", "subject": {"reference": "Patient/linking"}})
    wanted = sync(small, tmp_path / "wanted", run_values, by="search")
    assert wanted.held["Patient"] == 5
    kept, cut_at, cuts = 0, 1, 0

    def crash(name: str) -> None:
        nonlocal kept
        if name == "mirror:page-read":
            kept += 1
            if kept == cut_at:
                raise CutError

    monkeypatch.setattr(slice_reader, "failpoint", crash)
    while cuts == cut_at - 1:  # after each page once, until there is none
        kept, out = 0, tmp_path / f"cut-{cut_at}"
        try:
            sync(small, out, run_values, by="search")
        except CutError:
            cuts += 1
            kept = -1_000_000
            assert sync(small, out, run_values, by="search").held == wanted.held, f"cut after page {cut_at}"
        cut_at += 1
    assert cuts > 10


def test_a_started_export_is_waited_for_and_not_started_again(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.polls_needed = 5
    values = {**run_values, "configuration": _impatient(run_values)}
    monkeypatch.setattr(bulk, "FIRST_WAIT_SECONDS", 0.0)
    with pytest.raises(IncompletePullError, match="run the command again"):
        sync(small, tmp_path, values, by="export")
    small.polls_needed = 0
    report = sync(small, tmp_path, run_values, by="export")
    assert (small.started, report.resumed, decided(report)) == (1, True, (4, 0))
    assert small.jobs == {}  # deleted at the end


def test_an_export_that_the_server_forgot_is_started_anew(
    small: SyncingServer, tmp_path: Path, run_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(name: str) -> None:
        if name == "export:started":
            raise CutError

    monkeypatch.setattr(export, "failpoint", crash)
    with pytest.raises(CutError):
        sync(small, tmp_path, run_values, by="export")
    monkeypatch.undo()
    small.jobs.clear()
    small.polls_needed = 0
    assert decided(sync(small, tmp_path, run_values, by="export")) == (4, 0)
    assert small.started == 2


def _impatient(values: Values) -> Any:
    configuration = values["configuration"]
    return configuration.model_copy(
        update={"server": configuration.server.model_copy(update={"export_wait_seconds": 0.5})}
    )


def test_decisions_of_people_count_as_changes(small: SyncingServer, tmp_path: Path, run_values: Values) -> None:
    sync(small, tmp_path, run_values)
    location, binding = store_of(sink_at(tmp_path, run_values), named=None, tenant="default")
    with open_store(location, binding=binding, opened_at="2025-02-10T09:00:00Z") as store:
        add_decision(store, decision("d1", patient="Patient/g02-pat"))
    assert decided(sync(small, tmp_path, run_values)) == (1, 3)


def test_a_change_of_the_switches_decides_everything_again(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    sync(small, tmp_path, run_values)
    flags = replace(run_values["policies"].flags, values={**run_values["policies"].flags.values, "dos": "month_end"})
    values = {**run_values, "policies": replace(run_values["policies"], flags=flags)}
    assert decided(sync(small, tmp_path, values)) == (4, 0)


def test_an_export_whose_files_have_expired_is_started_anew(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    wanted = tmp_path / "wanted"
    sync(small, wanted, run_values, by="export")
    small.faults.append(
        lambda request: outcome(410, "expired") if "/job2/" in str(request.url) and "Goal" in str(request.url) else None
    )
    report = sync(small, tmp_path / "out", run_values, by="export")
    assert (small.started, decided(report)) == (3, (4, 0))
    assert answers(tmp_path / "out") == answers(wanted)


def test_an_export_that_failed_does_not_stand_in_the_way_of_a_search(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    small.faults.append(lambda request: outcome(500, "full disk") if "/jobs/" in str(request.url) else None)
    with pytest.raises(CaretallyError):
        sync(small, tmp_path, run_values, by="export")
    report = sync(small, tmp_path, run_values, by="search")
    assert (report.mode, report.resumed, decided(report)) == ("full", False, (4, 0))


def test_a_reading_that_goes_on_asks_again_for_what_it_could_not_bring(
    small: SyncingServer, tmp_path: Path, run_values: Values
) -> None:
    wanted = tmp_path / "wanted"
    sync(small, wanted, run_values, by="search")

    def fault(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/Encounter") and "patient" in request.url.params:
            return httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>Log in</html>")
        return outcome(401, "who are you?") if request.url.path.endswith("/Practitioner") else None

    small.faults.append(fault)
    with pytest.raises(SourceError):
        sync(small, tmp_path / "out", run_values, by="search")
    assert not (tmp_path / "out" / "determinations.ndjson").exists()
    small.faults.clear()
    report = sync(small, tmp_path / "out", run_values, by="search")
    assert (report.resumed, report.gaps, decided(report)) == (True, 0, (4, 0))
    assert answers(tmp_path / "out") == answers(wanted)
