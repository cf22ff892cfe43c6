"""Where a server's token endpoint is: ``.well-known/smart-configuration``, else the CapabilityStatement.

The endpoint may lie on another host than the FHIR base: servers delegate log-in. It is asked for by the configured
base over its own connection, and what goes there is a signed assertion for that address, never a token.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from caretally.fhir.address import parsed_address
from caretally.fhir.body import ACCEPTED_ENCODINGS, parse_fhir_json, read_body
from caretally.fhir.client import named_fault
from caretally.fhir.deadline import answer_within
from caretally.fhir.errors import (
    Exchange,
    ForeignAddressError,
    ServerUnreachableError,
    UnreadableAnswerError,
    UnsupportedServerError,
)
from caretally.fhir.settings import MEBIBYTE, is_this_machine

if TYPE_CHECKING:
    from caretally.fhir.settings import ServerSettings

WELL_KNOWN = ".well-known/smart-configuration"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
MOST_BYTES = 64 * MEBIBYTE
OK = 200
METADATA_HOSTS = frozenset(
    {"metadata.google.internal", "metadata", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"}
)
"""Metadata services of clouds that are not at a link-local address, by their makers' documentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartEndpoints:
    """What a server says about logging in.

    Attributes:
        token_url: address of the token endpoint.
        found_in: where that was said, for a person.
        algorithms: of client assertions; empty when it does not say.
        scopes: that it supports; empty when it does not say.
        capabilities: codes such as ``client-confidential-asymmetric``.
    """

    token_url: str
    found_in: str
    algorithms: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()

    @property
    def only_version_1(self) -> bool:
        """Whether the server speaks only the older way of writing scopes, ``system/Encounter.read``."""
        return "permission-v1" in self.capabilities and "permission-v2" not in self.capabilities


def discover(settings: ServerSettings, client: httpx.Client) -> SmartEndpoints:
    """Ask a server where its token endpoint is; no credentials are sent.

    Raises:
        UnsupportedServerError: it says so nowhere.
        SourceError: it cannot be reached.
    """
    document = _document(settings, client, WELL_KNOWN, "application/json")
    token_url = document.get("token_endpoint") if isinstance(document, dict) else None
    if isinstance(token_url, str) and isinstance(document, dict):
        return SmartEndpoints(
            token_url=token_url,
            found_in=WELL_KNOWN,
            algorithms=_texts(document.get("token_endpoint_auth_signing_alg_values_supported")),
            scopes=_texts(document.get("scopes_supported")),
            capabilities=_texts(document.get("capabilities")),
        )
    token_url = _in_statement(_document(settings, client, "metadata", "application/fhir+json"))
    if token_url is None:
        raise UnsupportedServerError(
            f"the server names no token endpoint, neither in /{WELL_KNOWN} nor in /metadata; ask its administrator for "
            "the address and set token_url of [server]"
        )
    return SmartEndpoints(token_url=token_url, found_in="metadata")


def checked_token_url(address: str, settings: ServerSettings) -> str:
    """Refuse a token endpoint to which no assertion may go.

    Raises:
        ForeignAddressError: not https (plain http only on this machine, or where the configuration allows it), with
            user name or doubtful characters, or an address that no log-in service has (link-local, or one of the
            metadata services of clouds).
    """
    url = parsed_address(address)
    if _is_metadata(url.host):
        raise ForeignAddressError(
            "the token endpoint is a link-local address or a cloud's metadata service, where no log-in service is: "
            "refused"
        )
    if url.scheme != "https" and not settings.allow_plain_http_credentials and not is_this_machine(url.host):
        raise ForeignAddressError(
            "the token endpoint uses http, so that the token would cross the network unencrypted: nothing was sent; "
            "set token_url of [server] to its https address"
        )
    if url.fragment:
        raise ForeignAddressError("the token endpoint's address has a fragment: refused; set token_url of [server]")
    return str(url)


def _document(settings: ServerSettings, client: httpx.Client, path: str, accept: str) -> Any:
    """Give a JSON document below the base; None when there is none or it cannot be read."""
    exchange = Exchange(method="GET", path=f"/{path}")
    headers = {
        "Accept": accept,
        "Accept-Encoding": ACCEPTED_ENCODINGS,
        "User-Agent": settings.user_agent,
        **settings.extra_headers,
    }
    deadline = time.monotonic() + settings.answer_seconds
    try:
        with (
            answer_within(settings.answer_seconds),
            client.stream("GET", f"{settings.base_url}/{path}", headers=headers) as response,
        ):
            if response.status_code != OK:
                return None
            body = read_body(response, exchange=exchange, max_bytes=MOST_BYTES, deadline=deadline, clock=time.monotonic)
            return parse_fhir_json(body, response.headers.get("content-type", ""), exchange=exchange, exact=False)
    except UnreadableAnswerError:
        return None
    except httpx.HTTPError as error:
        named = named_fault(error, exchange)
        if named is not None:
            raise named from error
        raise ServerUnreachableError(
            f"{exchange}: the server cannot be reached ({type(error).__name__}); check base_url, network and proxy",
            exchange=exchange,
            sent=False,
        ) from error


def _in_statement(statement: Any) -> str | None:
    """Find the token address in a CapabilityStatement's security extension, where older servers keep it."""
    for part in _dicts(statement, "rest"):
        security = part.get("security")
        for extension in _dicts(security, "extension"):
            if extension.get("url") != OAUTH_URIS:
                continue
            for inner in _dicts(extension, "extension"):
                if inner.get("url") == "token" and isinstance(inner.get("valueUri"), str):
                    return str(inner["valueUri"])
    return None


def _dicts(holder: Any, name: str) -> list[dict[str, Any]]:
    values = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(item for item in values if isinstance(item, str)) if isinstance(values, list) else ()


def _is_metadata(host: str) -> bool:
    """Whether a host is a metadata service, or an address at which no log-in service can be."""
    if host.rstrip(".").lower() in METADATA_HOSTS:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # As the system's own parser reads it: 2852039166 and 0xA9FEA9FE are addresses too.
            address = ipaddress.ip_address(socket.inet_aton(host))
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any(
        one.is_link_local or one.is_multicast or one.is_unspecified or str(one) in METADATA_HOSTS
        for one in (address, mapped)
        if one
    )
