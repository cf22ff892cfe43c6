"""The HTTP client of one server: TLS, proxy, pool, and silence of the libraries below it."""

from __future__ import annotations

import logging
import re
import ssl
from functools import cache

import httpx
import structlog

from caretally.errors import ConfigurationError, SourceError
from caretally.fhir.body import too_slow
from caretally.fhir.deadline import is_deadline_passed, keep_deadlines
from caretally.fhir.errors import Exchange, UntrustedServerError
from caretally.fhir.settings import ServerSettings  # noqa: TC001 -- small, and read by everybody who reads this

CHATTY_LIBRARIES = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")

log = structlog.get_logger(__name__)

_UNTRUSTED = (
    "the server's certificate is not trusted; if the practice has a certificate authority of its own, give its "
    "certificate as ca_file of [server]"
)
_OTHER_HOST = "the server's certificate is for another host; set base_url to the name that stands in it"
_SERVER_FAULTS = {
    9: "the server's certificate is not valid yet; check the clock of this machine",
    10: "the server's certificate has expired; its administrator has to renew it",
    62: _OTHER_HOST,
    64: _OTHER_HOST,
}
"""By OpenSSL's number (X509_V_ERR_...)."""
_OURS_MISSING = (
    "the server asks for a client certificate; give it as client_certificate_file and client_key_file of [server]"
)
_OURS_REFUSED = (
    "the server does not accept our client certificate; check client_certificate_file of [server]: whether it has "
    "expired, and whether the server knows who signed it"
)
_WITHOUT_ONE = frozenset({"CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE"})
_ALERT = re.compile(
    r"(?<=ALERT_)(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|CERTIFICATE_[A-Z]+|UNKNOWN_CA|ACCESS_DENIED)"
)
"""What a server says of our certificate before it hangs up."""


def http_client(settings: ServerSettings, http_transport: httpx.BaseTransport | None) -> httpx.Client:
    """Make the client of one server.

    Args:
        settings: the server.
        http_transport: instead of the network, for tests.

    Raises:
        ConfigurationError: a certificate file cannot be used.
    """
    _silence_chatty_libraries()
    return httpx.Client(
        # Neither proxies nor .netrc passwords are taken from the environment: what is used stands in the settings.
        trust_env=False,
        timeout=settings.timeout_seconds,
        follow_redirects=False,
        transport=http_transport or _network(settings),
    )


@cache
def _public_authorities() -> ssl.SSLContext:
    """Trust the public authorities; made once, for reading them takes longer than many requests. Never changed."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _network(settings: ServerSettings) -> httpx.HTTPTransport:
    connections = settings.max_in_flight
    transport = httpx.HTTPTransport(
        verify=_tls(settings),
        trust_env=False,
        proxy=settings.proxy,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
    )
    keep_deadlines(transport)
    return transport


def _tls(settings: ServerSettings) -> ssl.SSLContext:
    if settings.verify_certificate and settings.ca_file is None and settings.client_certificate is None:
        return _public_authorities()
    try:
        if settings.ca_file:
            context = ssl.create_default_context(cafile=settings.ca_file)
        else:
            context = httpx.create_ssl_context(trust_env=False)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"[server] ca_file cannot be used ({_why(error)}); wanted is a readable PEM file of certificates"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.client_certificate:
        try:
            # Without a password of ours OpenSSL would ask for one at the terminal, and wait.
            context.load_cert_chain(*settings.client_certificate, password=b"")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigurationError(
                f"[server] client_certificate_file and client_key_file cannot be used ({_why(error)}); wanted are "
                "readable PEM files that belong together, the key without a password"
            ) from error
    if not settings.verify_certificate:
        log.warning("TLS certificates are not checked: verify_certificate is off")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: Exception) -> str:
    """Name a fault by its kind, and by OpenSSL's word for it."""
    reason = getattr(error, "reason", None)
    return f"{type(error).__name__}, {reason}" if isinstance(reason, str) else type(error).__name__


def _certificate_fault(error: BaseException | None) -> str | None:
    """Say what to do when a connection failed for a certificate, the server's or ours; None: for another reason."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _SERVER_FAULTS.get(getattr(error, "verify_code", 0), _UNTRUSTED)
        if isinstance(error, ssl.SSLError) and (found := _ALERT.search(str(error.reason))) is not None:
            return _OURS_MISSING if found[0] in _WITHOUT_ONE else _OURS_REFUSED
        error = error.__cause__ or error.__context__
    return None


def named_fault(error: httpx.HTTPError, exchange: Exchange, where: str = "") -> SourceError | None:
    """Return the error for an answer that came too late, or a certificate that is refused; None: for another reason.

    Args:
        error: of the HTTP library.
        exchange: for the error text.
        where: said behind it, such as `` (the token endpoint)``.
    """
    if is_deadline_passed(error):
        return too_slow(exchange)
    fault = _certificate_fault(error)
    return None if fault is None else UntrustedServerError(f"{exchange}{where}: {fault}")


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _silence_chatty_libraries() -> None:
    """Stop the HTTP libraries' own log lines, which hold whole addresses with patient ids and headers.

    A filter and not a level, because whoever turns on debugging for everything must not turn these on.
    """
    for name in CHATTY_LIBRARIES:
        logger = logging.getLogger(name)
        if _nothing not in logger.filters:
            logger.addFilter(_nothing)
