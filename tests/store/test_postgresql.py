"""The store on PostgreSQL: the same tables, one holder at a time over several machines, clear words when it is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from tests.postgresql import PostgresServer

from caretally.errors import LockedError
from caretally.store import StoreBinding, open_store
from caretally.store.errors import StoreBindingError, StoreUnusableError
from caretally.store.locking import store_lock
from caretally.store.schema import metadata
from caretally.store.upgrading import run_migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

BINDING = StoreBinding(target="server:https://a.example/fhir", tenant="practice")
AT = "2025-02-04T10:00:00Z"


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.database()


CATALOGUE = (
    (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema = 'public'"
    ),
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace"
    ),
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT proname, proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
)
"""What a database is made of: columns, indexes, constraints, triggers, functions."""


def catalogue(connection: Connection) -> list[list[tuple[Any, ...]]]:
    return [sorted(tuple(row) for row in connection.execute(text(asked))) for asked in CATALOGUE]


def test_a_new_store_is_what_the_migrations_make(url: str, postgresql: PostgresServer) -> None:
    engine = create_engine(postgresql.database())
    with engine.begin() as connection:
        run_migrations(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        grown = catalogue(connection)
    engine.dispose()
    with open_store(url, binding=BINDING, opened_at=AT) as store, store.reading() as connection:
        assert catalogue(connection) == grown
    assert [len(part) for part in grown[3:]] == [3, 3]


def test_two_processes_make_one_store(url: str) -> None:
    code = (
        "from caretally.store import *;"
        f"open_store({url!r}, binding=StoreBinding(target='x', tenant='practice'), opened_at='x').close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]


def test_a_writer_waits_for_the_disk_unless_what_it_writes_can_be_read_again(url: str) -> None:
    with open_store(url, binding=BINDING, opened_at=AT) as store:
        found = []
        for may_be_lost in (True, False):
            with store.writing(may_be_lost=may_be_lost) as connection:
                found.append(connection.execute(text("SHOW synchronous_commit")).scalar())
    assert found == ["off", "on"]


def test_another_server_is_refused(url: str) -> None:
    open_store(url, binding=BINDING, opened_at=AT).close()
    other = StoreBinding(target="server:https://b.example/fhir", tenant="practice")
    with pytest.raises(StoreBindingError, match=r"belongs to server:https://a\.example/fhir.*another store"):
        open_store(url, binding=other, opened_at=AT)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnusableError, match="does not answer: start it") as caught:
        open_store("postgresql://user:secret@127.0.0.1:1/name", binding=BINDING, opened_at=AT)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_database_that_is_not_there_is_named(postgresql: PostgresServer) -> None:
    with pytest.raises(StoreUnusableError, match="has not been made yet"):
        open_store(postgresql.database() + "x", binding=BINDING, opened_at=AT)


@pytest.fixture
def holder(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the store, with a lease of two seconds; it answers ``ours`` or ``lost`` to a line."""
    code = f"""
import sys
from caretally.errors import LockedError
from caretally.store import StoreBinding, open_store
from caretally.store.locking import store_lock
binding = StoreBinding(target={BINDING.target!r}, tenant="practice")
with open_store({url!r}, binding=binding, opened_at="x") as store, store_lock(store, "run", seconds=2) as hold:
    print("held", flush=True)
    for _ in sys.stdin:
        try:
            hold.check()
        except LockedError as error:
            print("lost", flush=True)
        else:
            print("ours", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(timeout=30)
        process.stdin.close()
        process.stdout.close()


def asked(process: subprocess.Popen[bytes]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"?\n")
    process.stdin.flush()
    return process.stdout.readline().decode().strip()


def test_a_holder_that_lives_keeps_its_lease(url: str, holder: subprocess.Popen[bytes]) -> None:
    time.sleep(3)
    with open_store(url, binding=BINDING, opened_at=AT) as store:
        with pytest.raises(LockedError, match="in use by another run on"), store_lock(store, "run"):
            pass
        with store_lock(store, "another name"):
            pass
    assert asked(holder) == "ours"


def test_a_holder_that_dies_gives_the_store_back_at_once(url: str, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait(timeout=30)
    with open_store(url, binding=BINDING, opened_at=AT) as store:
        deadline = time.monotonic() + 20
        while True:
            try:
                with store_lock(store, "run"):
                    break
            except LockedError:  # the database has not noticed yet
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_holder_that_stands_still_loses_the_store_and_finds_out(url: str, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGSTOP)
    time.sleep(3)
    with open_store(url, binding=BINDING, opened_at=AT) as store, store_lock(store, "run") as hold:
        hold.check()
        holder.send_signal(signal.SIGCONT)
        assert asked(holder) == "lost"
        with store.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM lease")).scalar() == 1
    holder.kill()


def test_a_database_that_goes_away_ends_the_hold(url: str, postgresql: PostgresServer) -> None:
    with open_store(url, binding=BINDING, opened_at=AT) as store:
        with store_lock(store, "run", seconds=2) as hold:
            postgresql.kill()
            time.sleep(1)
            with pytest.raises(LockedError, match="looked up first"):
                hold.check()
            postgresql.start()
        with store_lock(store, "run") as hold:
            hold.check()
