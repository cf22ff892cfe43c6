"""What can be done to an answer: named ways to spoil it, each as bad as a server or proxy that somebody met."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from tests.faults.front import Exchange, Reply, Spoil

FHIR = "application/fhir+json"
MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE
FOR_EVER_SECONDS = 30.0
"""How long an endless answer goes on at most, should the client never hang up."""


def _whole(exchange: Exchange, status: int, body: bytes, **headers: str) -> None:
    exchange.head(
        status,
        {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}},
    )
    exchange.send(body)


def _outcome(text: str) -> bytes:
    issue = {"severity": "error", "code": "processing", "diagnostics": text}
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})


def refuses(status: int, **headers: str) -> Spoil:
    """A status with an OperationOutcome."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, status, _outcome("a fault of the test"), Content_Type=FHIR, **headers)

    return spoil


def wait_seconds(status: int, seconds: float, *, header: str = "Retry-After") -> Spoil:
    """A status that asks for patience in seconds (or, by the vendor's header, milliseconds)."""

    def spoil(exchange: Exchange) -> None:
        said = f"{seconds * 1000:.0f}" if header.endswith("-ms") else f"{seconds:g}"
        exchange.told_to_wait(seconds)
        _whole(exchange, status, _outcome("later"), **{"Content_Type": FHIR, header: said})

    return spoil


def wait_until(status: int, seconds: float, *, clock_wrong_by: float = 0.0) -> Spoil:
    """A status that asks for patience until a date; the server's own clock may be wrong."""

    def spoil(exchange: Exchange) -> None:
        server_now = datetime.now(UTC) + timedelta(seconds=clock_wrong_by)
        until = (server_now + timedelta(seconds=seconds)).replace(microsecond=0)
        # What is promised is the wait by the clock of the server, whose `Date` has whole seconds too.
        exchange.told_to_wait((until - server_now).total_seconds())
        said = {"Retry-After": format_datetime(until, usegmt=True), "Date": format_datetime(server_now, usegmt=True)}
        _whole(exchange, status, _outcome("later"), Content_Type=FHIR, **said)

    return spoil


def cut_in_the_middle(*, reset: bool) -> Spoil:
    """Half of the body comes, then the connection ends; `reset`: hard."""

    def spoil(exchange: Exchange) -> None:
        reply = exchange.upstream()
        exchange.head(reply.status, {"Content-Type": FHIR, "Content-Length": str(len(reply.body))})
        exchange.send(reply.body[: len(reply.body) // 2])
        exchange.hang_up(reset=reset)

    return spoil


def dropped(exchange: Exchange) -> None:
    """The server takes the request, does what it asks, and hangs up without a word."""
    exchange.upstream()
    exchange.hang_up(reset=True)


def shortened(exchange: Exchange) -> None:
    """Half of the JSON comes as if it were all: a proxy has cut it and corrected the length."""
    reply = exchange.upstream()
    reply.body = reply.body[: len(reply.body) // 2]
    exchange.reply(reply)


def packed_and_cut(exchange: Exchange) -> None:
    """Half of the gzip data come as if they were all."""
    packed = gzip.compress(exchange.upstream().body)
    _whole(exchange, 200, packed[: len(packed) // 2], Content_Type=FHIR, Content_Encoding="gzip")


def packed_otherwise(exchange: Exchange) -> None:
    """Packed in a way that was not offered."""
    _whole(exchange, 200, zlib.compress(exchange.upstream().body), Content_Type=FHIR, Content_Encoding="deflate")


def says(body: bytes, content_type: str, status: int = 200) -> Spoil:
    """Another answer altogether."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, status, body, Content_Type=content_type)

    return spoil


def typed(content_type: str) -> Spoil:
    """The right body under another content type."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, 200, exchange.upstream().body, Content_Type=content_type)

    return spoil


def silent(exchange: Exchange) -> None:
    """The request is taken, and then nothing comes."""
    time.sleep(FOR_EVER_SECONDS / 6)
    exchange.hang_up(reset=True)


def _for_ever(exchange: Exchange, piece: bytes, pause: float) -> None:
    end = time.monotonic() + FOR_EVER_SECONDS
    while time.monotonic() < end:
        exchange.send(piece)
        time.sleep(pause)
    exchange.hang_up(reset=True)


def drips(exchange: Exchange) -> None:
    """A body that comes byte by byte and never ends."""
    exchange.head(200, {"Content-Type": FHIR, "Content-Length": str(GIBIBYTE)[:-4]})
    _for_ever(exchange, b" ", 0.05)


def drips_its_head(exchange: Exchange) -> None:
    """A head that comes byte by byte and never ends."""
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _for_ever(exchange, b"x", 0.05)


def wait_a_moment_for_ever(exchange: Exchange) -> None:
    """Informational answers without end, and never the answer."""
    _for_ever(exchange, b"HTTP/1.1 102 Processing\r\n\r\n", 0.05)


def endless(exchange: Exchange) -> None:
    """A body of unknown length that never ends, as fast as it can be taken."""
    exchange.head(200, {"Content-Type": FHIR, "Transfer-Encoding": "chunked"})
    _for_ever(exchange, b"10000\r\n" + b" " * 65_536 + b"\r\n", 0.0)


def announced(size: int) -> Spoil:
    """A body that says at once that it is too long."""

    def spoil(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": FHIR, "Content-Length": str(size)})
        exchange.send(b"{")
        exchange.hang_up()

    return spoil


def padded(size: int) -> Spoil:
    """The right JSON, made too long by spaces, its length not announced."""

    def spoil(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": FHIR, "Transfer-Encoding": "chunked"})
        body = exchange.upstream().body + b" " * size
        for start in range(0, len(body), 65_536):
            part = body[start : start + 65_536]
            exchange.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        exchange.send(b"0\r\n\r\n")

    return spoil


@cache
def bomb(size: int = GIBIBYTE) -> bytes:
    """So many bytes of JSON text, packed a thousandfold: one deflate stream whose blocks repeat themselves."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    start = packer.compress(b'{"resourceType":"Bundle","id":"') + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block refers to nothing before it, so that the same bytes may come again and again.
    block = packer.compress(b"a" * MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(b'"}') + packer.flush()
    return start + block * (size // MEBIBYTE) + end


def bombs(size: int = GIBIBYTE, *, content_type: str = FHIR, status: int = 200) -> Spoil:
    """A packed body that is small on the wire and enormous in memory."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, status, bomb(size), Content_Type=content_type, Content_Encoding="gzip")

    return spoil


def bombs_in_parts(exchange: Exchange) -> None:
    """The same as a thousand packed members, one after the other."""
    _whole(exchange, 200, gzip.compress(b" " * MEBIBYTE, 9) * 1024, Content_Type=FHIR, Content_Encoding="gzip")


def redirects(to: Callable[[Exchange], str], status: int = 302) -> Spoil:
    """A redirect."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, status, b"", Location=to(exchange))

    return spoil


def _with_next(reply: Reply, link: str | None) -> bytes:
    bundle: dict[str, Any] = orjson.loads(reply.body)
    links = [one for one in bundle.get("link", ()) if one["relation"] != "next"]
    bundle["link"] = links + ([] if link is None else [{"relation": "next", "url": link}])
    return orjson.dumps(bundle)


def next_is(link: Callable[[Exchange], str]) -> Spoil:
    """The page is right, its link to the next one leads elsewhere."""

    def spoil(exchange: Exchange) -> None:
        reply = exchange.upstream()
        reply.body = _with_next(reply, link(exchange))
        exchange.reply(reply)

    return spoil


def own_address(exchange: Exchange) -> str:
    """The page links to itself."""
    return exchange.front.origin + exchange.asked.target


def marked(mark: str) -> Callable[[Exchange], str]:
    """The page links to itself, with a mark or without one."""

    def link(exchange: Exchange) -> str:
        return f"{exchange.front.origin}{exchange.asked.target.partition('&offset=')[0]}{mark}"

    return link


def same_page_for_ever(exchange: Exchange) -> None:
    """The offset grows, the resources stay the same."""
    before, _, offset = exchange.asked.target.partition("&_at=")
    asked = replace(exchange.asked, target=before)
    reply = exchange.front.upstream(asked, exchange.front)
    reply.body = _with_next(reply, f"{exchange.front.origin}{before}&_at={int(offset or 0) + 5}")
    exchange.reply(reply)


def empty_for_ever(exchange: Exchange) -> None:
    """Page after page without anything, and always one more."""
    before, _, offset = exchange.asked.target.partition("&_at=")
    number = int(offset or 0) + 5
    link = [{"relation": "next", "url": f"{exchange.front.origin}{before}&_at={number}"}]
    _whole(
        exchange, 200, orjson.dumps({"resourceType": "Bundle", "type": "searchset", "link": link}), Content_Type=FHIR
    )


def slowly(seconds: float) -> Spoil:
    """The right answer, later."""

    def spoil(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.reply(exchange.upstream())

    return spoil


def half_of_the_lines(exchange: Exchange) -> None:
    """A file with half of its lines, whole ones."""
    reply = exchange.upstream()
    lines = reply.body.splitlines(keepends=True)
    reply.body = b"".join(lines[: len(lines) // 2])
    exchange.reply(reply)


def files_at(place: Callable[[Exchange], str]) -> Spoil:
    """A manifest whose files lie elsewhere; while there is none, the answer is as it is."""

    def spoil(exchange: Exchange) -> None:
        reply = exchange.upstream()
        if reply.status == 200:
            manifest = orjson.loads(reply.body)
            for file in manifest["output"]:
                file["url"] = place(exchange)
            reply.body = orjson.dumps(manifest)
        exchange.reply(reply)

    return spoil


def started_at(place: Callable[[Exchange], str]) -> Spoil:
    """An export whose state is told elsewhere."""

    def spoil(exchange: Exchange) -> None:
        _whole(exchange, 202, b"", Content_Location=place(exchange))

    return spoil
