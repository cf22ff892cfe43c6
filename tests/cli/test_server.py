"""A server as source and sink, from the command line's side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from caretally.cli import servers
from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside
from tests.sync.small_server import BASE, SmallServer, outcome

if TYPE_CHECKING:
    import httpx

MONTH = ("--month", "2025-02", "--config", CONFIG)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> SmallServer:
    resources = [json.loads(line) for file in sorted(DEMO.glob("*.ndjson")) for line in file.read_text().splitlines()]
    held = SmallServer(resources, page=100)
    monkeypatch.setattr(servers, "FhirServer", lambda _settings: held.server())
    return held


def test_from_a_server_changes_go_back_to_it(server: SmallServer) -> None:
    done = inside("apply", BASE, *MONTH, "--as-of", "2025-03-10", "--quiet")
    assert done.code == 0, done.err
    assert f"written to {BASE}: 11 ChargeItem created, 9 Claim created, 9 Provenance created" in done.out
    assert "Encounter/juniper-time-4 Encounter.period.end: no end and no length" in done.out
    assert sum(name.startswith("Claim/cm-") for name in server.held) == 9
    before = len(server.asked("POST")) + len(server.asked("PUT"))
    again = inside("apply", BASE, *MONTH, "--as-of", "2025-03-10", "--json", "--quiet").json()
    assert again["report"]["writes"]["create"] == {}
    assert [issue["code"] for issue in again["issues"]] == ["entry-without-end"]
    assert len([r for r in server.requests if r.method != "GET" and not r.url.path.endswith("_search")]) == before
    explained = inside("explain", "demo-elder", "--month", "2025-02")
    assert explained.code == 0
    assert "BILLABLE: 99490" in explained.out


def test_a_plan_asks_and_never_writes(server: SmallServer) -> None:
    done = inside("plan", BASE, *MONTH, "--quiet")
    assert done.code == 0
    assert "create: Patient/demo-ash" in done.out
    assert {r.method for r in server.requests if not r.url.path.endswith("_search")} == {"GET"}


def test_results_can_be_kept_off_the_server(server: SmallServer) -> None:
    done = inside("apply", BASE, *MONTH, "--out", "results", "--quiet")
    assert done.code == 0
    assert {r.method for r in server.requests if not r.url.path.endswith("_search")} == {"GET"}


def test_what_waits_on_a_server_is_listed_and_released(server: SmallServer) -> None:
    inside("apply", BASE, *MONTH, "--quiet")
    items = inside("review", "list", BASE, *MONTH, "--json").json()
    assert [one["kind"] for one in items].count("release") == 9
    assert len(items) == 10  # and the one that is held asks for a person
    assert inside("review", "list", BASE, "--config", CONFIG).code == 2
    done = inside("review", "approve", BASE, "demo-ash", *MONTH, "--by", "account of a test", "--quiet")
    assert done.code == 0, done.err
    states = [r["status"] for name, r in server.held.items() if name.startswith("Claim/cm-")]
    assert sorted(states) == ["active", *["draft"] * 8]


def test_writes_that_fail_are_named(server: SmallServer) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        writing = request.method in {"PUT", "POST"} and not request.url.path.endswith("_search")
        return outcome(422, "no such patient here") if writing else None

    server.faults.append(refuse)
    done = inside("apply", BASE, *MONTH, "--quiet")
    assert done.code == 6
    assert "not written: Patient/demo-ash" in done.out
    document = inside("apply", BASE, *MONTH, "--quiet", "--json").json()
    assert document["error"]["exit_code"] == 6
    assert "no such patient here" in json.dumps(document["report"]["failed"])
    assert "no such patient here" not in done.err
