"""Writing: ids of ours, guarded by versions, and an exact word about what became of each resource."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caretally.errors import SourceError
from caretally.facts import exact_json
from caretally.fhir.errors import OutcomeIssue, OutcomeUnknownError
from caretally.fhir.outcome import issues_of
from caretally.fhir.reading import check_place, is_version, version_of_etag, version_of_meta
from caretally.fhir.refusal import as_write_error
from caretally.fhir.retry import Sending
from caretally.fhir.transport import FHIR_JSON, Answer, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CREATED, FIRST_REFUSAL = 201, 300
WRITE_HEADERS: Mapping[str, str] = MappingProxyType({"Content-Type": FHIR_JSON, "Prefer": "return=minimal"})
_STATUS = re.compile(r"([1-5][0-9]{2})\b")
LOCATION = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteEntry:
    """One resource to be put where we say.

    Attributes:
        url: ``Claim/cm-…``, the same as the resource's type and id.
        resource: amounts as Decimal; written digit for digit.
        if_match: version that must be there now.
        if_none_match_star: nothing may be there now.

    Raises:
        ValueError: `url` and resource differ, or both conditions are given.
    """

    url: str
    resource: Mapping[str, Any] = field(repr=False)
    if_match: str | None = None
    if_none_match_star: bool = False
    method: str = "PUT"

    def __post_init__(self) -> None:
        """Refuse what could be written to another place than meant."""
        if self.method != "PUT":
            raise ValueError(f"only PUT is known, not {self.method!r}")
        check_place(self.resource.get("resourceType"), self.resource.get("id"))
        if self.url != f"{self.resource['resourceType']}/{self.resource['id']}":
            raise ValueError("url and resource name different places")
        if self.if_match is not None and not is_version(self.if_match):
            raise ValueError("if_match is not a versionId")
        if self.if_match is not None and self.if_none_match_star:
            raise ValueError("if_match and if_none_match_star exclude each other")

    @property
    def guarded(self) -> bool:
        """Whether the entry has a condition."""
        return self.if_match is not None or self.if_none_match_star

    @classmethod
    def of(
        cls, resource: Mapping[str, Any], *, if_match: str | None = None, if_none_match_star: bool = False
    ) -> WriteEntry:
        """Make the entry of a resource that has its id."""
        url = f"{resource.get('resourceType')}/{resource.get('id')}"
        return cls(url=url, resource=resource, if_match=if_match, if_none_match_star=if_none_match_star)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOutcome:
    """What became of one entry.

    Attributes:
        url: ``Claim/cm-…``.
        status: 200 or 201.
        version: versionId as the server named it, None when it did not: read back.
        precondition_ignored: the resource was to be created only if absent, but the server says it changed one.
        issues: remarks of the server.
    """

    url: str
    status: int
    version: str | None
    precondition_ignored: bool = False
    issues: tuple[OutcomeIssue, ...] = field(default=(), repr=False)

    @property
    def created(self) -> bool:
        """Whether the resource was not there before."""
        return self.status == CREATED


def put(transport: Transport, entry: WriteEntry) -> EntryOutcome:
    """Write one resource.

    Raises:
        VersionConflictError: the condition does not hold (409, 412; for if_match also 404 and 410).
        WriteRefusedError: refused for another reason; nothing was written.
        WriteNotSentError: the server cannot take it now; nothing was written.
        OutcomeUnknownError: read back first.
    """
    headers = dict(WRITE_HEADERS)
    if entry.if_match is not None:
        headers["If-Match"] = f'W/"{entry.if_match}"'
    if entry.if_none_match_star:
        headers["If-None-Match"] = "*"
    request = Request(
        method="PUT",
        url=transport.base.address(entry.url),
        sending=Sending.WRITE,
        headers=headers,
        content=exact_json.dumps(entry.resource),
        exact=True,
    )
    answer = _write(transport, request, [entry])
    location = answer.headers.get("location") or answer.headers.get("content-location")
    placed = LOCATION.search(location or "")
    if placed is not None and placed[1] != entry.url:
        raise OutcomeUnknownError(f"{answer.exchange}, but names another place than the one written; read back")
    version = version_of_etag(answer.headers.get("etag")) or (placed[2] if placed else None)
    return EntryOutcome(
        url=entry.url,
        status=answer.status,
        version=version or version_of_meta(answer.document),
        precondition_ignored=entry.if_none_match_star and answer.status != CREATED,
        issues=issues_of(answer.document),
    )


def apply_transaction(transport: Transport, entries: Sequence[WriteEntry]) -> list[EntryOutcome]:
    """Write all entries or none of them.

    Returns:
        One outcome for each entry, in their order.

    Raises:
        ValueError: no entries, or one place twice.
        VersionConflictError, WriteRefusedError: nothing was written; names the entry if the server tells.
        WriteNotSentError: the server cannot take it now; nothing was written.
        OutcomeUnknownError: read back first.
    """
    places = {entry.url for entry in entries}
    if not entries or len(places) != len(entries):
        raise ValueError("a transaction needs entries, and each place only once")
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_bundle_entry(entry) for entry in entries]}
    request = Request(
        method="POST",
        url=transport.base.url,
        sending=Sending.WRITE,
        headers=WRITE_HEADERS,
        content=exact_json.dumps(bundle),
        exact=True,
    )
    answer = _write(transport, request, entries)
    answered = answer.document.get("entry") if isinstance(answer.document, dict) else None
    if not isinstance(answered, list) or len(answered) != len(entries):
        count = len(answered) if isinstance(answered, list) else 0
        raise OutcomeUnknownError(
            f"{answer.exchange}, but accounts for {count} of {len(entries)} entries; read all of them back"
        )
    return [_entry_outcome(entry, said, answer) for entry, said in zip(entries, answered, strict=True)]


def _bundle_entry(entry: WriteEntry) -> dict[str, Any]:
    request: dict[str, Any] = {"method": entry.method, "url": entry.url}
    if entry.if_match is not None:
        request["ifMatch"] = f'W/"{entry.if_match}"'
    if entry.if_none_match_star:
        request["ifNoneMatch"] = "*"
    return {"resource": entry.resource, "request": request}


def _write(transport: Transport, request: Request, entries: Sequence[WriteEntry]) -> Answer:
    try:
        return transport.send(request)
    except SourceError as error:
        raise as_write_error(error, entries) from error


def _entry_outcome(entry: WriteEntry, said: Any, answer: Answer) -> EntryOutcome:
    response = said.get("response") if isinstance(said, dict) else None
    response = response if isinstance(response, dict) else {}
    match = _STATUS.match(str(response.get("status", "")))
    status = int(match[1]) if match else 0
    placed = LOCATION.search(str(response.get("location", "")))
    elsewhere = placed is not None and placed[1] != entry.url
    if not match or status >= FIRST_REFUSAL or elsewhere:
        what = "another place" if elsewhere else f"status {status or 'unknown'}"
        kind = entry.url.partition("/")[0]
        raise OutcomeUnknownError(f"{answer.exchange}, but its answer for a {kind} names {what}; read all entries back")
    return EntryOutcome(
        url=entry.url,
        status=status,
        version=version_of_etag(response.get("etag"))
        or (placed[2] if placed else None)
        or version_of_meta(said.get("resource")),
        precondition_ignored=entry.if_none_match_star and status != CREATED,
        issues=issues_of(response.get("outcome")),
    )
