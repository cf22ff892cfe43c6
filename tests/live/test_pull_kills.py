"""A pull that is killed anywhere goes on where it was: the same facts in the end, and little is asked for twice.

Each kill is a SIGKILL of ``caretally sync`` at a named place or when a random number of requests has been made. What
was asked is counted by a proxy before the server, which outlives the process.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.population import population
from tests.faults.runner import ROOT, Runner
from tests.live.conftest import HapiFactory
from tests.live.counting_proxy import CountingProxy
from tests.live.hapi_server import load

from caretally.fhir.settings import ServerSettings
from caretally.sync.mirroring.export import DOWNLOADS_AT_ONCE

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
PATIENTS = int(os.environ.get("CARETALLY_PULL_PATIENTS", "2000"))
"""Of `make prove`; `make test` has the 200 of the fixture `practice`."""
RANDOM = int(os.environ.get("CARETALLY_PULL_KILLS", "50" if PROVING else "10"))
"""Kills at random points, besides one at each named place."""
NAMED = bool(int(os.environ.get("CARETALLY_PULL_NAMED", "1")))
"""Whether to kill at the named places, too."""
MONTH = "2024-12"
"""One in which nothing is billed: it is the reading that is killed here; test_kill.py kills what is written."""
SEED = int(os.environ.get("CARETALLY_PULL_SEED", "20250201"))
PAGE = 100
WORKERS = ServerSettings(base_url="http://localhost").max_in_flight
PLACES = ("mirror:", "export:", "sync:", "pulled")
"""How the failpoints of a pull begin; the others belong to writing, see test_kill.py."""


@dataclass(frozen=True)
class Kill:
    """At a named place, when it is passed for the nth time; or after a share of the requests of a whole run."""

    number: int
    by: str
    place: str | None
    times: int = 1
    share: float = 1.0

    def __str__(self) -> str:
        return f"kill {self.number} of {self.by} at {self.place or f'{self.share:.0%}'}"


def places() -> list[str]:
    """The failpoints of a pull, read from the code, so that a new one is killed at too."""
    found: set[str] = set()
    for path in (ROOT / "src" / "caretally" / "sync").rglob("*.py"):
        found |= set(re.findall(r'failpoint\("([a-z:-]+)"\)', path.read_text(encoding="utf-8")))
    return sorted(name for name in found if name.startswith(PLACES))


def kills(pages: int, files: int) -> list[Kill]:
    """Each named place once, and random points; the same in every run, as far as a machine allows."""
    dice = random.Random(SEED)  # noqa: S311 -- repeatable
    most = {"mirror:page-read": pages // 2, "mirror:page-kept": pages // 2, "export:file-kept": files}
    made = [
        Kill(n, "export" if place.startswith("export:") else "search", place, dice.randint(1, most.get(place, 1)))
        for n, place in enumerate(places() if NAMED else ())
    ]
    for number in range(len(made), len(made) + RANDOM):
        by = "export" if number % 5 == 0 else "search"
        made.append(Kill(number, by, None, share=dice.uniform(0.02, 0.98)))
    return made


@pytest.fixture(scope="module")
def proxy(request: pytest.FixtureRequest, hapi_factory: HapiFactory) -> Iterator[CountingProxy]:
    if PROVING:
        # HAPI exports no more of a type than its largest page: see test_export.py.
        # Sixteen exports of all of it stay in the server's memory until it ends.
        base = hapi_factory(page_default=60, page_max=1_000_000, heap="4g")
        load(base, population("k", PATIENTS))
    else:
        base = request.getfixturevalue("practice")
    with CountingProxy(base) as found:
        yield found


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("pull-kills")) as made:
        yield made


def job(base: str, out: Path, by: str) -> dict[str, Any]:
    words = ["sync", base, "--month", MONTH, "--out", str(out), "--by", by, "--json", "--quiet"]
    configuration = out.parent / "caretally.toml"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(f"[server]\npage_size = {PAGE}\n", encoding="utf-8")
    return {"command": [*words, "--config", str(configuration)], "state": str(out.parent)}


def whole(runner: Runner, proxy: CountingProxy, out: Path, by: str) -> dict[str, Any]:
    """A run to its end: what it reports."""
    code = runner.run(**job(proxy.base, out, by))
    assert code == 0, runner.told()
    return runner.report()


def cut(runner: Runner, proxy: CountingProxy, out: Path, kill: Kill, requests: int) -> int:
    """A run that is killed: its exit code."""
    if kill.place is not None:
        return runner.run(**job(proxy.base, out, kill.by), failpoint=f"{kill.place}@{kill.times}")
    pid = runner.begin(**job(proxy.base, out, kill.by))
    wanted, deadline = max(1, round(kill.share * requests)), time.monotonic() + 600
    while len(proxy.asked) < wanted and time.monotonic() < deadline and os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return runner.end()


def landed(runner: Runner, proxy: CountingProxy, out: Path, kill: Kill, requests: int) -> int:
    """A run that is killed, and earlier when it ended first: its exit code.

    How often the state of an export is asked for hangs on the machine, and with it what a share of the requests is.
    """
    code = cut(runner, proxy, out, kill, requests)
    while code == 0 and kill.place is None:
        proxy.taken()
        shutil.rmtree(out.parent)
        kill = replace(kill, share=kill.share / 2)
        code = cut(runner, proxy, out, kill, requests)
    return code


def kind_of(request: str) -> str:
    """What a request is to a pull: a page, a count, a file of an export, its kick-off, or what is asked once."""
    path = request.split(" ")[1]
    if "/Binary/" in path:
        return "file"
    if "$export-poll-status" in path:
        return "state"
    if "$export" in path:
        return "kick-off"
    if "_summary=count" in path:
        return "count"
    return "opening" if path.endswith("/metadata") or "_elements=id" in path else "page"


def asked_twice(before: list[str], after: list[str]) -> Counter[str]:
    """How many requests of each kind were made by both."""
    return Counter(kind_of(one) for one in (Counter(before) & Counter(after)).elements())


def facts(out: Path) -> set[tuple[Any, ...]]:
    """Everything that is held of the server, byte for byte."""
    connection = sqlite3.connect(f"file:{out / 'caretally.sqlite'}?mode=ro", uri=True)
    try:
        return set(connection.execute("SELECT resource_type, resource_id, patient, body FROM mirror_resource"))
    finally:
        connection.close()


def results(out: Path) -> list[dict[str, Any]]:
    """Each answer whole, but for whether something was left to be written; and what stands in the folder."""
    rows = [json.loads(line) for line in (out / "determinations.ndjson").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        del row["action"]
    written = [
        json.loads(line)
        for name in ("Claim.ndjson", "ChargeItem.ndjson")
        if (out / name).exists()
        for line in (out / name).read_text(encoding="utf-8").splitlines()
    ]
    rows += [{key: row[key] for key in ("resourceType", "id", "status")} for row in written]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


@pytest.mark.prove
def test_killed_at_named_and_at_random_points_a_pull_goes_on(
    proxy: CountingProxy, runner: Runner, tmp_path: Path, record_property: Any
) -> None:
    wanted = {by: tmp_path / f"clean-{by}" / "out" for by in ("search", "export")}
    clean: dict[str, list[str]] = {}
    for by, out in wanted.items():
        proxy.taken()
        whole(runner, proxy, out, by)
        clean[by] = proxy.taken()
        kinds = Counter(map(kind_of, clean[by]))
        assert Counter(one for one in clean[by] if kind_of(one) == "page").most_common(1)[0][1] == 1
    assert facts(wanted["search"]) == facts(wanted["export"])
    assert results(wanted["search"]) == results(wanted["export"])
    held, answers = facts(wanted["search"]), results(wanted["search"])
    pages = sum(kind_of(one) == "page" for one in clean["search"])
    planned = kills(pages, kinds["file"])
    most = Counter[str]()
    for kill in planned:
        out = tmp_path / f"killed-{kill.number}" / "out"
        code = landed(runner, proxy, out, kill, len(clean[kill.by]))
        before = proxy.taken()
        assert code == -signal.SIGKILL, (kill, code, runner.told())
        report = whole(runner, proxy, out, kill.by)
        after = proxy.taken()
        assert facts(out) == held, kill
        assert results(out) == answers, kill
        assert report["gaps"] == 0, kill
        if report["resumed"]:
            twice = asked_twice(before, after)
            assert twice["page"] <= WORKERS, (kill, twice)
            assert twice["file"] <= DOWNLOADS_AT_ONCE, (kill, twice)
            assert twice["kick-off"] <= (kill.place is None), (kill, twice)
            most |= twice
        else:
            # Either nothing of the reading had begun, or all of it was kept, and what changed since is asked for.
            begun = any(kind_of(one) not in {"opening", "state"} for one in before)
            assert report["mode"] in ({"changes", "export-changes"} if begun else {"full", "export"}), kill
        shutil.rmtree(out.parent)
    print(f"{len(planned)} runs killed; asked for twice, at most: {dict(most)}; a whole run: {pages} pages")
    record_property("cases", len(planned))
