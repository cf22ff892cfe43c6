"""What could not be written is listed with the server's words, sent again, or dropped; the store says what it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from caretally.cli import servers
from caretally.store import StoreBinding, open_store
from caretally.store.locking import store_lock
from caretally.store.upgrading import HEAD
from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside
from tests.sync.small_server import BASE, SmallServer, outcome

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

MONTH = ("--month", "2025-02", "--config", CONFIG)
STORE = ("--config", CONFIG, "--store", "store")
WORDS = "no such payer for Ash"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> SmallServer:
    """A server that has refused the claim of one patient."""
    resources = [json.loads(line) for file in sorted(DEMO.glob("*.ndjson")) for line in file.read_text().splitlines()]
    held = SmallServer(resources, page=100)
    monkeypatch.setattr(servers, "FhirServer", lambda _settings: held.server())

    def refuse(request: httpx.Request) -> httpx.Response | None:
        concerned = b'"Patient/demo-ash"' in request.content and not request.url.path.endswith("_search")
        return outcome(422, WORDS, "business-rule") if concerned else None

    held.faults.append(refuse)
    done = inside("apply", BASE, *MONTH, "--store", "store", "--quiet")
    assert done.code == 6
    return held


def listed() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = inside("outbox", "list", BASE, *STORE, "--json").json()
    return rows


def test_what_failed_is_listed_with_the_servers_words(server: SmallServer) -> None:  # noqa: ARG001
    (row,) = listed()
    assert (row["patient"], row["state"], row["tries"], row["action"]) == ("Patient/demo-ash", "refused", 1, "create")
    done = inside("outbox", "list", BASE, *STORE)
    assert str(row["id"])[:8] in done.out
    assert "refused" in done.out
    shown = inside("outbox", "show", BASE, str(row["id"])[:8], *STORE)
    assert "create Claim/cm-" in shown.out
    assert f"error business-rule: {WORDS}" in shown.out
    document = inside("outbox", "show", BASE, str(row["id"]), *STORE, "--json").json()
    assert document["attempts"][0]["outcome"]["issue"][0]["diagnostics"] == WORDS
    assert WORDS not in done.err + shown.err


def test_a_retry_that_fails_says_so_and_one_that_works_clears_the_list(server: SmallServer) -> None:
    name = str(listed()[0]["id"])
    again = inside("outbox", "retry", BASE, name, *STORE)
    assert again.code == 6
    assert "1 of 1 could not be written (1 refused); see caretally outbox show" in again.err
    assert listed()[0]["tries"] == 2
    server.faults.clear()
    done = inside("outbox", "retry", BASE, "--all", *STORE)
    assert (done.code, done.out) == (0, f"{name[:8]}: finished\n")
    assert sum(held.startswith("Claim/cm-") for held in server.held) == 9
    assert "everything that was decided has been written" in inside("outbox", "list", BASE, *STORE).out
    report = inside("apply", BASE, *MONTH, "--store", "store", "--json", "--quiet").json()["report"]
    assert report["writes"]["create"] == {}


def test_what_is_dropped_is_decided_anew_by_the_next_apply(server: SmallServer) -> None:
    name = str(listed()[0]["id"])
    done = inside("outbox", "drop", BASE, name[:8], *STORE, "--by", "biller-1", "--why", "payer changed")
    assert done.code == 0
    assert listed() == []
    attempts = inside("outbox", "show", BASE, name, *STORE, "--json").json()["attempts"]
    assert (attempts[-1]["state"], attempts[-1]["who"], attempts[-1]["message"]) == (
        "withdrawn",
        "biller-1",
        "payer changed",
    )
    refused = inside("outbox", "retry", BASE, name, *STORE)
    assert refused.code == 2
    assert "not on the list any more" in refused.err
    server.faults.clear()
    assert inside("apply", BASE, *MONTH, "--store", "store", "--quiet").code == 0
    assert sum(held.startswith("Claim/cm-") for held in server.held) == 9


def test_a_retry_never_sends_what_was_decided_anew(server: SmallServer) -> None:
    first = str(listed()[0]["id"])
    assert inside("apply", BASE, *MONTH, "--store", "store", "--quiet").code == 6
    (row,) = listed()
    assert row["id"] != first
    shown = inside("outbox", "show", BASE, first, *STORE, "--json").json()
    assert (shown["state"], shown["attempts"][-1]["message"]) == ("withdrawn", "decided anew by a later run")
    assert server.asked("PUT") == []


@pytest.mark.parametrize("words", [("retry",), ("drop",), ("show", "zzz")])
def test_nobody_guesses_which_one(server: SmallServer, words: tuple[str, ...]) -> None:  # noqa: ARG001
    done = inside("outbox", words[0], BASE, *words[1:], *STORE)
    assert done.code == 2
    assert "outbox list" in done.err


def test_while_a_run_is_on_its_way_nothing_is_sent(server: SmallServer, tmp_path: Path) -> None:  # noqa: ARG001
    name = str(listed()[0]["id"])
    tenant = inside("store", "show", *STORE, "--json").json()["tenant"]
    binding = StoreBinding(target=f"server:{BASE}", tenant=tenant)
    path = tmp_path / "work" / "store" / "caretally.sqlite"
    with open_store(path, binding=binding, opened_at="x") as store, store_lock(store, binding.target):
        assert inside("outbox", "retry", BASE, name, *STORE).code == 7
        assert inside("outbox", "drop", BASE, name, *STORE).code == 7


def test_without_a_store_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = inside("outbox", "list", str(tmp_path / "empty"))
    assert done.code == 2
    assert "there is no store at" in done.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_store_says_what_it_is(server: SmallServer) -> None:  # noqa: ARG001
    document = inside("store", "show", *STORE, "--json").json()
    assert document["target"] == f"server:{BASE}"
    assert document["changes"] == {"applied": 8, "refused": 1}
    text = inside("store", "show", *STORE).out
    assert f"version {HEAD}" in text
    assert "8 applied, 1 refused" in text
    done = inside("store", "upgrade", *STORE)
    assert (done.code, f"has version {HEAD}" in done.out) == (0, True)


def test_a_plan_names_the_way_of_writing(server: SmallServer) -> None:
    server.faults.clear()
    server.transaction_offered = False
    done = inside("plan", BASE, *MONTH, "--quiet")
    assert "apply would write by single_put: each resource is written by its own PUT" in done.out
    assert "no transaction, because system interaction transaction is not offered" in done.out
