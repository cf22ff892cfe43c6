"""The claims of ours in a folder or on a server, and the people whom they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.billing import CLAIM_IDENTIFIER
from caretally.errors import SourceError
from caretally.sync.resources import own_id, reference_text
from caretally.sync.sinks.folder import FolderSink, is_ours
from caretally.sync.sources.files import Found, UnreadableFileError, files_of, read_file
from caretally.sync.sources.folder import FolderSource
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from caretally.fhir import FhirServer
    from caretally.sync.pulling import Source
    from caretally.sync.sinks.server import ServerSink
    from caretally.sync.writes import Sink

    Resource = Mapping[str, Any]

_NAMED = ("patient", "insurer", "provider", "careTeam.provider", "insurance.coverage")
_BEHIND = ("payor", "subscriber")
"""Whom a Coverage names."""
_PARTY_TYPES = ("Patient", "Coverage", "Organization", "Practitioner", "RelatedPerson")


def claims_on_file(place: Sink, patients: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Give the Claims that we wrote, amounts exact.

    Args:
        place: folder or server.
        patients: ``Patient/id`` to look for; empty: all.

    Raises:
        SourceError: the place cannot be read.
    """
    found = _in_folder(place.path, ("Claim",)) if isinstance(place, FolderSink) else _on_server(_server(place))
    seen: set[str] = set()
    for claim in found:
        key = str(claim.get("id"))
        fits = not patients or bool(patients & set(reference_text(claim, "patient")))
        if key not in seen and fits and is_ours(claim):
            seen.add(key)
            yield claim


def parties_of(claims: Iterable[Resource], places: Iterable[Source | Sink]) -> dict[str, Resource]:
    """Give whom claims name, by reference; the first place that holds somebody is believed.

    Raises:
        SourceError: a place cannot be read.
    """
    wanted = {key for claim in claims for path in _NAMED for key in reference_text(claim, path)}
    found: dict[str, Resource] = {}
    for place in places:
        for asked in (wanted, set[str]()):
            missing = (asked or _behind(found)) - found.keys()
            found |= dict(_looked_up(place, missing))
    return found


def _behind(found: Mapping[str, Resource]) -> set[str]:
    coverages = [one for key, one in found.items() if key.startswith("Coverage/")]
    return {key for one in coverages for path in _BEHIND for key in reference_text(one, path)}


def _looked_up(place: Source | Sink, wanted: set[str]) -> Iterator[tuple[str, Resource]]:
    wanted = {key for key in wanted if key.partition("/")[0] in _PARTY_TYPES}
    if not wanted:
        return
    if isinstance(place, FolderSource | FolderSink):
        given: set[str] = set()
        for resource in _in_folder(place.path, _PARTY_TYPES):
            key = f"{resource['resourceType']}/{own_id(resource)}"
            if key in wanted and key not in given:
                given.add(key)
                yield key, resource
        return
    server = _server(place)
    for key in sorted(wanted):
        kind, _, name = key.partition("/")
        result = server.read(kind, name, exact=True)
        if result is not None and result.resource is not None:
            yield key, result.resource


def _in_folder(path: Path, kinds: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        files, _ = files_of(path)
        for file in files:
            for one in read_file(file):
                if isinstance(one, Found) and one.resource.get("resourceType") in kinds:
                    yield one.resource
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror})") from error
    except UnreadableFileError as error:
        raise SourceError(f"{path}: {error}; nothing is exported from half a folder") from error


def _on_server(server: FhirServer) -> Iterator[dict[str, Any]]:
    parameters = server.identifier_parameters("Claim", CLAIM_IDENTIFIER)
    for page in server.search("Claim", parameters, exact=True, fresh=True):
        yield from (one for one in page.resources if one.get("resourceType") == "Claim")


def _server(place: Source | Sink) -> FhirServer:
    if isinstance(place, ServerSource):
        return place.server
    sink: ServerSink = place  # type: ignore[assignment]  # folders are told apart before
    return sink.server
