"""A store opens, grows its tables, keeps its tenant, and says clearly why it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, select, text

from caretally.errors import ConfigurationError, LockedError, WriteError
from caretally.store import Store, StoreBinding, open_store, temporary_store
from caretally.store.errors import (
    StoreBindingError,
    StoreBusyError,
    StoreDamagedError,
    StoreUnusableError,
    StoreVersionError,
    StoreWriteError,
)
from caretally.store.locking import file_lock, store_lock
from caretally.store.opening import HEAD, store_file
from caretally.store.schema import metadata, run
from caretally.store.upgrading import run_migrations

BINDING = StoreBinding(target="folder:.", tenant="practice")
AT = "2025-02-04T10:00:00Z"


def opened(path: Path, binding: StoreBinding = BINDING) -> Store:
    return open_store(path, binding=binding, opened_at=AT)


def tables(path: Path) -> dict[str, str]:
    """Everything that a SQLite file is made of, spaces left out."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: "".join((sql or "").split()) for name, sql in rows}


def test_a_new_store_is_what_the_migrations_make(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'grown.sqlite'}")
    with engine.begin() as connection:
        run_migrations(connection)
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()
    with opened(tmp_path / "new.sqlite") as store, store.reading() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    assert tables(tmp_path / "new.sqlite") == tables(tmp_path / "grown.sqlite")
    assert sum("TRIGGER" in sql for sql in tables(tmp_path / "new.sqlite").values()) == 6


def test_head_is_the_last_migration() -> None:
    versions = Path(__file__).parents[2] / "src/caretally/store/migrations/versions"
    numbers = sorted(path.name[1:5] for path in versions.glob("v*.py"))
    assert numbers[-1] == HEAD
    assert len(set(numbers)) == len(numbers)


def test_a_store_opens_again_with_what_it_held(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store, store.writing() as connection:
        connection.execute(
            run.insert().values(
                id="r", command="apply", service_month="2025-01", as_of="x", started_at=AT, state="done"
            )
        )
    with opened(tmp_path / "s.sqlite") as store, store.reading() as connection:
        assert connection.execute(select(run.c.state)).scalar() == "done"


def test_an_up_to_date_store_opens_without_alembic(tmp_path: Path) -> None:
    opened(tmp_path / "s.sqlite").close()
    code = (
        "import sys; from caretally.store import *;"
        f"open_store({str(tmp_path / 's.sqlite')!r}, binding=StoreBinding(target='folder:.', tenant='practice'),"
        " opened_at='x').close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sqlite_is_durable_and_checks_references(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store, store.reading() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_writer_waits_for_the_disk_unless_what_it_writes_can_be_read_again(tmp_path: Path) -> None:
    def waits(connection: Connection) -> bool:
        return connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2

    with opened(tmp_path / "s.sqlite") as store:
        found = []
        for may_be_lost in (True, False, True):
            with store.writing(may_be_lost=may_be_lost) as connection:
                found.append(waits(connection))
    assert found == [False, True, False]


def test_only_the_owner_reads_a_store(tmp_path: Path) -> None:
    opened(tmp_path / "new" / "s.sqlite").close()
    assert stat.S_IMODE((tmp_path / "new" / "s.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_nothing_is_kept_of_a_write_that_fails(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store:
        with suppress(RuntimeError), store.writing() as connection:
            connection.execute(
                run.insert().values(
                    id="r", command="apply", service_month="2025-01", as_of="x", started_at=AT, state="done"
                )
            )
            raise RuntimeError
        with store.reading() as connection:
            assert connection.execute(select(run.c.id)).first() is None


def test_another_tenant_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "s.sqlite").close()
    with pytest.raises(StoreBindingError, match=r"tenant 'practice'.*'other'") as caught:
        opened(tmp_path / "s.sqlite", StoreBinding(target="folder:.", tenant="other"))
    assert caught.value.exit_code == 3


def test_another_server_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "s.sqlite", StoreBinding(target="server:https://a.example/fhir", tenant="practice")).close()
    with pytest.raises(StoreBindingError, match=r"belongs to server:https://a\.example/fhir"):
        opened(tmp_path / "s.sqlite", StoreBinding(target="server:https://b.example/fhir", tenant="practice"))


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersionError, match=r"version 9999.*newer release.*Update Caretally") as caught:
        opened(tmp_path / "s.sqlite")
    assert caught.value.exit_code == 3


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.sqlite") as other:
        other.execute("CREATE TABLE groceries (name TEXT)")
    other.close()
    with pytest.raises(StoreUnusableError, match="other tables"):
        opened(tmp_path / "s.sqlite")
    with sqlite3.connect(tmp_path / "s.sqlite") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("groceries",)]
    other.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"resourceType" * 1000)
    with pytest.raises(StoreDamagedError, match="damaged or is not a Caretally store") as caught:
        opened(tmp_path / "s.sqlite")
    assert caught.value.exit_code == 3


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    opened(tmp_path / "s.sqlite").close()
    content = bytearray((tmp_path / "s.sqlite").read_bytes())
    content[100:4096] = b"\xff" * 3996
    (tmp_path / "s.sqlite").write_bytes(bytes(content))
    with pytest.raises(StoreDamagedError, match="damaged"):
        opened(tmp_path / "s.sqlite")


@pytest.mark.parametrize("location", ["mysql://host/name", "sqlite://", "no such scheme://x"])
def test_other_databases_are_refused(location: str) -> None:
    with pytest.raises(ConfigurationError):
        open_store(location, binding=BINDING, opened_at=AT)


def test_a_folder_is_no_store_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="is a folder"):
        opened(tmp_path)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusableError, match="cannot be opened"):
        opened(tmp_path / "file" / "s.sqlite")


def test_a_password_never_stands_in_a_message() -> None:
    try:
        open_store("postgresql+psycopg://user:secret@127.0.0.1:1/name", binding=BINDING, opened_at=AT)
    except Exception as error:  # noqa: BLE001 -- driver missing or no server: both must not show it
        assert "secret" not in str(error)  # noqa: PT017 -- which error it is depends on the machine


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store:
        with store.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        large = run.insert().values(
            id="r" * 100_000, command="x", service_month="x", as_of="x", started_at=AT, state="x"
        )
        with store.reading() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            with pytest.raises(StoreWriteError, match="is full") as caught:
                connection.execute(large)
    assert isinstance(caught.value, WriteError)
    assert caught.value.exit_code == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everything")
def test_a_read_only_file_is_named(tmp_path: Path) -> None:
    opened(tmp_path / "s.sqlite").close()
    (tmp_path / "s.sqlite").chmod(0o400)
    with pytest.raises(WriteError):
        opened(tmp_path / "s.sqlite")


def test_a_write_by_somebody_else_is_waited_for_and_then_named(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store:
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with store.reading() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(StoreBusyError, match="held by another process") as caught, store.writing():
            pass
        other.close()
    assert caught.value.exit_code == 7


def test_a_temporary_store_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_store(opened_at=AT) as store:
        assert Path(store.place).exists()
        with store.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_named_by_its_folder_or_url() -> None:
    assert store_file("out") == "out/caretally.sqlite"
    assert store_file("postgresql://host/name") == "postgresql://host/name"


def test_two_processes_make_one_store(tmp_path: Path) -> None:
    code = (
        "from caretally.store import *;"
        f"open_store({str(tmp_path / 's.sqlite')!r}, binding=StoreBinding(target='folder:.', tenant='practice'),"
        " opened_at='x').close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    opened(tmp_path / "s.sqlite").close()


def test_a_lock_keeps_another_process_out_until_its_holder_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from caretally.store.locking import file_lock\n"
        f"with file_lock(Path({str(tmp_path / 'lock')!r}), held='x'):\n    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        locked = file_lock(tmp_path / "lock", held="the sink")
        with pytest.raises(LockedError, match="the sink is in use by another run"), locked:
            pass
        holder.kill()
        holder.wait(timeout=30)
        with file_lock(tmp_path / "lock", held="the sink"):
            pass
    finally:
        holder.kill()
        holder.wait(timeout=30)
        holder.stdin.close()
        holder.stdout.close()


def test_a_store_is_held_by_one_run(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store, opened(tmp_path / "s.sqlite") as other:
        with (
            store_lock(store, "run"),
            pytest.raises(LockedError, match="in use by another run"),
            store_lock(other, "run"),
        ):
            pass
        with store_lock(other, "run"):
            pass
