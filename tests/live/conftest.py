"""The HAPI FHIR server of a test session: started while other tests run, stopped whatever happens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.live.hapi_server import HapiServer, HapiStartError, load
from tests.postgresql import PostgresServer
from tests.sync.practices import golden, together

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = ("G02", "G11", "G36", "G39")
COPIES = 50
"""Of each case; the patients of the first are s0-g02-pat, s1-g02-pat and so on."""
SERVER = pytest.StashKey[HapiServer]()
SERVER_FIXTURES = {"hapi", "hapi_factory", "practice"}


class HapiFactory(Protocol):
    """Gives the base URL of a server with the given settings; the same settings give the same server."""

    def __call__(self, **options: str | int | bool) -> str: ...


def needs_server(item: pytest.Item) -> bool:
    return bool(SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if needs_server(item):
            item.add_marker("live")
    if hasattr(config, "workerinput"):
        # First, for they are the longest share that stays on one worker: begun late, it would be the tail of it all.
        items.sort(key=lambda item: not item.path.is_relative_to(Path(__file__).parent))
    else:
        # Last, so that the server starts while the others run.
        items.sort(key=lambda item: item.get_closest_marker("live") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    # One of several workers learns only by its first live test that it is the one which needs the server.
    if session.config.option.collectonly or hasattr(session.config, "workerinput"):
        return
    if any("hapi" in getattr(item, "fixturenames", ()) for item in session.items):
        server = HapiServer()
        session.config.stash[SERVER] = server
        server.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    # Also for a session that ended before any test asked for the server that was started for it.
    if SERVER in config.stash:
        config.stash[SERVER].stop()


def base_url_of(server: HapiServer) -> str:
    """The base URL; a server that does not start is a failed test, never a skipped one."""
    try:
        return server.wait()
    except HapiStartError as problem:
        pytest.fail(str(problem), pytrace=False)


@pytest.fixture(scope="session")
def hapi(request: pytest.FixtureRequest) -> Iterator[str]:
    """The base URL of the session's HAPI server, with default settings. Tests share it: use ids of your own."""
    server = request.config.stash.get(SERVER, None)
    if server is None:
        server = request.config.stash[SERVER] = HapiServer()
    try:
        yield base_url_of(server)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def practice_database() -> Iterator[str]:
    """The URL of a PostgreSQL database of its own, whose server no other test stops."""
    database = PostgresServer()
    database.start()
    try:
        yield database.database()
    finally:
        database.stop()


@pytest.fixture(scope="session")
def practice(practice_database: str) -> Iterator[str]:
    """The base URL of a server with the patients of `CASES`, 200 of them, on pages of fifty; tests share it.

    It keeps its data in PostgreSQL, as servers in use do; the other servers of the tests keep theirs in memory.
    """
    url = practice_database.replace("postgresql+psycopg://caretally@", "jdbc:postgresql://")
    # Nothing is validated here: what a server warms up for that would cost more than it saves.
    server = HapiServer(page_default=50, warm=False, db_url=url, db_user="caretally")
    try:
        base = base_url_of(server)
        load(base, together(*(golden(name, f"s{n}-{name.lower()}-") for n in range(COPIES) for name in CASES)))
        yield base
    finally:
        server.stop()


@pytest.fixture(scope="session")
def hapi_factory() -> Iterator[HapiFactory]:
    """Starts further servers with other settings; each lives until the end of the session."""
    servers: dict[frozenset[tuple[str, str | int | bool]], HapiServer] = {}

    def server(**options: str | int | bool) -> str:
        settings = {"warm": False, **options}
        key = frozenset(settings.items())
        if key not in servers:
            servers[key] = HapiServer(**settings)
        return base_url_of(servers[key])

    try:
        yield server
    finally:
        for started in servers.values():
            started.stop()
