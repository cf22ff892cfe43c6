"""The state machine finds faults: each that is planted here breaks a promise, and is found within so many worlds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from caretally.billing import changes
from caretally.fhir import FhirServer
from caretally.fhir.capability import WriteStrategy
from caretally.fhir.writing import WriteEntry
from caretally.store import outbox
from caretally.sync.sinks import sending
from caretally.sync.sinks.identified import IdentifiedSender
from caretally.sync.sinks.sending import SingleSender
from caretally.sync.sinks.server import ServerSink
from caretally.sync.writes import Delivery, Parcel, Write
from tests.faults.machine import Machine, machine

Plant = Callable[[pytest.MonkeyPatch], None]
WORLDS, STEPS = 1_000, 50
"""How many worlds a fault may stay hidden."""


def nothing(*_: Any, **__: Any) -> None:
    return None


def called_written(_sink: ServerSink, parcel: Parcel, *_: Any, **__: Any) -> Delivery:
    versions = {write.reference: write.expected or "1" for write in parcel.writes}
    return Delivery(intent_id=parcel.intent_id, state="applied", versions=versions)


def intent_after_the_first_byte(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "add_intents", nothing)


def outcome_before_sending(patch: pytest.MonkeyPatch) -> None:
    deliver = ServerSink.deliver

    def early(sink: ServerSink, parcels: Sequence[Parcel]) -> list[Delivery]:
        store = next(one.store for one in Machine.adapters if one.sink is sink)
        done = [outbox.Outcome(intent_id=one.intent_id, state="applied", at="x", document={}) for one in parcels]
        outbox.add_outcomes(store, done)
        return deliver(sink, parcels)

    patch.setattr(ServerSink, "deliver", early)


def outcome_not_recorded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caretally.sync.outgoing.record", nothing)
    patch.setattr("caretally.sync.recovery.record", nothing)


def unknown_never_looked_up(patch: pytest.MonkeyPatch) -> None:
    every = outbox.open_intents
    patch.setattr(outbox, "open_intents", lambda store: [one for one in every(store) if one.state == "open"])


def silence_counts_as_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerSink, "_after_silence", called_written)


def conflict_counts_as_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerSink, "_after_conflict", called_written)


def version_check_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sending, "entry_of", lambda write, *, star: WriteEntry.of(write.resource))  # noqa: ARG005


def retry_without_a_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caretally.sync.recovery.landed", lambda *_: False)
    patch.setattr("caretally.sync.recovery.may_be_sent", lambda *_: True)
    version_check_dropped(patch)


def part_of_a_parcel_left_out(patch: pytest.MonkeyPatch) -> None:
    send = sending.send_transaction

    def short(server: FhirServer, writes: Sequence[Write], *, star: bool) -> sending.Sent:
        return send(server, writes[:-1], star=star)

    patch.setattr("caretally.sync.sinks.server.send_transaction", short)


def edit_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caretally.billing.on_file.is_edited", lambda _resource: False)


def hold_withdraws(patch: pytest.MonkeyPatch) -> None:
    not_backed = changes._not_backed

    def withdrawn(question: Any, current: Any) -> Any:
        determination = replace(question.determination, status="not_billable")
        return not_backed(replace(question, determination=determination), current)

    patch.setattr(changes, "_not_backed", withdrawn)


def ids_of_its_own_for_each_store(patch: pytest.MonkeyPatch) -> None:
    for number, adapter in enumerate(Machine.adapters):
        patch.setattr(adapter, "tenant", f"practice-{number}")


def compensation_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SingleSender, "_undo", nothing)
    patch.setattr(IdentifiedSender, "_undo", nothing)


def creation_without_its_condition(patch: pytest.MonkeyPatch) -> None:
    create = FhirServer.create_if_absent

    def bare(server: FhirServer, resource: Any, _condition: Any) -> Any:
        return create(server, resource, [("identifier", "https://nobody.example|x")])

    patch.setattr(FhirServer, "create_if_absent", bare)


def copies_not_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdentifiedSender, "_take_back_copy", nothing)


TRANSACTION, CREATE = WriteStrategy.TRANSACTION, WriteStrategy.CONDITIONAL_CREATE
PLANTED: dict[str, tuple[WriteStrategy, Plant]] = {
    "the intent is not committed": (TRANSACTION, intent_after_the_first_byte),
    "the outcome is recorded before sending": (TRANSACTION, outcome_before_sending),
    "the outcome is not recorded": (TRANSACTION, outcome_not_recorded),
    "an unknown outcome is never looked up": (TRANSACTION, unknown_never_looked_up),
    "silence counts as written": (TRANSACTION, silence_counts_as_written),
    "a conflict counts as written": (TRANSACTION, conflict_counts_as_written),
    "the version check is dropped": (TRANSACTION, version_check_dropped),
    "sent again without a look": (TRANSACTION, retry_without_a_look),
    "a part of a patient-month is left out": (TRANSACTION, part_of_a_parcel_left_out),
    "a person's edit is not noticed": (TRANSACTION, edit_not_noticed),
    "a hold withdraws": (TRANSACTION, hold_withdraws),
    "each store has ids of its own": (TRANSACTION, ids_of_its_own_for_each_store),
    "single PUTs are not undone": (WriteStrategy.SINGLE_PUT, compensation_left_out),
    "conditional updates are not undone": (WriteStrategy.CONDITIONAL_UPDATE, compensation_left_out),
    "a creation goes without its condition": (CREATE, creation_without_its_condition),
    "copies are not taken back": (CREATE, copies_not_taken_back),
}
ALWAYS = ("the intent is not committed", "a conflict counts as written", "a hold withdraws")
"""Found within a few worlds: looked for in every run of the tests, the others when it is proved."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Machine]]:
    with machine(tmp_path_factory.mktemp("truths")) as made:
        yield made


@pytest.mark.prove
@pytest.mark.parametrize("fault", PLANTED if os.environ.get("CARETALLY_PROVE") else ALWAYS)
def test_a_planted_fault_is_found(
    world: type[Machine],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    fault: str,
) -> None:
    world.strategy, plant = PLANTED[fault]
    world.steps.clear()
    plant(monkeypatch)
    how = settings(
        max_examples=WORLDS,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(world, settings=how)
    print(f"{fault}: found after {world.steps['worlds']} worlds")
    record_property("cases", world.steps["worlds"])
