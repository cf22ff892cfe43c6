"""The audit ledger on PostgreSQL: its triggers, its one writer at a time, and what ``ledger verify`` says of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.cli.running import inside
from tests.store.samples import AT, decision, intent

from caretally.store import StoreBinding, decisions, ledger, open_store, outbox
from caretally.store.ledger_check import verify

if TYPE_CHECKING:
    from tests.postgresql import PostgresServer

    from caretally.store import Store

BINDING = StoreBinding(target="server:https://a.example/fhir", tenant="practice")
TABLES = ("ledger_entry", "decision", "change_outcome")


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.database()


def fill(store: Store) -> None:
    decisions.add_decision(store, decision("d1"))
    outbox.add_intents(store, [intent("i1")])
    outbox.add_outcomes(store, [outbox.Outcome(intent_id="i1", state="applied", at=AT, document={})])


def test_the_database_itself_refuses_changes(url: str) -> None:
    with open_store(url, binding=BINDING, opened_at=AT) as store:
        fill(store)
        for table in TABLES:
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at = 'x'", f"TRUNCATE {table} CASCADE"):  # noqa: S608
                with pytest.raises(DBAPIError, match="append-only"), store.writing() as connection:
                    connection.execute(text(statement))
        assert verify(store).problems == ()
        assert verify(store).entries == 3


def test_two_writers_make_one_chain(url: str) -> None:
    """Two machines write at the same time: no number twice, none left out, every entry chained to the one before."""
    first = open_store(url, binding=BINDING, opened_at=AT)
    second = open_store(url, binding=BINDING, opened_at=AT)

    def enter(work: tuple[Store, str]) -> None:
        store, mark = work
        for number in range(40):
            decisions.add_decision(store, decision(f"{mark}{number}"))

    with first, second:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(enter, [(first, "a"), (second, "b")]))
        assert verify(first).problems == ()
        assert [entry.number for entry in ledger.entries(second)] == list(range(1, 81))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (None, ""),
        ("UPDATE ledger_entry SET body = replace(body, 'looked at', 'looked up') WHERE number = 1", "not what was"),
        ("DELETE FROM ledger_entry WHERE number = 2", "missing"),
        ("UPDATE decision SET who = 'somebody else'", "the decision d1 is not what the ledger says"),
    ],
)
def test_the_command_names_what_was_tampered_with(url: str, tmp_path: Path, statement: str | None, said: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with open_store(url, binding=StoreBinding(target=f"folder:{out}", tenant="default"), opened_at=AT) as store:
        fill(store)
        if statement is not None:
            with store.writing() as connection:
                # Who may change the database's own settings goes around its triggers.
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(text(statement))
    done = inside("ledger", "verify", out, "--store", url, "--json")
    assert "problems" in json.loads(done.out), done.out
    problems = json.loads(done.out)["problems"]
    if statement is None:
        assert (done.code, problems) == (0, [])
    else:
        assert done.code != 0
        assert any(said in problem for problem in problems), problems
