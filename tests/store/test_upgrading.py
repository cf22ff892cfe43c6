"""A store of an older release goes on with the new one: nothing is lost, nothing is written again."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.postgresql import PostgresServer

from caretally.facts import exact_json
from caretally.store import StoreBinding, open_existing_store, open_store
from caretally.store.decisions import decisions_of
from caretally.store.errors import StoreUpgradeError, StoreVersionError, StoreWriteError
from caretally.store.upgrading import HEAD

ROOT = Path(__file__).parents[2]
LEFT = ROOT / "fixtures" / "upgrade"
BINDING = StoreBinding(target="folder:.", tenant="default")
WRITTEN = ("ChargeItem.ndjson", "Claim.ndjson", "Provenance.ndjson")


@pytest.fixture(params=sorted(path.name for path in LEFT.iterdir()))
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a version left behind: source, results and store."""
    folder = tmp_path / "left"
    shutil.copytree(LEFT / request.param, folder)
    with sqlite3.connect(folder / "out" / "caretally.sqlite") as database:
        database.executescript((folder / "store.sql").read_text())
    database.close()
    return folder


def run(folder: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "tests" / "sync" / "run_once.py"),
        str(folder / "source"),
        str(folder / "out"),
    ]
    assert subprocess.run(command, check=False, timeout=300).returncode == 0


def test_what_an_older_version_wrote_is_not_written_again(left: Path) -> None:
    before = {name: (left / "out" / name).stat() for name in WRITTEN}
    run(left)
    report = exact_json.loads((left / "out" / "run-report.json").read_bytes())
    assert (report["writes"]["create"], report["writes"]["update"], report["writes"]["proposed"]) == ({}, {}, 0)
    after = {name: (left / "out" / name).stat() for name in WRITTEN}
    assert {n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()} == {
        n: (s.st_ino, s.st_mtime_ns) for n, s in before.items()
    }
    with open_existing_store(left / "out" / "caretally.sqlite") as store:
        assert [one.who for one in decisions_of(store, "Patient/d-pat")] == ["biller-1"]


def test_a_copy_is_made_before_the_tables_change(left: Path) -> None:
    path = left / "out" / "caretally.sqlite"
    with sqlite3.connect(path) as database:
        whole = list(database.iterdump())
    database.close()
    open_store(path, binding=BINDING, opened_at="x").close()
    copy = path.with_name(f"caretally.sqlite.{left_version(left)}.backup")
    with sqlite3.connect(copy) as database:
        assert list(database.iterdump()) == whole
    database.close()
    assert copy.stat().st_mode & 0o077 == 0
    before = sorted(path.parent.iterdir())
    open_store(path, binding=BINDING, opened_at="x").close()
    assert sorted(path.parent.iterdir()) == before


def left_version(folder: Path) -> str:
    return next(part for part in (folder / "store.sql").read_text().split("'") if part.isdigit())


def test_without_a_copy_nothing_changes(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left / "out" / "caretally.sqlite"

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("caretally.store.upgrading.os.fsync", full)
    with pytest.raises(StoreWriteError, match="no copy of it can be made") as caught:
        open_store(path, binding=BINDING, opened_at="x")
    assert caught.value.exit_code == 6
    assert not list(path.parent.glob("*.backup*"))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (left_version(left),)
    database.close()


def test_a_database_of_an_older_version_waits_for_a_backup(postgresql: PostgresServer) -> None:
    url = postgresql.database()
    with open_store(url, binding=BINDING, opened_at="x") as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
        connection.execute(text("DROP TABLE lease"))
    with pytest.raises(StoreUpgradeError, match=r"pg_dump.*caretally store upgrade --backed-up") as caught:
        open_store(url, binding=BINDING, opened_at="x")
    assert caught.value.exit_code == 3
    with open_store(url, binding=BINDING, opened_at="x", backed_up=True) as store, store.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_a_newer_database_is_refused(postgresql: PostgresServer) -> None:
    url = postgresql.database()
    with open_store(url, binding=BINDING, opened_at="x") as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersionError, match=r"9999.*newer release.*Update Caretally, or use another store"):
        open_store(url, binding=BINDING, opened_at="x")
