"""Faults between the command line and HAPI: what is survived leaves the bytes of a clean run, and one claim a month."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from tests.faults.command import Commands, Ended, lanes
from tests.faults.fault import Fault, Survived
from tests.faults.faults_before_hapi import READING, WRITING_FAULTS, storm
from tests.faults.front import Front, behind, neighbours, tempting
from tests.faults.judging import check, keep_figures
from tests.faults.on_server import holdings
from tests.faults.population import CHARGES, population
from tests.faults.spoiling import MEBIBYTE
from tests.faults.trial import IN_FLIGHT, MONTH, TOKEN, Trial, apply, error_of, results, try_fault
from tests.live.hapi_server import load
from tests.sync.practices import golden, together

STORMS = range(2, 52 if os.environ.get("CARETALLY_PROVE") else 3)
PAGES = {"page_size": 2, "max_response_bytes": 64 * MEBIBYTE}
NOTHING = Fault(name="none", group="pages", what="nothing", script=(), outcome=Survived())


@dataclass
class Line:
    """The command line, and HAPI behind two fronts."""

    hapi: str
    commands: Commands
    front: Front
    other: Front
    folder: Path
    patients: list[str]
    figures: dict[str, tuple[Trial, int]]
    clean: dict[str, bytes]
    kilobytes: int = 0

    def run(self, name: str, fault: Fault, patients: list[str], *to: str) -> Ended:
        settings = {**PAGES, **fault.settings}
        return apply(self.commands, self.front, self.folder / name, settings, patients, *to)

    def tried(self, name: str, fault: Fault) -> Trial:
        return try_fault(
            fault, lambda: self.run(name, fault, self.patients), self.front, self.other, self.folder / name
        )


@pytest.fixture(scope="module")
def line(hapi: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("faults")
    mark = uuid4().hex[:8]
    load(hapi, together(golden("G02", f"first{mark}-"), golden("G11", f"second{mark}-")))
    patients = [f"first{mark}-pat", f"second{mark}-pat"]
    front, other = neighbours(behind(hapi), tempting)
    with lanes(folder / "logs", 1) as (commands,), front, other:
        found = Line(hapi, commands, front, other, folder, patients, {}, {})
        ended = found.run("clean", NOTHING, patients)
        assert ended.code == 0, ended.err
        found.clean, found.kilobytes = results(folder / "clean"), ended.peak_kilobytes
        yield found
        keep_figures("hapi", found.figures)
        assert front.errors == other.errors == []


@pytest.mark.parametrize("fault", READING, ids=lambda fault: fault.name)
def test_reading(fault: Fault, line: Line) -> None:
    trial = line.tried(fault.name, fault)
    line.figures[fault.name] = (trial, line.kilobytes)
    check(fault, trial, line.clean, line.kilobytes, untouched=f"Patient/{line.patients[1]}")


@pytest.mark.prove
def test_storms(line: Line, record_property: Callable[[str, object], None]) -> None:
    """The same survivable faults at other places of the pull."""
    for seed in STORMS:
        fault = replace(READING[0], script=storm(seed))
        check(fault, line.tried(f"storm-{seed}", fault), line.clean, line.kilobytes)
    record_property("cases", len(STORMS))


@pytest.mark.parametrize("fault", WRITING_FAULTS, ids=lambda fault: fault.name)
def test_writing(fault: Fault, line: Line) -> None:
    """After the fault, and one more run where it did not end well, each claim and charge is there once, unchanged."""
    mark = "w" + "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex[:8])
    load(line.hapi, population(mark, 2))
    patients = [f"{mark}{number}-pat" for number in range(2)]
    to = ("--to", line.front.base)
    line.front.begin(fault.script)
    line.other.begin(())
    ended = line.run(fault.name, fault, patients, *to)
    base = f"127.0.0.1 {line.front.port}"
    trial = Trial(
        ended=ended,
        error=error_of(ended),
        reasons=(),
        results={},
        requests=len(line.front.seen),
        spoilt=line.front.spoilt,
        pages=0,
        too_early=line.front.too_early(IN_FLIGHT),
        elsewhere=line.other.connections + len(ended.connected - {base}),
        tokens_elsewhere=sum(TOKEN in f"{one.target}{one.headers}" for one in line.other.seen),
    )
    line.figures[fault.name] = (trial, line.kilobytes)
    assert trial.spoilt > 0
    assert (trial.too_early, trial.elsewhere, trial.tokens_elsewhere) == (0, 0, 0)
    if isinstance(fault.outcome, Survived):
        assert ended.code == 0, ended.out + ended.err
    else:
        assert (ended.code, trial.error[0]) == (fault.outcome.code, fault.outcome.kind), ended.out  # type: ignore[union-attr]
        assert sum(holdings(line.hapi, patients, MONTH).claims.values()) == 0
        line.front.begin(())
        assert line.run(fault.name, fault, patients, *to).code == 0
    held = holdings(line.hapi, patients, MONTH)
    assert dict(held.claims) == {(f"Patient/{name}", MONTH): 1 for name in patients}
    assert dict(held.charges) == {(f"Patient/{name}", MONTH): CHARGES for name in patients}
    assert set(held.versions.values()) == {1}
