"""A store that is full, held, damaged or gone: a clear end with its code, and the next run goes on."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from caretally.errors import CaretallyError
from caretally.store import outbox, temporary_store
from caretally.store.errors import StoreLostError, StoreUnusableError
from caretally.sync.pulling import types_to_read
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from tests.postgresql import PostgresServer
from tests.sync.practices import golden, together, write
from tests.sync.small_server import SmallServer
from tests.sync.test_strategies import live, versions

ROOT = Path(__file__).parents[2]
RUN_ONCE = ROOT / "tests" / "sync" / "run_once.py"
STAFF_20 = {"role": "RN", "who": "N1", "date": "2025-01-13", "min": 20}
Values = dict[str, Any]


@pytest.fixture
def practice(tmp_path: Path) -> Path:
    """A dozen patients, so that something is written in more than one lot."""
    return write(tmp_path / "practice", together(*(golden("G02", f"p{n}-", entries=[STAFF_20]) for n in range(12))))


def once(practice: Path, out: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN_ONCE), str(practice), str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)


def claims(out: Path) -> int:
    path = out / "Claim.ndjson"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("kilobytes", [0, 100, 280])
def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(practice: Path, tmp_path: Path, kilobytes: int) -> None:
    """Where a file may not grow any more (RLIMIT_FSIZE), every write beyond fails as on a full disk."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    out = tmp_path / "out"
    done = once(practice, out, preexec_fn=limited)
    assert done.returncode in {3, 6}, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert "disk" in done.stderr or "cannot be" in done.stderr, done.stderr[-2000:]
    again = once(practice, out)
    assert again.returncode == 0, again.stderr[-2000:]
    assert claims(out) == 12
    before = (out / "Claim.ndjson").read_bytes()
    assert once(practice, out).returncode == 0
    assert (out / "Claim.ndjson").read_bytes() == before


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own of half a megabyte, in a name space of its own where we may not mount in ours."""
    folder = Path(tempfile.mkdtemp(prefix="caretally-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "caretally", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        # Without the right to mount, the limit on file sizes above stands for the full disk.
        pytest.xfail("mounting needs rights that this user has not")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    shutil.rmtree(folder)


def test_a_disk_that_is_full_is_named_and_room_is_enough_to_go_on(practice: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    done = once(practice, out)
    assert done.returncode == 6, done.stderr[-2000:]
    assert "full" in done.stderr or "No space left" in done.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert once(practice, out).returncode == 0
    assert claims(out) == 12
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = once(practice, out)
    assert done.returncode in {3, 6}, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert once(practice, out).returncode == 0
    assert claims(out) == 12


def test_a_store_that_is_damaged_is_named_and_claims_are_found_without_it(practice: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert once(practice, out).returncode == 0
    before = (out / "Claim.ndjson").read_bytes()
    store = out / "caretally.sqlite"
    whole = bytearray(store.read_bytes())
    whole[100:8192] = b"\xff" * 8092
    store.write_bytes(bytes(whole))
    done = once(practice, out)
    assert done.returncode == 3
    assert "damaged" in done.stderr
    assert "move it away and run again" in done.stderr
    for path in out.glob("caretally.sqlite*"):
        path.unlink()
    assert once(practice, out).returncode == 0
    assert (out / "Claim.ndjson").read_bytes() == before


def test_a_store_that_another_program_holds_is_named(
    practice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_values: Values
) -> None:
    out = tmp_path / "out"
    assert once(practice, out).returncode == 0
    monkeypatch.setattr("caretally.store.opening.BUSY_SECONDS", 0)
    other = sqlite3.connect(out / "caretally.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    small = SmallServer(page=100)
    try:
        with pytest.raises(CaretallyError, match="held by another process") as caught:
            run_month(request(practice, small, run_values, str(out), same=out))
        assert caught.value.exit_code == 7
    finally:
        other.close()
    assert once(practice, out).returncode == 0


def request(practice: Path, small: SmallServer, values: Values, store: str, same: Path | None = None) -> RunRequest:
    from caretally.sync.sinks.folder import FolderSink  # noqa: PLC0415 -- one test writes to a folder

    types = types_to_read(values["tables"])
    sink: Any = ServerSink(server=small.server(), resource_types=types)
    if same is not None:
        sink = FolderSink(path=same, resource_types=types)
    return RunRequest(source=FolderSource(practice), sink=sink, store=store, **values)


@pytest.mark.parametrize("when", [1, 7, 12])
def test_a_database_that_is_killed_in_mid_run_loses_nothing(
    practice: Path, run_values: Values, postgresql: PostgresServer, when: int
) -> None:
    """PostgreSQL dies while the run is between two claims; it is started, and the next run goes on."""
    url = postgresql.database()
    small = SmallServer(page=100)
    sent: list[int] = []

    def lose_the_database(http: httpx.Request) -> None:
        if http.method == "POST" and http.url.path == "/fhir":
            sent.append(1)
            if len(sent) == when:
                postgresql.kill()

    small.faults.append(lose_the_database)
    try:
        with pytest.raises(CaretallyError) as caught:
            run_month(request(practice, small, run_values, url))
    finally:
        small.faults.clear()
        if not sent or len(sent) >= when:
            postgresql.start()
    assert isinstance(caught.value, StoreLostError | StoreUnusableError), caught.value
    assert caught.value.exit_code in {3, 6}
    assert "start it" in str(caught.value)
    report = run_month(request(practice, small, run_values, url))
    assert report.error() is None
    assert sum(report.recovered.values()) >= 1
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (12, 12)
    assert set(versions(small).values()) == {1}
    assert run_month(request(practice, small, run_values, url)).writes == {}


def test_two_machines_on_one_database_take_turns(
    practice: Path, run_values: Values, postgresql: PostgresServer
) -> None:
    url = postgresql.database()
    small = SmallServer(page=100)
    door = threading.Lock()
    plain = small.handle

    def one_at_a_time(http: httpx.Request) -> httpx.Response:
        with door:
            return plain(http)

    small.handle = one_at_a_time  # type: ignore[method-assign,assignment]
    ends: list[RunReport | CaretallyError] = []

    def machine() -> None:
        try:
            ends.append(run_month(request(practice, small, run_values, url)))
        except CaretallyError as error:
            ends.append(error)

    machines = [threading.Thread(target=machine) for _ in range(2)]
    for one in machines:
        one.start()
    for one in machines:
        one.join()
    refused = [one for one in ends if isinstance(one, CaretallyError)]
    assert [one.exit_code for one in refused] in ([], [7])
    assert (len(live(small, "Claim")), set(versions(small).values())) == (12, {1})


def test_what_is_committed_is_there_for_another_connection() -> None:
    with temporary_store(opened_at="2025-02-10T09:00:00Z") as store:
        intent = outbox.Intent(
            id="i", idempotency_key="k", run_id="r", source="s", patient="Patient/p", service_month="2025-01",
            practitioner=None, action="create", created_at="2025", document={"writes": []},
        )  # fmt: skip
        outbox.add_intents(store, [intent])
        other = sqlite3.connect(store.place)
        assert other.execute("SELECT state FROM change_intent").fetchall() == [("open",)]
        other.close()
