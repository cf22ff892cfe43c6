"""Everybody who pulls, each in a process of its own, so that its processor time and its memory are its own.

python -m bench.pulling.contestants NAME BASE PATIENTS FOLDER     prints one line of JSON
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.pulling.patients import TYPES, patient_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECTIONS = 5
"""smart-fetch has five and no option; everybody gets as many."""
PATIENTS_AT_ONCE, PAGE = 50, 200
Search = tuple[str, list[tuple[str, str]]]


def searches(count: int) -> Iterator[Search]:
    """What a script asks for: type by type, fifty patients at a time."""
    people = [patient_id(number) for number in range(count)]
    for kind in TYPES:
        name = "_id" if kind == "Patient" else "patient"
        for start in range(0, count, PATIENTS_AT_ONCE):
            yield kind, [(name, ",".join(people[start : start + PATIENTS_AT_ONCE]))]


@dataclass
class Begun:
    """When a contestant had loaded what it needs and began to pull: what came before is told apart."""

    at: float = 0.0
    processor: float = 0.0

    def now(self) -> None:
        """Note it."""
        self.at, self.processor = time.perf_counter(), processor()


BEGUN = Begun()


def processor() -> float:
    """Seconds of processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(base: str, count: int, folder: Path) -> Counter[str]:
    """The pull of `caretally plan`: into a store, each page committed with the place from which to go on."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 -- a contestant imports what it uses

    import structlog  # noqa: PLC0415

    from caretally.facts.calendar import ServiceMonth  # noqa: PLC0415
    from caretally.fhir import FhirServer, ServerSettings  # noqa: PLC0415
    from caretally.store import StoreBinding, open_store, runs  # noqa: PLC0415
    from caretally.store.staging import SOURCE, StagingWriter  # noqa: PLC0415
    from caretally.sync.pulling import Narrowing, PullRequest, types_to_read  # noqa: PLC0415
    from caretally.sync.sources.server import ServerSource  # noqa: PLC0415
    from caretally.tables import load_tables  # noqa: PLC0415

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    tables = load_tables()
    request = PullRequest(
        month=ServiceMonth(2025, 1),
        zone=ZoneInfo("America/New_York"),
        narrowing=Narrowing.of(patients=tuple(patient_id(number) for number in range(count))),
        resource_types={kind: one for kind, one in types_to_read(tables).items() if kind in TYPES},
        progress=lambda _stage, _done, _total: None,
    )
    at = "2025-02-10T09:00:00Z"
    binding = StoreBinding(target="folder:bench", tenant="bench")
    settings = ServerSettings(base_url=base, timeout_seconds=120, max_in_flight=CONNECTIONS)
    with FhirServer(settings) as server, open_store(folder / "store.sqlite", binding=binding, opened_at=at) as store:
        runs.begin_run(store, run_id="r", command="plan", service_month="2025-01", as_of="2025-02-10", started_at=at)
        runs.begin_pull(store, pull_id="p", run_id="r", source="bench", service_month="2025-01", started_at=at)
        BEGUN.now()
        with StagingWriter(store, "p", SOURCE) as writer:
            result = ServerSource(server=server, terminology=tables.terminology).pull(request, writer)
    assert not result.gaps, result.gaps[0]  # noqa: S101 -- a faster pull of less would be no news
    return result.read


def bare(base: str, count: int, folder: Path) -> Counter[str]:
    """The same searches with nothing around them: each page parsed, its resources written as lines."""
    import httpx  # noqa: PLC0415
    import orjson  # noqa: PLC0415

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    headers = {"Accept": "application/fhir+json", "Accept-Encoding": "gzip", "Cache-Control": "no-cache"}
    files = {kind: (folder / f"{kind}.ndjson").open("wb") for kind in TYPES}
    BEGUN.now()
    with httpx.Client(headers=headers, timeout=120, limits=limits, trust_env=False) as client:

        def read(search: Search) -> tuple[str, int]:
            kind, parameters = search
            url: str | None = str(httpx.URL(f"{base}/{kind}", params=[*parameters, ("_count", str(PAGE))]))
            found = 0
            while url is not None:
                bundle = orjson.loads(client.get(url).raise_for_status().content)
                rows = [entry["resource"] for entry in bundle.get("entry", ())]
                files[kind].write(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in rows))
                found += len(rows)
                url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            return kind, found

        return _in_parallel(read, count)


def fetch_all(base: str, count: int, folder: Path) -> Counter[str]:
    """The same searches by a script with fhirpy, each one fetched whole, as lines in files."""
    from fhirpy import SyncFHIRClient  # noqa: PLC0415

    client = SyncFHIRClient(base)
    files = {kind: (folder / f"{kind}.ndjson").open("w") for kind in TYPES}
    BEGUN.now()

    def read(search: Search) -> tuple[str, int]:
        kind, parameters = search
        rows = client.resources(kind).search(**dict(parameters)).limit(PAGE).fetch_all()
        files[kind].write("".join(json.dumps(dict(one)) + "\n" for one in rows))
        return kind, len(rows)

    return _in_parallel(read, count)


def _in_parallel(read: Callable[[Search], tuple[str, int]], count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for kind, number in pool.map(read, searches(count)):
            found[kind] += number
    return found


CONTESTANTS: dict[str, Callable[[str, int, Path], Counter[str]]] = {"ours": ours, "bare": bare, "fetch_all": fetch_all}


def count_requests() -> list[int]:
    """Count what goes to the network through the two libraries."""
    import httpx  # noqa: PLC0415
    import requests  # noqa: PLC0415

    sent = [0]
    for owner in (httpx.Client, requests.Session):
        original = owner.send

        def counted(*given: Any, _original: Any = original, **named: Any) -> Any:
            sent[0] += 1
            return _original(*given, **named)

        owner.send = counted  # type: ignore[method-assign]
    return sent


def main(words: Sequence[str]) -> None:
    """One contestant, once."""
    name, base, count, folder = words
    sent = count_requests()
    found = CONTESTANTS[name](base, int(count), Path(folder))
    told = {
        "seconds": time.perf_counter() - BEGUN.at,
        "requests": sent[0],
        "resources": found.total(),
        "processor": processor() - BEGUN.processor,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
