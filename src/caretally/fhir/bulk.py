"""Bulk Data export: started, waited for, fetched and deleted; the state's address survives a crash of ours.

Bulk Data Access 2 and 3 ("Export"): kick-off with ``Prefer: respond-async``, state by polling, files by address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from caretally.errors import IncompletePullError, SourceError
from caretally.fhir.errors import (
    AuthenticationError,
    ForbiddenError,
    GoneError,
    NotFhirError,
    NotFoundError,
    ResponseError,
    RetryLaterError,
    UnsupportedServerError,
)
from caretally.fhir.retry import Sending, retry_after_seconds
from caretally.fhir.transport import ACCEPTED, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from caretally.fhir.transport import Transport

NDJSON = "application/fhir+ndjson"
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
BUSY = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a state's address that say nothing about the export itself: it is looked at again later."""
TRANSIENT = "transient"
EARLIEST_YEAR = 1970
FileKind = Literal["output", "deleted", "error"]
_KINDS: tuple[FileKind, ...] = ("output", "deleted", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportScope:
    """What is exported.

    Attributes:
        group: id of a Group; None: everybody.
        whole_system: also what belongs to no patient; only without a group.
        types: resource types.
        since: only what changed since then, ISO 8601 with zone; None: everything.
    """

    group: str | None = None
    whole_system: bool = False
    types: Sequence[str] = ()
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedExport:
    """An export that the server works on.

    Attributes:
        status_url: checked address at which it tells its state.
        server_time: when it was started, by the server's clock; None when the server does not tell.
    """

    status_url: str = field(repr=False)
    server_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One file of an export.

    Attributes:
        kind: ``output``, ``deleted`` (what no longer exists) or ``error`` (what the server could not export).
        count: of its lines, None when the server does not tell.
        with_credentials: whether our token is needed to fetch it.
    """

    kind: FileKind
    resource_type: str
    url: str = field(repr=False)
    count: int | None
    with_credentials: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportState:
    """How far an export is.

    Attributes:
        manifest: what it gave, as the server sent it; None: not ready.
        progress: the server's words, short.
        wait_seconds: how long the server asks to wait; None when it does not say.
    """

    manifest: dict[str, Any] | None = field(default=None, repr=False)
    progress: str = ""
    wait_seconds: float | None = None


class LostExportError(IncompletePullError):
    """The server no longer knows an export that it had started, or a file of it; it can be started again."""


class FailedExportError(IncompletePullError):
    """The server gave an export up; it can be started again."""


def start(transport: Transport, scope: ExportScope) -> StartedExport:
    """Start an export, once: each time that a server is asked it may start another one.

    Raises:
        UnsupportedServerError: the server does not export this.
        ForeignAddressError: it would tell the export's state on another origin.
        SourceError: see `Transport.send`.
    """
    path = f"Group/{scope.group}/$export" if scope.group else "$export" if scope.whole_system else "Patient/$export"
    parameters = [("_outputFormat", NDJSON)]
    if scope.types:
        parameters.append(("_type", ",".join(scope.types)))
    if scope.since is not None:
        parameters.append(("_since", scope.since))
    request = Request(
        method="GET",
        url=transport.base.address(path, parameters),
        sending=Sending.WRITE,
        headers={"Prefer": "respond-async"},
        body_matters=False,
    )
    try:
        answer = transport.send(request)
    except NotFoundError as error:
        raise UnsupportedServerError(
            f"{error.exchange}: the server does not export this; read it by search (--by search)"
        ) from error
    location = answer.headers.get("content-location", "")
    if answer.status != ACCEPTED or not location:
        raise NotFhirError(
            f"{answer.exchange}, but an export that was started answers 202 with a Content-Location; read the server "
            "by search (--by search)"
        )
    return StartedExport(
        status_url=transport.base.resolve(location, resource_type="", whole_origin=True),
        server_time=server_time(answer.headers),
    )


def server_time(headers: Any) -> datetime | None:
    """Read an answer's ``Date``; None when there is none that can be read."""
    try:
        return parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None


def state(transport: Transport, status_url: str, *, now: datetime) -> ExportState:
    """Ask once how far an export is.

    Args:
        transport: to the server.
        status_url: of `StartedExport`.
        now: aware moment, for Retry-After dates.

    Raises:
        LostExportError: the server knows nothing of it.
        FailedExportError: the server gave it up.
        SourceError: the credentials are refused, or see `Transport.send`.
    """
    # Some servers want `Prefer` here too (Oracle Health).
    headers = {"Accept": "application/json", "Prefer": "respond-async"}
    request = Request(method="GET", url=status_url, headers=headers, body_matters=False, whole_origin=True)
    try:
        answer = transport.send(request)
    except (NotFoundError, GoneError) as error:
        raise LostExportError(
            "the server no longer knows the export that it had started: run the command again, or read the server by "
            "search (--by search)"
        ) from error
    except RetryLaterError as error:
        # Longer than one request may wait is not longer than an export may take.
        return ExportState(progress="the server is busy", wait_seconds=error.wait_seconds)
    except (AuthenticationError, ForbiddenError):
        raise
    except ResponseError as error:
        if error.status in BUSY or any(issue.code == TRANSIENT for issue in error.issues):
            return ExportState(progress="the server is busy", wait_seconds=error.retry_after_seconds)
        raise FailedExportError(
            f"{error}; the server could not finish the export: run the command again, read the server by search "
            "(--by search), or ask its administrator"
        ) from error
    if answer.status == ACCEPTED:
        progress = "".join(c for c in answer.headers.get("x-progress", "") if c.isprintable())[:100]
        return ExportState(progress=progress, wait_seconds=retry_after_seconds(answer.headers, now))  # type: ignore[arg-type]
    if not isinstance(answer.document, dict) or not isinstance(answer.document.get("output"), list):
        raise NotFhirError(f"{answer.exchange}, but without a manifest of the export's files")
    if _has_next(answer.document):
        raise UnsupportedServerError(
            f"{answer.exchange} with the first part of a manifest, which was not asked for; read the server by search "
            "(--by search)"
        )
    return ExportState(manifest=answer.document)


def _has_next(manifest: dict[str, Any]) -> bool:
    """Whether a manifest goes on elsewhere; half of it must not pass for the whole."""
    links = manifest.get("link")
    return isinstance(links, list) and any(isinstance(one, dict) and one.get("relation") == "next" for one in links)


def wait(
    transport: Transport,
    status_url: str,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    now: Callable[[], datetime],
    budget_seconds: float,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Wait until an export is ready, and give its manifest.

    The server is never asked earlier than it says, nor at once where it says 0; where it says nothing, more and more
    rarely.

    Raises:
        IncompletePullError: it is not ready in the time allowed; the next run goes on waiting.
        LostExportError, FailedExportError, SourceError: see `state`.
    """
    started, pause = clock(), FIRST_WAIT_SECONDS
    while True:
        found = state(transport, status_url, now=now())
        if found.manifest is not None:
            return found.manifest
        told(found.progress)
        seconds = pause if found.wait_seconds is None else max(found.wait_seconds, FIRST_WAIT_SECONDS)
        pause = min(pause * 2, LONGEST_WAIT_SECONDS)
        if clock() - started + seconds > budget_seconds:
            raise IncompletePullError(
                f"the server's export is not ready after {int(clock() - started)} s; run the command again, it goes on "
                "waiting for the same export, or raise export_wait_seconds of [server]"
            )
        sleep(seconds)


def transaction_time(manifest: dict[str, Any]) -> datetime | None:
    """Give the moment of which an export is true, by the server's clock; None when it does not tell.

    Some servers export what they held last night, long before they were asked.
    """
    text = manifest.get("transactionTime")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and moment.year > EARLIEST_YEAR else None


def files_of(manifest: dict[str, Any]) -> list[ExportFile]:
    """List the files of an export.

    Raises:
        NotFhirError: an entry of the manifest has no address.
    """
    with_credentials = manifest.get("requiresAccessToken") is not False
    files = []
    for kind in _KINDS:
        entries = manifest.get(kind)
        for entry in entries if isinstance(entries, list) else []:
            url = entry.get("url") if isinstance(entry, dict) else None
            if not isinstance(url, str):
                raise NotFhirError(f"the export's manifest has an entry without address among {kind}")
            count = entry.get("count")
            files.append(
                ExportFile(
                    kind=kind,
                    resource_type=str(entry.get("type", "")),
                    url=url,
                    count=count if isinstance(count, int) and not isinstance(count, bool) else None,
                    with_credentials=with_credentials,
                )
            )
    return files


def fetch(transport: Transport, file: ExportFile, path: Path) -> int:
    """Fetch one file; return its bytes.

    Raises:
        LostExportError: the server no longer has it.
        ForeignAddressError, SourceError: see `Transport.download`.
    """
    try:
        return transport.download(file.url, path, accept=NDJSON, with_credentials=file.with_credentials)
    except (NotFoundError, GoneError) as error:
        raise LostExportError(
            "the server no longer has a file of the export that it had made: run the command again, or read the "
            "server by search (--by search)"
        ) from error


def delete(transport: Transport, status_url: str) -> bool:
    """Tell the server that an export is no longer needed; whether it took note. Nothing depends on that."""
    request = Request(method="DELETE", url=status_url, sending=Sending.ONCE, body_matters=False, whole_origin=True)
    try:
        transport.send(request)
    except SourceError:
        return False
    return True
