"""Keeping up with a real server, by search and by Bulk Data export, by the command line."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.forking import program

from caretally.facts.calendar import ServiceMonth
from caretally.fhir import FhirServer, ServerSettings
from caretally.store import StoreBinding, open_store, runs, staging
from caretally.sync.mirroring import plan, windows
from caretally.sync.mirroring.plan import Plan, Planned
from caretally.sync.pulling import Narrowing, PullRequest, types_to_read
from caretally.sync.sources.server import ServerSource
from caretally.tables import load_tables

AT = "2025-02-10T09:00:00Z"


def command(*words: str, state: Path, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    return subprocess.Popen(
        [program(), *words],
        env={**clean, "XDG_STATE_HOME": str(state), "HOME": str(state), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def synced(base: str, out: Path, *more: str, **environment: str) -> dict[str, Any]:
    words = ("sync", base, "--month", "2025-01", "--out", str(out), "--json", *more)
    done = command(*words, state=out.parent, **environment)
    told, _ = done.communicate(timeout=600)
    assert done.returncode == 0, told
    found: dict[str, Any] = json.loads(told)
    return found


def answers(out: Path) -> dict[str, Any]:
    rows = map(json.loads, (out / "determinations.ndjson").read_text().splitlines())
    return {row["patient"]: (row["status"], row["lines"], [one["code"] for one in row["reasons"]]) for row in rows}


def test_search_and_export_bring_the_same_and_a_second_round_reads_little(practice: str, tmp_path: Path) -> None:
    by_search = synced(practice, tmp_path / "search", "--by", "search")
    by_export = synced(practice, tmp_path / "export", "--by", "export")
    assert (by_search["mode"], by_export["mode"]) == ("full", "export")
    assert by_search["held"] == by_export["held"]
    assert answers(tmp_path / "search") == answers(tmp_path / "export")
    again = synced(practice, tmp_path / "search", "--by", "search")
    assert again["mode"] == "changes"
    month = again["months"][0]
    assert month["writes"]["create"] == month["writes"]["update"] == {}
    assert month["patients"]["decided"] == 0
    assert again["requests"] < by_search["requests"]
    found = httpx.get(f"{practice}/Encounter", params={"patient": "s0-g39-pat", "_count": "50"}).json()
    entry = next(one["resource"] for one in found["entry"] if "length" in one["resource"])
    entry["length"]["value"] = 45
    entry["period"] = {"start": entry["period"]["start"][:10]}
    httpx.put(f"{practice}/Encounter/{entry['id']}", json=entry).raise_for_status()
    third = synced(practice, tmp_path / "search", "--by", "search")
    assert third["months"][0]["patients"]["decided"] == 1
    assert answers(tmp_path / "search")["Patient/s0-g39-pat"][0] == "billable"


def test_windows_of_changes_hold_everything_once(practice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", timedelta(seconds=1))
    with FhirServer(ServerSettings(base_url=practice)) as server:

        def found(*asked: tuple[str, str]) -> list[str]:
            return [one["id"] for page in server.search("Encounter", asked, fresh=True) for one in page.resources]

        whole = sorted(found())
        (first, *_), (last, *_) = (
            next(iter(server.search("Encounter", [("_sort", order), ("_count", "1")]))).resources
            for order in ("_lastUpdated", "-_lastUpdated")
        )
        since = datetime.fromisoformat(first["meta"]["lastUpdated"]).astimezone(UTC).isoformat(timespec="seconds")
        cut = windows.windows(since, last["meta"]["lastUpdated"])
        rows = [found(*one[1]["variants"][0]) for one in changes_of("Encounter", server, since, cut)]
    assert len(cut) > 1
    assert sorted(name for row in rows for name in row) == whole


def changes_of(kind: str, server: FhirServer, since: str, cut: list[windows.Window]) -> list[Planned]:
    tables = load_tables()
    types = {one.name: one for one in tables.resource_types if one.name == kind}
    planner = Plan(server=server, terminology=tables.terminology, types=types, months=[ServiceMonth(2025, 1)])
    return planner.changes(since, cut[-1][0])


def test_what_comes_along_with_people_is_what_is_read_by_id(
    practice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FhirServer(ServerSettings(base_url=practice)) as server:
        assert "PractitionerRole:organization" in server.capabilities().resource("PractitionerRole").search_includes
        along = pulled(server, tmp_path / "along")
        monkeypatch.setattr(plan, "INCLUDES", {})
        by_id = pulled(server, tmp_path / "by-id")
    assert along[0] == by_id[0]
    assert any(name.startswith("Organization/") for name, _ in along[0])
    assert along[1] <= by_id[1]


def pulled(server: FhirServer, folder: Path) -> tuple[list[tuple[str, bytes]], int]:
    """What a pull of a few patients brings, and its requests."""
    tables = load_tables()
    request = PullRequest(
        month=ServiceMonth(2025, 1),
        zone=ZoneInfo("America/New_York"),
        narrowing=Narrowing.of(patients=("s0-g02-pat", "s0-g39-pat")),
        resource_types=types_to_read(tables),
        progress=lambda _stage, _done, _total: None,
    )
    binding = StoreBinding(target="folder:x", tenant="x")
    with open_store(folder / "store.sqlite", binding=binding, opened_at=AT) as store:
        runs.begin_run(store, run_id="r", command="plan", service_month="2025-01", as_of="2025-02-10", started_at=AT)
        runs.begin_pull(store, pull_id="p", run_id="r", source="x", service_month="2025-01", started_at=AT)
        with staging.StagingWriter(store, "p", staging.SOURCE) as writer:
            result = ServerSource(server=server, terminology=tables.terminology).pull(request, writer)
        rows = staging.of_types(store, "p", list(result.read))
    return sorted((row.reference, row.body) for row in rows), result.requests
