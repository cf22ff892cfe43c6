"""Whatever breaks, in whatever order, the server ends up with what was decided, once.

A state machine over the real planner, outbox, recovery and server sink, two adapters with stores of their own, and a
server in memory: runs that crash at any place, answers and requests that get lost, arrive twice or late and in another
order, servers that refuse, and people who edit what we wrote.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete

from caretally.billing import CLAIM_IDENTIFIER, OnFile, plan_changes
from caretally.errors import CaretallyError
from caretally.facts import exact_json
from caretally.facts.calendar import ServiceMonth
from caretally.fhir import FhirServer, RetrySettings, ServerSettings, Transport
from caretally.store import schema, temporary_store
from caretally.sync.outgoing import Outgoing
from caretally.sync.pulling import types_to_read
from caretally.sync.recovery import finish_open_intents
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from tests.faults import zygote
from tests.sync.practices import golden, together, write
from tests.sync.small_server import BASE, SmallServer, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caretally.billing import BillingContext
    from caretally.facts.determination import Determination
    from caretally.store import Store

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
RUNS, STEPS = (int(os.environ.get("CARETALLY_PROVE_MACHINES", "10000")), 50) if PROVING else (100, 50)
MINUTES = ((10,), (20,), (20, 20), (20, 20, 20))
"""What may be true of a patient's month: nothing billable, or one to three lines."""
PATIENTS = ("a",)
PLACES = (
    *("intents-committed", "server:before-send", "server:after-send", "delivered", "recovered", "outcomes-committed"),
)
LIVE = {"draft", "active", "planned", "billable", "billed"}
FAULTS = ("request lost", "answer lost", "arrives late", "arrives twice", "500", "422", "429", "409")


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass(frozen=True)
class Truth:
    """What the rules say about one patient in one state of the world, and how it is billed."""

    determination: Determination
    context: BillingContext


def truths(folder: Path) -> dict[tuple[str, int], Truth]:
    """Decide every state of the world once, by the real run; the machine then only plans, sends and recovers."""
    found: dict[tuple[str, int], Truth] = {}
    for number, minutes in enumerate(MINUTES):
        entries = [
            {"role": "RN", "who": "N1", "date": f"2025-01-{13 + day}", "min": one} for day, one in enumerate(minutes)
        ]
        practice = together(*(golden("G02", f"{name}-", entries=entries) for name in PATIENTS))

        def kept(determination: Determination, on_file: Any, context: BillingContext, **more: Any) -> Any:
            found[determination.patient, number] = Truth(determination, context)  # noqa: B023 -- called in this turn
            return plan_changes(determination, on_file, context, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("caretally.sync.planning.plan_changes", kept)
            run_month(
                RunRequest(
                    source=FolderSource(write(folder / str(number), practice)),
                    sink=None,
                    write=False,
                    month=ServiceMonth(2025, 1),
                    as_of=zygote.date_after(ServiceMonth(2025, 1)),
                    now=zygote.now,
                    tables=zygote.TABLES,
                    configuration=zygote.CONFIGURATION,
                    policies=zygote.POLICIES,
                    software_version="test",
                )
            )
    return found


class Adapter:
    """One adapter: a store of its own, and a sink to the common server."""

    def __init__(self) -> None:
        self.store: Store = temporary_store(opened_at="2025-02-10T09:00:00Z")
        self.settings = ServerSettings(base_url=BASE, retry=RetrySettings(attempts=2, wait_budget_seconds=5))
        # Made once: a TLS context takes longer than a step.
        self.transport = Transport(
            self.settings,
            http_transport=httpx.MockTransport(self.answer),
            sleep=lambda _seconds: None,
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Ask the server of this world."""
        return self.small.handle(request)

    def begin(self, small: SmallServer) -> None:
        """Forget everything and turn to a new server."""
        with self.store.writing() as connection:
            for table in (schema.change_outcome, schema.change_intent, schema.ledger_entry):
                connection.execute(delete(table))
        self.small = small
        server = FhirServer(self.settings, transport=self.transport)
        self.sink = ServerSink(server=server, resource_types=types_to_read(zygote.TABLES))


class Machine(RuleBasedStateMachine):
    """One world: what is true, what the server holds, what is on the way."""

    truth: ClassVar[dict[tuple[str, int], Truth]]
    adapters: ClassVar[tuple[Adapter, Adapter]]
    steps: ClassVar[Counter[str]] = Counter()
    die: ClassVar[dict[str, str]] = {"at": ""}

    @initialize(
        honours_star=st.sampled_from([True, True, False]),
        transaction=st.sampled_from([True, True, False]),
        state=st.integers(1, len(MINUTES) - 1),
    )
    def begin(self, honours_star: bool, transaction: bool, state: int) -> None:
        self.small = SmallServer(page=100)
        self.small.honours_star, self.small.transaction_offered = honours_star, transaction
        self.world = dict.fromkeys((f"Patient/{name}-pat" for name in PATIENTS), state)
        self.late: list[bytes] = []
        self.edited: dict[str, bytes] = {}
        self.clock = 0
        self.fault = ""
        self.small.faults.append(self.break_it)
        for adapter in self.adapters:
            adapter.begin(self.small)

    @rule(patient=st.sampled_from(PATIENTS), state=st.integers(0, len(MINUTES) - 1))
    def something_changes(self, patient: str, state: int) -> None:
        """A late entry, an entry marked in error: the month is another one now."""
        self.world[f"Patient/{patient}-pat"] = state

    @rule(
        who=st.integers(0, 1),
        fault=st.sampled_from(["", *FAULTS]),
        place=st.sampled_from(["", "", *PLACES]),
        state=st.integers(-2, len(MINUTES) - 1),
    )
    def run(self, who: int, fault: str, place: str, state: int) -> None:
        """One adapter runs, often because something changed; something may break on the way, or kill it."""
        if state >= 0:
            self.world = dict.fromkeys(self.world, state)
        self.fault, self.die["at"] = fault, place
        try:
            self.go(self.adapters[who])
        except Killed:
            self.steps["killed"] += 1
        except CaretallyError as error:
            self.steps[type(error).__name__] += 1
        finally:
            self.fault, self.die["at"] = "", ""
        self.steps["runs"] += 1

    @rule(index=st.integers(0, 20))
    def something_late_arrives(self, index: int) -> None:
        """A request that its sender has given up reaches the server after all, in any order."""
        if self.late:
            self.carry_out(self.late.pop(index % len(self.late)))
            self.steps["late"] += 1

    @rule(index=st.integers(0, 20))
    def somebody_edits(self, index: int) -> None:
        """A person changes a claim of ours by hand; only where what is late cannot overwrite it."""
        claims = [
            name for name in self.live("Claim") if self.small.held[name]["patient"]["reference"] not in self.edited
        ]
        if claims and self.small.honours_star and self.small.transaction_offered:
            claim = self.small.held[claims[index % len(claims)]]
            self.small.keep({**claim, "priority": {"text": "a person's"}})
            self.edited[claim["patient"]["reference"]] = self.content(f"Claim/{claim['id']}")
            self.steps["edits"] += 1

    @invariant()
    def never_two(self) -> None:
        """At every moment: no second live claim of a patient-month, no charge twice, no edit overwritten."""
        if not hasattr(self, "small") or not (self.small.honours_star and self.small.transaction_offered):
            return
        self.no_copies()

    def teardown(self) -> None:
        """In the end everything late has arrived, both adapters run in peace, and the server says what is true."""
        if not hasattr(self, "small"):
            return
        while self.late:
            self.carry_out(self.late.pop())
        for adapter in (*self.adapters, *self.adapters):
            self.go(adapter)
        self.no_copies()
        for patient, state in self.world.items():
            if patient not in self.edited:
                assert self.lines(patient) == self.wanted(patient, state)
        before = dict(self.small.versions)
        for adapter in self.adapters:
            self.go(adapter)
        assert dict(self.small.versions) == before, "a run without a change wrote something"

    def go(self, adapter: Adapter) -> None:
        """A run without its pull: recover, plan each patient from what is on file, deliver."""
        self.clock += 1
        now = f"2025-02-10T{9 + self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}Z"
        finish_open_intents(adapter.store, adapter.sink, lambda: now)
        report = RunReport(
            run_id=f"run-{self.clock}", command="apply", service_month="2025-01", as_of="2025-02-10", source="x",
            sink="y", started_at=now,
        )  # fmt: skip
        outgoing = Outgoing(
            store=adapter.store, sink=adapter.sink, source_key="x", report=report, now=lambda: now, at_once=20
        )
        for patient, state in self.world.items():
            truth = self.truth[patient, state]
            context = with_time(truth.context, now)
            on_file = [OnFile(resource=one, version=one["meta"]["versionId"]) for one in self.of(patient) if mine(one)]
            outgoing.add(plan_changes(truth.determination, on_file, context, patient_in_complete_pull=True))
        outgoing.deliver()

    def break_it(self, request: httpx.Request) -> httpx.Response | None:
        """What happens to a request that writes."""
        if not self.fault or request.method == "GET":
            return None
        fault, self.fault = self.fault, self.fault if self.fault == "429" else ""
        self.steps[fault] += 1
        if fault in {"500", "422", "429", "409"}:
            return outcome(int(fault), "no")
        whole = self.wire(request)
        if fault == "arrives late":
            self.late.append(whole)
        elif fault != "request lost":
            self.carry_out(whole)
        if fault == "arrives twice":
            return self.small.handle_again(request)
        raise httpx.ReadTimeout("gone", request=request)

    def wire(self, request: httpx.Request) -> bytes:
        headers = {name: request.headers[name] for name in ("if-match", "if-none-match") if name in request.headers}
        rows = [request.method, str(request.url), headers, request.content.decode()]
        return exact_json.dumps(rows)

    def carry_out(self, whole: bytes) -> None:
        """A request reaches the server, and nobody hears its answer."""
        method, url, headers, content = exact_json.loads(whole)
        self.small.handle_again(httpx.Request(method, url, headers=headers, content=content.encode()))

    def of(self, patient: str) -> list[dict[str, Any]]:
        return [
            one
            for one in self.small.held.values()
            if one["resourceType"] in {"Claim", "ChargeItem"}
            and one["patient" if one["resourceType"] == "Claim" else "subject"]["reference"] == patient
        ]

    def live(self, kind: str) -> list[str]:
        return [name for name, one in self.small.held.items() if name.startswith(kind) and one["status"] in LIVE]

    def content(self, name: str) -> bytes:
        return exact_json.canonical({**self.small.held[name], "meta": None})

    def no_copies(self) -> None:
        for patient in self.world:
            live = [one for one in self.of(patient) if one["status"] in LIVE]
            claims = [one for one in live if one["resourceType"] == "Claim"]
            assert len(claims) <= 1, f"{len(claims)} live claims"
            charges = Counter(
                (one["code"]["coding"][0]["code"], one["occurrenceDateTime"])
                for one in live
                if one["resourceType"] == "ChargeItem"
            )
            assert all(number == 1 for number in charges.values()), f"charged twice: {charges}"
            if patient in self.edited:
                assert [self.content(f"Claim/{one['id']}") for one in claims] == [self.edited[patient]]

    def lines(self, patient: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What the server bills for a patient: lines of the live claim, and live charges."""
        live = [one for one in self.of(patient) if one["status"] in LIVE]
        claimed = [
            (item["productOrService"]["coding"][0]["code"], item["servicedDate"])
            for one in live
            if one["resourceType"] == "Claim"
            for item in one["item"]
        ]
        charged = [
            (one["code"]["coding"][0]["code"], one["occurrenceDateTime"][:10])
            for one in live
            if one["resourceType"] == "ChargeItem"
        ]
        return sorted(claimed), sorted(charged)

    def wanted(self, patient: str, state: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        lines = sorted(
            (one.code, one.service_date.isoformat()) for one in self.truth[patient, state].determination.lines
        )
        return lines, lines


def mine(resource: dict[str, Any]) -> bool:
    return any(one.get("system") == CLAIM_IDENTIFIER for one in resource.get("identifier", ()))


def with_time(context: BillingContext, now: str) -> BillingContext:
    return replace(context, recorded=now)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Machine]]:
    """The machine with everything that is made once; stores in memory where the machine has such a disk."""
    Machine.truth = truths(tmp_path_factory.mktemp("truths"))

    def die(name: str) -> None:
        if name == Machine.die["at"]:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        if Path("/dev/shm").is_dir():  # noqa: S108 -- a disk in memory, for a store of this test only
            patch.setattr(tempfile, "tempdir", "/dev/shm")  # noqa: S108
        Machine.adapters = (Adapter(), Adapter())
        for module in ("outgoing", "recovery", "sinks.sending"):
            patch.setattr(f"caretally.sync.{module}.failpoint", die)
        # What is planned was checked as FHIR in the tests of billing; it takes most of the time.
        patch.setattr("caretally.billing.changes.validate", lambda _resource: None)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        yield Machine
        structlog.reset_defaults()
        for adapter in Machine.adapters:
            adapter.store.close()
            adapter.transport.close()


@pytest.mark.prove
def test_the_server_holds_what_was_decided_once(
    world: type[Machine], record_property: Callable[[str, object], None]
) -> None:
    world.steps.clear()
    run_state_machine_as_test(world, settings=settings(max_examples=RUNS, stateful_step_count=STEPS))
    record_property("cases", RUNS)
    print(dict(world.steps))
    reached = set(world.steps)
    assert {"runs", "killed", "late", "edits", *FAULTS} <= reached, f"never happened: {set(FAULTS) - reached}"
