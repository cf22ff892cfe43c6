"""Whatever breaks, in whatever order and way of writing: the server ends up with what was decided, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from caretally.fhir.capability import WriteStrategy
from tests.faults.machine import FAULTS, Machine, machine

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
WAYS = (
    WriteStrategy.TRANSACTION,
    WriteStrategy.SINGLE_PUT,
    WriteStrategy.CONDITIONAL_UPDATE,
    WriteStrategy.CONDITIONAL_CREATE,
)
RUNS = (int(os.environ.get("CARETALLY_PROVE_MACHINES", "10000")) if PROVING else 160) // len(WAYS)
"""For each way of writing."""
STEPS = 50


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Machine]]:
    with machine(tmp_path_factory.mktemp("truths")) as made:
        yield made


@pytest.mark.prove
@pytest.mark.parametrize("strategy", WAYS, ids=lambda one: one.value)
def test_the_server_holds_what_was_decided_once(
    world: type[Machine], record_property: Callable[[str, object], None], strategy: WriteStrategy
) -> None:
    world.steps.clear()
    world.strategy = strategy
    run_state_machine_as_test(world, settings=settings(max_examples=RUNS, stateful_step_count=STEPS))
    record_property("cases", RUNS)
    print(dict(world.steps))
    wanted = {"runs", "killed", "late", "holds", *FAULTS}
    wanted |= {"edits"} if strategy is WriteStrategy.TRANSACTION else set()
    wanted |= {"two are let in"} if strategy is WriteStrategy.CONDITIONAL_CREATE else set()
    reached = {name for name, number in world.steps.items() if number}
    assert wanted <= reached, f"never happened: {wanted - reached}"
