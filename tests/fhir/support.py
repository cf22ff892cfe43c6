"""A scripted server and a clock that only moves when told, for the tests of the fhir room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from caretally.fhir import BearerAuthentication, ServerSettings, Transport

BASE = "https://ehr.example/fhir"
TOKEN = "canary-token-7f3a"
START = datetime(2025, 2, 3, 8, 0, tzinfo=UTC)

Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Clock:
    """Seconds that pass only by sleeping or by `advance`."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1_000.0)


class Script(httpx.BaseTransport):
    """Answers with one step after the other and keeps what was asked; the last step answers for ever."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            return step(request)
        # A Response is used up by one request, and the last step may be needed again.
        return httpx.Response(step.status_code, headers=step.headers, stream=httpx.ByteStream(step.content))

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]

    @property
    def hosts_with_token(self) -> set[str]:
        return {
            request.url.host for request in self.requests if any(TOKEN in value for value in request.headers.values())
        }


def fhir(document: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Answer with FHIR JSON; header names with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status, content=orjson.dumps(document), headers={"content-type": "application/fhir+json", **named}
    )


def bundle(resources: Iterable[dict[str, Any]], *, next_link: str | None = None, **more: Any) -> dict[str, Any]:
    links = [{"relation": "next", "url": next_link}] if next_link else []
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more}


def encounters(*numbers: int) -> list[dict[str, Any]]:
    return [{"resourceType": "Encounter", "id": f"e{number}"} for number in numbers]


def outcome(text: str, *, code: str = "processing", severity: str = "error", **more: Any) -> dict[str, Any]:
    issue = {"severity": severity, "code": code, "diagnostics": text, **more}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def transport_to(script: httpx.BaseTransport, clock: Clock | None = None, **settings: Any) -> Transport:
    """Give a transport with a token, whose network is `script` and whose time is `clock`."""
    clock = clock or Clock()
    chosen = {"base_url": BASE, "auth": BearerAuthentication(token=TOKEN), **settings}
    return Transport(ServerSettings(**chosen), http_transport=script, clock=clock, sleep=clock.sleep, now=clock.now)
