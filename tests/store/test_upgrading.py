"""A store of an older release goes on with the new one: nothing is lost, nothing is written again."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.postgresql import PostgresServer

from caretally.facts import exact_json
from caretally.store import StoreBinding, open_existing_store, open_store, schema
from caretally.store.decisions import decisions_of
from caretally.store.errors import StoreUpgradeError, StoreVersionError, StoreWriteError
from caretally.store.upgrading import HEAD

ROOT = Path(__file__).parents[2]
LEFT = ROOT / "fixtures" / "upgrade"
BINDING = StoreBinding(target="folder:.", tenant="default")
WRITTEN = ("ChargeItem.ndjson", "Claim.ndjson", "Provenance.ndjson")


VERSIONS = sorted(path.name for path in LEFT.iterdir() if path.is_dir())
BEFORE_RELEASES = "0001"


@pytest.fixture(params=VERSIONS)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a version left behind: source, results and store."""
    folder = tmp_path / str(request.param)
    shutil.copytree(LEFT / request.param, folder)
    with sqlite3.connect(folder / "out" / "caretally.sqlite") as database:
        database.executescript((folder / "store.sql").read_text())
    database.close()
    return folder


def run(folder: Path) -> dict[str, Any]:
    command = [
        sys.executable,
        str(ROOT / "tests" / "sync" / "run_once.py"),
        str(folder / "source"),
        str(folder / "out"),
    ]
    assert subprocess.run(command, check=False, timeout=300).returncode == 0
    report: dict[str, Any] = exact_json.loads((folder / "out" / "run-report.json").read_bytes())
    return report["writes"]  # type: ignore[no-any-return]


def claims(folder: Path) -> dict[str, bytes]:
    rows = (folder / "out" / "Claim.ndjson").read_bytes().splitlines()
    return {exact_json.loads(row)["id"]: row for row in rows}


def test_what_an_older_version_wrote_is_not_written_again(left: Path) -> None:
    before, files = claims(left), {name: (left / "out" / name).stat() for name in WRITTEN}
    writes = run(left)
    assert writes["proposed"] == 0
    assert claims(left).keys() == before.keys()
    active = {name for name, row in before.items() if exact_json.loads(row)["status"] == "active"}
    assert {name: claims(left)[name] for name in active} == {name: before[name] for name in active}
    if left.name == BEFORE_RELEASES:  # drafts have got more elements since
        assert "Claim" not in writes["create"]
        writes, files = run(left), {name: (left / "out" / name).stat() for name in WRITTEN}
    assert (writes["create"], writes["update"]) == ({}, {})
    after = {name: (left / "out" / name).stat() for name in WRITTEN}
    assert {n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()} == {
        n: (s.st_ino, s.st_mtime_ns) for n, s in files.items()
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
    if left_version(left) == HEAD:
        assert not copy.exists()
        return
    with sqlite3.connect(copy) as database:
        assert list(database.iterdump()) == whole
    database.close()
    assert copy.stat().st_mode & 0o077 == 0
    before = sorted(path.parent.iterdir())
    open_store(path, binding=BINDING, opened_at="x").close()
    assert sorted(path.parent.iterdir()) == before


def left_version(folder: Path) -> str:
    found = re.search(r"""INSERT INTO "alembic_version" VALUES\('(\d+)'\)""", (folder / "store.sql").read_text())
    assert found is not None
    return found[1]


def test_without_a_copy_nothing_changes(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left / "out" / "caretally.sqlite"
    if left_version(left) == HEAD:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE alembic_version SET version_num = '0001'")
        database.close()
    version = "0001"

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("caretally.store.upgrading.os.fsync", full)
    with pytest.raises(StoreWriteError, match="no copy of it can be made") as caught:
        open_store(path, binding=BINDING, opened_at="x")
    assert caught.value.exit_code == 6
    assert not list(path.parent.glob("*.backup*"))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (version,)
    database.close()


OF_0002 = frozenset(
    {
        "store_binding",
        "run",
        "pull",
        "pull_gap",
        "staged_resource",
        "issue",
        "determination",
        "change_intent",
        "change_outcome",
        "decision",
        "ledger_entry",
    }
)


def test_a_database_of_an_older_version_waits_for_a_backup(postgresql: PostgresServer) -> None:
    url = postgresql.database()
    with open_store(url, binding=BINDING, opened_at="x") as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
        for table in schema.metadata.tables.keys() - OF_0002:
            connection.execute(text(f"DROP TABLE {table} CASCADE"))
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
