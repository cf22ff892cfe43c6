"""A server that asks one request to wait is left alone by all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.fhir.support import BASE, Clock, Script, fhir, transport_to

from caretally.fhir import RetrySettings
from caretally.fhir import errors as e
from caretally.fhir.errors import Exchange
from caretally.fhir.patience import Patience
from caretally.fhir.transport import Request

ASKED = Exchange(method="GET", path="/Encounter", status=429)


def of(clock: Clock, budget: float = 60.0) -> Patience:
    return Patience(budget, clock=clock, sleep=clock.sleep)


def test_nobody_waits_who_was_not_asked_to() -> None:
    clock = Clock()
    patience = of(clock)
    patience.keep()
    patience.asked(None, ASKED)
    patience.keep()
    assert clock.sleeps == []


def test_the_longest_wish_counts_and_is_kept_by_all() -> None:
    clock = Clock()
    patience = of(clock)
    patience.asked(20, ASKED)
    patience.asked(5, ASKED)
    clock.advance(8)
    assert patience.left() == 12
    patience.keep()
    patience.keep()
    assert clock.sleeps == [12]


def test_a_wish_that_comes_during_the_wait_is_kept_too() -> None:
    clock = Clock()

    def slept(seconds: float) -> None:
        if not clock.sleeps:
            patience.asked(30, ASKED)
        clock.sleep(seconds)

    patience = Patience(60, clock=clock, sleep=slept)
    patience.asked(10, ASKED)
    patience.keep()
    assert clock.sleeps == [10, 20]


def test_a_wish_beyond_the_budget_ends_every_request_at_once() -> None:
    clock = Clock()
    patience = of(clock)
    patience.asked(3600, ASKED)
    with pytest.raises(e.RetryLaterError, match="GET /Encounter answered 429 and asks to wait 3600 s"):
        patience.keep()
    assert clock.sleeps == []


def test_other_requests_of_the_same_client_wait_too() -> None:
    clock = Clock()
    script = Script(httpx.Response(429, headers={"Retry-After": "30"}), fhir({"resourceType": "Patient", "id": "p1"}))
    transport = transport_to(script, clock, retry=RetrySettings(attempts=1, wait_budget_seconds=60))
    with pytest.raises(e.TooManyRequestsError):
        transport.send(Request(method="GET", url=f"{BASE}/Patient/p1"))
    assert clock.sleeps == []
    transport.send(Request(method="GET", url=f"{BASE}/Patient/p2"))
    assert clock.sleeps == [30]


def test_threads_wait_for_one_another_s_answers() -> None:
    clock = Clock()
    patience = of(clock)
    patience.asked(7, ASKED)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: patience.keep(), range(8)))
    assert clock() >= 1_007
