"""Writing: exact on the wire, guarded by versions, and honest about what became of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
import respx
from tests.fhir.support import BASE, Clock, Script, fhir, outcome, transport_to

from caretally.errors import WriteError
from caretally.fhir import FhirServer, ServerSettings, WriteEntry
from caretally.fhir import errors as e

CLAIM: dict[str, Any] = {
    "resourceType": "Claim",
    "id": "cm-1",
    "total": {"value": Decimal("60.50"), "currency": "USD"},
    "item": [{"sequence": 1, "net": {"value": Decimal("100.00"), "currency": "USD"}}],
}
CHARGE = {"resourceType": "ChargeItem", "id": "cm-12", "status": "billable"}


def server(*steps: Any, **settings: Any) -> tuple[FhirServer, Script]:
    script = Script(*steps)
    transport = transport_to(script, **settings)
    return FhirServer(transport.settings, transport=transport), script


def entries() -> list[WriteEntry]:
    return [WriteEntry.of(CLAIM, if_match="3"), WriteEntry.of(CHARGE, if_none_match_star=True)]


def answered(*responses: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [{} if response is None else {"response": response} for response in responses],
    }


BOTH = ({"status": "200 OK", "etag": "4"}, {"status": "201 Created", "etag": "1"})


class TestEntry:
    @pytest.mark.parametrize(
        "more",
        [
            {"url": "Claim/cm-2"},
            {"url": "Claim"},
            {"method": "DELETE"},
            {"if_match": "3", "if_none_match_star": True},
            {"if_match": 'x"\r\ny'},
            {"resource": CLAIM | {"id": "../x"}, "url": "Claim/../x"},
            {"resource": CLAIM | {"id": ".."}, "url": "Claim/.."},
            {"resource": CLAIM | {"id": "x" * 65}, "url": "Claim/" + "x" * 65},
            {"resource": CLAIM | {"resourceType": "claim"}, "url": "claim/cm-1"},
            {"resource": {}, "url": "None/None"},
        ],
    )
    def test_what_could_go_elsewhere_is_refused(self, more: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"[a-z]"):
            WriteEntry(**{"url": "Claim/cm-1", "resource": CLAIM, **more})


class TestTransaction:
    @respx.mock(assert_all_called=True)
    def test_what_goes_over_the_wire(self, respx_mock: respx.MockRouter) -> None:
        route = respx_mock.post(BASE).mock(return_value=fhir(answered(*BOTH)))
        with FhirServer(ServerSettings(base_url=BASE)) as fhir_server:
            fhir_server.transaction(entries())
        request = route.calls[0].request
        assert request.headers["content-type"] == "application/fhir+json"
        assert request.content == (
            b'{"resourceType":"Bundle","type":"transaction","entry":['
            b'{"resource":{"resourceType":"Claim","id":"cm-1","total":{"value":60.50,"currency":"USD"},'
            b'"item":[{"sequence":1,"net":{"value":100.00,"currency":"USD"}}]},'
            b'"request":{"method":"PUT","url":"Claim/cm-1","ifMatch":"W/\\"3\\""}},'
            b'{"resource":{"resourceType":"ChargeItem","id":"cm-12","status":"billable"},'
            b'"request":{"method":"PUT","url":"ChargeItem/cm-12","ifNoneMatch":"*"}}]}'
        )

    @pytest.mark.parametrize("etag", ["4", '"4"', 'W/"4"', None])
    @pytest.mark.parametrize(
        "location", ["Claim/cm-1/_history/4", f"{BASE}/Claim/cm-1/_history/4", "/fhir/Claim/cm-1/_history/4", None]
    )
    def test_each_entry_is_accounted_for(self, etag: str | None, location: str | None) -> None:
        first = {"status": "200 OK", "etag": etag, "location": location}
        fhir_server, _ = server(fhir(answered(first, {"status": "201"})))
        claim, charge = fhir_server.transaction(entries())
        assert (claim.url, claim.status, claim.created) == ("Claim/cm-1", 200, False)
        assert claim.version == ("4" if etag or location else None)
        assert (charge.url, charge.created, charge.version, charge.precondition_ignored) == (
            "ChargeItem/cm-12",
            True,
            None,
            False,
        )

    def test_a_server_that_ignores_if_none_match_is_found_out(self) -> None:
        fhir_server, _ = server(fhir(answered({"status": "200"}, {"status": "200 OK", "etag": "7"})))
        claim, charge = fhir_server.transaction(entries())
        assert (claim.precondition_ignored, charge.precondition_ignored) == (False, True)

    def test_the_version_may_stand_in_the_resource(self) -> None:
        said = answered({"status": "200"}, {"status": "201"})
        said["entry"][0]["resource"] = {"resourceType": "Claim", "id": "cm-1", "meta": {"versionId": "9"}}
        fhir_server, _ = server(fhir(said))
        assert fhir_server.transaction(entries())[0].version == "9"

    @pytest.mark.parametrize(
        "document",
        [
            answered(BOTH[0]),
            answered(*BOTH, BOTH[0]),
            answered(BOTH[0], None),
            answered(BOTH[0], {"status": "odd"}),
            answered(BOTH[0], {"status": "409 Conflict"}),
            answered(BOTH[0], {"status": "201", "location": "ChargeItem/other/_history/1"}),
            {"resourceType": "OperationOutcome"},
            [],
            None,
        ],
    )
    def test_an_answer_that_does_not_account_for_all_is_unknown(self, document: object) -> None:
        fhir_server, script = server(fhir(document))
        with pytest.raises(e.OutcomeUnknownError, match="read"):
            fhir_server.transaction(entries())
        assert len(script.requests) == 1

    def test_an_answer_without_a_body_is_unknown(self) -> None:
        fhir_server, _ = server(httpx.Response(200))
        with pytest.raises(e.OutcomeUnknownError):
            fhir_server.transaction(entries())

    def test_one_place_twice_and_no_entries_are_refused(self) -> None:
        fhir_server, script = server(fhir(answered(*BOTH)))
        for wrong in ([], [WriteEntry.of(CLAIM), WriteEntry.of(CLAIM, if_match="1")]):
            with pytest.raises(ValueError, match="each place only once"):
                fhir_server.transaction(wrong)
        assert script.requests == []

    def test_a_float_never_reaches_the_wire(self) -> None:
        fhir_server, script = server(fhir(answered(BOTH[0])))
        with pytest.raises(TypeError, match="Decimal"):
            fhir_server.transaction([WriteEntry.of(CLAIM | {"total": {"value": 60.5}})])
        assert script.requests == []


class TestRefusals:
    @pytest.mark.parametrize("status", [409, 412])
    def test_a_stale_version_is_a_conflict(self, status: int) -> None:
        words = outcome("Trying to update ChargeItem/cm-12/_history/1 but CANARY", code="conflict")
        fhir_server, _ = server(fhir(words, status))
        with pytest.raises(e.VersionConflictError, match="plan again") as caught:
            fhir_server.transaction(entries())
        assert (caught.value.entry, caught.value.status, caught.value.exit_code) == ("ChargeItem/cm-12", status, 6)
        assert isinstance(caught.value, WriteError)
        assert "CANARY" not in str(caught.value)
        assert "cm-12" not in str(caught.value)
        assert "for the ChargeItem of the change set" in str(caught.value)

    def test_without_a_condition_it_is_a_refusal(self) -> None:
        fhir_server, _ = server(httpx.Response(409))
        with pytest.raises(e.WriteRefusedError) as caught:
            fhir_server.put(WriteEntry.of(CLAIM))
        assert not isinstance(caught.value, e.VersionConflictError)

    @pytest.mark.parametrize(
        ("more", "entry"),
        [
            ({"expression": ["Bundle.entry[1].resource.status"]}, "ChargeItem/cm-12"),
            ({"location": ["Bundle.entry[0].resource"]}, "Claim/cm-1"),
            ({"diagnostics": "Bundle.entry[1]: no such code"}, "ChargeItem/cm-12"),
            ({"diagnostics": "Claim/cm-1 refers to nothing"}, "Claim/cm-1"),
            ({"diagnostics": "Claim/cm-11 refers to nothing"}, None),
            ({"diagnostics": "Claim/cm-1 and ChargeItem/cm-12"}, None),
            ({"expression": ["Bundle.entry[77]"]}, None),
            ({"diagnostics": "something"}, None),
        ],
    )
    @pytest.mark.parametrize("status", [400, 422])
    def test_the_entry_is_named_when_the_server_tells(
        self, status: int, more: dict[str, Any], entry: str | None
    ) -> None:
        words = outcome("x", **{"code": "invalid", **{k: v for k, v in more.items() if k != "diagnostics"}})
        words["issue"][0]["diagnostics"] = more.get("diagnostics", "x")
        fhir_server, script = server(fhir(words, status))
        with pytest.raises(e.WriteRefusedError, match="nothing was written") as caught:
            fhir_server.transaction(entries())
        assert not isinstance(caught.value, e.VersionConflictError)
        assert caught.value.entry == entry
        assert caught.value.issues[0].code == "invalid"
        assert len(script.requests) == 1

    @pytest.mark.parametrize("status", [401, 403, 404, 405])
    def test_other_refusals(self, status: int) -> None:
        fhir_server, _ = server(httpx.Response(status))
        with pytest.raises(e.WriteRefusedError) as caught:
            fhir_server.transaction(entries())
        assert caught.value.status == status

    @pytest.mark.parametrize(
        "step",
        [
            httpx.ConnectError("refused"),
            httpx.Response(429, headers={"retry-after": "9999"}),
            httpx.Response(429),
            httpx.Response(503, headers={"retry-after": "1"}),
        ],
    )
    def test_what_the_server_did_not_take_was_not_written(self, step: Any) -> None:
        fhir_server, _ = server(step)
        with pytest.raises(e.WriteNotSentError, match="nothing was written") as caught:
            fhir_server.transaction(entries())
        assert caught.value.exit_code == 6

    @pytest.mark.parametrize(
        "step",
        [
            httpx.ReadTimeout("late"),
            httpx.RemoteProtocolError("closed"),
            httpx.Response(408),
            httpx.Response(500),
            httpx.Response(502),
            httpx.Response(503),
            httpx.Response(504),
            httpx.Response(303, headers={"location": "/elsewhere"}),
            httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>"),
            httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"resourceType":"Bu'),
            httpx.Response(200, headers={"content-length": "999999999"}, content=b"{}"),
        ],
    )
    def test_what_it_may_have_taken_is_unknown_and_not_sent_again(self, step: Any) -> None:
        fhir_server, script = server(step, fhir(answered(*BOTH)))
        with pytest.raises(e.OutcomeUnknownError, match="read back") as caught:
            fhir_server.transaction(entries())
        assert caught.value.exit_code == 6
        assert len(script.requests) == 1


class TestPut:
    @pytest.mark.parametrize(
        ("condition", "header"),
        [
            ({"if_match": "3"}, ("if-match", 'W/"3"')),
            ({"if_none_match_star": True}, ("if-none-match", "*")),
            ({}, None),
        ],
    )
    def test_what_goes_over_the_wire(self, condition: dict[str, Any], header: tuple[str, str] | None) -> None:
        fhir_server, script = server(httpx.Response(201, headers={"etag": 'W/"1"'}))
        found = fhir_server.put(WriteEntry.of(CLAIM, **condition))
        (request,) = script.requests
        assert (request.method, str(request.url)) == ("PUT", f"{BASE}/Claim/cm-1")
        assert b'"value":60.50' in request.content
        conditions = [
            (name, request.headers[name]) for name in ("if-match", "if-none-match") if name in request.headers
        ]
        assert conditions == ([header] if header else [])
        assert (found.created, found.version, found.precondition_ignored) == (True, "1", False)

    def test_the_version_may_stand_in_location_or_body(self) -> None:
        located = httpx.Response(200, headers={"location": f"{BASE}/Claim/cm-1/_history/5"})
        assert server(located)[0].put(WriteEntry.of(CLAIM)).version == "5"
        bodied = fhir({"resourceType": "Claim", "id": "cm-1", "meta": {"versionId": "6"}})
        assert server(bodied)[0].put(WriteEntry.of(CLAIM)).version == "6"
        assert server(httpx.Response(200))[0].put(WriteEntry.of(CLAIM)).version is None

    def test_remarks_of_the_server_are_kept(self) -> None:
        found = server(fhir(outcome("fine", severity="information")))[0].put(WriteEntry.of(CLAIM))
        assert found.issues[0].text == "fine"

    def test_an_ignored_condition_is_found_out(self) -> None:
        fhir_server, _ = server(httpx.Response(200, headers={"etag": 'W/"8"'}))
        assert fhir_server.put(WriteEntry.of(CLAIM, if_none_match_star=True)).precondition_ignored

    def test_a_resource_at_another_place_is_unknown(self) -> None:
        fhir_server, _ = server(httpx.Response(201, headers={"location": f"{BASE}/Claim/77/_history/1"}))
        with pytest.raises(e.OutcomeUnknownError, match="another place"):
            fhir_server.put(WriteEntry.of(CLAIM))

    @pytest.mark.parametrize("status", [404, 409, 410, 412])
    def test_a_stale_version_is_a_conflict(self, status: int) -> None:
        fhir_server, _ = server(httpx.Response(status))
        with pytest.raises(e.VersionConflictError) as caught:
            fhir_server.put(WriteEntry.of(CLAIM, if_match="3"))
        assert caught.value.entry == "Claim/cm-1"


class TestRead:
    @pytest.mark.parametrize(
        ("headers", "meta", "version"),
        [
            ({"etag": 'W/"2"'}, {"versionId": "1"}, "2"),
            ({}, {"versionId": "1"}, "1"),
            ({"etag": "  "}, {"versionId": 7}, None),
            ({}, "odd", None),
        ],
    )
    def test_gives_resource_and_version(self, headers: dict[str, Any], meta: object, version: str | None) -> None:
        body = {"resourceType": "Claim", "id": "cm-1", "meta": meta}
        fhir_server, script = server(fhir(body, 200, **headers))
        found = fhir_server.read("Claim", "cm-1")
        assert found is not None
        assert found.resource is not None
        assert (found.resource["id"], found.version, found.deleted) == ("cm-1", version, False)
        assert script.requests[0].headers["cache-control"] == "no-cache"

    def test_amounts_are_exact_when_asked_for(self) -> None:
        body = b'{"resourceType":"Claim","id":"cm-1","total":{"value":60.50}}'
        fhir_server, _ = server(httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=body))
        found = fhir_server.read("Claim", "cm-1", exact=True)
        assert found is not None
        assert found.resource is not None
        assert str(found.resource["total"]["value"]) == "60.50"

    def test_what_never_was_there_is_none_and_what_was_deleted_says_so(self) -> None:
        assert server(httpx.Response(404))[0].read("Claim", "cm-1") is None
        gone = server(httpx.Response(410))[0].read("Claim", "cm-1")
        assert gone is not None
        assert (gone.resource, gone.deleted) == (None, True)

    @pytest.mark.parametrize("document", [{"resourceType": "Claim", "id": "cm-2"}, {"resourceType": "Patient"}, []])
    def test_another_resource_than_asked_for_is_named(self, document: object) -> None:
        with pytest.raises(e.NotFhirError, match="not with the resource"):
            server(fhir(document))[0].read("Claim", "cm-1")

    @pytest.mark.parametrize(("kind", "identity"), [("Claim", "../x"), ("Claim", "a/b"), ("claim", "x"), ("Claim", "")])
    def test_a_place_that_is_none_is_refused(self, kind: str, identity: str) -> None:
        fhir_server, script = server(fhir({}))
        with pytest.raises(ValueError, match="not a"):
            fhir_server.read(kind, identity)
        assert script.requests == []


def test_what_was_written_is_read_back_digit_for_digit() -> None:
    kept: dict[str, bytes] = {}

    def store(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            kept[request.url.path] = request.content
            return httpx.Response(201, headers={"etag": 'W/"1"'})
        return httpx.Response(
            200, headers={"content-type": "application/fhir+json", "etag": 'W/"1"'}, content=kept[request.url.path]
        )

    fhir_server, _ = server(store)
    fhir_server.put(WriteEntry.of(CLAIM))
    found = fhir_server.read("Claim", "cm-1", exact=True)
    assert found is not None
    assert repr(found.resource or {}) != repr(orjson.loads(kept["/fhir/Claim/cm-1"]))
    assert found.resource == CLAIM
    assert str(found.resource["total"]["value"]) == "60.50"


def test_a_write_waits_as_long_as_asked() -> None:
    clock = Clock()
    script = Script(httpx.Response(503, headers={"retry-after": "120"}), httpx.Response(201, headers={"etag": 'W/"1"'}))
    transport = transport_to(script, clock)
    assert FhirServer(transport.settings, transport=transport).put(WriteEntry.of(CLAIM)).created
    assert clock.sleeps == [120.0]
