"""Whatever breaks, in whatever order, the server ends up with what was decided, once.

A state machine over the real planner, outbox, recovery and server sink, two adapters with stores of their own, and a
server in memory that is written in each of our ways: runs that crash at any place, answers and requests that get lost,
arrive twice or late and in another order, servers that refuse or let two in, and people who edit what we wrote.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
import structlog
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import delete, select

from caretally.billing import ClaimIdentity, OnFile, plan_changes
from caretally.errors import CaretallyError
from caretally.facts import exact_json
from caretally.facts.calendar import ServiceMonth
from caretally.fhir import FhirServer, RetrySettings, ServerSettings, Transport
from caretally.fhir.capability import WriteStrategy
from caretally.store import outbox, schema, temporary_store
from caretally.sync.outgoing import Outgoing
from caretally.sync.own_ids import in_own_ids, own_reference
from caretally.sync.pulling import types_to_read
from caretally.sync.recovery import finish_open_intents
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import own_key
from caretally.sync.sinks.landed import landed
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sinks.way import BY_IDENTIFIER
from caretally.sync.sources.folder import FolderSource
from caretally.sync.writes import OnSink, Write
from tests.faults import zygote
from tests.sync.practices import golden, together, write
from tests.sync.small_server import BASE, SmallServer, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.billing import BillingContext, ChangeSet
    from caretally.facts.determination import Determination
    from caretally.store import Store

MINUTES = ((10,), (20,), (20, 20), (20, 20, 20))
"""What may be true of a patient's month: nothing billable, or one to three lines."""
HOLD = len(MINUTES)
"""The month is not closed yet: a hold."""
PATIENTS = ("a",)
PLACES = (
    *("intents-committed", "server:before-send", "server:created", "server:between-puts", "server:before-undo"),
    *("server:after-send", "delivered", "recovered", "outcomes-committed"),
)
LIVE = {"draft", "active", "planned", "billable", "billed"}
REFUSALS = ("500", "422", "429", "409")
CONDITIONS = ("if-match", "if-none-match", "if-none-exist")
"""The headers without which a request that arrives late would be another one."""
FAULTS = ("request lost", "answer lost", "arrives late", "arrives twice", *REFUSALS)
OTHERS = ("a person is faster", "two are let in")
"""What happens to some ways of writing only."""


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
    for number, minutes in enumerate((*MINUTES, MINUTES[2])):
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
                    as_of=date(2025, 1, 25) if number == HOLD else zygote.date_after(ServiceMonth(2025, 1)),
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

    def __init__(self, tenant: str = "default") -> None:
        self.tenant = tenant
        self.store: Store = temporary_store(opened_at="2025-02-10T09:00:00Z")
        with self.store.writing() as connection:  # `begin` empties it, which no store in use lets anybody do
            for table in schema.APPEND_ONLY:
                connection.exec_driver_sql(f"DROP TRIGGER {table.name}_no_delete")
        self.settings = ServerSettings(base_url=BASE, retry=RetrySettings(attempts=2, wait_budget_seconds=5))
        # Made once: a TLS context takes longer than a step.
        self.transport = Transport(
            self.settings,
            http_transport=httpx.MockTransport(self.answer),
            sleep=lambda _seconds: None,
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Ask the server of this world."""
        if request.method != "GET":
            self.was_intended(request)
        return self.small.handle(request)

    def was_intended(self, request: httpx.Request) -> None:
        """Before the first byte goes out, the intent is committed, and its outcome is open."""
        table = schema.change_intent
        query = select(table.c.document).where(table.c.state.in_(outbox.UNSETTLED))
        with self.store.reading() as connection:
            intents = [str(row.document) for row in connection.execute(query)]
        body = exact_json.loads(request.content)
        for one in [entry["resource"] for entry in body["entry"]] if "entry" in body else [body]:
            names = {(own_reference(one) or "/").partition("/")[2], str(one.get("id", ""))} - {""}
            assert any(f'"{name}"' in text for text in intents for name in names), "sent without an open intent"

    def begin(self, small: SmallServer, strategy: WriteStrategy) -> None:
        """Forget everything and turn to a new server."""
        with self.store.writing() as connection:
            for table in (schema.change_outcome, schema.change_intent, schema.ledger_entry):
                connection.execute(delete(table))
        self.small = small
        server = FhirServer(self.settings, transport=self.transport)
        self.sink = ServerSink(server=server, resource_types=types_to_read(zygote.TABLES), strategy=strategy)


class Machine(RuleBasedStateMachine):
    """One world: what is true, what the server holds, what is on the way."""

    truth: ClassVar[dict[tuple[str, int], Truth]]
    adapters: ClassVar[tuple[Adapter, Adapter]]
    steps: ClassVar[Counter[str]] = Counter()
    die: ClassVar[dict[str, str]] = {"at": ""}
    strategy: ClassVar[WriteStrategy] = WriteStrategy.TRANSACTION

    @initialize(honours_star=st.sampled_from([True, True, False]), state=st.integers(1, len(MINUTES) - 1))
    def begin(self, honours_star: bool, state: int) -> None:
        self.steps["worlds"] += 1
        self.small = SmallServer(page=100)
        self.small.honours_star = honours_star
        self.small.transaction_offered = self.strategy is WriteStrategy.TRANSACTION
        self.small.client_ids = self.small.update_create = self.strategy not in BY_IDENTIFIER
        self.strict = honours_star and self.small.transaction_offered
        self.calm = True
        self.plans: dict[Any, ChangeSet] = {}
        self.world = dict.fromkeys((f"Patient/{name}-pat" for name in PATIENTS), state)
        self.late: list[bytes] = []
        self.edited: dict[str, bytes] = {}
        self.clock = 0
        self.fault, self.fault_at = "", 0
        self.small.faults.append(self.break_it)
        for adapter in self.adapters:
            adapter.begin(self.small, self.strategy)

    @rule(patient=st.sampled_from(PATIENTS), state=st.integers(0, len(MINUTES) - 1))
    def something_changes(self, patient: str, state: int) -> None:
        """A late entry, an entry marked in error: the month is another one now."""
        self.world[f"Patient/{patient}-pat"] = state

    @rule(
        who=st.integers(0, 1),
        fault=st.sampled_from(["", *FAULTS, *OTHERS, *OTHERS]),
        fault_at=st.integers(0, 2),
        place=st.sampled_from(["", "", *PLACES]),
        state=st.integers(-2, HOLD),
    )
    def run(self, who: int, fault: str, fault_at: int, place: str, state: int) -> None:
        """One adapter runs, often because something changed; something may break on the way, or kill it."""
        if 0 <= state < HOLD:
            self.world = dict.fromkeys(self.world, state)
        self.fault, self.die["at"] = fault, place
        self.fault_at = 0 if self.small.transaction_offered else fault_at
        self.calm = False
        try:
            self.calm = self.go(self.adapters[who], held=state == HOLD)
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
    def a_claim_is_edited(self, index: int) -> None:
        """Between two runs."""
        self.somebody_edits(index)

    def somebody_edits(self, index: int) -> None:
        """A person changes a claim of ours by hand; only where what is late cannot overwrite it."""
        claims = [
            name for name in self.live("Claim") if self.small.held[name]["patient"]["reference"] not in self.edited
        ]
        if claims and self.strict:
            claim = self.small.held[claims[index % len(claims)]]
            self.small.keep({**claim, "priority": {"text": "a person's"}})
            self.edited[claim["patient"]["reference"]] = self.content(f"Claim/{claim['id']}")
            self.steps["edits"] += 1

    @invariant()
    def never_two(self) -> None:
        """At every moment: no second live claim of a patient-month, no charge twice, no edit overwritten."""
        if not hasattr(self, "small"):
            return
        # Where conditions are checked one by one, copies may stand for a moment: until the next run that ends well.
        if self.strict or (self.strategy is WriteStrategy.CONDITIONAL_CREATE and self.calm):
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
        for adapter in self.adapters:
            assert outbox.listed_intents(adapter.store) == [], "something is left in the outbox"
            self.recorded_as_it_is(adapter)

    def recorded_as_it_is(self, adapter: Adapter) -> None:
        """What the store calls written was on the server, in the version that it names."""
        if self.strategy in BY_IDENTIFIER:
            return
        intents, outcomes = schema.change_intent, schema.change_outcome
        query = (
            select(intents.c.document, outcomes.c.document.label("outcome"))
            .join(outcomes, outcomes.c.intent_id == intents.c.id)
            .where(outcomes.c.state == "applied")
        )
        with adapter.store.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            versions = exact_json.loads(row.outcome)["versions"]
            assert versions, "written, but in which version is not known"
            writes = [Write.from_json(one) for one in exact_json.loads(row.document)["writes"]]
            for one in writes:
                version, history = versions.get(one.reference), self.small.history[one.reference]
                # A run that finished what another one had begun names the versions of what it added.
                then = history if version is None else history[int(version) - 1 : int(version)]
                assert any(landed(one, OnSink(resource=held, version=version)) for held in then), "not as written"

    def go(self, adapter: Adapter, *, held: bool = False) -> bool:
        """A run without its pull: recover, plan each patient from what is on file, deliver; whether all went well."""
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
            truth = self.truth[patient, HOLD if held else state]
            outgoing.add(self.planned(adapter, truth, in_own_ids(self.of(patient)), now))
        before = {patient: self.in_force(patient) for patient in self.world}
        billed = {patient: [set(lines) for lines in self.lines(patient)] for patient in self.world}
        outgoing.deliver()
        self.steps["holds"] += held
        for patient in self.world if held else ():
            assert [set(lines) for lines in self.lines(patient)] == billed[patient], "a hold withdrew something"
        if report.failed and not report.writes and {one.state for one in report.failed} <= {"refused", "waiting"}:
            assert {patient: self.in_force(patient) for patient in self.world} == before, "refused, and in force"
        return not report.failed

    def planned(self, adapter: Adapter, truth: Truth, there: list[dict[str, Any]], now: str) -> ChangeSet:
        """Plan from what is on file; planned once, where nothing of it has changed since."""
        context = replace(truth.context, recorded=now, tenant=adapter.tenant)
        key = ClaimIdentity.of(truth.determination, context.tenant).key
        ours = [one for one in there if own_key(one) == key]
        seen = tuple((one["resourceType"], one["id"], one["meta"]["versionId"]) for one in ours)
        known = self.plans.get((id(truth), context.tenant, seen))
        if known is None:
            on_file = [OnFile(resource=one, version=one["meta"]["versionId"]) for one in ours]
            known = plan_changes(truth.determination, on_file, context, patient_in_complete_pull=True)
            self.plans[id(truth), context.tenant, seen] = known
        return known

    def in_force(self, patient: str) -> dict[str, bytes]:
        """What is live of a patient's claims and charges, and what it says."""
        live = [f"{one['resourceType']}/{one['id']}" for one in self.of(patient) if one["status"] in LIVE]
        return {name: self.content(name) for name in live}

    def break_it(self, request: httpx.Request) -> httpx.Response | None:
        """What happens to a request that writes."""
        if not self.fault or request.method == "GET":
            return None
        if self.fault_at:
            self.fault_at -= 1
            return None
        fault, self.fault = self.fault, self.fault if self.fault == "429" else ""
        if fault in OTHERS:
            return self.other(fault, request)
        self.steps[fault] += 1
        if fault in REFUSALS:
            return outcome(int(fault), "no")
        whole = self.wire(request)
        if fault == "arrives late":
            self.late.append(whole)
        elif fault != "request lost":
            self.carry_out(whole)
        if fault == "arrives twice":
            return self.small.handle_again(request)
        raise httpx.ReadTimeout("gone", request=request)

    def other(self, fault: str, request: httpx.Request) -> httpx.Response | None:
        """What happens to some ways of writing only."""
        if fault == "a person is faster":
            self.somebody_edits(0)
            return None
        kind = request.url.path.rpartition("/")[2]
        if self.strategy is not WriteStrategy.CONDITIONAL_CREATE or request.method != "POST" or kind == "fhir":
            return None
        self.steps[fault] += 1
        body = exact_json.loads(request.content)
        self.small.create(kind, body, None)
        return self.small.create(kind, body, None)

    def wire(self, request: httpx.Request) -> bytes:
        headers = {name: request.headers[name] for name in CONDITIONS if name in request.headers}
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


@contextmanager
def machine(folder: Path) -> Iterator[type[Machine]]:
    """The machine with everything that is made once; stores in memory where the machine has such a disk."""
    Machine.truth = truths(folder)

    def die(name: str) -> None:
        if name == Machine.die["at"]:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        if Path("/dev/shm").is_dir():  # noqa: S108 -- a disk in memory, for a store of this test only
            patch.setattr(tempfile, "tempdir", "/dev/shm")  # noqa: S108
        Machine.adapters = (Adapter(), Adapter())
        for module in ("outgoing", "recovery", "sinks.sending", "sinks.identified"):
            patch.setattr(f"caretally.sync.{module}.failpoint", die)
        # What is planned was checked as FHIR in the tests of billing; it takes most of the time.
        patch.setattr("caretally.billing.changes.validate", lambda _resource: None)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            yield Machine
        finally:
            structlog.reset_defaults()
            for adapter in Machine.adapters:
                adapter.store.close()
                adapter.transport.close()
