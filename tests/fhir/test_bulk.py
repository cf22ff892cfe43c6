"""The steps of a Bulk Data client, as Inferno's client suite (Bulk Data Access 2.0.0) goes through them, and each
answer that the specification allows a server on the way.

Inferno's server stands here as respx routes in its own layout: the state of an export lies beside the FHIR base.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from tests.fhir.support import START, TOKEN, Clock, outcome

from caretally.errors import IncompletePullError, SourceError
from caretally.fhir import BearerAuthentication, NoAuthentication, ServerSettings, SmartAuthentication, Transport, bulk
from caretally.fhir import errors as e
from caretally.fhir.bulk import ExportScope
from caretally.fhir.keys import new_private_key
from caretally.fhir.smart import SmartCredentials

SUITE = "https://inferno.example/custom/bulk"
BASE, STATE = f"{SUITE}/fhir", f"{SUITE}/status/j1"
FILES = "https://files.example"
LINES = b'{"resourceType":"Patient","id":"p1"}\n{"resourceType":"Patient","id":"p2"}\n'


@pytest.fixture
def inferno() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client(clock: Clock, **more: Any) -> Transport:
    settings = ServerSettings(**{"base_url": BASE, "auth": BearerAuthentication(token=TOKEN), **more})
    return Transport(settings, clock=clock, sleep=clock.sleep, now=clock.now)


def accepted(location: str = STATE, **headers: str) -> httpx.Response:
    return httpx.Response(202, headers={"Content-Location": location, **named(headers)})


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def working(**headers: str) -> httpx.Response:
    return httpx.Response(202, headers=named(headers), text="still at it")


def manifest(*urls: str, token: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "transactionTime": "2025-02-03T08:00:00Z",
        "request": f"{BASE}/Patient/$export",
        "requiresAccessToken": token,
        "output": [{"type": "Patient", "url": url, "count": 2} for url in urls],
        "error": [],
        **more,
    }


def waited(transport: Transport, clock: Clock, *, hours: float = 24.0) -> tuple[dict[str, Any], list[str]]:
    told: list[str] = []
    found = bulk.wait(
        transport,
        STATE,
        clock=clock,
        sleep=clock.sleep,
        now=clock.now,
        budget_seconds=hours * 3_600,
        told=told.append,
    )
    return found, told


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=outcome("CANARY of the server", code=code), headers=named(headers))


class TestSequence:
    """Everything once: log in, kick off, look, fetch, delete; the token comes with each request."""

    @pytest.mark.parametrize(
        ("scope", "path"),
        [
            (ExportScope(), "Patient/$export"),
            (ExportScope(group="combo-Group"), "Group/combo-Group/$export"),
            (ExportScope(whole_system=True), "$export"),
        ],
        ids=["patient", "group", "system"],
    )
    def test_whole(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path, scope: ExportScope, path: str
    ) -> None:
        inferno.get(f"{BASE}/.well-known/smart-configuration").respond(
            json={"token_endpoint": f"{SUITE}/auth/token", "capabilities": ["client-confidential-asymmetric"]}
        )
        log_in = inferno.post(f"{SUITE}/auth/token").respond(
            json={"access_token": "inferno-token", "token_type": "bearer", "expires_in": 3_600}
        )
        kick_off = inferno.get(f"{BASE}/{path}").mock(return_value=accepted())
        file = f"{BASE}/Binary/b1"
        looks = inferno.get(STATE).mock(
            side_effect=[working(retry_after="120"), httpx.Response(200, json=manifest(file))]
        )
        fetches = inferno.get(file).respond(content=LINES, content_type="application/fhir+ndjson")
        ends = inferno.delete(STATE).respond(202)
        auth = SmartAuthentication(
            client_id="c1", private_key=new_private_key("ES384").decode(), scopes=("system/*.read",)
        )
        settings = ServerSettings(base_url=BASE, auth=auth)
        times: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "now": clock.now}
        transport = Transport(settings, credentials=SmartCredentials(settings, auth, **times), **times)

        started = bulk.start(transport, scope)
        found, _ = waited(transport, clock)
        (one,) = bulk.files_of(found)
        assert bulk.fetch(transport, one, tmp_path / "f.ndjson") == len(LINES)
        assert bulk.delete(transport, started.status_url)

        assert (tmp_path / "f.ndjson").read_bytes() == LINES
        assert clock.sleeps == [120]
        assert [route.call_count for route in (log_in, kick_off, looks, fetches, ends)] == [1, 1, 2, 1, 1]
        for route in (kick_off, looks, fetches, ends):
            assert {call.request.headers["authorization"] for call in route.calls} == {"Bearer inferno-token"}


class TestKickOff:
    def test_asks_for_what_the_specification_says(self, inferno: respx.MockRouter, clock: Clock) -> None:
        sent = format_datetime(START, usegmt=True)
        route = inferno.get(f"{BASE}/Patient/$export").mock(return_value=accepted(date=sent))
        scope = ExportScope(types=("Patient", "Encounter"), since="2025-01-31T05:00:00+00:00")
        started = bulk.start(client(clock), scope)
        asked = route.calls[0].request
        assert asked.headers["prefer"] == "respond-async"
        assert asked.headers["accept"] == "application/fhir+json"
        assert dict(asked.url.params) == {
            "_outputFormat": "application/fhir+ndjson",
            "_type": "Patient,Encounter",
            "_since": "2025-01-31T05:00:00+00:00",
        }
        assert (started.status_url, started.server_time) == (STATE, START)
        assert TOKEN not in repr(started)
        assert "status" not in repr(started).replace("status_url", "")

    @pytest.mark.parametrize(
        ("location", "where"),
        [
            ("/custom/bulk/status/j1", STATE),
            (f"{BASE}/$export-poll-status?_jobId=1", f"{BASE}/$export-poll-status?_jobId=1"),
            ("http://inside:8080/r4/jobs/1", f"{BASE}/jobs/1"),
        ],
        ids=["without host", "below the base", "alias"],
    )
    def test_where_the_state_is_told(self, inferno: respx.MockRouter, clock: Clock, location: str, where: str) -> None:
        inferno.get(f"{BASE}/Patient/$export").mock(return_value=accepted(location))
        transport = client(clock, allowed_alias_bases=("http://inside:8080/r4",))
        assert bulk.start(transport, ExportScope()).status_url == where

    @pytest.mark.parametrize(
        "location",
        [
            "https://evil.example/status/j1",
            "http://inferno.example/custom/bulk/status/j1",
            "https://inferno.example:8443/custom/bulk/status/j1",
            "https://inferno.example@evil.example/status/j1",
            "https://inferno.example.evil.example/status/j1",
            "//evil.example/status/j1",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
        ],
    )
    def test_a_state_elsewhere_is_refused_and_never_asked(
        self, inferno: respx.MockRouter, clock: Clock, location: str
    ) -> None:
        inferno.get(f"{BASE}/Patient/$export").mock(return_value=accepted(location))
        with pytest.raises(e.ForeignAddressError):
            bulk.start(client(clock), ExportScope())
        assert inferno.calls.call_count == 1

    @pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut")])
    def test_is_not_sent_again_when_the_answer_was_lost(
        self, inferno: respx.MockRouter, clock: Clock, lost: Exception
    ) -> None:
        """The server may be at work already, and would have two exports to make."""
        route = inferno.get(f"{BASE}/Patient/$export").mock(side_effect=lost)
        with pytest.raises(e.ServerUnreachableError):
            bulk.start(client(clock), ExportScope())
        assert route.call_count == 1

    def test_is_sent_again_when_the_server_says_when(self, inferno: respx.MockRouter, clock: Clock) -> None:
        route = inferno.get(f"{BASE}/Patient/$export").mock(
            side_effect=[
                refusal(429, "throttled", retry_after="30"),
                refusal(503, "transient", retry_after="9"),
                accepted(),
            ]
        )
        assert bulk.start(client(clock), ExportScope()).status_url == STATE
        assert (route.call_count, clock.sleeps) == (3, [30, 9])

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, "not-supported", e.BadRequestError),
            (401, "login", e.AuthenticationError),
            (403, "forbidden", e.ForbiddenError),
            (404, "not-found", e.UnsupportedServerError),
            (422, "value", e.UnprocessableError),
            (500, "exception", e.ServerFaultError),
        ],
    )
    def test_a_refusal_is_named_with_its_code(
        self, inferno: respx.MockRouter, clock: Clock, status: int, code: str, kind: type[SourceError]
    ) -> None:
        inferno.get(f"{BASE}/$export").mock(return_value=refusal(status, code))
        with pytest.raises(kind, match=str(status)) as caught:
            bulk.start(client(clock), ExportScope(whole_system=True))
        assert "CANARY" not in str(caught.value)
        if isinstance(caught.value, e.ResponseError):
            assert code in str(caught.value)
            assert caught.value.issues[0].text == "CANARY of the server"

    @pytest.mark.parametrize("answer", [httpx.Response(202), httpx.Response(200, json={"resourceType": "Bundle"})])
    def test_an_answer_without_a_state_is_no_export(
        self, inferno: respx.MockRouter, clock: Clock, answer: httpx.Response
    ) -> None:
        inferno.get(f"{BASE}/Patient/$export").mock(return_value=answer)
        with pytest.raises(e.NotFhirError, match=r"Content-Location.*--by search"):
            bulk.start(client(clock), ExportScope())


class TestState:
    def test_is_looked_at_as_the_specification_says(self, inferno: respx.MockRouter, clock: Clock) -> None:
        route = inferno.get(STATE).respond(json=manifest())
        waited(client(clock), clock)
        assert route.calls[0].request.headers["accept"] == "application/json"

    def test_a_server_that_says_when_is_never_asked_earlier(self, inferno: respx.MockRouter, clock: Clock) -> None:
        asked: list[float] = []
        waits = [120.0, 0.5, 7_200.0, 45.0]

        def look(_request: httpx.Request) -> httpx.Response:
            asked.append(clock())
            number = len(asked) - 1
            if number == len(waits):
                return httpx.Response(200, json=manifest())
            if number == 3:
                until = clock.now() + timedelta(seconds=waits[3])
                return working(retry_after=format_datetime(until, usegmt=True), x_progress="42 % \x1b[31mdone")
            return working(retry_after=f"{waits[number]:g}")

        inferno.get(STATE).mock(side_effect=look)
        found, told = waited(client(clock), clock)
        assert found == manifest()
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert all(gap >= wait for gap, wait in zip(gaps, waits, strict=True))
        assert told[3] == "42 % [31mdone"

    def test_a_server_that_says_nothing_is_asked_more_and_more_rarely(
        self, inferno: respx.MockRouter, clock: Clock
    ) -> None:
        inferno.get(STATE).mock(side_effect=[*(working() for _ in range(9)), httpx.Response(200, json=manifest())])
        waited(client(clock), clock)
        assert clock.sleeps == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    @pytest.mark.parametrize("retry_after", ["0", "Mon, 01 Jan 2024 00:00:00 GMT"])
    def test_a_server_that_says_at_once_is_not_hammered(
        self, inferno: respx.MockRouter, clock: Clock, retry_after: str
    ) -> None:
        looks = [working(retry_after=retry_after) for _ in range(20)]
        inferno.get(STATE).mock(side_effect=[*looks, httpx.Response(200, json=manifest())])
        waited(client(clock), clock)
        assert min(clock.sleeps) >= 1

    def test_an_export_of_ten_hours_is_waited_for(self, inferno: respx.MockRouter, clock: Clock) -> None:
        ready = clock() + 36_000

        def look(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json=manifest()) if clock() >= ready else working(retry_after="600")

        route = inferno.get(STATE).mock(side_effect=look)
        waited(client(clock), clock)
        assert route.call_count == 61

    def test_one_that_takes_longer_than_allowed_is_left_for_the_next_run(
        self, inferno: respx.MockRouter, clock: Clock
    ) -> None:
        inferno.get(STATE).mock(return_value=working(retry_after="600"))
        began = clock()
        with pytest.raises(IncompletePullError, match=r"goes on waiting.*export_wait_seconds"):
            waited(client(clock), clock, hours=1)
        assert clock() - began <= 3_600

    @pytest.mark.parametrize(
        "busy",
        [
            refusal(429, "throttled", retry_after="120"),
            refusal(503, "transient", retry_after="3600"),
            refusal(429, "throttled"),
            refusal(503, "timeout"),
            refusal(504, "timeout"),
            refusal(500, "transient", retry_after="20"),
        ],
        ids=["429 after", "503 after an hour", "429", "503", "504", "500 transient"],
    )
    def test_a_busy_server_is_asked_again_and_the_export_is_not_given_up(
        self, inferno: respx.MockRouter, clock: Clock, busy: httpx.Response
    ) -> None:
        asked: list[float] = []

        def look(_request: httpx.Request) -> httpx.Response:
            asked.append(clock())
            if len(asked) > 12:
                return httpx.Response(200, json=manifest())
            return httpx.Response(busy.status_code, headers=busy.headers, content=busy.content)

        inferno.get(STATE).mock(side_effect=look)
        found, _ = waited(client(clock), clock)
        assert found == manifest()
        wanted = float(busy.headers.get("retry-after", "0"))
        assert min(later - earlier for earlier, later in pairwise(asked)) >= wanted

    @pytest.mark.parametrize(("status", "code"), [(400, "processing"), (422, "too-costly"), (500, "exception")])
    def test_an_export_that_failed_is_named(
        self, inferno: respx.MockRouter, clock: Clock, status: int, code: str
    ) -> None:
        inferno.get(STATE).mock(return_value=refusal(status, code))
        with pytest.raises(bulk.FailedExportError, match=rf"{status} \(issue {code}\).*--by search") as caught:
            waited(client(clock), clock)
        assert "CANARY" not in str(caught.value)

    @pytest.mark.parametrize("status", [404, 410])
    def test_an_export_that_the_server_forgot_is_lost(
        self, inferno: respx.MockRouter, clock: Clock, status: int
    ) -> None:
        inferno.get(STATE).mock(return_value=refusal(status, "not-found"))
        with pytest.raises(bulk.LostExportError, match="run the command again"):
            waited(client(clock), clock)

    def test_refused_credentials_do_not_lose_the_export(self, inferno: respx.MockRouter, clock: Clock) -> None:
        inferno.get(STATE).mock(return_value=refusal(401, "login"))
        with pytest.raises(e.AuthenticationError):
            waited(client(clock), clock)

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(200, json={"resourceType": "OperationOutcome"}),
            httpx.Response(200, json=[1]),
            httpx.Response(200, json={"output": "x"}),
            httpx.Response(200, html="<html>log in</html>"),
        ],
    )
    def test_an_end_without_a_manifest_is_named(
        self, inferno: respx.MockRouter, clock: Clock, answer: httpx.Response
    ) -> None:
        inferno.get(STATE).mock(return_value=answer)
        with pytest.raises(e.NotFhirError):
            waited(client(clock), clock)

    def test_half_a_manifest_does_not_pass_for_the_whole(self, inferno: respx.MockRouter, clock: Clock) -> None:
        link = [{"relation": "next", "url": f"{SUITE}/status/j1?page=2"}]
        inferno.get(STATE).respond(json=manifest(f"{BASE}/Binary/b1", link=link))
        with pytest.raises(e.UnsupportedServerError, match="first part of a manifest"):
            waited(client(clock), clock)


class TestManifest:
    def test_says_which_files_there_are(self) -> None:
        found = manifest(
            "https://a.example/1",
            error=[{"type": "OperationOutcome", "url": "https://a.example/e"}],
            deleted=[{"type": "Bundle", "url": "https://a.example/d", "count": 1}],
        )
        files = bulk.files_of(found)
        assert [(f.kind, f.resource_type, f.url[-1], f.count) for f in files] == [
            ("output", "Patient", "1", 2),
            ("deleted", "Bundle", "d", 1),
            ("error", "OperationOutcome", "e", None),
        ]
        assert all("a.example" not in repr(file) for file in files)

    @pytest.mark.parametrize(("said", "wanted"), [(True, True), (False, False), (None, True), ("false", True)])
    def test_says_whether_the_files_want_the_token(self, said: Any, wanted: bool) -> None:
        (file,) = bulk.files_of(manifest("https://a.example/1", requiresAccessToken=said))
        assert file.with_credentials is wanted

    @pytest.mark.parametrize("entry", [{}, {"type": "Patient"}, {"url": 5}, "x", None])
    def test_an_entry_without_address_is_named(self, entry: Any) -> None:
        with pytest.raises(e.NotFhirError, match="without address among output"):
            bulk.files_of({"output": [entry]})

    @pytest.mark.parametrize(
        ("said", "moment"),
        [
            ("2025-02-03T08:00:00Z", START),
            ("2025-02-03T03:00:00.123-05:00", START + timedelta(milliseconds=123)),
            ("2025-02-03T08:00:00", None),
            ("0001-01-01T00:00:00Z", None),
            ("yesterday", None),
            (17, None),
        ],
    )
    def test_says_of_which_moment_it_is_true(self, said: Any, moment: datetime | None) -> None:
        found = bulk.transaction_time(manifest(transactionTime=said))
        assert found == moment
        assert found is None or found.astimezone(UTC).tzinfo is UTC


class TestFile:
    def fetched(self, transport: Transport, url: str, path: Path, *, token: bool = True) -> int:
        (file,) = bulk.files_of(manifest(url, token=token))
        return bulk.fetch(transport, file, path / "f")

    @pytest.mark.parametrize("token", [True, False])
    def test_is_asked_for_with_the_token_only_where_it_is_wanted(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path, token: bool
    ) -> None:
        route = inferno.get(f"{SUITE}/out/1").respond(content=LINES)
        transport = client(clock, extra_headers={"X-Api-Key": "canary"})
        assert self.fetched(transport, f"{SUITE}/out/1", tmp_path, token=token) == len(LINES)
        headers = route.calls[0].request.headers
        assert headers["accept"] == "application/fhir+ndjson"
        assert (headers.get("authorization"), headers.get("x-api-key")) == (
            (f"Bearer {TOKEN}", "canary") if token else (None, None)
        )

    def test_elsewhere_is_refused_unless_it_is_configured(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path
    ) -> None:
        route = inferno.get(f"{FILES}/1").respond(content=LINES)
        with pytest.raises(e.ForeignAddressError, match=r"https://files\.example.*export_file_origins"):
            self.fetched(client(clock), f"{FILES}/1", tmp_path, token=False)
        allowed = client(clock, export_file_origins=(FILES,))
        with pytest.raises(e.ForeignAddressError, match="our token"):
            self.fetched(allowed, f"{FILES}/1", tmp_path)
        assert route.call_count == 0
        assert self.fetched(allowed, f"{FILES}/1", tmp_path, token=False) == len(LINES)
        assert "authorization" not in route.calls[0].request.headers

    def test_a_signed_address_is_not_followed_elsewhere(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path
    ) -> None:
        inferno.get(f"{BASE}/Binary/b1").respond(307, headers={"Location": f"{FILES}/1?sig=CANARY"})
        with pytest.raises(e.RedirectRefusedError, match=r"https://files\.example;") as caught:
            self.fetched(client(clock), f"{BASE}/Binary/b1", tmp_path)
        assert "CANARY" not in str(caught.value)

    def test_a_token_that_ran_out_on_the_way_is_renewed(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path
    ) -> None:
        class Renewing:
            token = 1

            def authorization(self) -> str:
                return f"Bearer t{self.token}"

            def renew(self, refused: str | None) -> bool:
                assert refused == f"Bearer t{self.token}"
                self.token += 1
                return True

            def close(self) -> None:
                pass

        def good(number: int, answer: httpx.Response) -> Any:
            def check(request: httpx.Request) -> httpx.Response:
                fresh = request.headers["authorization"] == f"Bearer t{number}"
                return answer if fresh else refusal(401, "login")

            return check

        inferno.get(STATE).mock(side_effect=good(2, httpx.Response(200, json=manifest())))
        file = inferno.get(f"{BASE}/Binary/b1").mock(side_effect=good(3, httpx.Response(200, content=LINES)))
        ends = inferno.delete(STATE).mock(side_effect=good(4, httpx.Response(202)))
        transport = Transport(ServerSettings(base_url=BASE), credentials=Renewing(), clock=clock, sleep=clock.sleep)
        waited(transport, clock)
        assert self.fetched(transport, f"{BASE}/Binary/b1", tmp_path) == len(LINES)
        assert bulk.delete(transport, STATE)
        assert (file.call_count, ends.call_count) == (2, 2)

    @pytest.mark.parametrize("status", [404, 410])
    def test_one_that_expired_loses_the_export(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path, status: int
    ) -> None:
        inferno.get(f"{BASE}/Binary/b1").mock(return_value=refusal(status, "not-found"))
        with pytest.raises(bulk.LostExportError, match="no longer has a file"):
            self.fetched(client(clock), f"{BASE}/Binary/b1", tmp_path)

    def test_a_busy_server_is_asked_again_when_it_says(
        self, inferno: respx.MockRouter, clock: Clock, tmp_path: Path
    ) -> None:
        inferno.get(f"{BASE}/Binary/b1").mock(
            side_effect=[refusal(429, "throttled", retry_after="17"), httpx.Response(200, content=LINES)]
        )
        assert self.fetched(client(clock), f"{BASE}/Binary/b1", tmp_path) == len(LINES)
        assert clock.sleeps == [17]


class TestEnd:
    @pytest.mark.parametrize("status", [200, 202, 204])
    def test_the_server_is_told(self, inferno: respx.MockRouter, clock: Clock, status: int) -> None:
        route = inferno.delete(STATE).respond(status)
        assert bulk.delete(client(clock, auth=NoAuthentication()), STATE)
        assert route.call_count == 1

    @pytest.mark.parametrize(
        "answer",
        [
            refusal(404, "not-found"),
            refusal(405, "not-supported"),
            refusal(503, "transient", retry_after="900"),
            refusal(401, "login"),
            httpx.Response(302, headers={"Location": "https://evil.example/"}),
            httpx.ConnectError("gone"),
            httpx.ReadTimeout("late"),
        ],
    )
    def test_nothing_hangs_on_it_and_nothing_waits_for_it(
        self, inferno: respx.MockRouter, clock: Clock, answer: Any
    ) -> None:
        route = inferno.delete(STATE)
        route.mock(side_effect=answer) if isinstance(answer, Exception) else route.mock(return_value=answer)
        assert not bulk.delete(client(clock), STATE)
        assert (route.call_count, clock.sleeps) == (1, [])

    def test_a_state_elsewhere_that_was_kept_from_another_configuration_is_not_asked(
        self, inferno: respx.MockRouter, clock: Clock
    ) -> None:
        assert not bulk.delete(client(clock), "https://evil.example/status/j1")
        with pytest.raises(e.ForeignAddressError):
            bulk.state(client(clock), "https://evil.example/status/j1", now=clock.now())
        assert inferno.calls.call_count == 0
