"""The HTTP client of one server: TLS, proxy, pool, and silence of the libraries below it."""

from __future__ import annotations

import logging
import ssl
from functools import cache

import httpx
import structlog

from caretally.errors import ConfigurationError
from caretally.fhir.settings import ServerSettings  # noqa: TC001 -- small, and read by everybody who reads this

CHATTY_LIBRARIES = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")

log = structlog.get_logger(__name__)


def http_client(settings: ServerSettings, http_transport: httpx.BaseTransport | None) -> httpx.Client:
    """Make the client of one server.

    Args:
        settings: the server.
        http_transport: instead of the network, for tests.

    Raises:
        ConfigurationError: a certificate file cannot be used.
    """
    _silence_chatty_libraries()
    connections = settings.max_in_flight
    return httpx.Client(
        verify=_tls(settings),
        # Neither proxies nor .netrc passwords are taken from the environment: what is used stands in the settings.
        trust_env=False,
        proxy=settings.proxy,
        timeout=settings.timeout_seconds,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        transport=http_transport,
    )


@cache
def _public_authorities() -> ssl.SSLContext:
    """Trust the public authorities; made once, for reading them takes longer than many requests. Never changed."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _tls(settings: ServerSettings) -> ssl.SSLContext:
    if settings.verify_certificate and settings.ca_file is None and settings.client_certificate is None:
        return _public_authorities()
    try:
        if settings.ca_file:
            context = ssl.create_default_context(cafile=settings.ca_file)
        else:
            context = httpx.create_ssl_context(trust_env=False)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.client_certificate:
            context.load_cert_chain(*settings.client_certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"[server] ca_file or client_certificate cannot be used ({type(error).__name__}); wanted are readable PEM "
            "files"
        ) from error
    if not settings.verify_certificate:
        log.warning("TLS certificates are not checked: verify_certificate is off")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_certificate_fault(error: BaseException | None) -> bool:
    """Whether a connection failed because the server's certificate is not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


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
