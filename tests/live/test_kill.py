"""Killed anywhere between the first request and the last record, a run loses nothing and writes nothing twice.

A run pulls a few patients from HAPI, decides, and writes back; it is killed (SIGKILL) at a named place or at a random
moment. The next run must leave one claim and its charges for each patient-month, each in its first version, and a
run from another store must find nothing to do.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.faults.on_server import holdings
from tests.faults.population import CHARGES, patient_ids, population
from tests.faults.runner import Runner
from tests.live.hapi_server import load

ROOT = Path(__file__).parents[2]
PROVING = bool(os.environ.get("CARETALLY_PROVE"))
CYCLES, AFTER_COMMIT = (200, 100) if PROVING else (18, 2)
EACH = 5
"""Patients of a cycle."""
MONTH = "2025-01"
RACING, RACING_MONTH = 200, "2025-02"
WORKERS = 2
FIRST_RUN = 6
"""Every so many cycles a further store looks too."""
ELSEWHERE = {"before-undo", "created", "between-puts", "before-determinations"}
"""Places of other ways of writing than the one that HAPI gets by itself, and of folders; see tests/sync."""


def places() -> list[str]:
    """Every failpoint of a run to a server, read from the code, so that a new one is killed at too."""
    named = set()
    for path in (ROOT / "src" / "caretally").rglob("*.py"):
        named |= set(re.findall(r'failpoint\("([a-z:-]+)"\)', path.read_text(encoding="utf-8")))
    # Those of an export and of keeping up are killed at in test_pull_kills.py.
    named = {name for name in named if not name.startswith(("export:", "sync:"))}
    return sorted(name for name in named if name.removeprefix("server:") not in ELSEWHERE)


@dataclass(frozen=True)
class Cycle:
    """One kill: at a named place (`@n`: when it is passed for the nth time), or after a part of a whole run."""

    number: int
    place: str | None
    part: float


def cycles() -> list[Cycle]:
    draw = random.Random(2025)  # noqa: S311 -- the same kills in every run
    named = places()
    found = []
    for number in range(CYCLES):
        by_name = number % 2 == 0
        place = named[(number // 2) % len(named)] if by_name else None
        if place is not None and place.startswith("server:"):
            place = f"{place}@{draw.randint(1, EACH)}"
        found.append(Cycle(number, place, draw.random()))
    found += [Cycle(CYCLES + n, f"server:after-send@{n % EACH + 1}", 0.0) for n in range(AFTER_COMMIT)]
    return found


@pytest.fixture(scope="module")
def people(hapi: str) -> list[str]:
    """Patients on the server, enough for every kill and for the races; their ids."""
    mark = "k" + "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex[:8])
    ids = patient_ids(mark, max(RACING, EACH * (CYCLES + AFTER_COMMIT + WORKERS)))
    load(hapi, population(mark, len(ids)))
    return ids


@pytest.mark.prove
def test_kills(hapi: str, people: list[str], tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    todo, ids = cycles(), people

    def some(number: int) -> list[str]:
        return ids[number * EACH : (number + 1) * EACH]

    def work(worker: int) -> list[str]:
        found = []
        with Runner(tmp_path / f"worker-{worker}") as runner:
            whole = timed(runner, hapi, some(len(todo) + worker), tmp_path / f"first-{worker}")
            for cycle in todo[worker::WORKERS]:
                found += killed(runner, hapi, cycle, some(cycle.number), tmp_path / f"store-{cycle.number}", whole)
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        problems = [problem for found in pool.map(work, range(WORKERS)) for problem in found]
    record_property("cases", len(todo))
    assert problems == []


def timed(runner: Runner, base: str, patients: list[str], store: Path) -> float:
    """Seconds of a whole run."""
    started = time.monotonic()
    assert runner.run(base=base, store=str(store), month=MONTH, patients=patients) == 0, runner.told()
    return time.monotonic() - started


def killed(runner: Runner, base: str, cycle: Cycle, patients: list[str], store: Path, whole: float) -> list[str]:
    """One cycle; what is wrong afterwards."""
    job: dict[str, Any] = {"base": base, "store": str(store), "month": MONTH, "patients": patients}
    where = cycle.place or f"{cycle.part:.0%} of a run"
    if cycle.place == "recovered":  # passed only by a run that finds something open
        assert runner.run(**job, failpoint="intents-committed") == -signal.SIGKILL, runner.told()
    if cycle.place is not None:
        if runner.run(**job, failpoint=cycle.place) != -signal.SIGKILL:
            return [f"{where}: never passed: {runner.told()}"]
    else:
        runner.run(**job, kill_after=cycle.part * whole)
    code = runner.run(**job)
    if code != 0:
        return [f"{where}: the next run ended with {code}: {runner.told()}"]
    problems = wrong(base, patients, MONTH)
    if cycle.number % FIRST_RUN == 0:
        other = runner.run(**{**job, "store": f"{store}-other"})
        if other != 0:
            problems.append(f"another store ended with {other}: {runner.told()}")
        elif (writes := runner.report()["writes"])["create"] or writes["update"]:
            problems.append(f"another store wrote {writes}")
        problems += wrong(base, patients, MONTH)
    return [f"{where}: {problem}" for problem in problems]


def wrong(base: str, patients: list[str], month: str, most_versions: int = 1) -> list[str]:
    """What is lost, double or rewritten."""
    held = holdings(base, patients, month)
    keys = [(f"Patient/{name}", month) for name in patients]
    problems = [f"{held.claims[key]} claims of {key[0]}" for key in keys if held.claims[key] != 1]
    problems += [f"{held.charges[key]} charges of {key[0]}" for key in keys if held.charges[key] != CHARGES]
    if len(held.versions) != len(patients) * (1 + CHARGES):
        problems.append(f"{len(held.versions)} claims and charges of {len(patients)} patients")
    if held.provenances < len(patients):
        problems.append(f"{held.provenances} Provenances of {len(patients)} claims")
    rewritten = [name for name, version in held.versions.items() if version > most_versions]
    if rewritten:
        problems.append(f"{rewritten} have more than {most_versions} versions")
    return problems


@pytest.mark.parametrize("stores", [1, 2])
def test_two_adapters_at_once(hapi: str, people: list[str], tmp_path: Path, stores: int) -> None:
    """Two processes, the same months: each claim and charge is there once, in its first version."""
    patients = people[: RACING // 2] if stores == 1 else people[RACING // 2 : RACING]
    with Runner(tmp_path / "a") as one, Runner(tmp_path / "b") as other:
        for runner, name in ((one, "a"), (other, "a" if stores == 1 else "b")):
            runner.begin(base=hapi, store=str(tmp_path / f"store-{name}"), month=RACING_MONTH, patients=patients)
        codes = [one.end(), other.end()]
        assert codes.count(0) >= 1, one.told() + other.told()
        # Of two stores the slower one looks again until the claim of the faster one is whole, and finds all done.
        assert set(codes) <= ({0, 7} if stores == 1 else {0}), one.told() + other.told()
        # HAPI ignores If-None-Match: two stores may both write one resource, the second time with another enteredDate.
        assert wrong(hapi, patients, RACING_MONTH, most_versions=stores) == []
        for runner, name in ((one, "a"), (other, "a" if stores == 1 else "b")):
            again = runner.run(base=hapi, store=str(tmp_path / f"store-{name}"), month=RACING_MONTH, patients=patients)
            assert again == 0, runner.told()
            assert runner.report()["writes"] | {"unchanged": 0, "found": 0} == {
                "create": {},
                "update": {},
                "found": 0,
                "unchanged": 0,
                "proposed": 0,
            }
        assert wrong(hapi, patients, RACING_MONTH, most_versions=stores) == []
