"""Every fault of `server_faults` against the real command line over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.faults.command import Commands
from tests.faults.fault import Fault
from tests.faults.front import in_memory, neighbours, tempting
from tests.faults.judging import check, keep_figures, settled
from tests.faults.server_faults import FAULTS
from tests.faults.trial import Trial, results, sync, try_fault
from tests.sync.practices import golden, together
from tests.sync.syncing_server import SyncingServer

CASES = ("G02", "G11")
LEFT_OUT = {"CareTeam", "MedicationRequest", "AllergyIntolerance", "Procedure", "Group", "ChargeItemDefinition"}


def practice() -> SyncingServer:
    """Two patients, in pages of two resources."""
    rows = together(*(golden(name, f"{name.lower()}-") for name in CASES))
    held = SyncingServer((one for kind in rows.values() for one in kind), page=2)
    held.polls_needed = 0
    # Fewer types, so that many runs cost little.
    held.types = [name for name in held.types if name not in LEFT_OUT]
    return held


class Bench:
    """A server, another one beside it, and a command line."""

    def __init__(self, folder: Path, commands: Commands, opened: ExitStack) -> None:
        self.folder, self.commands = folder, commands
        front, other = neighbours(in_memory(practice()), tempting)
        self.front, self.other = opened.enter_context(front), opened.enter_context(other)

    def clean(self, by: str) -> tuple[Mapping[str, bytes], int]:
        """The results of a run without faults, and its most memory in kilobytes."""
        folder = self.folder / f"clean-{by}"
        ended = sync(self.commands, self.front, folder, {}, by)
        assert ended.code == 0, ended.out + ended.err
        return results(folder), ended.peak_kilobytes

    def tried(self, fault: Fault) -> Trial:
        """What came of a fault."""
        folder = self.folder / fault.name

        def run() -> Any:
            return sync(self.commands, self.front, folder, fault.settings, fault.by)

        return try_fault(fault, run, self.front, self.other, folder)


@dataclass
class Tried:
    """What came of everything that was tried."""

    clean: Mapping[str, tuple[Mapping[str, bytes], int]]
    found: dict[str, Future[Trial]]


@pytest.fixture(scope="module")
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, command_lanes: list[Commands]
) -> Iterator[Tried]:
    """What came of each fault that is to be looked at: tried two at a time."""
    parameters = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    chosen: list[Fault] = [found["fault"] for found in parameters]  # type: ignore[misc]
    wanted = {fault.name: fault for fault in chosen or FAULTS}
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as opened, ThreadPoolExecutor(len(command_lanes)) as pool:
        benches = [Bench(folder / str(number), lane, opened) for number, lane in enumerate(command_lanes)]
        ways: list[str] = sorted({fault.by for fault in wanted.values()})
        runs = [pool.submit(bench.clean, by) for bench, by in zip(benches, ways, strict=False)]
        clean: dict[str, tuple[Mapping[str, bytes], int]] = {
            by: run.result() for by, run in zip(ways, runs, strict=True)
        }
        free: SimpleQueue[Bench] = SimpleQueue()
        for bench in benches:
            free.put(bench)

        def one(fault: Fault) -> Trial:
            bench = free.get()
            try:
                return bench.tried(fault)
            finally:
                free.put(bench)

        found = {name: pool.submit(one, fault) for name, fault in wanted.items()}
        yield Tried(clean, found)
        most = max(kilobytes for _, kilobytes in clean.values())
        keep_figures("small", {name: (one.result(), most) for name, one in found.items()})
        for bench in benches:
            assert bench.front.errors == bench.other.errors == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, tried: Tried) -> None:
    clean, kilobytes = tried.clean[fault.by]
    check(fault, tried.found[fault.name].result(), clean, kilobytes)


@pytest.mark.prove
def test_a_run_after_a_fault_brings_what_was_missing(
    tried: Tried, record_property: Callable[[str, object], None]
) -> None:
    """After some of the faults that end a command; `make prove`: after every one."""
    by = {fault.name: fault.by for fault in FAULTS}
    healed = {name: trial.result() for name, trial in tried.found.items() if trial.result().healed is not None}
    record_property("cases", len(healed))
    assert healed.keys() >= {fault.name for fault in FAULTS if fault.heals and fault.name in tried.found}
    for name, trial in healed.items():
        assert trial.healed_code == 0, name
        assert settled(trial.healed or {}) == settled(tried.clean[by[name]][0]), name
