"""When a request is sent again, and that it is never sent earlier than the server asks."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fhir.support import START, Clock, Script, fhir, transport_to

from caretally.errors import SourceError
from caretally.fhir import RetrySettings
from caretally.fhir import errors as e
from caretally.fhir.retry import Sending, retry_after_seconds
from caretally.fhir.transport import Request

PATIENT = {"resourceType": "Patient", "id": "p1"}


def send(script: Script, clock: Clock, sending: Sending = Sending.READ, **settings: object) -> int:
    transport = transport_to(script, clock, **settings)
    method = "GET" if sending is Sending.READ else "PUT"
    return transport.send(Request(method=method, url=transport.base.address("Patient/p1"), sending=sending)).status


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        "headers",
        [
            {"retry-after": "600"},
            {"retry-after": format_datetime(START + timedelta(seconds=600), usegmt=True)},
            {"x-ms-retry-after-ms": "600000"},
            {"x-ms-retry-after-ms": "1000", "retry-after": "600"},
        ],
    )
    def test_is_obeyed_in_full(self, status: int, headers: dict[str, str]) -> None:
        clock, script = Clock(), Script(httpx.Response(status, headers=headers), fhir(PATIENT))
        assert send(script, clock) == 200
        assert clock.sleeps == [600.0]

    def test_a_wait_over_the_budget_is_named_and_not_shortened(self) -> None:
        clock, script = Clock(), Script(httpx.Response(429, headers={"retry-after": "3600"}))
        with pytest.raises(e.RetryLaterError, match="asks to wait 3600 s, but 900 s are left") as caught:
            send(script, clock)
        assert (caught.value.wait_seconds, caught.value.budget_seconds) == (3600.0, 900.0)
        assert (clock.sleeps, len(script.requests)) == ([], 1)

    def test_the_budget_counts_all_waits_of_a_request(self) -> None:
        clock, script = Clock(), Script(httpx.Response(429, headers={"retry-after": "400"}))
        with pytest.raises(e.RetryLaterError, match="100 s are left"):
            send(script, clock)
        assert (clock.sleeps, len(script.requests)) == ([400.0, 400.0], 3)

    def test_attempts_are_limited_too(self) -> None:
        clock, script = Clock(), Script(httpx.Response(429, headers={"retry-after": "1"}))
        with pytest.raises(e.TooManyRequestsError) as caught:
            send(script, clock, retry=RetrySettings(attempts=3))
        assert (clock.sleeps, len(script.requests)) == ([1.0, 1.0], 3)
        assert caught.value.retry_after_seconds == 1.0

    def test_a_wrong_clock_never_makes_us_early(self) -> None:
        for our_error in (timedelta(seconds=-90), timedelta(seconds=90)):
            until = START + timedelta(seconds=60)
            headers = httpx.Headers({"retry-after": format_datetime(until), "date": format_datetime(START)})
            wait = retry_after_seconds(headers, START + our_error)
            assert wait is not None
            assert wait >= 60

    @pytest.mark.parametrize(
        "text", ["", "soon", "-5", "1e9", "nan", "inf", "0x10", "Mon, 99 Foo 2025 00:00:00 GMT", "٣"]
    )
    def test_what_cannot_be_read_counts_as_not_said(self, text: str) -> None:
        headers = httpx.Headers({b"retry-after": text.encode(), b"x-ms-retry-after-ms": text.encode()})
        assert retry_after_seconds(headers, START) is None

    def test_a_date_in_the_past_means_now(self) -> None:
        past = format_datetime(START - timedelta(days=1))
        assert retry_after_seconds(httpx.Headers({"retry-after": past}), START) == 0.0

    @given(st.binary(max_size=40))
    def test_any_header_is_read_or_ignored(self, text: bytes) -> None:
        wait = retry_after_seconds(httpx.Headers({b"retry-after": text}), START)
        assert wait is None or wait >= 0


class TestReads:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_are_repeated_with_growing_waits(self, status: int) -> None:
        clock, script = Clock(), Script(*[httpx.Response(status)] * 4, fhir(PATIENT))
        assert send(script, clock) == 200
        assert len(clock.sleeps) == 4
        assert all(0 <= wait <= 0.5 * 2**number for number, wait in enumerate(clock.sleeps))

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412, 422, 501])
    def test_are_not_repeated_when_that_cannot_help(self, status: int) -> None:
        clock, script = Clock(), Script(httpx.Response(status))
        with pytest.raises(e.ResponseError):
            send(script, clock)
        assert (len(script.requests), clock.sleeps) == (1, [])

    def test_without_a_budget_nothing_is_waited_for(self) -> None:
        clock, script = Clock(), Script(httpx.Response(503))
        with pytest.raises(e.ServerFaultError):
            send(script, clock, retry=RetrySettings(wait_budget_seconds=0))
        assert len(script.requests) == 1


class TestWrites:
    @pytest.mark.parametrize(
        "step",
        [
            httpx.ConnectError("refused"),
            httpx.ConnectTimeout("late"),
            httpx.Response(429),
            httpx.Response(503, headers={"retry-after": "2"}),
        ],
    )
    def test_are_repeated_when_the_server_cannot_have_taken_them(self, step: httpx.Response | Exception) -> None:
        script = Script(step, fhir(PATIENT))
        assert send(script, Clock(), Sending.WRITE) == 200
        assert len(script.requests) == 2

    @pytest.mark.parametrize(
        "step",
        [
            httpx.ReadTimeout("late"),
            httpx.WriteError("reset"),
            httpx.RemoteProtocolError("closed"),
            httpx.Response(408),
            httpx.Response(500),
            httpx.Response(502),
            httpx.Response(503),
            httpx.Response(503, headers={"retry-after": "soon"}),
            httpx.Response(504, headers={"retry-after": "2"}),
            httpx.Response(200, headers={"content-type": "application/fhir+json"}, content=b'{"a'),
        ],
    )
    def test_are_never_repeated_when_it_may_have_taken_them(self, step: httpx.Response | Exception) -> None:
        script = Script(step, fhir(PATIENT))
        with pytest.raises(SourceError):
            send(script, Clock(), Sending.WRITE)
        assert len(script.requests) == 1
