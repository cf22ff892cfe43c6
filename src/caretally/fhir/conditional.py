"""Writing where the server chooses the ids: what we mean is found by a search that it matches, never by id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from caretally.errors import SourceError
from caretally.facts import exact_json
from caretally.fhir.address import RESOURCE_TYPE
from caretally.fhir.outcome import issues_of
from caretally.fhir.reading import version_of_etag, version_of_meta
from caretally.fhir.refusal import as_conditional_error
from caretally.fhir.retry import Sending
from caretally.fhir.transport import Request, Transport
from caretally.fhir.writing import CREATED, LOCATION, WRITE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.fhir.errors import OutcomeIssue


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a server put a resource.

    Attributes:
        reference: ``Claim/123``; None when the server did not say: search.
        version: versionId, None when the server did not say.
        created: nothing was there before.
        issues: remarks of the server.
    """

    reference: str | None
    version: str | None
    created: bool
    issues: tuple[OutcomeIssue, ...] = field(default=(), repr=False)


def create_if_absent(transport: Transport, resource: Mapping[str, Any], condition: Sequence[tuple[str, str]]) -> Placed:
    """Create a resource unless a search already finds one (POST with If-None-Exist).

    Args:
        transport: to the server.
        resource: without id; amounts as Decimal.
        condition: search parameters and their values.

    Returns:
        `created` is False when one was there; it was not changed.

    Raises:
        VersionConflictError: several are there (412), or somebody else was faster (409).
        WriteRefusedError: refused for another reason; nothing was written.
        WriteNotSentError: the server cannot take it now; nothing was written.
        OutcomeUnknownError: search first.
    """
    return _write(transport, "POST", resource, [], {"If-None-Exist": _query(condition)})


def put_where(transport: Transport, resource: Mapping[str, Any], condition: Sequence[tuple[str, str]]) -> Placed:
    """Write a resource to where a search finds one, or create it where it finds none (conditional update).

    Raises:
        VersionConflictError, WriteRefusedError, WriteNotSentError, OutcomeUnknownError: as `create_if_absent`.
    """
    return _write(transport, "PUT", resource, condition, {})


def _query(condition: Sequence[tuple[str, str]]) -> str:
    if not condition:
        raise ValueError("without a condition everything would match")
    return urlencode(list(condition))


def _write(
    transport: Transport,
    method: str,
    resource: Mapping[str, Any],
    condition: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
) -> Placed:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not RESOURCE_TYPE.fullmatch(kind) or "id" in resource:
        raise ValueError("wanted is a resource with a type and without an id")
    if method == "PUT":
        _query(condition)
    request = Request(
        method=method,
        url=transport.base.address(kind, condition),
        sending=Sending.WRITE,
        headers={**WRITE_HEADERS, **headers},
        content=exact_json.dumps(resource),
        exact=True,
    )
    try:
        answer = transport.send(request)
    except SourceError as error:
        raise as_conditional_error(error) from error
    placed = LOCATION.search(answer.headers.get("location") or answer.headers.get("content-location") or "")
    document = answer.document if isinstance(answer.document, dict) else {}
    named = f"{kind}/{document['id']}" if document.get("resourceType") == kind and "id" in document else None
    return Placed(
        reference=placed[1] if placed and placed[1].startswith(f"{kind}/") else named,
        version=version_of_etag(answer.headers.get("etag"))
        or (placed[2] if placed else None)
        or version_of_meta(document),
        created=answer.status == CREATED,
        issues=issues_of(answer.document),
    )
