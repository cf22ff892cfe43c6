"""What must be known to speak with one server. Secrets are given as resolved text and never shown."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx

from caretally.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

MEBIBYTE = 1024 * 1024
HIGHEST_PORT = 65_535
LONGEST_ASSERTION_SECONDS = 300
"""SMART App Launch 2: an assertion may live five minutes at most."""
OUR_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "content-length", "content-type", "cookie", "host", "prefer"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAuthentication:
    """The server asks for no credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuthentication:
    """User name and password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerAuthentication:
    """A token that somebody else keeps fresh."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartAuthentication:
    """SMART Backend Services: a private key whose public half the server knows.

    Attributes:
        client_id: as registered.
        private_key: PEM or JWK.
        key_id: ``kid`` of the assertion; None: the key's own, else its thumbprint.
        scopes: to ask for; empty: `scopes_v2`, or `scopes_v1` for a server that speaks only version 1.
        scopes_v1, scopes_v2: the least that the program needs, in the two ways of writing scopes.
        token_url: of the token endpoint; None: as the server says.
        jwks_url: where our key set can be fetched, for servers that want it named (``jku``).
        assertion_seconds: life of an assertion.
    """

    client_id: str
    private_key: str = field(repr=False)
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    scopes_v1: str = ""
    scopes_v2: str = ""
    token_url: str | None = None
    jwks_url: str | None = None
    assertion_seconds: int = 120

    def __post_init__(self) -> None:
        """Refuse what no server accepts."""
        if not self.client_id or not is_header_text(self.client_id):
            raise ConfigurationError("[server] client_id is empty or holds odd characters; wanted is the registered id")
        if not 0 < self.assertion_seconds <= LONGEST_ASSERTION_SECONDS:
            raise ConfigurationError(
                f"[server] assertion_seconds is {self.assertion_seconds}; wanted is 1 to {LONGEST_ASSERTION_SECONDS}"
            )


AuthSettings = NoAuthentication | BasicAuthentication | BearerAuthentication | SmartAuthentication


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How patient we are with one request.

    Attributes:
        attempts: how often a request is sent at most, the first time included.
        wait_budget_seconds: how long all waits of one request may last together.
    """

    attempts: int = 5
    wait_budget_seconds: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One FHIR server and how we treat it.

    Attributes:
        base_url: the service base, kept without a final slash.
        auth: credentials; sent to `base_url` and below, and to what an export names elsewhere on its origin.
        timeout_seconds: for connecting and for each silence while reading or sending.
        answer_seconds: for one whole answer, however it trickles.
        page_size: `_count` of searches; large pages matter more than anything else for speed.
        max_pages: of one search.
        max_response_bytes: of one answer, after decompression.
        max_in_flight: requests at one time.
        max_export_file_bytes: of one file of a Bulk Data export, unpacked.
        export_file_origins: other places where files of an export may lie; they never get the token.
        allowed_alias_bases: other addresses under which the server writes its own links, for example behind a
            proxy; links to them are rewritten to `base_url`.
        extra_headers: sent with each request to `base_url`; may hold API keys.
        verify_certificate: False switches off TLS certificate checks; for tests only.
        ca_file: certificates to trust instead of the public ones.
        client_certificate: files of certificate and key, for servers that ask for them.
        proxy: address of a forward proxy; the environment is not read.
        allow_plain_http_credentials: send credentials over http to a host that is not this machine.
    """

    base_url: str
    auth: AuthSettings = field(default_factory=NoAuthentication)
    timeout_seconds: float = 30.0
    answer_seconds: float = 300.0
    retry: RetrySettings = field(default_factory=RetrySettings)
    page_size: int = 200
    max_pages: int = 10_000
    max_response_bytes: int = 64 * MEBIBYTE
    max_in_flight: int = 4
    max_export_file_bytes: int = 64 * 1024 * MEBIBYTE
    export_file_origins: tuple[str, ...] = ()
    allowed_alias_bases: tuple[str, ...] = ()
    user_agent: str = "caretally"
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify_certificate: bool = True
    ca_file: str | None = None
    client_certificate: tuple[str, str] | None = None
    proxy: str | None = field(default=None, repr=False)
    allow_plain_http_credentials: bool = False

    def __post_init__(self) -> None:
        """Check everything once, so that a wrong setting is named before the first request."""
        base = checked_base_url(self.base_url, setting="base_url")
        aliases = tuple(checked_base_url(alias, setting="allowed_alias_bases") for alias in self.allowed_alias_bases)
        origins = tuple(checked_base_url(one, setting="export_file_origins") for one in self.export_file_origins)
        object.__setattr__(self, "export_file_origins", origins)
        object.__setattr__(self, "base_url", base)
        object.__setattr__(self, "allowed_alias_bases", aliases)
        object.__setattr__(self, "extra_headers", MappingProxyType(dict(self.extra_headers)))
        self._check_numbers()
        self._check_headers()
        self._check_credentials(base)

    def _check_numbers(self) -> None:
        numbers = {
            "timeout_seconds": self.timeout_seconds,
            "answer_seconds": self.answer_seconds,
            "retry.attempts": self.retry.attempts,
            "page_size": self.page_size,
            "max_pages": self.max_pages,
            "max_response_bytes": self.max_response_bytes,
            "max_export_file_bytes": self.max_export_file_bytes,
            "max_in_flight": self.max_in_flight,
        }
        for name, number in numbers.items():
            if number <= 0:
                raise ConfigurationError(f"[server] {name} is {number}; it must be more than 0")
        if self.retry.wait_budget_seconds < 0:
            raise ConfigurationError("[server] retry.wait_budget_seconds is negative; it must be 0 or more")

    def _check_headers(self) -> None:
        for name, value in self.extra_headers.items():
            if name.lower() in OUR_HEADERS:
                raise ConfigurationError(f"[server] extra_headers sets {name}, which Caretally sets itself; remove it")
            if not is_header_text(name + value):
                raise ConfigurationError(f"[server] extra_headers: {name!r} holds characters no header may hold")
        if not is_header_text(self.user_agent):
            raise ConfigurationError("[server] user_agent holds characters no header may hold")

    def _check_credentials(self, base: str) -> None:
        if isinstance(self.auth, NoAuthentication) and not self.extra_headers:
            return
        if isinstance(self.auth, BearerAuthentication) and not (self.auth.token and is_header_text(self.auth.token)):
            raise ConfigurationError(
                "[server] auth: the bearer token is empty or holds line breaks or spaces around it"
            )
        if isinstance(self.auth, BasicAuthentication) and (not self.auth.user or ":" in self.auth.user):
            raise ConfigurationError("[server] auth: the user name is empty or holds a colon")
        url = httpx.URL(base)
        if url.scheme == "http" and not self.allow_plain_http_credentials and not is_this_machine(url.host):
            raise ConfigurationError(
                "[server] base_url uses http, so credentials would cross the network unencrypted: use https, or set "
                "allow_plain_http_credentials if the network is private"
            )


def checked_base_url(text: str, *, setting: str) -> str:
    """Check a service base and give it in one form, without a final slash.

    Raises:
        ConfigurationError: not an absolute http or https address, or with user name, query or fragment.
    """
    wanted = "wanted is an address such as https://fhir.example.org/fhir"
    if not text.isascii() or any(character.isspace() or character == "\\" for character in text):
        raise ConfigurationError(f"[server] {setting} holds spaces, backslashes or other odd characters; {wanted}")
    try:
        url = httpx.URL(text)
        if not 0 < (url.port or 1) <= HIGHEST_PORT:
            raise httpx.InvalidURL("port out of range")  # noqa: TRY301  # one text for all that is no address
    except httpx.InvalidURL:
        raise ConfigurationError(f"[server] {setting} is not an address; {wanted}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(f"[server] {setting} does not begin with http:// or https:// and a host; {wanted}")
    if url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:
        raise ConfigurationError(f"[server] {setting} holds a user name or password; put them under auth; {wanted}")
    if "?" in text or "#" in text:
        raise ConfigurationError(f"[server] {setting} holds a query or fragment; remove it; {wanted}")
    return str(url).rstrip("/")


def is_header_text(text: str) -> bool:
    """Tell whether `text` can stand in a header: printable ASCII without spaces around it."""
    return text.isascii() and text.isprintable() and text == text.strip()


def is_this_machine(host: str) -> bool:
    """Whether a host name or address stands for this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
