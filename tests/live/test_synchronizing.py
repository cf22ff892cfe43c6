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


def command(*words: str, state: Path, **environment: str) -> list[str] | Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "caretally", *words],
        env={**clean, "XDG_STATE_HOME": str(state), "HOME": str(state), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def synced(base: str, out: Path, *more: str) -> dict[str, Any]:
    done = command("sync", base, "--month", "2025-01", "--out", str(out), "--json", *more, state=out.parent)
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
    assert month["writes"] == {}
    assert month["patients"]["decided"] == 0
    assert again["requests"] < by_search["requests"]
    changed = httpx.get(f"{practice}/Encounter", params={"patient": "s0-g39-pat", "_count": "1"}).json()
    entry = changed["entry"][0]["resource"]
    entry["length"]["value"] = 45
    entry["period"] = {"start": entry["period"]["start"][:10]}
    httpx.put(f"{practice}/Encounter/{entry['id']}", json=entry).raise_for_status()
    third = synced(practice, tmp_path / "search", "--by", "search")
    assert third["months"][0]["patients"]["decided"] == 1
    assert answers(tmp_path / "search")["Patient/s0-g39-pat"][0] == "billable"


@pytest.mark.prove
def test_killed_at_random_points_a_pull_goes_on(practice: str, tmp_path: Path, record_property: Any) -> None:
    kills = 50 if os.environ.get("CARETALLY_PROVE") else KILLS
    record_property("cases", kills)
    wanted = tmp_path / "clean" / "out"
    whole = synced(practice, wanted, "--by", "search")
    out = tmp_path / "killed" / "out"
    dice = random.Random(20250201)  # noqa: S311 -- the same points in every run, as far as a machine allows
    struck = repeats = 0
    while struck < kills:
        started = command(
            "sync", practice, "--month", "2025-01", "--out", str(out), "--json", "--by", "search", state=out.parent
        )
        time.sleep(dice.uniform(0.6, 2.5))
        if started.poll() is None:
            started.kill()
            struck += 1
            started.communicate()
        elif started.communicate()[0]:
            repeats += 1  # it came to its end: the next one reads changes, and can be killed as well
            assert started.returncode == 0
    synced(practice, out, "--by", "search")
    assert answers(out) == answers(wanted)
    assert synced(practice, out, "--by", "search")["months"][0]["writes"] == {}
    assert whole["gaps"] == 0
