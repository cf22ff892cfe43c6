"""What holds for every test: the hypothesis profiles, and no connection to anything but this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.postgresql import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same examples in every run: a red test is a change in the code, not a lucky draw.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=300, database=None)
settings.register_profile(
    "prove",
    deadline=None,
    max_examples=int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")),
    database=None,
    # A proof may look at large data and may take its time.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("prove" if os.environ.get("CARETALLY_PROVE") else "ci")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "prove: also run at length, with its figures in docs/proof.md, by make prove")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests among several workers: a file stays together, and so does all that uses the one FHIR server."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 -- only where there are workers

    class FilesAndOneServer(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "live" if path.startswith("tests/live/") else path

    # The order is that of the collection (tests/live/conftest.py puts the longest share first), not "most tests first":
    # the files with the most tests are the quick ones.
    config.option.loadscopereorder = False
    return FilesAndOneServer(config, log)


class ForeignConnectionError(RuntimeError):
    """A test tried to reach another machine. No OSError, so that no retry and no handler takes it for weather."""


def is_loopback(host: object) -> bool:
    """Whether `host`, a name or an address, stands for this machine."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Makes every connection and every look-up of a name outside this machine an error."""
    patch = pytest.MonkeyPatch()
    plain = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    plain_getaddrinfo = socket.getaddrinfo

    def guarded(name: str) -> Any:
        def connect(self: socket.socket, address: Any, /) -> Any:
            inet = self.family in (socket.AF_INET, socket.AF_INET6)
            if inet and not is_loopback(address[0]):
                raise ForeignConnectionError(f"a test wanted to connect to {address[0]}:{address[1]}")
            return plain[name](self, address)

        return connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_loopback(host):
            raise ForeignConnectionError(f"a test wanted to look up the address of {host}")
        return plain_getaddrinfo(host, *args, **kwargs)

    for name in plain:
        patch.setattr(socket.socket, name, guarded(name), raising=False)
    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the session; a test that kills it starts it again."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()
