"""The same promises over real connections on this machine, where the HTTP library's own behaviour counts."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from tests.fhir.support import TOKEN

from caretally.fhir import BearerAuthentication, FhirServer, RetrySettings, ServerSettings, WriteEntry
from caretally.fhir import errors as e

PATIENT = orjson.dumps({"resourceType": "Patient", "id": "p1"})
Talk = Callable[[socket.socket], None]


def http(body: bytes, status: str = "200 OK", announced: int | None = None, **headers: str) -> bytes:
    named = {
        "Content-Type": "application/fhir+json",
        "Content-Length": str(len(body) if announced is None else announced),
    }
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def saying(answer: bytes) -> Talk:
    return lambda connection: connection.sendall(answer)


class RawServer:
    """Reads a request's head and body, then talks as told; one talk for each connection, the last one for ever."""

    def __init__(self) -> None:
        self.talks: list[Talk] = []
        self.heads: list[bytes] = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}/fhir"
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                talk = self.talks.pop(0) if len(self.talks) > 1 else self.talks[0]
            thread = threading.Thread(target=self.converse, args=(connection, talk), daemon=True)
            thread.start()
            self.threads.append(thread)

    def converse(self, connection: socket.socket, talk: Talk) -> None:
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                part = connection.recv(65_536)
                if not part:
                    return
                data += part
            with self.lock:
                self.heads.append(data)
            with contextlib.suppress(OSError):
                talk(connection)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


@pytest.fixture
def raw() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def speaking_to(raw: RawServer, **more: object) -> FhirServer:
    chosen = {
        "base_url": raw.address,
        "auth": BearerAuthentication(token=TOKEN),
        "timeout_seconds": 2,
        "retry": RetrySettings(attempts=2, wait_budget_seconds=5),
        **more,
    }
    return FhirServer(ServerSettings(**chosen))  # type: ignore[arg-type]


def test_a_body_that_is_cut_is_asked_for_again(raw: RawServer) -> None:
    raw.talks = [saying(http(PATIENT[:10], announced=500)), saying(http(PATIENT, Connection="close"))]
    with speaking_to(raw) as server:
        found = server.read("Patient", "p1")
    assert found is not None
    assert found.resource == orjson.loads(PATIENT)
    assert len(raw.heads) == 2


def test_packed_answers_are_read(raw: RawServer) -> None:
    raw.talks = [saying(http(gzip.compress(PATIENT), Content_Encoding="gzip", Connection="close"))]
    with speaking_to(raw) as server:
        found = server.read("Patient", "p1")
    assert found is not None
    assert found.resource == orjson.loads(PATIENT)


def test_a_dripping_body_ends_at_the_deadline(raw: RawServer) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(http(b"", announced=1_000))
        for _ in range(1_000):
            connection.sendall(b" ")
            time.sleep(0.05)

    raw.talks = [drip]
    started = time.monotonic()
    with speaking_to(raw, answer_seconds=0.5) as server, pytest.raises(e.AnswerTooSlowError):
        server.read("Patient", "p1")
    assert time.monotonic() - started < 5


def test_a_redirect_takes_the_token_nowhere(raw: RawServer) -> None:
    other = RawServer()
    other.talks = [saying(http(PATIENT))]
    raw.talks = [saying(http(b"", "302 Found", Location=f"{other.address}/Patient/p1"))]
    with speaking_to(raw) as server, pytest.raises(e.RedirectRefusedError):
        server.read("Patient", "p1")
    other.close()
    assert other.heads == []


def test_nobody_listening_is_named_and_a_write_is_known_not_to_be_written() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    retry = RetrySettings(attempts=2, wait_budget_seconds=5)
    settings = ServerSettings(base_url=f"http://127.0.0.1:{port}/fhir", timeout_seconds=2, retry=retry)
    with FhirServer(settings) as server:
        with pytest.raises(e.ServerUnreachableError, match="cannot be reached"):
            server.read("Patient", "p1")
        with pytest.raises(e.WriteNotSentError, match="nothing was written"):
            server.put(WriteEntry.of({"resourceType": "Patient", "id": "p1"}))


@pytest.mark.parametrize("answer", [b"", http(b"{", announced=100), b"nonsense\r\n\r\n"])
def test_a_write_whose_answer_is_lost_is_unknown_and_sent_once(raw: RawServer, answer: bytes) -> None:
    raw.talks = [saying(answer)]
    with speaking_to(raw) as server, pytest.raises(e.OutcomeUnknownError):
        server.put(WriteEntry.of({"resourceType": "Patient", "id": "p1"}))
    assert len(raw.heads) == 1


def test_threads_share_one_server_within_the_limit(raw: RawServer) -> None:
    asking: set[socket.socket] = set()
    most: list[int] = []

    def slow(connection: socket.socket) -> None:
        with raw.lock:
            asking.add(connection)
            most.append(len(asking))
        time.sleep(0.03)
        with raw.lock:
            asking.remove(connection)  # before the answer: who has it may ask again at once
        connection.sendall(http(PATIENT, Connection="close"))

    raw.talks = [slow]
    with speaking_to(raw, max_in_flight=3) as server, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: server.read("Patient", "p1"), range(24)))
    assert all(result is not None and result.resource == orjson.loads(PATIENT) for result in found)
    assert len(raw.heads) == 24
    assert max(most) <= 3


@pytest.mark.parametrize("piece", [b"x", b"HTTP/1.1 102 Processing\r\n\r\n"])
def test_a_head_that_never_ends_is_ended_at_the_deadline(raw: RawServer, piece: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: " if piece == b"x" else b"")
        for _ in range(200):
            connection.sendall(piece)
            time.sleep(0.05)

    raw.talks = [drip]
    started = time.monotonic()
    with speaking_to(raw, answer_seconds=0.5) as server, pytest.raises(e.AnswerTooSlowError):
        server.read("Patient", "p1")
    assert time.monotonic() - started < 5
    assert len(raw.heads) == 1


def test_a_silent_body_ends_at_the_deadline_not_at_the_longer_silence_allowed(raw: RawServer) -> None:
    def stop(connection: socket.socket) -> None:
        connection.sendall(http(PATIENT[:10], announced=500))
        time.sleep(6)

    raw.talks = [stop]
    started = time.monotonic()
    with speaking_to(raw, answer_seconds=0.5, timeout_seconds=30) as server, pytest.raises(e.AnswerTooSlowError):
        server.read("Patient", "p1")
    assert time.monotonic() - started < 5
