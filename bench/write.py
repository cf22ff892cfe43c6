"""Writing claims to HAPI: ours beside bare loops of the same transactions, and a loop of fhirpy's save().

    python bench/write.py [CLAIMS]        2000 unless another number is given

Every writer gets the same patient-months (two charges, a claim, a Provenance), each under a tenant of its own, in
blocks that take turns, so that a busy machine hurts all alike. Ours commits intents before and outcomes after, and
writes as a run does that nobody has configured: so many requests at a time, so many patient-months in a transaction.
The bare loops keep no record: one sends a transaction for each patient-month, one after the other; the next one has as
many connections as ours; the last one puts as many patient-months into a transaction, too.

Told are charges a second (median of the blocks), the ratio to ours, and what a repeat of everything does: requests that
write, duplicates, new versions. Exit code 1 where a goal is missed: 95 % of the bare loop, three times the save()
loop, a repeat without a write.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402 -- after the path of the tests' helpers
import structlog  # noqa: E402
from fhirpy import SyncFHIRClient  # noqa: E402
from tests.faults import zygote  # noqa: E402
from tests.faults.population import CHARGES, population  # noqa: E402
from tests.live.hapi_server import FHIR_JSON, HapiServer, load  # noqa: E402
from tests.sync.practices import write  # noqa: E402

from caretally.billing import ChangeSet, OnFile, plan_changes  # noqa: E402
from caretally.facts import exact_json  # noqa: E402
from caretally.facts.calendar import ServiceMonth  # noqa: E402
from caretally.fhir import FhirServer, ServerSettings  # noqa: E402
from caretally.store import runs, staging, temporary_store  # noqa: E402
from caretally.store.staging import SINK, StagingWriter  # noqa: E402
from caretally.sync.outgoing import Outgoing  # noqa: E402
from caretally.sync.pulling import types_to_read  # noqa: E402
from caretally.sync.report import RunReport  # noqa: E402
from caretally.sync.request import RunRequest  # noqa: E402
from caretally.sync.resources import read_body  # noqa: E402
from caretally.sync.run import run_month  # noqa: E402
from caretally.sync.sinks.folder import own_key  # noqa: E402
from caretally.sync.sinks.server import ServerSink  # noqa: E402
from caretally.sync.sources.folder import FolderSource  # noqa: E402

DEFAULT, BLOCK = 2_000, 40
IN_FLIGHT = zygote.CONFIGURATION.writeback.in_flight
TOGETHER = zygote.CONFIGURATION.writeback.months_per_transaction
BARE_GOAL, SAVE_GOAL = 0.95, 3.0
MONTH = ServiceMonth(2025, 1)
AT = "2025-02-10T09:00:00Z"
Plan = Callable[[str, Sequence[OnFile]], ChangeSet]
"""Plans one patient-month for a tenant, over what is on file."""


@dataclass
class Writer:
    """One way of writing, and the seconds that its blocks took."""

    name: str
    send: Callable[[Sequence[ChangeSet]], None]
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Charges a second, the median of the blocks."""
        return statistics.median(CHARGES * BLOCK / one for one in self.seconds)


def plans(count: int, folder: Path) -> list[Plan]:
    """The patient-months."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in population("w", count):
        rows.setdefault(one["resourceType"], []).append(one)
    found: list[Plan] = []

    def kept(determination: Any, on_file: Any, context: Any, **more: Any) -> ChangeSet:
        def plan(tenant: str, filed: Sequence[OnFile]) -> ChangeSet:
            context_of = replace(context, tenant=tenant, recorded=AT)
            return plan_changes(determination, filed, context_of, patient_in_complete_pull=True)

        found.append(plan)
        return plan_changes(determination, on_file, context, **more)

    import caretally.sync.planning as planning  # noqa: PLC0415, PLR0402 -- its planner is listened to

    planning.plan_changes = kept
    run_month(
        RunRequest(
            source=FolderSource(write(folder / "practice", rows)),
            sink=None,
            write=False,
            month=MONTH,
            as_of=zygote.date_after(MONTH),
            now=zygote.now,
            tables=zygote.TABLES,
            configuration=zygote.CONFIGURATION,
            policies=zygote.POLICIES,
            software_version="bench",
        )
    )
    planning.plan_changes = plan_changes
    return found


def transaction(change_sets: Sequence[ChangeSet]) -> bytes:
    """The same transaction as ours, as bytes."""
    entries = [
        {"resource": one.resource, "request": {"method": "PUT", "url": one.name, "ifNoneMatch": "*"}}
        for change_set in change_sets
        for one in change_set.changes
    ]
    return exact_json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def ours_on(base: str, server: FhirServer, store: Any) -> tuple[Writer, ServerSink]:
    """Intents committed, transactions sent, outcomes committed."""
    sink = ServerSink(
        server=server, resource_types=types_to_read(zygote.TABLES), in_flight=IN_FLIGHT, together=TOGETHER
    )
    report = RunReport(
        run_id="bench", command="apply", service_month=str(MONTH), as_of="2025-02-10", source="x", sink=base,
        started_at=AT,
    )  # fmt: skip

    def send(block: Sequence[ChangeSet]) -> None:
        outgoing = Outgoing(store=store, sink=sink, source_key="x", report=report, now=lambda: AT, at_once=BLOCK)
        for change_set in block:
            outgoing.add(change_set)
        outgoing.deliver()
        if report.failed:
            sys.exit(f"write: {report.failed[0]}")

    return Writer("caretally", send), sink


def bare_on(base: str, client: httpx.Client, name: str, connections: int = 1, together: int = 1) -> Writer:
    """The same transactions, and nothing else."""

    def post(change_sets: Sequence[ChangeSet]) -> None:
        client.post(base, content=transaction(change_sets)).raise_for_status()

    def send(block: Sequence[ChangeSet]) -> None:
        parts = [block[start : start + together] for start in range(0, len(block), together)]
        if connections == 1:
            for part in parts:
                post(part)
            return
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(post, parts))

    return Writer(name, send)


def saves_on(base: str) -> Writer:
    """What a script does with fhirpy: save() for one resource after the other, the server choosing the ids."""
    client = SyncFHIRClient(base)

    def send(block: Sequence[ChangeSet]) -> None:
        for change_set in block:
            for change in change_set.changes:
                body = json.loads(exact_json.dumps(change.resource))
                del body["id"]
                client.resource(body.pop("resourceType"), **body).save()

    return Writer("fhirpy save()", send)


def main(count: int) -> int:
    """Measures and tells; the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder, temporary_store(opened_at=AT) as store:
        todo = plans(count, Path(folder))
        hapi = HapiServer(integrity=False)
        try:
            # A search by patient finds nothing about patients who are not there.
            load(hapi.wait(), [one for one in population("w", count) if one["resourceType"] == "Patient"])
            return measure(hapi.wait(), todo, store)
        finally:
            hapi.stop()


def measure(base: str, todo: list[Plan], store: Any) -> int:
    """Every writer in turn, block by block; then a repeat of everything."""
    with (
        FhirServer(ServerSettings(base_url=base, timeout_seconds=120)) as server,
        httpx.Client(headers={**FHIR_JSON, "Prefer": "return=minimal"}, timeout=120) as client,
    ):
        ours, sink = ours_on(base, server, store)
        work = {
            "ours": ours,
            "bare": bare_on(base, client, "bare loop"),
            "wide": bare_on(base, client, f"bare loop, {IN_FLIGHT} connections", IN_FLIGHT),
            "lots": bare_on(base, client, f"the same, {TOGETHER} months in each", IN_FLIGHT, TOGETHER),
            "save": saves_on(base),
        }
        sets = {tenant: [plan(tenant, ()) for plan in todo] for tenant in work}
        turns = list(work.items())
        for number, start in enumerate(range(0, len(todo), BLOCK)):
            turn = number % len(turns)
            for tenant, writer in (*turns[turn:], *turns[:turn]):
                block = sets[tenant][start : start + BLOCK]
                started = time.perf_counter()
                writer.send(block)
                if number and len(block) == BLOCK:  # the first block warms everybody up
                    writer.seconds.append(time.perf_counter() - started)
        again = planned_again(sink, todo, sets["ours"], store)
        repeated = {
            "ours": len(again),
            "bare": len(todo),
            "wide": len(todo),
            "lots": -(-len(todo) // TOGETHER),
            "save": sum(len(one.changes) for one in sets["save"]),
        }
        ours.send(again)
        for tenant, writer in turns[1:]:
            writer.send(sets[tenant])
        held = {tenant: held_of(client, base, {one.identity.key for one in sets[tenant]}) for tenant in work}
    print(f"{len(todo)} patient-months, {CHARGES} charges each; blocks of {BLOCK}, in turns")
    print("| writer | charges a second | to caretally | writes of a repeat | duplicate claims | new versions |")
    print("|---|---:|---:|---:|---:|---:|")
    for tenant, writer in turns:
        claims, versions = held[tenant]
        print(
            f"| {writer.name} | {writer.rate:.1f} | {writer.rate / ours.rate:.2f} | {repeated[tenant]} | "
            f"{claims - len(todo)} | {versions - claims} |"
        )
    return told(ours.rate / work["bare"].rate, ours.rate / work["save"].rate, len(again))


def told(to_bare: float, to_save: float, again: int) -> int:
    """Say which goals were missed; the exit code."""
    missed = []
    if to_bare < BARE_GOAL:
        missed.append(f"{to_bare:.2f} of the bare loop, wanted {BARE_GOAL}")
    if to_save < SAVE_GOAL:
        missed.append(f"{to_save:.2f} times the save() loop, wanted {SAVE_GOAL}")
    if again:
        missed.append(f"a repeat wrote {again} times")
    for goal in missed:
        print(f"goal missed: {goal}")
    return 1 if missed else 0


def planned_again(sink: ServerSink, todo: list[Plan], before: list[ChangeSet], store: Any) -> list[ChangeSet]:
    """Read what is on file and plan once more, as a second run does; what it would write."""
    runs.begin_run(store, run_id="again", command="apply", service_month="2025-01", as_of="x", started_at=AT)
    runs.begin_pull(store, pull_id="again", run_id="again", source="x", service_month="2025-01", started_at=AT)
    patients = [one.identity.patient for one in before]
    with StagingWriter(store, "again", SINK) as writer:
        sink.stage_on_file(writer, patients)
    rows = staging.of_patients(store, "again", patients)
    found = []
    for plan, change_set in zip(todo, before, strict=True):
        resources = [read_body(row.body) for row in rows[change_set.identity.patient]]
        filed = [
            OnFile(resource=one, version=one["meta"]["versionId"])
            for one in resources
            if own_key(one) == change_set.identity.key
        ]
        found.append(plan("ours", filed))
    return [one for one in found if one.changes]


def held_of(client: httpx.Client, base: str, keys: set[str]) -> tuple[int, int]:
    """How many claims of a tenant the server holds, and how many versions they have together."""
    url: str | None = f"{base}/Claim?_count=500"
    claims = versions = 0
    while url:
        bundle = client.get(url, headers={"Cache-Control": "no-cache"}).raise_for_status().json()
        for entry in bundle.get("entry", ()):
            if own_key(entry["resource"]) in keys:
                claims += 1
                versions += int(entry["resource"]["meta"]["versionId"])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return claims, versions


if __name__ == "__main__":
    if len(sys.argv) > 2:  # noqa: PLR2004
        sys.exit(__doc__)
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT))
