"""An end for a whole answer, its head included, however slowly it trickles.

The HTTP library bounds each silence, so that a server which sends a byte now and then, or "102 Processing" for ever,
would keep a thread for days. Its network layer is therefore wrapped: no read goes past the deadline of its thread.

`HTTPTransport._pool._network_backend` is the one seam, and it is private: the minor versions of httpx and httpcore are
pinned, and tests with servers that drip make sure that it works.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    import httpx

_thread = threading.local()


class DeadlinePassedError(httpcore.ReadTimeout):
    """The time allowed for a whole answer is over."""


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Let no read of this thread go on for longer than that from now."""
    before = getattr(_thread, "until", None)
    _thread.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.until = before


def lift_deadline() -> None:
    """Let the reads of this thread go on for as long as each of them brings something."""
    _thread.until = None


def is_deadline_passed(error: BaseException) -> bool:
    """Whether a request ended because the time for a whole answer was over."""
    return isinstance(error.__cause__, DeadlinePassedError)


def keep_deadlines(transport: httpx.HTTPTransport) -> None:
    """Make a transport, which has no connection yet, keep the deadlines of `answer_within`."""
    transport._pool._network_backend = _Backend()  # noqa: SLF001 -- see the module


class _Backend(httpcore.NetworkBackend):
    """The library's own network layer, whose streams keep deadlines."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._plain.connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._plain.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream) -> None:
        self._plain = plain

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        until: float | None = getattr(_thread, "until", None)
        if until is None:
            return self._plain.read(max_bytes, timeout)
        left = until - time.monotonic()
        if left <= 0:
            raise DeadlinePassedError
        if timeout is not None and timeout <= left:
            return self._plain.read(max_bytes, timeout)
        try:
            return self._plain.read(max_bytes, left)
        except httpcore.ReadTimeout:
            raise DeadlinePassedError from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, timeout)

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)
