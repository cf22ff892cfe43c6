"""What a failed request means for a write: refused, not sent, or unknown.

The difference decides whether the change may be sent again, so nothing is guessed: only a connection that was
never made, or a server that says so, means that nothing was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caretally.fhir.errors import (
    ConflictError,
    ForeignAddressError,
    GoneError,
    NotFoundError,
    OutcomeIssue,
    OutcomeUnknownError,
    PreconditionFailedError,
    ResponseError,
    RetryLaterError,
    ServerFaultError,
    ServerUnreachableError,
    TooManyRequestsError,
    UntrustedServerError,
    VersionConflictError,
    WriteNotSentError,
    WriteRefusedError,
)
from caretally.fhir.retry import UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.errors import SourceError, WriteError
    from caretally.fhir.writing import WriteEntry

REQUEST_TIMEOUT = 408
_CONFLICTS = frozenset({409, 412})
_ENTRY_PLACE = re.compile(r"Bundle\.entry\[([0-9]{1,5})\]")


def as_write_error(error: SourceError, entries: Sequence[WriteEntry]) -> WriteError:
    """Say what became of `entries` when sending them ended in `error`."""
    if _not_taken(error):
        return WriteNotSentError(f"{error} (nothing was written)")
    unsure = isinstance(error, ServerFaultError) or getattr(error, "status", None) == REQUEST_TIMEOUT
    if isinstance(error, ResponseError) and not unsure:
        return _refusal(error, entries)
    return OutcomeUnknownError(f"{error}; it may or may not have been written: read back before sending again")


def as_conditional_error(error: SourceError) -> WriteError:
    """Say what became of a resource that was sent with a search as its condition."""
    told = as_write_error(error, ())
    if isinstance(told, WriteRefusedError) and told.status in _CONFLICTS and isinstance(error, ResponseError):
        message = (
            f"{error.exchange}: several resources match, or somebody else was faster, so nothing was written; search "
            "and plan again"
        )
        return VersionConflictError(message, status=error.status, issues=error.issues)
    return told


def _not_taken(error: SourceError) -> bool:
    if isinstance(error, ServerUnreachableError):
        return not error.sent
    if isinstance(error, ServerFaultError):
        return error.status == UNAVAILABLE and error.retry_after_seconds is not None
    return isinstance(error, TooManyRequestsError | RetryLaterError | UntrustedServerError | ForeignAddressError)


def _refusal(error: ResponseError, entries: Sequence[WriteEntry]) -> WriteRefusedError:
    meant = entries[0] if len(entries) == 1 else _entry_meant(error.issues, entries)
    entry = meant.url if meant else None
    where = f" for the {entry.partition('/')[0]} of the change set" if entry and len(entries) > 1 else ""
    # A single PUT to a version of something that is gone: some servers say so with 404 or 410 instead of 412.
    lost = (
        error.exchange.method == "PUT"
        and bool(entries)
        and entries[0].if_match is not None
        and isinstance(error, NotFoundError | GoneError)
    )
    conflict = isinstance(error, ConflictError | PreconditionFailedError) and any(one.guarded for one in entries)
    if lost or conflict:
        message = (
            f"{error.exchange}{where}: a resource is not in the version expected, so nothing was written; read it and "
            "plan again"
        )
        return VersionConflictError(message, status=error.status, issues=error.issues, entry=entry)
    return WriteRefusedError(
        f"{error.exchange}{where}: {error.meaning}; nothing was written",
        status=error.status,
        issues=error.issues,
        entry=entry,
    )


def _entry_meant(issues: Sequence[OutcomeIssue], entries: Sequence[WriteEntry]) -> WriteEntry | None:
    """Find the entry that a refusal is about: by its place in the Bundle, else as the only one that is mentioned."""
    for issue in issues:
        for text in (*issue.places, issue.text):
            place = _ENTRY_PLACE.search(text)
            if place and int(place[1]) < len(entries):
                return entries[int(place[1])]
    words = " ".join(issue.text for issue in issues)
    mentioned = [entry for entry in entries if re.search(re.escape(entry.url) + r"(?![A-Za-z0-9\-.])", words)]
    return mentioned[0] if len(mentioned) == 1 else None
