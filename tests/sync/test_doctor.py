"""A visit names what a server cannot do, what that means for billing, and how to mend it; it writes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.sync.practices import golden, together
from tests.sync.small_server import answer, outcome
from tests.sync.syncing_server import SyncingServer

from caretally.sync.doctor.check import CheckResult
from caretally.sync.doctor.visit import Visit
from caretally.sync.request import RunRequest
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Callable

Values = dict[str, Any]


@pytest.fixture
def small() -> SyncingServer:
    rows = together(*(golden(name, f"{name.lower()}-") for name in ("G02", "G11", "G36")))
    return SyncingServer(one for kind in rows.values() for one in kind)


def visited(small: SyncingServer, values: Values) -> dict[str, CheckResult]:
    server = small.server()
    source = ServerSource(server=server, terminology=values["tables"].terminology)
    run = RunRequest(source=source, sink=None, **{**values, "now": lambda: small.now})
    results = list(Visit(run=run).to_server(server))
    assert len({one.name for one in results}) == len(results)
    assert all((one.verdict in {"ok", "not-checked"}) or (one.means and one.fix) for one in results)
    return {one.name: one for one in results}


def test_a_good_server_passes_more_than_25_named_checks(small: SyncingServer, run_values: Values) -> None:
    found = visited(small, run_values)
    assert len(found) > 25
    assert not [one for one in found.values() if one.verdict == "failed"]
    assert {request.method for request in small.requests} <= {"GET", "POST"}
    assert all(r.method == "GET" or r.url.path.endswith("/_search") for r in small.requests)
    assert found["sample-time"].verdict == "ok"
    assert "1 of" not in found["sample-roles"].found


def refusing(kind: str, status: int) -> Callable[[httpx.Request], httpx.Response | None]:
    return lambda r: outcome(status, "the name of a patient") if r.url.path.rstrip("/").endswith(f"/{kind}") else None


FAULTS: dict[str, tuple[Callable[[SyncingServer], None], str, str]] = {
    "a needed type is missing": (lambda s: s.types.remove("Consent"), "read-Consent", "failed"),
    "another type is missing": (lambda s: s.types.remove("Goal"), "read-Goal", "warning"),
    "a needed type is forbidden": (lambda s: s.faults.append(refusing("Condition", 403)), "read-Condition", "failed"),
    "no search by category": (lambda s: s.refused_parameters.add("category"), "find-by-plan", "warning"),
    "no search by identifier": (lambda s: s.refused_parameters.add("identifier"), "find-own-claims", "warning"),
    "an ignored filter": (lambda s: s.ignored_parameters.add("type"), "find-by-activity", "warning"),
    "no search by patient": (lambda s: s.refused_parameters.add("patient"), "search-by-patient", "failed"),
    "no search by time": (lambda s: s.refused_parameters.add("_lastUpdated"), "search-by-change", "warning"),
    "no transaction": (lambda s: setattr(s, "transaction_offered", False), "transaction", "warning"),
    "no ids of ours": (lambda s: setattr(s, "update_create", False), "ids-of-ours", "warning"),
    "log-in refused": (lambda s: s.faults.append(lambda _r: answer(401)), "reachable", "failed"),
    "a web page": (
        lambda s: s.faults.append(
            lambda _r: httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>")
        ),
        "reachable",
        "failed",
    ),
    "no lists": (
        lambda s: s.faults.append(
            lambda r: outcome(400, "one only") if "," in r.url.params.get("patient", "") else None
        ),
        "search-by-patient-list",
        "warning",
    ),
    "small pages": (lambda s: setattr(s, "page", 2), "page-size", "warning"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(small: SyncingServer, run_values: Values, fault: str) -> None:
    make, name, verdict = FAULTS[fault]
    make(small)
    found = visited(small, run_values)
    assert found[name].verdict == verdict
    assert not any("name of a patient" in one.found for one in found.values())


def test_a_clock_that_differs_is_named(small: SyncingServer, run_values: Values) -> None:
    server = small.server()
    source = ServerSource(server=server, terminology=run_values["tables"].terminology)
    run = RunRequest(source=source, sink=None, **{**run_values, "now": lambda: small.now + timedelta(minutes=10)})
    found = {one.name: one for one in Visit(run=run).to_server(server)}
    assert found["clock"].verdict == "warning"
    assert found["log-in"].verdict == "warning"  # nothing is configured


def test_a_foreign_next_link_fails_and_the_way_out_is_named(small: SyncingServer, run_values: Values) -> None:
    handle = small.search

    def elsewhere(kind: str, parameters: list[tuple[str, str]]) -> httpx.Response:
        found = handle(kind, parameters)
        text = found.text.replace(
            '"relation":"next","url":"https://server.example', '"relation":"next","url":"https://x'
        )
        return httpx.Response(found.status_code, headers=found.headers, content=text.encode())

    small.search = elsewhere  # type: ignore[method-assign]
    small.page = 1
    found = visited(small, run_values)
    assert found["paging"].verdict == "failed"
    assert "allowed_alias_bases" in found["paging"].fix
