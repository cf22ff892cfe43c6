"""docs/reference/faults.md has every fault that is tried, with what the tests promise of it and figures that hold."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.faults_before_hapi import READING, WRITING_FAULTS
from tests.faults.server_faults import FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
ROW = re.compile(
    r"^\| `([a-z0-9-]+)` \| (.+) \| (.+) \| (\d+) \((\d+)\) \| (\d+) \| (\d+) \| (\d+) MiB \|$", re.MULTILINE
)


def test_every_fault_stands_there_with_its_promise_and_figures() -> None:
    rows = {name: rest for name, *rest in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    faults = {fault.name: fault for fault in (*FAULTS, *READING, *WRITING_FAULTS)}
    assert rows.keys() == faults.keys()
    for name, (what, outcome, requests, spoilt, early, elsewhere, mebibytes) in rows.items():
        assert (what, outcome) == (faults[name].what, str(faults[name].outcome)), name
        assert int(requests) >= int(spoilt) >= 1, name
        assert (int(early), int(elsewhere)) == (0, 0), name
        assert int(mebibytes) < faults[name].most_mebibytes, name
