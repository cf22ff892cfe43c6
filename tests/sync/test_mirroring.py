"""A reading goes on where it was cut off, several slices at a time, and a complete one shows what is gone."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.sync.small_server import SmallServer, answer
from tests.sync.test_server_source import CCM, of, practice, pulled

from caretally.errors import SourceError
from caretally.store import mirror as mirrors
from caretally.store import staging
from caretally.sync.mirroring import refresh, slice_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest
    from caretally.tables import Tables

    Make = Callable[..., PullRequest]


def many() -> list[dict[str, Any]]:
    names = [f"p{number:03}" for number in range(120)]
    return [
        *practice(),
        *(of("Patient", name) for name in names),
        *(of("CarePlan", f"cp-{name}", name, category=[CCM]) for name in names),
        *(of("Condition", f"c-{name}-{n}", name) for name in names for n in range(3)),
    ]


def contents(store: Store) -> list[tuple[str, str | None, bytes]]:
    kinds = sorted(staging.count_by_type(store, "pull"))
    return sorted((row.reference, row.patient, row.body) for row in staging.of_types(store, "pull", kinds))


def clean(tables: Tables, make: Make, store: Store, small: SmallServer) -> list[tuple[str, str | None, bytes]]:
    pulled(small, store, tables, make)
    found = contents(store)
    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM staged_resource")
    return found


class CutError(Exception):
    """Stands for a crash of the process."""


@pytest.mark.parametrize("place", ["mirror:page-read", "mirror:page-kept"])
def test_a_reading_that_was_cut_off_goes_on_at_its_page(
    store: Store, tables: Tables, pull_request: Make, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    wanted = clean(tables, pull_request, store, SmallServer(many(), page=20))
    small = SmallServer(many(), page=20)
    whole = SmallServer(many(), page=20)
    clean(tables, pull_request, store, whole)
    passed = Counter[str]()
    lock = threading.Lock()

    def crash(name: str) -> None:
        with lock:
            passed[name] += 1
            if name == place and passed[name] % 9 == 0:
                raise CutError

    monkeypatch.setattr(slice_reader, "failpoint", crash)
    cuts = 0
    while True:
        try:
            pulled(small, store, tables, pull_request)
        except CutError:
            cuts += 1
        else:
            break
    assert contents(store) == wanted
    assert cuts > 3
    # At most the page that was on its way is asked for again, for each of the four workers; metadata comes each time.
    asked = Counter(one for one in small.asked() if one != "/metadata")
    assert sum(asked.values()) - len([o for o in whole.asked() if o != "/metadata"]) <= 4 * cuts


def test_few_people_and_slices_at_a_time_bring_the_same_and_the_count_goes_on(
    store: Store, tables: Tables, pull_request: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = clean(tables, pull_request, store, SmallServer(many(), page=20))
    monkeypatch.setattr(refresh, "PEOPLE_AT_ONCE", 50)
    monkeypatch.setattr(refresh, "SLICES_AT_ONCE", 3)
    told: list[tuple[int, int | None]] = []

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "reading facts":
            told.append((done, total))

    def make(**narrowing: tuple[str, ...]) -> PullRequest:
        return replace(pull_request(**narrowing), progress=progress)

    pulled(SmallServer(many(), page=20), store, tables, make)
    assert contents(store) == wanted
    assert len(told) > 9
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} == {len(told)}


def test_slices_are_read_several_at_a_time_within_the_limit(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(many(), page=20)
    together, most, lock = 0, 0, threading.Lock()
    pause = threading.Event()

    def count(_request: httpx.Request) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        pause.wait(0.002)
        with lock:
            together -= 1

    small.faults.append(count)
    pulled(small, store, tables, pull_request)
    assert 2 <= most <= 4


def test_what_stops_one_slice_stops_the_reading_and_nothing_is_lost(
    store: Store, tables: Tables, pull_request: Make
) -> None:
    wanted = clean(tables, pull_request, store, SmallServer(many(), page=20))
    small = SmallServer(many(), page=20)
    left = [2]

    def expired(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/Condition") and left[0]:
            left[0] -= 1
            return answer(401)
        return None

    small.faults.append(expired)
    for _ in range(2):
        with pytest.raises(SourceError):
            pulled(small, store, tables, pull_request)
    pulled(small, store, tables, pull_request)
    assert contents(store) == wanted
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM mirror").scalar() == 0


def test_another_question_is_another_reading(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    small.faults.append(lambda r: answer(401) if r.url.path.endswith("/Goal") else None)
    with pytest.raises(SourceError):
        pulled(small, store, tables, pull_request)
    small.faults.clear()
    before = len(small.requests)
    pulled(small, store, tables, pull_request, patients=("timed",))
    assert staging.count_by_type(store, "pull")["Patient"] == 1
    assert len(small.requests) > before
    assert mirrors.find(store, "server:https://server.example/fhir", "month 2025-01 none") is None
