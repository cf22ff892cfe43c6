"""The files of a folder, one resource after the other: NDJSON, packed NDJSON and Bundles.

What cannot be read becomes a `Fault` with file and line and never with content; the rest goes on.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from caretally.sync.resources import own_id, read_body, write_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = (".ndjson", ".jsonl")
OUR_REPORTS = frozenset({"determinations.ndjson", "issues.ndjson", "run-report.json"})
"""Files of a sink that hold no resources."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_CURRENT = frozenset({"history", "subscription-notification", "message"})
"""Bundles whose entries are not the present state of resources."""


@dataclass(frozen=True, slots=True)
class Found:
    """One JSON object with a resourceType."""

    place: str
    """File and line, or file and entry."""
    resource: dict[str, Any] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a file that is no resource."""

    place: str
    code: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that is not read, and why."""

    name: str
    why: str


class UnreadableFileError(Exception):
    """The rest of a file cannot be read, so nobody knows what is missing.

    Args:
        name: the file.
        why: for a person.
    """

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"{name}: {why}")


def files_of(folder: Path) -> tuple[list[Path], list[Ignored]]:
    """Sort the entries of a folder into files to read, by name, and what is left alone.

    Raises:
        OSError: the folder cannot be listed.
    """
    files: list[Path] = []
    ignored: list[Ignored] = []
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        if path.is_dir():
            ignored.append(Ignored(path.name, "a folder inside the folder"))
        elif path.name in OUR_REPORTS:
            ignored.append(Ignored(path.name, "a report of ours"))
        elif name.endswith((*LINES, ".json")):
            files.append(path)
        else:
            ignored.append(Ignored(path.name, "not .ndjson, .jsonl or .json"))
    return files, ignored


def read_file(path: Path) -> Iterator[Found | Fault | Ignored]:
    """Give what a file holds, streaming where it has lines.

    Raises:
        UnreadableFileError: the file cannot be opened or ends in the middle of packed data.
    """
    try:
        with _opened(path) as stream:
            if path.name.removesuffix(".gz").endswith(LINES):
                yield from _lines(path.name, stream)
            else:
                yield from _document(path.name, stream.read())
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UnreadableFileError(path.name, "the packed data are broken or end in the middle") from None
    except OSError as error:
        raise UnreadableFileError(path.name, f"cannot be read ({error.strerror})") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield raw


def _lines(name: str, stream: IO[bytes]) -> Iterator[Found | Fault | Ignored]:
    for number, raw in enumerate(stream, 1):
        line = raw.strip()
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            continue
        place = f"{name}:{number}"
        try:
            document = read_body(line)
        except ValueError:
            how = "ends in the middle" if line[-1:] != b"}" else "is not valid JSON"
            yield Fault(place, "unreadable-line", f"a line of {len(line)} bytes that {how}", "one FHIR resource a line")
            continue
        yield from _objects(place, document, line)


def _document(name: str, content: bytes) -> Iterator[Found | Fault | Ignored]:
    body = content.removeprefix(_BYTE_ORDER_MARK).strip()
    try:
        document = read_body(body)
    except ValueError:
        how = "ends in the middle" if body[-1:] not in {b"}", b"]"} else "is not valid JSON"
        yield Fault(name, "unreadable-file", f"{len(body)} bytes; the file {how}", "a FHIR Bundle or resource")
        return
    if isinstance(document, dict) and isinstance(document.get("resourceType"), str):
        yield from _objects(name, document, body)
    else:
        yield Ignored(name, "JSON without resourceType")


def _objects(place: str, document: Any, body: bytes) -> Iterator[Found | Fault]:
    """Give a resource, or the resources of a Bundle."""
    kind = document.get("resourceType") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        yield Fault(place, "not-a-resource", "JSON without resourceType", "a FHIR resource")
    elif kind != "Bundle":
        yield Found(place, document, body)
    elif document.get("type") in _NOT_CURRENT:
        yield Fault(
            place, "bundle-type", f"a Bundle of type {document['type']}", "a collection, searchset or transaction"
        )
    else:
        yield from _entries(place, document)


def _entries(place: str, bundle: dict[str, Any]) -> Iterator[Found | Fault]:
    entries = bundle.get("entry")
    entries = entries if isinstance(entries, list) else []
    names = _full_urls(entries)
    for position, entry in enumerate(entries):
        where = f"{place} entry {position}"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            yield Fault(where, "entry-without-resource", "an entry without resource", "a resource in each entry")
            continue
        if own_id(resource) is None and (name := names.get(str(entry.get("fullUrl")))) is not None:
            resource["id"] = name.partition("/")[2]
        if names:
            _resolve(resource, names)
        yield from _objects(where, resource, write_body(resource))


def _full_urls(entries: list[Any]) -> dict[str, str]:
    """Map the ``urn:`` names of a Bundle, which mean nothing outside it, to ``Type/id``."""
    names: dict[str, str] = {}
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(url, str) and url.startswith("urn:"):
            name = own_id(resource) or url.rpartition(":")[2]
            names[url] = f"{resource.get('resourceType')}/{name}"
    return names


def _resolve(value: Any, names: dict[str, str]) -> None:
    """Put ``Type/id`` in place of the Bundle's own names, in each Reference.reference."""
    if isinstance(value, list):
        for item in value:
            _resolve(item, names)
    elif isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and reference in names:
            value["reference"] = names[reference]
        for item in value.values():
            _resolve(item, names)
