"""Keeping up with a real server, by search and by Bulk Data export, by the command line, with kills on the way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.live.conftest import HapiFactory
from tests.live.hapi_server import load
from tests.sync.practices import golden, together

CASES = ("G02", "G11", "G36", "G39")
COPIES = int(os.environ.get("CARETALLY_PULL_COPIES", "50"))
"""Copies of the four cases: 200 patients in `make test`; `make prove` takes more."""
KILLS = 10


def command(*words: str, state: Path, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "caretally", *words],
        env={**clean, "XDG_STATE_HOME": str(state), "HOME": str(state), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def synced(base: str, out: Path, *more: str, **environment: str) -> dict[str, Any]:
    words = ("sync", base, "--month", "2025-01", "--out", str(out), "--json", *more)
    done = command(*words, state=out.parent, **environment)
    told, _ = done.communicate(timeout=600)
    assert done.returncode == 0, told
    found: dict[str, Any] = json.loads(told)
    return found


def answers(out: Path) -> dict[str, Any]:
    rows = map(json.loads, (out / "determinations.ndjson").read_text().splitlines())
    return {row["patient"]: (row["status"], row["lines"], [one["code"] for one in row["reasons"]]) for row in rows}


@pytest.fixture(scope="module")
def practice(hapi_factory: HapiFactory) -> str:
    base = hapi_factory(page_default=50)
    rows = together(*(golden(name, f"s{n}-{name.lower()}-") for n in range(COPIES) for name in CASES))
    load(base, rows)
    return base


def test_search_and_export_bring_the_same_and_a_second_round_reads_little(practice: str, tmp_path: Path) -> None:
    by_search = synced(practice, tmp_path / "search", "--by", "search")
    by_export = synced(practice, tmp_path / "export", "--by", "export")
    assert (by_search["mode"], by_export["mode"]) == ("full", "export")
    assert by_search["held"] == by_export["held"]
    assert answers(tmp_path / "search") == answers(tmp_path / "export")
    again = synced(practice, tmp_path / "search", "--by", "search")
    assert again["mode"] == "changes"
    month = again["months"][0]
    assert month["writes"]["create"] == month["writes"]["update"] == {}
    assert month["patients"]["decided"] == 0
    assert again["requests"] < by_search["requests"]
    found = httpx.get(f"{practice}/Encounter", params={"patient": "s0-g39-pat", "_count": "50"}).json()
    entry = next(one["resource"] for one in found["entry"] if "length" in one["resource"])
    entry["length"]["value"] = 45
    entry["period"] = {"start": entry["period"]["start"][:10]}
    httpx.put(f"{practice}/Encounter/{entry['id']}", json=entry).raise_for_status()
    third = synced(practice, tmp_path / "search", "--by", "search")
    assert third["months"][0]["patients"]["decided"] == 1
    assert answers(tmp_path / "search")["Patient/s0-g39-pat"][0] == "billable"


FAILPOINTS = ("mirror:page-read", "mirror:page-kept", "mirror:read", "sync:read", "sync:completed", "decided")


@pytest.mark.prove
def test_killed_at_named_and_at_random_points_a_pull_goes_on(
    practice: str, tmp_path: Path, record_property: Any
) -> None:
    """Each kill is followed by a run that goes on; requests for a page that was kept already are counted."""
    kills = 50 if os.environ.get("CARETALLY_PROVE") else KILLS
    record_property("cases", kills)
    wanted = tmp_path / "clean" / "out"
    began = time.monotonic()
    whole = synced(practice, wanted, "--by", "search")
    seconds = time.monotonic() - began
    dice = random.Random(20250201)  # noqa: S311 -- the same points in every run, as far as a machine allows
    most = 0
    for number in range(kills):
        out = tmp_path / f"killed-{number}" / "out"
        place = FAILPOINTS[number % len(FAILPOINTS)]
        often = dice.randint(1, max(1, whole["requests"] // 3)) if place.startswith("mirror:page") else 1
        by_name = {"CARETALLY_FAILPOINT": f"{place}@{often}"} if number % 2 == 0 else {}
        words = ("sync", practice, "--month", "2025-01", "--out", str(out), "--json", "--by", "search")
        started = command(*words, state=out.parent, **by_name)
        if not by_name:
            time.sleep(dice.uniform(0.2, 0.95) * seconds)
            started.kill()
        started.communicate(timeout=600)
        after = synced(practice, out, "--by", "search")
        assert answers(out) == answers(wanted), place
        most = max(most, after["requests"])
        assert after["gaps"] == 0
    # What a resumed run asks for is never more than a whole one, and the word of the server about itself.
    assert most <= whole["requests"] + 2
