"""The small server with a clock: it knows when a resource changed, forgets deleted ones, and exports."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
from tests.sync.small_server import BASE, SmallServer, answer, outcome

from caretally.facts import exact_json
from caretally.fhir.server import FhirServer
from caretally.fhir.settings import RetrySettings, ServerSettings
from caretally.fhir.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2025, 2, 10, 9, 0, tzinfo=UTC)


class SyncingServer(SmallServer):
    """Every request takes a second of its clock. `searches_by_time`: whether it knows ``_lastUpdated``."""

    def __init__(self, resources: Iterable[dict[str, Any]] = (), *, page: int = 25) -> None:
        self.now = START - timedelta(days=2)
        self.changed: dict[str, datetime] = {}
        self.gone_at: dict[str, datetime] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.polls_needed = 1
        self.most_exported: int | None = None
        """Of each type; the rest is left out without a word, as HAPI does with ``max_page_size``."""
        self.honours_since = True
        """Whether an export brings only what changed; HAPI's export of all patients brings everything."""
        self.counts = True
        """Whether ``_summary=count`` is answered with a total."""
        self.started = 0
        super().__init__(resources, page=page)
        self.now = START

    def keep(self, resource: dict[str, Any]) -> int:
        name = f"{resource['resourceType']}/{resource['id']}"
        version = super().keep(resource)
        self.changed[name] = self.now
        self.gone_at.pop(name, None)
        self.held[name]["meta"]["lastUpdated"] = self.now.isoformat(timespec="milliseconds")
        return version

    def delete(self, name: str) -> None:
        del self.held[name]
        self.gone_at[name] = self.now

    def server(self) -> FhirServer:
        settings = ServerSettings(base_url=BASE, retry=RetrySettings(attempts=2, wait_budget_seconds=5))
        transport = Transport(settings, http_transport=httpx.MockTransport(self.handle), sleep=lambda _seconds: None)
        return FhirServer(settings, transport=transport)

    def statement(self) -> dict[str, Any]:
        found = super().statement()
        rest = found["rest"][0]
        for kind in rest["resource"]:
            kind["searchParam"].append({"name": "_lastUpdated"})
            if kind["type"] == "Patient":
                kind["operation"] = [{"name": "export"}]
        return found

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.now += timedelta(seconds=1)
        path = request.url.path.removeprefix("/fhir").strip("/")
        if path == "Patient/$export":
            found = self.refused(request) or self.start(request)
        elif path.startswith("jobs/"):
            found = self.refused(request) or self.job(request, path)
        else:
            found = super().handle(request)
        found.headers["date"] = format_datetime(self.now, usegmt=True)
        return found

    def refused(self, request: httpx.Request) -> httpx.Response | None:
        self.requests.append(request)
        return next((refusal for fault in self.faults if (refusal := fault(request)) is not None), None)

    def search(self, kind: str, parameters: list[tuple[str, str]]) -> httpx.Response:
        if ("_summary", "count") not in parameters or not self.counts:
            return super().search(kind, parameters)
        total = len(self.matching_all(kind, [one for one in parameters if one[0] != "_summary"]))
        return answer(200, {"resourceType": "Bundle", "type": "searchset", "total": total})

    def matches(self, one: dict[str, Any], kind: str, name: str, values: list[str]) -> bool:
        if name == "_lastUpdated":
            changed = self.changed[f"{kind}/{one['id']}"].replace(microsecond=0)
            return all(
                changed < datetime.fromisoformat(value.removeprefix("lt"))
                if value.startswith("lt")
                else changed >= datetime.fromisoformat(value.removeprefix("ge"))
                for value in values
            )
        return super().matches(one, kind, name, values)

    def start(self, request: httpx.Request) -> httpx.Response:
        self.started += 1
        name = f"job{self.started}"
        since = request.url.params.get("_since")
        self.jobs[name] = {
            "types": request.url.params["_type"].split(","),
            "since": None if since is None else datetime.fromisoformat(since),
            "polls": 0,
        }
        return httpx.Response(202, headers={"Content-Location": f"{BASE}/jobs/{name}"})

    def job(self, request: httpx.Request, path: str) -> httpx.Response:
        _, name, *file = path.split("/")
        if name not in self.jobs:
            return outcome(404, "no such job")
        job = self.jobs[name]
        if file:
            lines = b"".join(exact_json.dumps(one) + b"\n" for one in job["files"][file[0]])
            return httpx.Response(200, headers={"Content-Type": "application/fhir+ndjson"}, content=lines)
        if request.method == "DELETE":
            del self.jobs[name]
            return httpx.Response(202)
        job["polls"] += 1
        if job["polls"] <= self.polls_needed:
            return httpx.Response(202, headers={"X-Progress": "half", "Retry-After": "1"})
        return answer(200, self.manifest(name, job))

    def manifest(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        since = job["since"]
        if "files" not in job:
            job["files"] = {}
            for kind in job["types"]:
                rows = [one for key, one in self.held.items() if key.startswith(f"{kind}/")]
                if since is not None and self.honours_since:
                    rows = [one for one in rows if self.changed[f"{kind}/{one['id']}"] >= since]
                rows = rows[: self.most_exported]
                if rows and kind not in {"Practitioner", "PractitionerRole", "Organization", "Location"}:
                    job["files"][f"{kind}.ndjson"] = rows
            gone = [key for key, when in self.gone_at.items() if since is not None and when >= since]
            if gone:
                entries = [{"request": {"method": "DELETE", "url": key}} for key in gone]
                job["files"]["deleted.ndjson"] = [{"resourceType": "Bundle", "type": "transaction", "entry": entries}]
        files = {
            file: {"type": re.sub(r"\.ndjson", "", file), "url": f"{BASE}/jobs/{name}/{file}", "count": len(rows)}
            for file, rows in job["files"].items()
        }
        return {
            "transactionTime": self.now.isoformat(),
            "requiresAccessToken": True,
            "output": [entry for file, entry in files.items() if file != "deleted.ndjson"],
            "deleted": [{**entry, "type": "Bundle"} for file, entry in files.items() if file == "deleted.ndjson"],
            "error": [],
        }
