"""What can go wrong between us and a FHIR server.

    SourceError (exit 4)
    ├── ServerUnreachableError      no answer came: name, connection, TLS, time-out, connection lost
    ├── UntrustedServerError        the server's certificate is not trusted, or it does not trust ours
    ├── ForeignAddressError         an address outside the configured server; nothing was sent to it
    ├── RedirectRefusedError        the server points elsewhere; redirects are never followed
    ├── UnreadableAnswerError       an answer came that cannot be used
    │   ├── NotFhirError            a web page, XML or another content type
    │   ├── TruncatedAnswerError    the answer ends in the middle
    │   ├── AnswerTooLargeError     more decoded bytes than allowed
    │   └── AnswerTooSlowError      not complete within the time allowed
    ├── RetryLaterError             the server asks for a longer wait than the budget allows
    ├── UnsupportedServerError      not a FHIR R4 server
    ├── LogInRefusedError           the token endpoint does not accept our client, key or scopes
    └── ResponseError               the server said no; one class for each status that means something to us
        ├── BadRequestError 400, AuthenticationError 401, ForbiddenError 403, NotFoundError 404,
        ├── ConflictError 409, GoneError 410, PreconditionFailedError 412, UnprocessableError 422,
        └── TooManyRequestsError 429, ServerFaultError 5xx
    IncompletePullError (exit 5)    pages are missing, so nothing may be decided from the slice
    ├── PagingLoopError, PageLimitError, ForeignLinkError
    └── ExpiredCursorError          the slice can be started again
    WriteError (exit 6)
    ├── WriteNotSentError           nothing was written; the same request may be sent again
    ├── WriteRefusedError           the server refused; nothing was written
    │   └── VersionConflictError    the resource is not (or no longer) as we thought
    └── OutcomeUnknownError         it may or may not have been written: look before sending again

A message names method and path template, never an id, a query value or the server's own words: those may hold
patient data. The server's words stand in `issues`, for lists that the user asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from caretally.errors import IncompletePullError, SourceError, WriteError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeIssue:
    """One issue of an OperationOutcome, trimmed.

    Attributes:
        severity: fatal, error, warning or information; "" when the server gave none.
        code: an issue-type code such as ``conflict``; "" when the server gave none that looks like one.
        text: the server's own words; may hold patient data, so never logged.
        places: FHIRPath (or XPath) of the elements meant, as the server gave them.
    """

    severity: str
    code: str
    text: str = field(repr=False)
    places: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was asked and answered, in a form that may be logged.

    Attributes:
        method: HTTP method.
        path: template such as ``/Encounter?subject&date`` or ``/Claim/{id}``.
        status: HTTP status, None when no answer came.
    """

    method: str
    path: str
    status: int | None = None

    def __str__(self) -> str:
        asked = f"{self.method} {self.path}"
        return asked if self.status is None else f"{asked} answered {self.status}"


class ServerUnreachableError(SourceError):
    """No answer came.

    Args:
        message: what was found.
        exchange: what was asked.
        sent: whether any of the request may have reached the server.
    """

    def __init__(self, message: str, *, exchange: Exchange, sent: bool) -> None:
        self.exchange = exchange
        self.sent = sent
        super().__init__(message)


class UntrustedServerError(SourceError):
    """The server's certificate is not trusted, or it does not accept ours; nothing was asked."""


class ForeignAddressError(SourceError):
    """An address outside the configured server was named; nothing was sent to it."""


class RedirectRefusedError(SourceError):
    """The server answered with a redirect, which is never followed."""


class UnreadableAnswerError(SourceError):
    """An answer came that cannot be used."""


class NotFhirError(UnreadableAnswerError):
    """The answer is not FHIR JSON."""


class TruncatedAnswerError(UnreadableAnswerError):
    """The answer ends in the middle."""


class AnswerTooLargeError(UnreadableAnswerError):
    """The answer has more decoded bytes than allowed."""


class AnswerTooSlowError(UnreadableAnswerError):
    """The answer was not complete within the time allowed."""


class UnsupportedServerError(SourceError):
    """What answers is not a FHIR R4 server."""


class LogInRefusedError(SourceError):
    """The token endpoint does not accept our client, key or scopes.

    Args:
        message: what was found.
        code: OAuth error code such as ``invalid_client``; "" when the server gave none.
    """

    def __init__(self, message: str, *, code: str) -> None:
        self.code = code
        super().__init__(message)


class ResponseError(SourceError):
    """The server said no.

    Args:
        exchange: what was asked and the status.
        issues: the server's own words.
        retry_after_seconds: how long the server asks to wait, None when it does not say.
    """

    meaning: ClassVar[str] = "the server refused the request"

    def __init__(
        self,
        exchange: Exchange,
        *,
        issues: tuple[OutcomeIssue, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        self.exchange = exchange
        self.issues = issues
        self.retry_after_seconds = retry_after_seconds
        codes = sorted({issue.code for issue in issues if issue.code})
        said = f" (issue {', '.join(codes)})" if codes else ""
        super().__init__(f"{exchange}{said}: {self.meaning}")

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return self.exchange.status or 0


class BadRequestError(ResponseError):
    """Status 400."""

    meaning = "the server does not understand the request; see its words in `issues`"


class AuthenticationError(ResponseError):
    """Status 401."""

    meaning = "the server does not accept our credentials; check [server] auth and whether the secret expired"


class ForbiddenError(ResponseError):
    """Status 403."""

    meaning = "our credentials do not allow this; ask for the scope of this resource type"


class NotFoundError(ResponseError):
    """Status 404."""

    meaning = "the server knows no such address; check base_url"


class ConflictError(ResponseError):
    """Status 409."""

    meaning = "somebody else changed the resource or something refers to it"


class GoneError(ResponseError):
    """Status 410."""

    meaning = "the resource was deleted or the page has expired"


class PreconditionFailedError(ResponseError):
    """Status 412."""

    meaning = "the resource is not in the version that we expected"


class UnprocessableError(ResponseError):
    """Status 422."""

    meaning = "the server's rules refuse the content; see its words in `issues`"


class TooManyRequestsError(ResponseError):
    """Status 429."""

    meaning = "the server asks for fewer requests; lower max_in_flight or run later"


class ServerFaultError(ResponseError):
    """Status 5xx."""

    meaning = "the server has a fault of its own; its log knows more"


STATUS_ERRORS: Mapping[int, type[ResponseError]] = MappingProxyType(
    {
        400: BadRequestError,
        401: AuthenticationError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        410: GoneError,
        412: PreconditionFailedError,
        422: UnprocessableError,
        429: TooManyRequestsError,
    }
)
"""Which error a status is. Other 5xx are `ServerFaultError`, other statuses `ResponseError`."""

SERVER_FAULTS = 500


def error_for_status(status: int) -> type[ResponseError]:
    """Give the class of error for an HTTP status of 400 or more."""
    return STATUS_ERRORS.get(status, ServerFaultError if status >= SERVER_FAULTS else ResponseError)


class RetryLaterError(SourceError):
    """The server asks to wait longer than the budget allows.

    Args:
        exchange: what was asked and the status.
        wait_seconds: how long the server asks to wait.
        budget_seconds: what was left of our budget for waiting.
    """

    def __init__(self, exchange: Exchange, *, wait_seconds: float, budget_seconds: float) -> None:
        self.exchange = exchange
        self.wait_seconds = wait_seconds
        self.budget_seconds = budget_seconds
        super().__init__(
            f"{exchange} and asks to wait {wait_seconds:.0f} s, but {budget_seconds:.0f} s are left to wait: "
            "run again later, or raise the wait budget of [server]"
        )


class PagingLoopError(IncompletePullError):
    """The server's pages go round in a circle or never bring anything new."""


class PageLimitError(IncompletePullError):
    """A search has more pages than allowed."""


class ForeignLinkError(IncompletePullError):
    """A page links outside the configured server; the link was not followed."""


class ExpiredCursorError(IncompletePullError):
    """The server has forgotten the search while we were paging; the slice can be started again."""


class WriteNotSentError(WriteError):
    """Nothing was written; the same request may be sent again."""


class WriteRefusedError(WriteError):
    """The server refused to write; nothing was written.

    Args:
        message: what was found.
        status: HTTP status.
        issues: the server's own words.
        entry: ``Claim/cm-…`` of the entry meant, None when the server does not tell.
    """

    def __init__(
        self, message: str, *, status: int, issues: tuple[OutcomeIssue, ...] = (), entry: str | None = None
    ) -> None:
        self.status = status
        self.issues = issues
        self.entry = entry
        super().__init__(message)


class VersionConflictError(WriteRefusedError):
    """A resource is not in the version that the change was made for; nothing was written."""


class OutcomeUnknownError(WriteError):
    """It may or may not have been written: read back before anything is sent again."""
