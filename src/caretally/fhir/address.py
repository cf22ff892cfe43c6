"""Which addresses belong to the configured server, and how an address is shown without patient data.

A token goes to the configured origin and path, nowhere else; only the state and the files of an export may lie beside
the path on the same origin. Servers and proxies do name other hosts in their page links, by mistake (an internal host
name, a wrong scheme) or by malice (the base hidden inside a longer host name), so each address is compared by its
parsed parts, with the parser that also sends it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlencode

import httpx

from caretally.fhir.errors import ForeignAddressError

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOURCE_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
RESOURCE_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_OPERATION = re.compile(r"\$[a-z][a-z\-]{0,40}")
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z_.:\-]{0,60}")
_SHOWN_SEGMENTS = frozenset({"metadata", "_history", "_search"})
_DECODING_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class _Prefix:
    scheme: str
    host: bytes
    port: int | None
    segments: tuple[str, ...]

    @classmethod
    def of(cls, base_url: str) -> _Prefix:
        url = httpx.URL(base_url)
        return cls(url.scheme, url.raw_host, url.port, _segments(url))

    def same_origin(self, url: httpx.URL) -> bool:
        return (url.scheme, url.raw_host, url.port) == (self.scheme, self.host, self.port)

    def holds(self, url: httpx.URL) -> bool:
        return self.same_origin(url) and _segments(url)[: len(self.segments)] == self.segments


class ServiceBase:
    """The configured server's address space.

    Args:
        base_url: service base without a final slash.
        alias_bases: other bases that the server uses for itself; links to them are rewritten.
    """

    def __init__(self, base_url: str, alias_bases: Sequence[str] = ()) -> None:
        self.url = base_url
        self.path = "/".join(_raw_segments(httpx.URL(base_url)))
        self._prefix = _Prefix.of(base_url)
        self._aliases = tuple(_Prefix.of(alias) for alias in alias_bases)

    def address(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> str:
        """Build the address of `path` (for example ``Encounter`` or ``Claim/cm-1``) below the base."""
        query = urlencode(parameters, safe=":,/$", quote_via=quote)
        return f"{self.url}/{path}?{query}" if query else f"{self.url}/{path}"

    def check(self, address: str, *, whole_origin: bool = False) -> httpx.URL:
        """Parse an absolute address and make sure that it lies at or below the base.

        Args:
            address: to be checked.
            whole_origin: it may also lie beside the base on its origin, as the state of an export does on some servers.

        Raises:
            ForeignAddressError: it does not, or cannot be parsed without doubt.
        """
        url = parsed_address(address)
        if whole_origin and self._prefix.same_origin(url):
            return url
        if not self._prefix.holds(url):
            raise ForeignAddressError(
                f"the address {_origin(url)} is not {_origin(httpx.URL(self.url))} and below: nothing was sent to it"
            )
        return url

    def check_file(self, address: str, other_origins: Sequence[str], *, with_credentials: bool) -> httpx.URL:
        """Parse the address of an export's file and make sure that it may be asked for.

        Args:
            address: as the server gave it; one that names an alias of the base is rewritten.
            other_origins: ``https://host`` of other places that may hold files; they never get our token.
            with_credentials: whether the file wants our token.

        Raises:
            ForeignAddressError: it lies elsewhere, or would take the token elsewhere.
        """
        url = parsed_address(address)
        for alias in self._aliases:
            if alias.holds(url) and not self._prefix.holds(url):
                url = parsed_address(self._rebased(url, alias))
        if self._prefix.same_origin(url):
            return url
        if _origin(url) not in {_origin(parsed_address(one)) for one in other_origins}:
            raise ForeignAddressError(
                f"the export names a file at {_origin(url)}, which is not the server: nothing was sent to it. If files "
                f"really lie there, add it to export_file_origins of [server]"
            )
        if with_credentials:
            raise ForeignAddressError(
                f"the export names a file at {_origin(url)} that wants our token, which goes to the server itself only"
            )
        return url

    def resolve(self, link: str, *, resource_type: str, whole_origin: bool = False) -> str:
        """Give the absolute address of a page link, rewritten to the base when it names an alias of ours.

        Args:
            link: as the server wrote it; relative links are relative to the base, as FHIR has it, and a bare
                query belongs to the search of `resource_type`.
            resource_type: what was searched.
            whole_origin: see `check`.

        Raises:
            ForeignAddressError: the link leads outside the base and its aliases.
        """
        if _ABSOLUTE.match(link):
            absolute = link
        elif link.startswith("//"):
            absolute = f"{self._prefix.scheme}:{link}"
        elif link.startswith("/"):
            absolute = _origin(httpx.URL(self.url)) + link
        elif link.startswith("?"):
            absolute = f"{self.url}/{resource_type}{link}"
        else:
            absolute = f"{self.url}/{link}"
        url = parsed_address(absolute)
        for alias in self._aliases:
            if alias.holds(url) and not self._prefix.holds(url):
                absolute = self._rebased(url, alias)
                break
        return str(self.check(absolute, whole_origin=whole_origin))

    def template(self, address: str) -> str:
        """Show an address without ids and values: ``/Encounter?subject&date``, ``/Claim/{id}``."""
        try:
            url = self.check(address, whole_origin=True)
        except ForeignAddressError:
            return "(foreign address)"
        if not self._prefix.holds(url):
            return "(address beside the base)"
        segments = _segments(url)[len(self._prefix.segments) :]
        shown = [_shown_segment(position, segment) for position, segment in enumerate(segments)]
        names = dict.fromkeys(_shown_name(part) for part in url.query.decode().split("&") if part)
        return "/" + "/".join(shown) + (f"?{'&'.join(names)}" if names else "")

    def _rebased(self, url: httpx.URL, alias: _Prefix) -> str:
        query = url.query.decode()
        rest = _raw_segments(url)[len(alias.segments) :]
        return "/".join([self.url, *rest]) + (f"?{query}" if query else "")


def origin_of(address: str) -> str | None:
    """Show scheme, host and port of an absolute address, None for anything else; the rest may hold patient data."""
    try:
        return _origin(parsed_address(address)) if _ABSOLUTE.match(address) else None
    except ForeignAddressError:
        return None


@lru_cache(maxsize=64)
def parsed_address(address: str) -> httpx.URL:
    """Parse an absolute address strictly: what two parsers could read differently is refused.

    Raises:
        ForeignAddressError: naming what is odd about it, never the address.
    """
    authority = address.partition("://")[2].partition("/")[0].partition("?")[0]
    # Of everything that counts as a space, the plain one alone is printable.
    if not address.isprintable() or " " in address or "\\" in address:
        raise ForeignAddressError("an address with spaces, backslashes or control characters was refused")
    if "@" in authority:
        raise ForeignAddressError("an address with a user name in it was refused")
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise ForeignAddressError("an address that cannot be parsed was refused (a doubled port?)") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
        raise ForeignAddressError("an address that is not plain http or https was refused")
    if any(_climbs(segment) for segment in _raw_segments(url)):
        raise ForeignAddressError("an address whose path climbs with dots or hidden slashes was refused")
    return url


def _climbs(segment: str) -> bool:
    """Tell whether a segment is, or hides behind percent signs, a step up or another slash."""
    for _ in range(_DECODING_ROUNDS):
        decoded = unquote(segment)
        if decoded in {".", ".."} or "\\" in decoded or "/" in decoded:
            return True
        if decoded == segment:
            return False
        segment = decoded
    return True


def _raw_segments(url: httpx.URL) -> list[str]:
    path = url.raw_path.decode().partition("?")[0].removeprefix("/").removesuffix("/")
    return path.split("/") if path else []


def _segments(url: httpx.URL) -> tuple[str, ...]:
    return tuple(map(unquote, _raw_segments(url)))


def _origin(url: httpx.URL) -> str:
    host = url.raw_host.decode()
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}" + (f":{url.port}" if url.port is not None else "")


def _shown_segment(position: int, segment: str) -> str:
    if segment in _SHOWN_SEGMENTS or _OPERATION.fullmatch(segment):
        return segment
    return segment if position == 0 and RESOURCE_TYPE.fullmatch(segment) else "{id}"


def _shown_name(part: str) -> str:
    """Show a parameter's name; a part without a value may itself be the value, so it is hidden."""
    name, equals, _ = part.partition("=")
    return name if equals and _PARAMETER_NAME.fullmatch(name) else "{parameter}"
