"""Stands before a FHIR server on a real socket, spoils some of its answers, and keeps account of what was asked when.

The client under test knows only this address. A request goes to the server behind unless the script of the present
fault says otherwise; see `spoiling` for what can be done to an answer.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from tests.sync.small_server import BASE, SmallServer

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})
HEARING_SECONDS = 0.5
LOWEST_PORT, HIGHEST_PORT = 2_000, 3_200


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. `at`: seconds of the monotonic clock."""

    at: float
    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    encrypted: bool

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(slots=True)
class Reply:
    """An answer as it will go out, but for its length."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ToldToWait:
    """An answer that asked for patience, both ends by the monotonic clock."""

    line: str
    sent_at: float
    until: float


Upstream = Callable[[Asked, "Front"], Reply]
Spoil = Callable[["Exchange"], None]


@dataclass(frozen=True, slots=True)
class Injection:
    """Spoils answers to requests whose line (``GET /fhir/Encounter?...``) has `where` in it (a regular expression).

    `after` of them are let through first, then `times` are spoilt; None: all.
    """

    where: str
    do: Spoil
    times: int | None = 1
    after: int = 0


class Exchange:
    """One request on its connection, for whoever answers it."""

    def __init__(self, handler: BaseHTTPRequestHandler, front: Front, asked: Asked) -> None:
        self.handler, self.front, self.asked = handler, front, asked

    def upstream(self) -> Reply:
        """What the server behind says."""
        return self.front.upstream(self.asked, self.front)

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send the head alone."""
        self.handler.send_response_only(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def reply(self, reply: Reply) -> None:
        """Send a whole answer."""
        kept = {name: value for name, value in reply.headers.items() if name.lower() not in HOP_BY_HOP}
        self.head(reply.status, {**kept, "Content-Length": str(len(reply.body))})
        self.send(reply.body)

    def hang_up(self, *, reset: bool = False) -> None:
        """End the connection after this answer; `reset`: at once, and what is on its way is lost."""
        self.handler.close_connection = True
        if reset:
            self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.handler.connection.close()

    def told_to_wait(self, seconds: float) -> None:
        """Note that this answer, sent now, asks for patience."""
        now = time.monotonic()
        self.front.waits.append(ToldToWait(self.asked.line, now, now + seconds))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        encrypted = isinstance(self.connection, ssl.SSLSocket)
        asked = Asked(time.monotonic(), self.command, self.path, dict(self.headers.items()), body, encrypted)
        front = self.server.front
        spoil = front.take(asked)
        exchange = Exchange(self, front, asked)
        if spoil is None:
            exchange.reply(exchange.upstream())
        else:
            spoil(exchange)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any  # noqa: N815 -- names of the library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 50

    def __init__(self, port: int, front: Front, tls: ssl.SSLContext | None) -> None:
        self.front, self.tls = front, tls
        super().__init__(("127.0.0.1", port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection; one that does not begin a TLS handshake is served in plain text, and noticed so."""
        self.front.connections += 1
        if self.tls is not None and request.recv(1, socket.MSG_PEEK) == b"\x16":
            with self.tls.wrap_socket(request, server_side=True) as encrypted:
                super().finish_request(encrypted, client_address)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- the library's names
        """Keep faults of ours; a client that went away is none."""
        import sys  # noqa: PLC0415

        error = sys.exc_info()[1]
        if not isinstance(error, OSError | http.client.HTTPException | ValueError):
            self.front.errors.append(repr(error))


class Front:
    """A listening socket before a server.

    Args:
        upstream: the server behind.
        port: wanted one; 0: any.
        tls: speak TLS.
    """

    def __init__(self, upstream: Upstream, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self.elsewhere = "http://127.0.0.1:9"
        """Base of another server, for faults that lead there."""
        self.connections = 0
        self.errors: list[str] = []
        self.lock = threading.Lock()
        self.begin(())
        self._listener = _Listener(port, self, tls)
        self.port: int = self._listener.server_address[1]
        self.origin = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self.base = f"{self.origin}/fhir"
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(5)

    def begin(self, script: Sequence[Injection]) -> None:
        """Begin a new chapter: other faults, nothing seen."""
        with self.lock:
            self.script = list(script)
            self.matched = [0] * len(self.script)
            self.seen: list[Asked] = []
            self.waits: list[ToldToWait] = []
            self.spoilt = 0
            self.connections = 0

    def take(self, asked: Asked) -> Spoil | None:
        """Note a request and give what is to be done to its answer."""
        with self.lock:
            self.seen.append(asked)
            for place, injection in enumerate(self.script):
                if re.search(injection.where, asked.line) is None:
                    continue
                self.matched[place] += 1
                turn = self.matched[place] - injection.after
                if turn >= 1 and (injection.times is None or turn <= injection.times):
                    self.spoilt += 1
                    return injection.do
        return None

    def too_early(self, in_flight: int) -> int:
        """How many requests came before the server wanted any.

        The request that was told to wait must not come again before its time. Of the others, each of the further
        `in_flight` may have been on its way when the answer went out, and a busy machine needs a moment to read it.
        """
        early = 0
        for told in self.waits:
            early += sum(one.line == told.line and told.sent_at < one.at < told.until for one in self.seen)
            heard = told.sent_at + HEARING_SECONDS
            others = sum(one.line != told.line and heard < one.at < told.until for one in self.seen)
            early += max(0, others - (in_flight - 1))
        return early


def neighbours(upstream: Upstream, elsewhere: Upstream) -> tuple[Front, Front]:
    """Two listeners: the address of the first, as text, is the beginning of the second one's."""
    for port in range(LOWEST_PORT + 7, HIGHEST_PORT):
        try:
            first = Front(upstream, port=port)
        except OSError:
            continue
        for digit in range(10):
            try:
                other = Front(elsewhere, port=port * 10 + digit)
            except OSError:
                continue
            first.elsewhere = other.base
            return first, other
        first.__exit__()
    raise OSError("no free ports")


def in_memory(held: SmallServer) -> Upstream:
    """A server of the tests, one request at a time."""
    lock = threading.Lock()

    def answer(asked: Asked, front: Front) -> Reply:
        request = httpx.Request(
            asked.method,
            BASE.removesuffix("/fhir") + asked.target,
            headers={name: value for name, value in asked.headers.items() if name.lower() != "host"},
            content=asked.body,
        )
        with lock:
            response = held.handle(request)
        headers = {name: value.replace(BASE, front.base) for name, value in response.headers.items()}
        return Reply(response.status_code, headers, response.content.replace(BASE.encode(), front.base.encode()))

    return answer


def behind(base: str) -> Upstream:
    """A real server; it is told the front's address, so that its links lead there."""
    url = httpx.URL(base)

    def answer(asked: Asked, front: Front) -> Reply:
        del front
        skipped = {"connection", "accept-encoding", "content-length", "authorization"}
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in skipped}
        with closing(http.client.HTTPConnection(url.host, url.port, timeout=120)) as connection:
            connection.request(asked.method, asked.target, body=asked.body or None, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())

    return answer


def tempting(asked: Asked, front: Front) -> Reply:
    """What a foreign server might say to keep a client talking."""
    del asked, front
    return Reply(200, {"Content-Type": "application/fhir+json"}, b'{"resourceType":"Bundle","type":"searchset"}')
