"""No test reaches another machine, and none can swallow the refusal as bad weather on the line."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from tests.conftest import is_loopback

REFUSED = "a test wanted to"


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as client, pytest.raises(RuntimeError, match=REFUSED):
        client.connect(("192.0.2.1", 80))
    with socket.socket() as client, pytest.raises(RuntimeError, match=REFUSED):
        client.connect_ex(("192.0.2.1", 80))


def test_no_name_of_another_machine_is_looked_up() -> None:
    with pytest.raises(RuntimeError, match=REFUSED):
        httpx.get("https://fhir.example.org/metadata")
    with pytest.raises(RuntimeError, match=REFUSED):
        asyncio.run(asyncio.open_connection("192.0.2.1", 80))


def test_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", None, b"localhost"])
def test_what_counts_as_this_machine(host: object) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "0.0.0.0", "fe80::1%eth0", "example.org", "127.0.0.1.example.org"])  # noqa: S104 -- an address to refuse
def test_what_does_not(host: str) -> None:
    assert not is_loopback(host)
