"""The door to the network: where the token goes, how answers are bounded, what each failure is called."""

from __future__ import annotations

import gc
import gzip
import logging
import ssl
import tracemalloc
import weakref
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
import respx
import structlog
from tests.fhir.support import BASE, TOKEN, Clock, Script, fhir, outcome, transport_to

from caretally.errors import SourceError
from caretally.fhir import BasicAuthentication, NoAuthentication, RetrySettings, ServerSettings, Transport
from caretally.fhir import errors as e
from caretally.fhir.settings import MEBIBYTE
from caretally.fhir.transport import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT = {"resourceType": "Patient", "id": "p1"}
ONCE = RetrySettings(attempts=1)


def get(transport: Transport, path: str = "Patient/p1", **more: Any) -> Answer:
    return transport.send(Request(method="GET", url=transport.base.address(path), **more))


class Chunks(httpx.SyncByteStream):
    """A body that comes in parts, each at its time."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self.parts


def streamed(parts: Iterator[bytes], **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, headers={"content-type": "application/fhir+json", **named}, stream=Chunks(parts))


class TestWireContract:
    @respx.mock(assert_all_called=True)
    def test_what_goes_over_the_wire(self, respx_mock: respx.MockRouter) -> None:
        route = respx_mock.get(f"{BASE}/Patient/p1").mock(return_value=fhir(PATIENT))
        settings = ServerSettings(
            base_url=BASE,
            auth=BasicAuthentication(user="adapter", password="s:p"),
            extra_headers={"X-Api-Key": "k"},
            user_agent="caretally/test",
        )
        transport = Transport(settings)
        assert get(transport).document == PATIENT
        transport.close()
        headers = route.calls[0].request.headers
        assert headers["authorization"] == "Basic YWRhcHRlcjpzOnA="
        assert headers["accept"] == "application/fhir+json"
        assert headers["accept-encoding"] == "gzip"
        assert headers["user-agent"] == "caretally/test"
        assert headers["x-api-key"] == "k"

    def test_without_authentication_no_header_is_sent(self) -> None:
        script = Script(fhir(PATIENT))
        get(transport_to(script, auth=NoAuthentication()))
        assert "authorization" not in script.requests[0].headers

    def test_credentials_of_the_environment_are_not_used(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        netrc = tmp_path_factory.mktemp("home") / "netrc"
        netrc.write_text("machine ehr.example login someone password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        script = Script(fhir(PATIENT))
        transport = transport_to(script, auth=NoAuthentication())
        get(transport)
        assert "authorization" not in script.requests[0].headers
        assert not transport._client._mounts


class TestOrigin:
    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/fhir/Patient",
            "https://ehr.example.evil.example/fhir/Patient",
            "http://ehr.example/fhir/Patient",
            "https://ehr.example:8443/fhir/Patient",
            "https://ehr.example/fhirevil/Patient",
            "https://x@ehr.example/fhir/Patient",
            "https://ehr.example/fhir/%2e%2e/Patient",
        ],
    )
    def test_nothing_is_sent_elsewhere(self, url: str) -> None:
        script = Script(fhir(PATIENT))
        with pytest.raises(e.ForeignAddressError):
            transport_to(script).send(Request(method="GET", url=url))
        assert script.requests == []

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("target", ["https://evil.example/x?name=CANARY", "/fhir/Patient/p2", f"{BASE}/Patient/p2"])
    def test_a_redirect_is_never_followed(self, status: int, target: str) -> None:
        script = Script(httpx.Response(status, headers={"location": target}))
        with pytest.raises(e.RedirectRefusedError, match="never followed") as caught:
            get(transport_to(script))
        assert len(script.requests) == 1
        assert "CANARY" not in str(caught.value)

    def test_a_redirect_names_the_server_that_was_meant(self) -> None:
        script = Script(httpx.Response(301, headers={"location": "https://new.example/fhir/Patient/p1"}))
        with pytest.raises(e.RedirectRefusedError, match=r"https://new\.example;"):
            get(transport_to(script))


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, e.BadRequestError),
            (401, e.AuthenticationError),
            (403, e.ForbiddenError),
            (404, e.NotFoundError),
            (405, e.ResponseError),
            (409, e.ConflictError),
            (410, e.GoneError),
            (412, e.PreconditionFailedError),
            (422, e.UnprocessableError),
            (429, e.TooManyRequestsError),
            (500, e.ServerFaultError),
            (501, e.ServerFaultError),
            (503, e.ServerFaultError),
        ],
    )
    def test_each_status_has_its_error(self, status: int, kind: type[e.ResponseError]) -> None:
        words = outcome("Patient/CANARY is odd " + "x" * 2_000, code="conflict", expression=["Patient.name"])
        with pytest.raises(e.ResponseError) as caught:
            get(transport_to(Script(fhir(words, status)), retry=ONCE), "Patient/CANARY")
        error = caught.value
        assert type(error) is kind
        assert isinstance(error, SourceError)
        assert (error.exit_code, error.status) == (4, status)
        assert error.exchange == e.Exchange(method="GET", path="/Patient/{id}", status=status)
        assert "CANARY" not in str(error)
        assert "CANARY" not in repr(error)
        assert str(error).startswith(f"GET /Patient/{{id}} answered {status} (issue conflict): ")
        assert error.issues[0].text.startswith("Patient/CANARY is odd")
        assert len(error.issues[0].text) == 500
        assert error.issues[0].places == ("Patient.name",)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>no</html>",
            b'{"resourceType":"OperationOutcome","issue":"x"}',
            b"[1]",
            b'{"resourceType":',
            b"\xff",
        ],
    )
    def test_an_error_without_readable_words_keeps_its_status(self, body: bytes) -> None:
        script = Script(httpx.Response(422, content=body))
        with pytest.raises(e.UnprocessableError) as caught:
            get(transport_to(script))
        assert caught.value.issues == ()

    def test_odd_issue_codes_do_not_reach_the_message(self) -> None:
        script = Script(fhir(outcome("x", code="CANARY name"), 422))
        with pytest.raises(e.UnprocessableError) as caught:
            get(transport_to(script))
        assert "CANARY" not in str(caught.value)

    def test_not_modified_is_an_answer_only_when_asked_for(self) -> None:
        script = Script(httpx.Response(304))
        assert get(transport_to(script), headers={"If-None-Match": 'W/"1"'}).status == 304
        with pytest.raises(e.RedirectRefusedError):
            get(transport_to(script))

    def test_renewed_credentials_are_tried_once(self) -> None:
        class Renewing:
            def __init__(self) -> None:
                self.token = "old"
                self.renewals: list[str | None] = []

            def authorization(self) -> str:
                return f"Bearer {self.token}"

            def renew(self, refused: str | None) -> bool:
                self.renewals.append(refused)
                self.token = "new"
                return True

            def close(self) -> None:
                pass

        def check(request: httpx.Request) -> httpx.Response:
            return fhir(PATIENT) if request.headers["authorization"] == "Bearer new" else httpx.Response(401)

        credentials, script = Renewing(), Script(check)
        transport = Transport(ServerSettings(base_url=BASE), credentials=credentials, http_transport=script)
        assert get(transport).status == 200
        assert credentials.renewals == ["Bearer old"]
        refusing = Script(httpx.Response(401))
        transport = Transport(ServerSettings(base_url=BASE), credentials=credentials, http_transport=refusing)
        with pytest.raises(e.AuthenticationError):
            get(transport)
        assert len(refusing.requests) == 2


class TestContent:
    @pytest.mark.parametrize("kind", ["application/fhir+json; charset=utf-8", "application/json", "text/json", ""])
    def test_json_by_any_name_is_read(self, kind: str) -> None:
        headers = {"content-type": kind} if kind else {}
        script = Script(httpx.Response(200, headers=headers, content=b"\xef\xbb\xbf" + orjson.dumps(PATIENT)))
        assert get(transport_to(script)).document == PATIENT

    @pytest.mark.parametrize(
        ("kind", "body", "words"),
        [
            ("text/html; charset=utf-8", b"<!doctype html><title>CANARY</title>", r"web page \(HTML\)"),
            ("", b"<html>CANARY</html>", r"web page \(HTML\)"),
            ("application/fhir+xml", b"<Patient>CANARY</Patient>", "XML"),
            ("text/plain", b"CANARY", "text/plain"),
        ],
    )
    def test_anything_else_is_named(self, kind: str, body: bytes, words: str) -> None:
        headers = {"content-type": kind} if kind else {}
        with pytest.raises(e.NotFhirError, match=words) as caught:
            get(transport_to(Script(httpx.Response(200, headers=headers, content=body))))
        assert "CANARY" not in str(caught.value)

    @pytest.mark.parametrize("body", [b'{"resourceType":"Patient","na', b'{"resourceType":}'])
    def test_cut_json_is_asked_for_again_and_then_named(self, body: bytes) -> None:
        cut = httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=body)
        script = Script(cut, fhir(PATIENT))
        assert get(transport_to(script)).document == PATIENT
        with pytest.raises(e.TruncatedAnswerError, match=r"in the middle|not valid JSON"):
            get(transport_to(Script(cut)))

    def test_an_empty_answer_has_no_document(self) -> None:
        assert get(transport_to(Script(httpx.Response(204)))).document is None

    def test_amounts_are_exact_when_asked_for(self) -> None:
        body = b'{"resourceType":"Claim","total":{"value":60.50}}'
        script = Script(httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=body))
        assert str(get(transport_to(script), exact=True).document["total"]["value"]) == "60.50"
        assert get(transport_to(script)).document["total"]["value"] == 60.5


class TestBounds:
    LIMIT = 4 * MEBIBYTE

    def bomb(self, unpacked_bytes: int) -> Iterator[bytes]:
        """Give `unpacked_bytes` zeros as gzip: one packed block of a mebibyte, again and again."""
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        block = packer.compress(b"\0" * MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH)
        yield gzip.compress(b"")[:10]
        for _ in range(unpacked_bytes // MEBIBYTE):
            yield block

    def peak(self, response: httpx.Response) -> tuple[Exception, int]:
        transport = transport_to(Script(lambda _: response), max_response_bytes=self.LIMIT, retry=ONCE)
        tracemalloc.start()
        try:
            with pytest.raises(e.UnreadableAnswerError) as caught:
                get(transport)
            return caught.value, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_a_gzip_bomb_ends_at_the_limit(self) -> None:
        packed = b"".join(self.bomb(1024 * MEBIBYTE))
        assert len(packed) < 2 * MEBIBYTE
        for parts in ([packed], [packed[start : start + 1000] for start in range(0, len(packed), 1000)]):
            error, peak = self.peak(streamed(iter(parts), content_encoding="gzip"))
            assert isinstance(error, e.AnswerTooLargeError)
            assert "max_response_bytes" in str(error)
            assert peak < 4 * self.LIMIT

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "zstd"])
    def test_encodings_that_we_did_not_offer_are_refused(self, encoding: str) -> None:
        packed = gzip.compress(b"".join(self.bomb(64 * MEBIBYTE)))
        error, peak = self.peak(streamed(iter([packed]), content_encoding=encoding))
        assert "only gzip was offered" in str(error)
        assert peak < self.LIMIT

    def test_an_endless_answer_ends_at_the_limit(self) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b" " * 65_536

        error, peak = self.peak(streamed(endless()))
        assert isinstance(error, e.AnswerTooLargeError)
        assert peak < 4 * self.LIMIT

    def test_an_announced_size_is_refused_before_it_is_read(self) -> None:
        def never() -> Iterator[bytes]:
            pytest.fail("the body was read")
            yield b""

        error, _ = self.peak(streamed(never(), content_length=str(self.LIMIT + 1)))
        assert isinstance(error, e.AnswerTooLargeError)

    def test_a_large_error_page_is_cut_not_kept(self) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * 65_536

        transport = transport_to(Script(lambda _: httpx.Response(500, stream=Chunks(endless()))), retry=ONCE)
        with pytest.raises(e.ServerFaultError):
            get(transport)

    def test_gzip_is_unpacked(self) -> None:
        body = orjson.dumps(PATIENT | {"text": "x" * 500_000})
        members = gzip.compress(body[:100]) + gzip.compress(body[100:])
        for packed in (gzip.compress(body), members):
            parts = iter([packed[start : start + 7] for start in range(0, len(packed), 7)])
            response = streamed(parts, content_encoding="gzip")
            answer = get(transport_to(Script(lambda _: response)))  # noqa: B023  # used before the next turn
            assert answer.document["text"] == "x" * 500_000

    @pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:20] + b"\xff" * 20])
    def test_broken_gzip_is_named(self, damage: Any) -> None:
        packed = damage(gzip.compress(orjson.dumps(PATIENT)))
        error, _ = self.peak(streamed(iter([packed]), content_encoding="gzip"))
        assert isinstance(error, e.TruncatedAnswerError)

    def test_a_dripping_answer_ends_at_the_deadline(self) -> None:
        clock = Clock()

        def drip() -> Iterator[bytes]:
            while True:
                clock.advance(1)
                yield b" "

        script = Script(lambda _: streamed(drip()))
        with pytest.raises(e.AnswerTooSlowError, match="answer_seconds"):
            get(transport_to(script, clock, answer_seconds=20))
        assert clock.seconds <= 1_022
        assert len(script.requests) == 1


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (httpx.ConnectError("refused CANARY"), "cannot be reached"),
            (httpx.ConnectTimeout("late"), "cannot be reached"),
            (httpx.ReadTimeout("late"), "no answer within 30 s"),
            (httpx.ReadError("reset"), "connection was lost"),
            (httpx.RemoteProtocolError("incomplete body"), "connection was lost"),
        ],
    )
    def test_is_named_after_the_last_attempt(self, fault: Exception, words: str) -> None:
        script = Script(fault)
        with pytest.raises(e.ServerUnreachableError, match=words) as caught:
            get(transport_to(script))
        assert len(script.requests) == 5
        assert "CANARY" not in str(caught.value)

    def test_a_connection_lost_in_the_body_is_repeated(self) -> None:
        def lost() -> Iterator[bytes]:
            yield b'{"resourceType":'
            raise httpx.RemoteProtocolError("peer closed connection")

        script = Script(lambda _: streamed(lost()), fhir(PATIENT))
        assert get(transport_to(script)).document == PATIENT

    def test_an_untrusted_certificate_is_not_repeated(self) -> None:
        def refuse(_: httpx.Request) -> httpx.Response:
            try:
                raise ssl.SSLCertVerificationError("self-signed")
            except ssl.SSLError as cause:
                raise httpx.ConnectError("handshake") from cause

        script = Script(refuse)
        with pytest.raises(e.UntrustedServerError, match="ca_file"):
            get(transport_to(script))
        assert len(script.requests) == 1


class TestLogs:
    def test_hold_no_patient_data_at_any_level(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
            caplog.set_level(logging.DEBUG, logger=name)
        words = outcome("CANARY-diagnostics")
        script = Script(
            fhir(words, 503, retry_after="1", x_echo="CANARY-header"),
            httpx.ReadError("CANARY-fault"),
            fhir({"resourceType": "Bundle", "name": "CANARY-body"}),
        )
        with structlog.testing.capture_logs() as lines:
            transport = transport_to(script)
            address = transport.base.address("Patient", [("name", "CANARY-name"), ("birthdate", "CANARY-birth")])
            transport.send(Request(method="GET", url=address))
            with pytest.raises(e.UnreadableAnswerError):
                get(transport_to(Script(httpx.Response(200, content=b"CANARY"))), "Patient/CANARY-id")
        logging.getLogger("httpx").info("HTTP Request: GET %s", "CANARY-library")
        everything = repr(lines) + caplog.text
        assert "CANARY" not in everything
        assert TOKEN not in everything
        assert [line["event"] for line in lines].count("fhir request") == 3
        assert lines[0] == {
            "event": "fhir request",
            "method": "GET",
            "path": "/Patient?name&birthdate",
            "status": 503,
            "milliseconds": 0,
            "bytes": len(orjson.dumps(words)),
            "log_level": "debug",
        }

    def test_real_connections_are_silent_too(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        settings = ServerSettings(base_url="http://127.0.0.1:9/fhir", retry=ONCE)
        transport = Transport(settings)
        with pytest.raises(e.ServerUnreachableError):
            get(transport, "Patient/CANARY")
        transport.close()
        assert "CANARY" not in caplog.text
        assert [record.name for record in caplog.records if record.name.startswith("http")] == []


def test_what_a_failed_answer_held_is_free_at_once() -> None:
    class Held:
        """Stands for the bytes of an answer: in a variable of a function that failed."""

    kept: list[weakref.ref[Held]] = []

    def fail(_request: httpx.Request) -> httpx.Response:
        held = Held()
        kept.append(weakref.ref(held))
        raise httpx.ReadError("lost")

    transport = transport_to(Script(fail), retry=RetrySettings(attempts=3))
    gc.disable()
    try:
        with pytest.raises(e.ServerUnreachableError):
            transport.send(Request(method="GET", url=f"{BASE}/Patient/p1"))
        assert len(kept) == 3
        assert [ref() for ref in kept] == [None, None, None]
    finally:
        gc.enable()
