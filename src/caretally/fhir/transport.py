"""The one door to the network: a pooled HTTP client that guards the token, bounds each answer and repeats politely."""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from caretally.fhir.address import ServiceBase, origin_of
from caretally.fhir.body import (
    ACCEPTED_ENCODINGS,
    parse_fhir_json,
    read_beginning,
    read_body,
    write_body_to,
)
from caretally.fhir.client import http_client, named_fault
from caretally.fhir.credentials import Credentials, credentials_for
from caretally.fhir.deadline import answer_within, lift_deadline
from caretally.fhir.errors import (
    AuthenticationError,
    Exchange,
    RedirectRefusedError,
    ServerUnreachableError,
    error_for_status,
)
from caretally.fhir.outcome import issues_of_body
from caretally.fhir.patience import Patience
from caretally.fhir.retry import MILLISECONDS, Sending, retry_after_seconds, retrying
from caretally.fhir.settings import MEBIBYTE, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

FHIR_JSON = "application/fhir+json"
OK, ACCEPTED, FIRST_REDIRECT, NOT_MODIFIED, FIRST_ERROR = 200, 202, 300, 304, 400
MOST_ERROR_BYTES = MEBIBYTE

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the configured server.

    Attributes:
        method: HTTP method in capitals.
        url: absolute address at or below the base, see `Transport.base` and `whole_origin`.
        sending: whether a second sending could do harm.
        headers: besides those the transport sets.
        content: body bytes.
        exact: read amounts in the answer as Decimal with each digit.
        body_matters: whether an accepted answer (202) without FHIR JSON in it is an error.
        whole_origin: the address may lie beside the base on its origin, see `ServiceBase.check`.
    """

    method: str
    url: str = field(repr=False)
    sending: Sending = Sending.READ
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    exact: bool = False
    body_matters: bool = True
    whole_origin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said to a request that it accepted.

    Attributes:
        status: 2xx, or 304 when the request had If-None-Match.
        headers: of the answer.
        document: parsed JSON, None when there was no body.
        exchange: what was asked, for error texts.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    document: Any = field(repr=False)
    exchange: Exchange


@contextmanager
def _letting_go() -> Iterator[None]:
    """Free what the failed attempts of a request held.

    An error and the state of its attempts refer to each other, and the error's frames to the answer: bodies of many
    megabytes would lie about until the collector looks at them, one for each request that failed.
    """
    try:
        yield
    except Exception as error:
        current: BaseException | None = error
        while current is not None:
            traceback.clear_frames(current.__traceback__)
            current = current.__cause__ or current.__context__
        raise


class Transport:
    """Sends requests to one server; may be shared by threads.

    Args:
        settings: the server.
        credentials: instead of those of the settings, for tokens that are renewed.
        http_transport: instead of the network, for tests.
        clock: seconds that only grow.
        sleep: waits so many seconds.
        now: aware moment, for Retry-After dates.

    Raises:
        ConfigurationError: a certificate file cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        credentials: Credentials | None = None,
        http_transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.base = ServiceBase(settings.base_url, settings.allowed_alias_bases)
        self.credentials = credentials or credentials_for(settings)
        self._clock, self._sleep, self._now = clock, sleep, now
        self._patience = Patience(settings.retry.wait_budget_seconds, clock=clock, sleep=sleep)
        self._in_flight = threading.BoundedSemaphore(settings.max_in_flight)
        self._client = http_client(settings, http_transport)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self.credentials.close()

    def pause(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)

    def send(self, request: Request) -> Answer:
        """Send a request, repeating it where that is safe, and give the server's answer.

        Raises:
            ForeignAddressError: the address lies outside the base; nothing was sent.
            RetryLaterError: the server asks for a longer wait than the budget allows.
            ResponseError: the server said no; the class tells the status.
            RedirectRefusedError: the server points elsewhere.
            ServerUnreachableError, UntrustedServerError: no answer came.
            UnreadableAnswerError: the answer is too large, too slow, cut or not FHIR JSON.
        """
        path = self.base.template(request.url)

        def tell(seconds: float, attempt: int) -> None:
            log.warning(
                "fhir request will be repeated",
                method=request.method,
                path=path,
                attempt=attempt,
                wait_milliseconds=int(seconds * MILLISECONDS),
            )

        policy = retrying(self.settings.retry, request.sending, sleep=self._sleep, before_sleep=tell)
        with _letting_go():
            answer: Answer = policy(self._authorized, request)
        return answer

    def download(self, address: str, path: Path, *, accept: str, with_credentials: bool) -> int:
        """Write the answer to a GET into a file, unpacked, repeating it from the beginning where it is cut.

        Args:
            address: at or below the base, on its origin, or on one of ``export_file_origins``.
            path: file; what is in it is replaced.
            accept: content type to ask for.
            with_credentials: whether the file wants our token; it goes to the base's own origin only.

        Returns:
            Number of bytes.

        Raises:
            ForeignAddressError: the address lies elsewhere; nothing was sent.
            SourceError: see `send`; ``AnswerTooLargeError`` past ``max_export_file_bytes``, or for a line past
                ``max_response_bytes``.
        """
        url = self.base.check_file(address, self.settings.export_file_origins, with_credentials=with_credentials)
        exchange = Exchange(method="GET", path="(export file)")

        def tell(seconds: float, attempt: int) -> None:
            wait = int(seconds * MILLISECONDS)
            log.warning("download will be repeated", path=exchange.path, attempt=attempt, wait_milliseconds=wait)

        def once() -> int:
            self._patience.keep()
            authorization = self.credentials.authorization() if with_credentials else None
            try:
                return self._fetch(url, path, accept, authorization, exchange)
            except AuthenticationError:
                if not with_credentials or not self.credentials.renew(authorization):
                    raise
            return self._fetch(url, path, accept, self.credentials.authorization(), exchange)

        policy = retrying(self.settings.retry, Sending.READ, sleep=self._sleep, before_sleep=tell)
        with _letting_go():
            size: int = policy(once)
        return size

    def _fetch(self, url: httpx.URL, path: Path, accept: str, authorization: str | None, exchange: Exchange) -> int:
        headers = {"Accept": accept, "Accept-Encoding": ACCEPTED_ENCODINGS, "User-Agent": self.settings.user_agent}
        if authorization is not None:
            headers |= {**self.settings.extra_headers, "Authorization": authorization}
        started = self._clock()
        try:
            with (
                self._in_flight,
                answer_within(self.settings.answer_seconds),
                self._client.stream("GET", url, headers=headers) as response,
            ):
                answered = Exchange(method="GET", path=exchange.path, status=response.status_code)
                if response.status_code != OK:
                    deadline = started + self.settings.answer_seconds
                    beginning = read_beginning(
                        response, max_bytes=MOST_ERROR_BYTES, deadline=deadline, clock=self._clock
                    )
                    raise self._refused(answered, response, beginning)
                lift_deadline()
                with path.open("wb") as file:
                    size = write_body_to(
                        response,
                        file.write,
                        exchange=answered,
                        max_bytes=self.settings.max_export_file_bytes,
                        max_line_bytes=self.settings.max_response_bytes,
                    )
        except httpx.HTTPError as error:
            raise self._no_answer(error, exchange) from error
        self._log(answered, started, size)
        return size

    def _authorized(self, request: Request) -> Answer:
        """Send once; when the credentials were refused and can be renewed, once more."""
        # Before the token is looked at: it may end while we wait.
        self._patience.keep()
        authorization = self.credentials.authorization()
        try:
            return self._exchange(request, authorization)
        except AuthenticationError:
            if not self.credentials.renew(authorization):
                raise
        return self._exchange(request, self.credentials.authorization())

    def _exchange(self, request: Request, authorization: str | None) -> Answer:
        url = self.base.check(request.url, whole_origin=request.whole_origin)
        exchange = Exchange(method=request.method, path=self.base.template(request.url))
        headers = self._headers(request, authorization)
        try:
            with self._in_flight, answer_within(self.settings.answer_seconds):
                started = self._clock()
                with self._client.stream(request.method, url, content=request.content, headers=headers) as response:
                    return self._take(request, exchange, response, started)
        except httpx.HTTPError as error:
            raise self._no_answer(error, exchange) from error

    def _headers(self, request: Request, authorization: str | None) -> dict[str, str]:
        """Give the headers of one request; the client has none of its own, so nothing can leak from it."""
        headers = {
            "Accept": FHIR_JSON,
            "Accept-Encoding": ACCEPTED_ENCODINGS,
            "User-Agent": self.settings.user_agent,
            **self.settings.extra_headers,
            **request.headers,
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        return headers

    def _take(self, request: Request, exchange: Exchange, response: httpx.Response, started: float) -> Answer:
        """Read the body of an answer and sort it by its status."""
        deadline = started + self.settings.answer_seconds
        answered = Exchange(method=exchange.method, path=exchange.path, status=response.status_code)
        not_modified = response.status_code == NOT_MODIFIED and "If-None-Match" in request.headers
        if response.status_code >= FIRST_REDIRECT and not not_modified:
            beginning = read_beginning(response, max_bytes=MOST_ERROR_BYTES, deadline=deadline, clock=self._clock)
            self._log(answered, started, len(beginning))
            raise self._refused(answered, response, beginning)
        body = read_body(
            response,
            exchange=answered,
            max_bytes=self.settings.max_response_bytes,
            deadline=deadline,
            clock=self._clock,
        )
        self._log(answered, started, len(body))
        content_type = response.headers.get("content-type", "")
        if not request.body_matters and response.status_code == ACCEPTED:
            body = b""  # words for a person about how far it is
        document = parse_fhir_json(body, content_type, exchange=answered, exact=request.exact) if body else None
        return Answer(status=response.status_code, headers=response.headers, document=document, exchange=answered)

    def _refused(self, exchange: Exchange, response: httpx.Response, body: bytes) -> Exception:
        if response.status_code < FIRST_ERROR:
            target = origin_of(response.headers.get("location", "")) or "another path"
            return RedirectRefusedError(
                f"{exchange}, a redirect to {target}; redirects are never followed, so that credentials stay where "
                "they belong: if you trust it, set base_url to the address that the server really has"
            )
        kind = error_for_status(response.status_code)
        wait = retry_after_seconds(response.headers, self._now())
        self._patience.asked(wait, exchange)
        return kind(exchange, issues=issues_of_body(body), retry_after_seconds=wait)

    def _log(self, exchange: Exchange, started: float, size: int) -> None:
        log.debug(
            "fhir request",
            method=exchange.method,
            path=exchange.path,
            status=exchange.status,
            milliseconds=int((self._clock() - started) * MILLISECONDS),
            bytes=size,
        )

    def _no_answer(self, error: httpx.HTTPError, exchange: Exchange) -> Exception:
        log.warning("fhir request got no answer", method=exchange.method, path=exchange.path, kind=type(error).__name__)
        named = named_fault(error, exchange)
        if named is not None:
            return named
        sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
        what = "the connection was lost before the answer was complete" if sent else "the server cannot be reached"
        if isinstance(error, httpx.ProxyError):
            what = f"the proxy lets nothing through ({str(error)[:3]})"
        if sent and isinstance(error, httpx.TimeoutException):
            what = f"no answer within {self.settings.timeout_seconds:g} s"
        return ServerUnreachableError(
            f"{exchange}: {what} ({type(error).__name__}); check base_url, network and proxy",
            exchange=exchange,
            sent=sent,
        )
