"""Tokens that live for seconds, or are taken back, during a pull of hundreds of pages lose nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from caretally.fhir.keys import new_private_key, public_key_set, read_private_key
from tests.faults.command import Commands, Ended
from tests.faults.front import Exchange, Front, Injection, in_memory
from tests.faults.judging import keep
from tests.faults.log_in import CLIENT, LogIn
from tests.faults.spoiling import slowly
from tests.faults.trial import MONTH, configuration, results
from tests.sync.practices import golden, together
from tests.sync.syncing_server import SyncingServer

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
PAGES = 200
PATIENTS = 9
EACH_SECONDS = 0.25 if PROVING else 0.09
SEEDS = 20 if PROVING else 1
LIFE_SECONDS = 3


@dataclass
class Place:
    """A server that wants a log-in, and what a run without trouble leaves."""

    front: Front
    log_in: LogIn
    commands: Commands
    folder: Path
    clean: dict[str, bytes]

    def run(self, name: str) -> Ended:
        """``caretally sync``, with 50 patients in one search, so that searches have many pages."""
        folder = self.folder / name
        folder.mkdir()
        auth = f'auth = "smart"\nclient_id = "{CLIENT}"\nprivate_key_file = "{self.folder / "key.pem"}"'
        (folder / "caretally.toml").write_text(configuration(self.front, {}, auth=auth), encoding="utf-8")
        words = ("sync", self.front.base, "--config", "caretally.toml", "--month", MONTH, "--out", "out", "--json")
        return self.commands.run(*words, folder=folder, patients_at_once=50)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, command_lanes: list[Commands]) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tokens")
    key = new_private_key("ES384")
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(key)
    keys: Any = public_key_set([read_private_key(key.decode(), origin="key")])
    rows = together(*(golden("G02", f"t{n}-") for n in range(PATIENTS)))
    held = SyncingServer((one for kind in rows.values() for one in kind), page=1)
    log_in = LogIn(in_memory(held), 3600, keys)
    with Front(log_in) as front:
        found = Place(front, log_in, command_lanes[0], folder, {})
        ended = found.run("clean")
        assert ended.code == 0, ended.err
        assert log_in.refused == 0
        found.clean = results(folder / "clean")
        yield found
        assert front.errors == []


@pytest.mark.prove
def test_a_token_that_ends_every_three_seconds_loses_nothing(place: Place, record_property: Any) -> None:
    place.log_in.life_seconds = LIFE_SECONDS
    place.log_in.refused = 0
    before = len(place.log_in.ends)
    place.front.begin([Injection("^GET", slowly(EACH_SECONDS), None)])
    ended = place.run("short")
    pages = len([one for one in place.front.seen if one.method == "GET"])
    record_property("cases", pages)
    assert ended.code == 0, ended.err
    assert results(place.folder / "short") == place.clean
    assert pages >= PAGES
    # Renewed before each end: more tokens than lives that fit into the run, and hardly a request that came too late.
    assert len(place.log_in.ends) - before >= (place.front.seen[-1].at - place.front.seen[0].at) // LIFE_SECONDS
    assert len(place.log_in.ends) - before >= 2
    assert place.log_in.refused <= 4 * (len(place.log_in.ends) - before)
    keep(
        "tokens",
        {
            "life_seconds": LIFE_SECONDS,
            "pages": pages,
            "tokens": len(place.log_in.ends) - before,
            "refused": place.log_in.refused,
        },
    )


@pytest.mark.prove
def test_tokens_that_are_taken_back_are_replaced(place: Place, record_property: Any) -> None:
    for seed in range(SEEDS):
        taken_back(place, seed)
    record_property("cases", SEEDS)


def taken_back(place: Place, seed: int) -> None:
    """A pull during which every token is taken back five times."""
    draw = random.Random(seed)  # noqa: S311 -- the same moments in every run
    place.log_in.life_seconds = 3600
    place.log_in.refused = 0

    def revoke(exchange: Exchange) -> None:
        place.log_in.revoke()
        exchange.reply(exchange.upstream())

    # Never two within one request: a client that is refused twice in a row is told so.
    moments = [40 * number + draw.randrange(5, 25) for number in range(5)]
    place.front.begin([Injection("^GET", revoke, 1, after) for after in moments])
    ended = place.run(f"revoked-{seed}")
    assert ended.code == 0, ended.err
    assert results(place.folder / f"revoked-{seed}") == place.clean
    # Each time the request itself, and at most those that were on their way with it.
    assert len(moments) <= place.log_in.refused <= 4 * len(moments)
