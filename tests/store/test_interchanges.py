from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import insert

from caretally.errors import WriteError
from caretally.store import StoreBinding, open_store, schema
from caretally.store.interchanges import Route, Submission, new_interchange, submitted_before
from caretally.store.opening import Store

ROUTE = Route(sender="ZZ:A", receiver="ZZ:B")
AT = "2025-02-10T09:00:00Z"
ONE, TWO = (Submission(account_number=f"C{n}", frequency="1") for n in (1, 2))


def opened(folder: Path) -> Store:
    return open_store(folder / "store.sqlite", binding=StoreBinding(target="folder:.", tenant="t"), opened_at=AT)


def number(store: Store, *claims: Submission, route: Route = ROUTE, production: bool = True) -> int:
    return new_interchange(store, route, production=production, made_at=AT, claims=claims).control_number


def test_numbers_are_counted_for_each_route_and_survive_closing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert [number(store), number(store), number(store, route=Route(sender="ZZ:A", receiver="ZZ:C"))] == [1, 2, 1]
    with opened(tmp_path) as store:
        assert number(store) == 3


def test_two_at_once_never_get_the_same_number(tmp_path: Path) -> None:
    opened(tmp_path).close()
    found: list[int] = []

    def work() -> None:
        with opened(tmp_path) as store:
            found.extend(number(store, ONE) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 21))


def test_the_last_number_is_the_last(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        with store.writing() as connection:
            row = {"sender": "ZZ:A", "receiver": "ZZ:B", "control_number": 999_999_999}
            connection.execute(insert(schema.interchange).values(**row, production=True, made_at=AT))
        with pytest.raises(WriteError, match="used up"):
            number(store)


def test_what_was_sent_is_known_by_account_number_and_frequency(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        number(store, ONE, production=False)
        assert submitted_before(store, ROUTE, [ONE, TWO]) == {}
        number(store, ONE)
        number(store, ONE)
        before = submitted_before(store, ROUTE, [ONE, TWO])
        assert {key: made.control_number for key, made in before.items()} == {ONE: 3}
        assert before[ONE].made_at == AT
        void = Submission(account_number="C1", frequency="8")
        assert submitted_before(store, ROUTE, [void]) == {}
        assert submitted_before(store, Route(sender="ZZ:A", receiver="ZZ:C"), [ONE]) == {}


def test_many_claims_are_looked_up_in_parts(tmp_path: Path) -> None:
    many = [Submission(account_number=f"C{n}", frequency="1") for n in range(1_200)]
    with opened(tmp_path) as store:
        number(store, *many)
        assert len(submitted_before(store, ROUTE, many)) == len(many)
