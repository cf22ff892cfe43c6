"""A FHIR server behind TLS and a CONNECT proxy, on this machine: what each was told is kept."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

PATIENT = b'{"resourceType":"Patient","id":"p1"}'
SECONDS = 5.0


class Listener:
    """Takes connections on loopback, each in a thread of its own, until it is left."""

    def __init__(self, converse: Callable[[socket.socket], None]) -> None:
        self._converse = converse
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.port = int(self._socket.getsockname()[1])
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(SECONDS)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.settimeout(SECONDS)
                thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._converse(connection)


def head_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return data
        data += part
    return data


class TlsServer(Listener):
    """Answers every request with one Patient; `heads` are the requests, `subjects` the names in client certificates."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(self._answer)
        self._context = context
        self.heads: list[bytes] = []
        self.subjects: list[str] = []
        self.base = f"https://localhost:{self.port}/fhir"

    def _answer(self, connection: socket.socket) -> None:
        try:
            secure = self._context.wrap_socket(connection, server_side=True)
        except ssl.SSLError:
            time.sleep(0.2)  # hanging up with unread bytes would take back the alert that was sent
            return
        with secure:
            self.heads.append(head_of(secure))
            shown = secure.getpeercert() or {}
            self.subjects += [str(pair[1]) for pair in shown.get("subjectAltName", ())]
            secure.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nConnection: close\r\n"
                + f"Content-Length: {len(PATIENT)}\r\n\r\n".encode()
                + PATIENT
            )


class ConnectProxy(Listener):
    """Lets through what is asked for by CONNECT; `heads` and `relayed` are all that it could read on the way there."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(self._connect)
        self._refuses = refuses
        self.heads: list[bytes] = []
        self.relayed = b""
        self.address = f"http://127.0.0.1:{self.port}"

    def _connect(self, connection: socket.socket) -> None:
        head = head_of(connection)
        self.heads.append(head)
        if self._refuses:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = head.split(b" ")[1].decode().partition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as there:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._relay, args=(there, connection, False), daemon=True)
            back.start()
            self._relay(connection, there, True)
            back.join(SECONDS)

    def _relay(self, one: socket.socket, other: socket.socket, kept: bool) -> None:
        with suppress(OSError):
            while part := one.recv(65_536):
                if kept:
                    self.relayed += part
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)
