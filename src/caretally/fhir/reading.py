"""Reading one resource, and the version that guards its next change."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from caretally.fhir.address import RESOURCE_ID, RESOURCE_TYPE
from caretally.fhir.errors import GoneError, NotFhirError, NotFoundError
from caretally.fhir.transport import Request, Transport

_ETAG = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """A resource as it is on the server.

    Attributes:
        resource: None when it was deleted.
        version: versionId, None when the server keeps none.
        deleted: it was there once.
    """

    resource: dict[str, Any] | None = field(repr=False)
    version: str | None
    deleted: bool = False


def read(transport: Transport, resource_type: str, resource_id: str, *, exact: bool = False) -> ReadResult | None:
    """Read one resource, past any cache.

    Returns:
        None when it never was there (404); with `deleted` when it was deleted (410).

    Raises:
        SourceError: see `Transport.send`.
        NotFhirError: the server gave another resource than the one asked for.
    """
    check_place(resource_type, resource_id)
    url = transport.base.address(f"{resource_type}/{resource_id}")
    try:
        answer = transport.send(Request(method="GET", url=url, headers={"Cache-Control": "no-cache"}, exact=exact))
    except NotFoundError:
        return None
    except GoneError:
        return ReadResult(resource=None, version=None, deleted=True)
    resource = answer.document
    if not isinstance(resource, dict) or (resource.get("resourceType"), resource.get("id")) != (
        resource_type,
        resource_id,
    ):
        raise NotFhirError(f"{answer.exchange}, but not with the resource that was asked for")
    return ReadResult(
        resource=resource, version=version_of_etag(answer.headers.get("etag")) or version_of_meta(resource)
    )


def check_place(resource_type: Any, resource_id: Any) -> None:
    """Refuse a type or id that would change the address.

    Raises:
        ValueError: not a resource type, or not a FHIR id.
    """
    if not isinstance(resource_type, str) or not RESOURCE_TYPE.fullmatch(resource_type):
        raise ValueError("not a resource type")
    if not isinstance(resource_id, str) or not RESOURCE_ID.fullmatch(resource_id) or set(resource_id) == {"."}:
        raise ValueError("not a FHIR id")


def is_version(text: str) -> bool:
    """Tell whether `text` can be a versionId."""
    return RESOURCE_ID.fullmatch(text) is not None


def version_of_etag(etag: Any) -> str | None:
    """Read a version: servers write ``W/"2"``, ``"2"`` and, in transactions, the bare ``2``."""
    match = _ETAG.fullmatch(etag.strip()) if isinstance(etag, str) else None
    return match[1] if match else None


def version_of_meta(resource: Any) -> str | None:
    """Read the version that a resource names itself."""
    meta = resource.get("meta") if isinstance(resource, dict) else None
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None
