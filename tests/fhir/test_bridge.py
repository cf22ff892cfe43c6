"""fhirpy on our transport: our guards hold, no other HTTP library opens a connection, amounts stay exact."""

from __future__ import annotations

import socket
import subprocess
import sys
from decimal import Decimal
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from fhirpy.base.searchset import Raw
from tests.fhir.support import BASE, TOKEN, Script, bundle, encounters, fhir, transport_to

from caretally.fhir import FhirServer
from caretally.fhir import errors as e
from caretally.fhir.bridge import parameters_of


@pytest.fixture(autouse=True)
def _no_other_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract with fhirpy's private seam: everything goes through `_do_request`, so nothing else is ever used."""

    def refuse(*_: Any, **__: Any) -> Any:
        pytest.fail("another HTTP library was used")

    monkeypatch.setattr(requests, "request", refuse)
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(aiohttp.ClientSession, "_request", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def bridged(*steps: Any, **settings: Any) -> tuple[FhirServer, Script]:
    script = Script(*steps)
    transport = transport_to(script, **settings)
    return FhirServer(transport.settings, transport=transport), script


def claim_answer() -> httpx.Response:
    body = b'{"resourceType":"Claim","id":"cm-1","total":{"value":60.50},"item":[{"sequence":1}]}'
    return httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=body)


class TestClient:
    def test_reads_with_exact_amounts_and_attributes(self) -> None:
        server, script = bridged(claim_answer())
        claim = server.client().reference("Claim", "cm-1").to_resource()
        assert str(claim["total"]["value"]) == "60.50"
        assert claim.item[0].sequence == 1
        assert script.urls == [f"{BASE}/Claim/cm-1"]
        assert script.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    def test_writes_exact_amounts(self) -> None:
        server, script = bridged(claim_answer())
        client = server.client()
        client.resource("Claim", id="cm-1", total={"value": Decimal("60.50")}).save()
        assert script.requests[0].method == "PUT"
        assert b'"value":60.50' in script.requests[0].content

    def test_refreshes_with_the_version(self) -> None:
        server, script = bridged(httpx.Response(304))
        claim = server.client().resource("Claim", id="cm-1", meta={"versionId": "3"})
        assert claim.refresh()["id"] == "cm-1"
        assert script.requests[0].headers["if-none-match"] == "3"

    def test_executes_operations(self) -> None:
        server, script = bridged(fhir({"resourceType": "Parameters"}))
        server.client().execute("/Claim/$validate", data={"resourceType": "Claim"}, params={"mode": "create"})
        server.client().execute("/fhir/Claim/$validate", method="get")
        assert script.urls == [f"{BASE}/Claim/$validate?mode=create", f"{BASE}/Claim/$validate"]

    def test_errors_are_ours_with_their_status(self) -> None:
        server, _ = bridged(httpx.Response(429, headers={"retry-after": "7200"}))
        with pytest.raises(e.RetryLaterError):
            server.client().get("Claim", "cm-1")
        server, _ = bridged(httpx.Response(412))
        with pytest.raises(e.PreconditionFailedError) as caught:
            server.client().get("Claim", "cm-1")
        assert caught.value.status == 412

    @pytest.mark.parametrize(
        "path",
        [
            "https://evil.example/?x=https://ehr.example/fhir",
            "https://ehr.example/fhirevil/Claim",
            "https://ehr.example@evil.example/fhir/Claim",
            "http://ehr.example/fhir/Claim",
            "../admin",
            "Claim/%2e%2e/%2e%2e/admin",
        ],
    )
    def test_the_token_stays_with_the_server(self, path: str) -> None:
        server, script = bridged(fhir({}))
        with pytest.raises(e.ForeignAddressError):
            server.client().execute(path, method="get")
        assert script.requests == []

    def test_a_path_that_looks_like_a_host_stays_below_the_base(self) -> None:
        server, script = bridged(fhir({}))
        server.client().execute("//evil.example/x", method="get")
        assert script.urls == [f"{BASE}/evil.example/x"]


class TestSearchSet:
    def test_pages_are_guarded(self) -> None:
        server, script = bridged(fhir(bundle(encounters(1), next_link="https://evil.example/?p=2")))
        with pytest.raises(e.ForeignLinkError):
            list(server.client().resources("Encounter").search(subject="Patient/p1"))
        assert script.hosts_with_token == {"ehr.example"}
        numbers = iter(range(2, 1_000))
        server, script = bridged(lambda _: fhir(bundle(encounters(1), next_link=f"?offset={next(numbers)}")))
        with pytest.raises(e.PagingLoopError):
            server.client().resources("Encounter").fetch_all()
        assert len(script.requests) == 2

    def test_builds_searches(self) -> None:
        server, script = bridged(fhir(bundle(encounters(1))))
        found = server.client().resources("Encounter").search(date__ge="2025-01-01", date__lt="2025-02-01").fetch_all()
        assert [encounter.id for encounter in found] == ["e1"]
        assert script.urls == [f"{BASE}/Encounter?date=ge2025-01-01&date=lt2025-02-01&_count=200"]

    def test_first_and_count_use_our_transport(self) -> None:
        server, script = bridged(fhir(bundle(encounters(1), total=7)))
        encounters_of_server = server.client().resources("Encounter")
        assert encounters_of_server.first().id == "e1"
        assert encounters_of_server.count() == 7
        assert len(script.requests) == 2

    def test_parameters_are_given_as_pairs(self) -> None:
        server, _ = bridged(fhir({}))
        status = Raw(status="active")  # type: ignore[no-untyped-call]  # fhirpy
        chosen = server.client().resources("Claim").search(status, created__ge="2025-01-01").limit(5)
        assert sorted(parameters_of(chosen)) == [("_count", "5"), ("created", "ge2025-01-01"), ("status", "active")]


class TestFindByIdentifier:
    def test_finds_exact_resources_past_stored_searches(self) -> None:
        body = (
            b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Claim","id":"a","total":{"value":1.10}}}]}'
        )
        answer = httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=body)
        server, script = bridged(answer)
        (claim,) = server.find_by_identifier("Claim", "https://caretally.example/fhir/claim", "a,b|c")
        assert str(claim["total"]["value"]) == "1.10"
        (request,) = script.requests
        assert request.url.params["identifier"] == "https://caretally.example/fhir/claim|a\\,b\\|c"
        assert request.headers["cache-control"] == "no-cache"


def test_fhirpy_is_imported_only_when_asked_for() -> None:
    code = (
        "import sys, caretally.fhir; "
        "sys.exit(', '.join(sorted({'fhirpy', 'requests', 'aiohttp', 'fhir'} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
