"""Reading an answer's body without letting the server decide how much memory or time it takes.

We unpack gzip ourselves because a library that unpacks a whole chunk at once lets 64 KiB on the wire become
64 MiB in memory, and several times over when encodings are stacked.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from caretally.facts import exact_json
from caretally.fhir.errors import (
    AnswerTooLargeError,
    AnswerTooSlowError,
    Exchange,
    NotFhirError,
    TruncatedAnswerError,
    UnreadableAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCEPTED_ENCODINGS = "gzip"
_STEP = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_body(
    response: httpx.Response,
    *,
    exchange: Exchange,
    max_bytes: int,
    deadline: float,
    clock: Callable[[], float],
) -> bytes:
    """Read and unpack a streamed answer.

    Args:
        response: opened with `stream`, not yet read.
        exchange: for the error texts.
        max_bytes: allowed after unpacking.
        deadline: value of `clock` at which the answer must be complete.
        clock: seconds.

    Raises:
        AnswerTooLargeError: more than `max_bytes`.
        AnswerTooSlowError: not complete at `deadline`.
        TruncatedAnswerError: the packed data end in the middle.
        UnreadableAnswerError: packed in a way that we did not ask for.
        httpx.HTTPError: the connection failed.
    """
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(exchange, max_bytes)
    body = bytearray()
    for part in _unpacked(response, exchange):
        body += part
        if len(body) > max_bytes:
            raise _too_large(exchange, max_bytes)
        if clock() > deadline:
            raise too_slow(exchange)
    return bytes(body)


def write_body_to(
    response: httpx.Response,
    write: Callable[[bytes], object],
    *,
    exchange: Exchange,
    max_bytes: int,
    max_line_bytes: int,
) -> int:
    """Unpack a streamed file of lines piece by piece into `write`; return the number of bytes.

    A file of an export has no deadline as a whole: each silence is bounded by the client's own time-out.

    Args:
        response: opened with `stream`, not yet read.
        write: takes a piece.
        exchange: for the error texts.
        max_bytes: allowed for the file, unpacked.
        max_line_bytes: allowed for one line, which is read as one resource later and must fit into memory.

    Raises:
        AnswerTooLargeError, TruncatedAnswerError, UnreadableAnswerError, httpx.HTTPError: see `read_body`.
    """
    size = line = 0
    for part in _unpacked(response, exchange):
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLargeError(
                f"{exchange}, but the file has more than {max_bytes} bytes; raise max_export_file_bytes of [server] if "
                "that is right"
            )
        # A part is small, so that only the line which goes on after it can be too long.
        end = part.rfind(b"\n")
        line = line + len(part) if end < 0 else len(part) - end - 1
        if line > max_line_bytes:
            raise AnswerTooLargeError(
                f"{exchange}, but the file has a line of more than {max_line_bytes} bytes, and a line holds one "
                "resource; raise max_response_bytes of [server] if that is right"
            )
        write(part)
    return size


def read_beginning(response: httpx.Response, *, max_bytes: int, deadline: float, clock: Callable[[], float]) -> bytes:
    """Read what can be read of an error's body; what is too large, too slow or broken is simply left out."""
    body = bytearray()
    try:
        for part in _unpacked(response, Exchange(method="", path="")):
            body += part
            if len(body) > max_bytes or clock() > deadline:
                break
    except (UnreadableAnswerError, httpx.HTTPError):
        return b""
    return bytes(body[:max_bytes])


def parse_fhir_json(body: bytes, content_type: str, *, exchange: Exchange, exact: bool) -> Any:
    """Parse an answer as FHIR JSON.

    Args:
        body: unpacked bytes.
        content_type: header of the answer.
        exchange: for the error texts.
        exact: read amounts as Decimal with each digit; slower, for our own claims.

    Raises:
        NotFhirError: another content type, for example a log-in page.
        TruncatedAnswerError: the JSON ends in the middle or is broken.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    start = body.removeprefix(_BYTE_ORDER_MARK)
    json_type = media_type in {"application/json", "text/json"} or media_type.endswith("+json")
    if not json_type and (media_type or not start.lstrip()[:1] == b"{"):
        raise NotFhirError(f"{exchange}, but {_what_came(media_type, start)}")
    try:
        return exact_json.loads(start) if exact else orjson.loads(start)
    except ValueError:
        end = start.rstrip()[-1:]
        how = "ends in the middle" if end not in {b"}", b"]"} else "is not valid JSON"
        raise TruncatedAnswerError(
            f"{exchange}, but the answer {how} ({len(body)} bytes came); a proxy may have cut it: try again or ask "
            "for smaller pages (page_size of [server])"
        ) from None


def _what_came(media_type: str, start: bytes) -> str:
    if "html" in media_type or (start.lstrip()[:1] == b"<" and "xml" not in media_type):
        return (
            "with a web page (HTML), not FHIR: base_url may be the address of the site instead of its FHIR service, "
            "or a log-in page or proxy stands before it"
        )
    if "xml" in media_type:
        return "with XML although JSON was asked for: Caretally needs a server that speaks FHIR JSON"
    return f"with content type {media_type[:60] or 'unknown'}, not FHIR JSON: check base_url"


def _unpacked(response: httpx.Response, exchange: Exchange) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        yield from _parts(response)
    elif encoding in {"gzip", "x-gzip"}:
        yield from _gunzipped(_parts(response), exchange)
    else:
        raise UnreadableAnswerError(
            f"{exchange}, but the answer is packed as {encoding[:40]!r} although only gzip was offered: check the proxy"
        )


def _parts(response: httpx.Response) -> Iterator[bytes]:
    """Give the body as it came, in parts of one step; `iter_raw` would refuse answers that tests made in memory."""
    stream = response.stream
    assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101  # narrows the type: our client is synchronous
    for part in stream:
        for start in range(0, len(part), _STEP):
            yield part[start : start + _STEP]


def _gunzipped(parts: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    """Unpack gzip, also of several members, never more than one step at a time."""
    unpacker = zlib.decompressobj(_GZIP)
    fresh = True
    for part in parts:
        rest = part
        while rest:
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
                fresh = True
            try:
                piece = unpacker.decompress(rest, _STEP)
            except zlib.error:
                raise TruncatedAnswerError(f"{exchange}, but the answer's gzip data are broken") from None
            fresh = False
            rest = unpacker.unconsumed_tail or unpacker.unused_data
            yield piece
    if not fresh and not unpacker.eof:
        raise TruncatedAnswerError(f"{exchange}, but the answer's gzip data end in the middle")


def too_slow(exchange: Exchange) -> AnswerTooSlowError:
    """Return the error for an answer that was not complete in time."""
    return AnswerTooSlowError(
        f"{exchange}, but the answer was not complete in the time allowed; ask for smaller pages (page_size) or raise "
        "answer_seconds of [server]"
    )


def _too_large(exchange: Exchange, max_bytes: int) -> AnswerTooLargeError:
    return AnswerTooLargeError(
        f"{exchange}, but the answer has more than {max_bytes} bytes; ask for smaller pages (page_size) or raise "
        "max_response_bytes of [server]"
    )
