"""The audit ledger: whatever is changed in it, or beside it, is found."""

# ruff: noqa: S608 -- tables and columns of our own

from __future__ import annotations

import inspect
import re
import shutil
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.store.samples import AT, decision, intent

from caretally.store import answers, decisions, ledger, outbox
from caretally.store.ledger import Head
from caretally.store.ledger_check import verify
from caretally.store.opening import Store, StoreBinding, open_store
from caretally.store.schema import metadata

BINDING = StoreBinding(target="folder:.", tenant="practice")
TABLES = ("ledger_entry", "decision", "determination", "change_intent", "change_outcome")


def opened(path: Path) -> Store:
    return open_store(path, binding=BINDING, opened_at=AT)


def answer(patient: str, status: str = "billable", run_id: str = "r1") -> answers.AnswerRecord:
    return answers.AnswerRecord(
        patient=patient,
        service_month="2025-01",
        practitioner="Practitioner/P1",
        run_id=run_id,
        status=status,
        action="create",
        facts_digest="d",
        decided_at=AT,
        document={"patient": patient, "status": status},
    )


def fill(store: Store) -> None:
    decisions.add_decision(store, decision("d1"))
    decisions.add_decision(store, decision("d2", why="and again"))
    answers.replace_answers(
        store, "2025-01", ["Patient/a", "Patient/b"], [answer("Patient/a"), answer("Patient/b", "hold")]
    )
    outbox.add_intents(store, [intent("i1"), intent("i2")])
    outbox.add_outcomes(
        store,
        [
            outbox.Outcome(intent_id="i1", state="applied", at=AT, document={"said": []}),
            outbox.Outcome(intent_id="i2", state="refused", at=AT, document={"said": ["no"]}),
        ],
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "s.sqlite"
    with opened(path) as store:
        fill(store)
    # Everything into one file, so that a copy of it is a copy of the store; without triggers, as one who goes
    # around them would.
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path


def spoilt(filled: Path, folder: Path, *statements: str) -> tuple[str, ...]:
    copy = shutil.copy(filled, folder / "copy.sqlite")
    connection = sqlite3.connect(copy)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    with opened(Path(copy)) as store:
        return verify(store).problems


def test_a_ledger_that_nobody_touched_is_whole(filled: Path, tmp_path: Path) -> None:
    assert spoilt(filled, tmp_path) == ()
    with opened(filled) as store:
        found = verify(store)
        assert found.entries == found.head.number == 8
        assert [entry.kind for entry in ledger.entries(store)] == [
            *["decision"] * 2,
            *["determination"] * 2,
            *["intent"] * 2,
            *["outcome"] * 2,
        ]


def test_the_database_itself_refuses_changes(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store:
        fill(store)
        for table in ("ledger_entry", "decision", "change_outcome"):
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at = 'x'"):
                with pytest.raises(IntegrityError, match="append-only"), store.writing() as connection:
                    connection.execute(text(statement))
        assert verify(store).problems == ()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM ledger_entry WHERE number = 4", "entries between them are missing"),
        ("DELETE FROM ledger_entry WHERE number = 8", "stands in its table and not in the ledger"),
        (
            "UPDATE ledger_entry SET body = replace(body, 'looked at', 'looked up') WHERE number = 1",
            "not what was entered",
        ),
        ("UPDATE ledger_entry SET at = '2025-02-05T10:00:00Z' WHERE number = 2", "not what was entered"),
        ("UPDATE decision SET who = 'somebody else' WHERE id = 'd1'", "the decision d1 is not what the ledger says"),
        ("DELETE FROM decision WHERE id = 'd2'", "decision d2 stands in the ledger and not in its table"),
        ("UPDATE determination SET status = 'billable'", "the determination of a patient-month is not what the ledger"),
        ("UPDATE change_intent SET document = '{}' WHERE id = 'i1'", "the intent i1 is not what the ledger says"),
        ("UPDATE change_outcome SET state = 'applied'", "the outcome i2 1 is not what the ledger says"),
    ],
)
def test_what_was_tampered_with_is_named(filled: Path, tmp_path: Path, statement: str, said: str) -> None:
    problems = spoilt(filled, tmp_path, statement)
    assert any(said in problem for problem in problems), problems
    assert not any("Patient/" in problem for problem in problems)


def test_a_ledger_rewritten_from_some_entry_on_breaks_with_the_head_that_was_kept(filled: Path, tmp_path: Path) -> None:
    with opened(filled) as store:
        kept = ledger.head(store)
    # A whole store made anew, with a ledger that is whole in itself.
    with opened(tmp_path / "other.sqlite") as store:
        decisions.add_decision(store, decision("d1", why="something else"))
        assert verify(store).problems == ()
        assert any("the end was cut off" in problem for problem in verify(store, known=kept).problems)
        fill_again = [decision(f"x{number}") for number in range(9)]
        decisions.add_decisions(store, fill_again)
        assert verify(store).problems == ()
        assert any("kept elsewhere" in problem for problem in verify(store, known=kept).problems)
    with opened(filled) as store:
        assert verify(store, known=Head.parse(str(kept))).problems == ()


@pytest.mark.parametrize("said", ["", "8", "8:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="NUMBER:DIGEST"):
        Head.parse(said)


def _cells(path: Path) -> list[tuple[str, int, str, Any]]:
    connection = sqlite3.connect(path)
    found = []
    for table in TABLES:
        cursor = connection.execute(f"SELECT rowid, * FROM {table}")
        names = [column[0] for column in cursor.description][1:]
        for row in cursor.fetchall():
            found += [(table, row[0], name, value) for name, value in zip(names, row[1:], strict=True)]
    connection.close()
    # A state follows from the outcomes; which run gave an answer, and when, is no part of what it says.
    loose = {("change_intent", "state"), ("determination", "run_id"), ("determination", "decided_at")}
    return [cell for cell in found if (cell[0], cell[2]) not in loose and cell[3] is not None]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_found(filled: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    table, row, column, value = data.draw(st.sampled_from(_cells(filled)))
    raw = str(value).encode()
    place = data.draw(st.integers(0, max(len(raw) - 1, 0)))
    other = data.draw(st.integers(33, 126).filter(lambda byte: not raw or byte != raw[place]))
    changed: Any = (raw[:place] + bytes([other]) + raw[place + 1 :]).decode("utf-8", "replace")
    if isinstance(value, int):
        changed = value + data.draw(st.integers(1, 9)) * 100
    folder = tmp_path_factory.mktemp("flip")
    copy = shutil.copy(filled, folder / "copy.sqlite")
    connection = sqlite3.connect(copy)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, row))
    connection.commit()
    connection.close()
    with opened(Path(copy)) as store:
        assert verify(store).problems != (), (table, column)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_but_the_right_one_is_found(
    filled: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = 8
    order = data.draw(st.permutations(range(1, count + 1)).filter(lambda found: found != list(range(1, count + 1))))
    copy = shutil.copy(filled, tmp_path_factory.mktemp("order") / "copy.sqlite")
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE ledger_entry SET number = number + 1000")
    for old, new in enumerate(order, 1):
        connection.execute("UPDATE ledger_entry SET number = ? WHERE number = ?", (new, old + 1000))
    connection.commit()
    connection.close()
    with opened(Path(copy)) as store:
        assert verify(store).problems != ()


def test_an_answer_that_says_the_same_is_entered_once(tmp_path: Path) -> None:
    with opened(tmp_path / "s.sqlite") as store:
        for run_id in ("r1", "r2"):
            answers.replace_answers(store, "2025-01", ["Patient/a"], [answer("Patient/a", run_id=run_id)])
        assert ledger.head(store).number == 1
        answers.replace_answer(store, answer("Patient/a", "hold", "r3"))
        assert ledger.head(store).number == 2
        answers.drop_answers_of_other_runs(store, "2025-01", "r4", [])
        assert [entry.kind for entry in ledger.entries(store)] == [
            "determination",
            "determination",
            "determination-dropped",
        ]
        answers.replace_answers(store, "2025-01", ["Patient/a"], [answer("Patient/a", run_id="r5")])
        assert verify(store).problems == ()


def test_a_store_of_the_first_release_gets_a_ledger_of_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with opened(path) as store:
        fill(store)
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    first = import_module("caretally.store.migrations.versions.v0001_first_store")
    later = metadata.tables.keys() - set(re.findall(r'create_table\(\s*"(\w+)"', inspect.getsource(first)))
    for name in later:
        connection.execute(f"DROP TABLE {name}")
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.commit()
    connection.close()
    with opened(path) as store:
        found = verify(store)
        assert (found.entries, found.problems) == (8, ())
        decisions.add_decision(store, decision("d3"))
        assert verify(store).problems == ()
