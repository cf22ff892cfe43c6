"""SMART Backend Services: a signed assertion for a short-lived token, renewed before it ends, one renewal at a time.

The assertion goes to the token endpoint only, the token to the FHIR base only. See SMART App Launch 2, "Backend
Services", and RFC 7523.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import structlog

from caretally.fhir.body import ACCEPTED_ENCODINGS, parse_fhir_json, read_beginning, read_body
from caretally.fhir.client import http_client, named_fault
from caretally.fhir.deadline import answer_within
from caretally.fhir.discovery import SmartEndpoints, checked_token_url, discover
from caretally.fhir.errors import (
    Exchange,
    LogInRefusedError,
    NotFhirError,
    ServerFaultError,
    ServerUnreachableError,
    TooManyRequestsError,
    UnreadableAnswerError,
    error_for_status,
)
from caretally.fhir.keys import algorithm_of, key_id_of, read_private_key
from caretally.fhir.outcome import short_words
from caretally.fhir.patience import Patience
from caretally.fhir.retry import MILLISECONDS, Sending, retry_after_seconds, retrying
from caretally.fhir.scopes import missing_scopes
from caretally.fhir.settings import MEBIBYTE, SmartAuthentication

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.errors import CaretallyError
    from caretally.fhir.settings import ServerSettings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RENEW_AT = 0.8
"""Share of a token's life after which it is renewed, so that none ends in the middle of a request."""
SHORT_LIFE_SECONDS = 300
"""Life of a token whose answer does not say; the specification recommends no more."""
PAUSE_SECONDS = 5.0
"""Least time between an attempt to renew a token that is still good, and failed, and the next one."""
MOST_TOKEN_BYTES = MEBIBYTE
OK = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token as it was granted.

    Attributes:
        value: of the Authorization header, without ``Bearer``.
        scope: what was granted; the asked scopes when the answer does not say.
        renew_at, ends_at: values of the clock.
    """

    value: str = field(repr=False)
    scope: str
    renew_at: float
    ends_at: float


class SmartCredentials:
    """Keeps one token fresh for all threads.

    Args:
        settings: the server.
        auth: client id, key and scopes.
        http_transport: instead of the network, for tests.
        clock: seconds that only grow.
        sleep: waits so many seconds.
        now: aware moment, for the assertion's times.
        new_id: a text that was never given before, for ``jti``.

    Raises:
        ConfigurationError: the private key cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        auth: SmartAuthentication,
        *,
        http_transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self.settings, self.auth = settings, auth
        self._key = read_private_key(auth.private_key, origin="[server] private_key_file")
        self._clock, self._sleep, self._now, self._new_id = clock, sleep, now, new_id
        self._client = http_client(settings, http_transport)
        self._renewing = threading.Lock()
        self._endpoints: SmartEndpoints | None = None
        self._token: Token | None = None
        self._not_before = 0.0
        self._patience = Patience(settings.retry.wait_budget_seconds, clock=clock, sleep=sleep)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def authorization(self) -> str:
        """Give the header's value, after renewing the token where its time has come.

        Raises:
            LogInRefusedError: the server does not accept our client, key or scopes.
            SourceError: the token endpoint cannot be reached or does not answer as it should.
        """
        return f"Bearer {self.token().value}"

    def token(self) -> Token:
        """Give a token that is still good; see `authorization`."""
        token = self._token
        if token is not None and self._clock() < token.renew_at:
            return token
        if token is not None and self._clock() < token.ends_at:
            return self._renew_early(token)
        with self._renewing:
            token = self._token
            if token is None or self._clock() >= token.ends_at:
                token = self._token = self._granted()
            return token

    def renew(self, refused: str | None) -> bool:
        """Obtain a fresh token after a 401; see `Credentials`."""
        with self._renewing:
            current = None if self._token is None else f"Bearer {self._token.value}"
            if refused is None or current == refused:
                self._token = self._granted()
            return True

    def endpoints(self) -> SmartEndpoints:
        """Give what the server says about logging in, asked once."""
        if self._endpoints is None:
            self._endpoints = discover(self.settings, self._client)
        return self._endpoints

    def missing(self) -> tuple[str, ...]:
        """Tell which of the asked rights were not granted, as ``Encounter: search``."""
        return missing_scopes(self.asked_scopes(), self.token().scope)

    def asked_scopes(self) -> str:
        """Give the scopes that are asked for, in the version that the server speaks."""
        if self.auth.scopes:
            return " ".join(self.auth.scopes)
        speaks_only_v1 = self.auth.token_url is None and self.endpoints().only_version_1
        return self.auth.scopes_v1 if speaks_only_v1 else self.auth.scopes_v2

    def _renew_early(self, token: Token) -> Token:
        """Renew a token that is still good; while another thread does so, or when it fails, the old one serves."""
        if self._clock() < self._not_before or self._patience.left() or not self._renewing.acquire(blocking=False):
            return token
        try:
            if self._token is not token:
                return self._token or token
            self._token = self._granted(patient=False)
        except (ServerUnreachableError, ServerFaultError, TooManyRequestsError, UnreadableAnswerError) as error:
            self._not_before = self._clock() + PAUSE_SECONDS
            log.warning("the token could not be renewed early; it is still good", kind=type(error).__name__)
            return token
        finally:
            self._renewing.release()
        return self._token

    def _granted(self, *, patient: bool = True) -> Token:
        """Ask for a token; `patient`: repeat what a server does when it is busy."""
        if not patient:
            return self._ask()

        def tell(seconds: float, attempt: int) -> None:
            log.warning("log-in will be repeated", attempt=attempt, wait_milliseconds=int(seconds * MILLISECONDS))

        policy = retrying(self.settings.retry, Sending.READ, sleep=self._sleep, before_sleep=tell)
        granted: Token = policy(self._ask)
        return granted

    def _ask(self) -> Token:
        self._patience.keep()
        address = checked_token_url(self.auth.token_url or self.endpoints().token_url, self.settings)
        scopes = self.asked_scopes()
        form = {
            "grant_type": "client_credentials",
            "scope": scopes,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(address),
        }
        asked_at = self._clock()
        document = self._exchange(address, form)
        return self._read(document, scopes, asked_at)

    def _assertion(self, address: str) -> str:
        from joserfc import jwt  # noqa: PLC0415 -- see `keys`

        algorithm = algorithm_of(self._key)
        header = {"alg": algorithm, "typ": "JWT", "kid": self.auth.key_id or key_id_of(self._key)}
        if self.auth.jwks_url is not None:
            header["jku"] = self.auth.jwks_url
        issued = int(self._now().timestamp())
        claims = {
            "iss": self.auth.client_id,
            "sub": self.auth.client_id,
            "aud": address,
            # No iat or nbf: a server whose clock is a little behind would refuse an assertion from its future.
            "exp": issued + self.auth.assertion_seconds,
            "jti": self._new_id(),
        }
        return jwt.encode(header, claims, self._key, algorithms=[algorithm])

    def _exchange(self, address: str, form: dict[str, str]) -> Any:
        exchange = Exchange(method="POST", path="(token endpoint)")
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED_ENCODINGS,
            "User-Agent": self.settings.user_agent,
        }
        deadline = self._clock() + self.settings.answer_seconds
        try:
            with (
                answer_within(self.settings.answer_seconds),
                self._client.stream("POST", address, data=form, headers=headers) as response,
            ):
                answered = Exchange(method="POST", path=exchange.path, status=response.status_code)
                if response.status_code != OK:
                    body = read_beginning(response, max_bytes=MOST_TOKEN_BYTES, deadline=deadline, clock=self._clock)
                    raise self._refused(answered, response, body)
                body = read_body(
                    response, exchange=answered, max_bytes=MOST_TOKEN_BYTES, deadline=deadline, clock=self._clock
                )
                return parse_fhir_json(body, response.headers.get("content-type", ""), exchange=answered, exact=False)
        except httpx.HTTPError as error:
            named = named_fault(error, exchange, " (the token endpoint)")
            if named is not None:
                raise named from error
            raise ServerUnreachableError(
                f"{exchange}: the token endpoint cannot be reached ({type(error).__name__}); check network and proxy",
                exchange=exchange,
                sent=True,
            ) from error

    def _refused(self, exchange: Exchange, response: httpx.Response, body: bytes) -> CaretallyError:
        kind = error_for_status(response.status_code)
        if issubclass(kind, ServerFaultError | TooManyRequestsError):
            wait = retry_after_seconds(response.headers, self._now())
            self._patience.asked(wait, exchange)
            return kind(exchange, retry_after_seconds=wait)
        code, words = _oauth_error(body)
        return LogInRefusedError(
            f"{exchange}: the server does not let us log in ({code or 'no error code'}"
            + (f': "{words}"' if words else "")
            + f"); {_HINTS.get(code, _ANY_HINT)}",
            code=code,
        )

    def _read(self, document: Any, scopes: str, asked_at: float) -> Token:
        value = document.get("access_token") if isinstance(document, dict) else None
        kind = document.get("token_type", "bearer") if isinstance(document, dict) else None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value or not value:
            raise NotFhirError("POST (token endpoint) answered 200, but without an access_token that can be sent")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise NotFhirError("POST (token endpoint) answered 200, but with a token that is not of the type bearer")
        life = document.get("expires_in", SHORT_LIFE_SECONDS)
        life = float(life) if isinstance(life, str) and life.isdecimal() else life
        if isinstance(life, bool) or not isinstance(life, int | float) or not life > 0:
            life = SHORT_LIFE_SECONDS
        granted = document.get("scope")
        log.info("logged in", milliseconds=int(life * MILLISECONDS))
        return Token(
            value=value,
            scope=granted if isinstance(granted, str) and granted.strip() else scopes,
            renew_at=asked_at + life * RENEW_AT,
            ends_at=asked_at + life,
        )


_ANY_HINT = "check client_id, private_key_file and whether the server knows our public key (`caretally keys jwks`)"
_HINTS = {
    "invalid_client": (
        "the server does not know client_id, or not the key: register the key set of `caretally keys jwks`, check "
        "key_id, and whether this machine's clock is right"
    ),
    "invalid_scope": "ask the server's administrator for the scopes that `caretally doctor` lists, or set scopes",
    "unauthorized_client": "the client is not registered for backend services (client_credentials)",
    "invalid_grant": "the server refuses the assertion: check this machine's clock and token_url",
}


def _oauth_error(body: bytes) -> tuple[str, str]:
    """Read the error of a token endpoint; it knows no patients, so its words may be shown."""
    import orjson  # noqa: PLC0415 -- only for an error

    try:
        document = orjson.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    code, words = document.get("error"), document.get("error_description")
    return short_words(code, 40), short_words(words, 200)
