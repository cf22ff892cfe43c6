"""fhirpy on our transport: its search building and client API, with our guards, pool and exact amounts.

For plug-ins, notebooks and our own low-volume calls. fhirpy by itself opens a connection for each call, reads
decimals as floats, follows page loops, and sends credentials to any address that contains the base.

`SyncFHIRClient._do_request` is the one seam, and it is private: the minor version of fhirpy is pinned, and a test
makes sure that no socket of `requests` or `aiohttp` is ever opened. Errors are those of `caretally.fhir.errors`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fhirpy import SyncFHIRClient
from fhirpy.base.utils import AttrDict, encode_params
from fhirpy.lib import SyncFHIRSearchSet

from caretally.facts import exact_json
from caretally.fhir.retry import Sending
from caretally.fhir.searching import search
from caretally.fhir.transport import FHIR_JSON, NOT_MODIFIED, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
READING_METHODS = frozenset({"GET", "HEAD"})
_SPECIAL = str.maketrans({"\\": "\\\\", ",": "\\,", "|": "\\|", "$": "\\$"})


class GuardedSearchSet(SyncFHIRSearchSet):  # type: ignore[type-arg]  # fhirpy's generics name its own client
    """A search set whose pages go through our guards."""

    def __iter__(self) -> Generator[Any, None, None]:
        """Give the matches of all pages; see `caretally.fhir.searching.search` for the errors."""
        client: Any = self.client
        for page in search(client.transport, self.resource_type, parameters_of(self), exact=True):
            for resource in page.resources:
                yield self._dict_to_resource(_attributes(resource))


class BridgeClient(SyncFHIRClient):
    """A fhirpy client whose requests are sent by our transport.

    Args:
        transport: to the server; it adds the credentials.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._base_path = f"{transport.base.path}/" if transport.base.path else ""
        super().__init__(transport.base.url, url_aliases=list(transport.settings.allowed_alias_bases))

    def resources(self, resource_type: Any) -> Any:
        """Give a search set whose paging is guarded."""
        return GuardedSearchSet(self, resource_type)

    def _build_request_url(self, path: str, params: Mapping[str, Any] | None) -> str:
        """Build an address below the base; an absolute one is compared part by part, not as text."""
        below_base = path if _ABSOLUTE.match(path) else path.lstrip("/").removeprefix(self._base_path)
        address = self.transport.base.resolve(below_base, resource_type="")
        query = encode_params(params) if params else ""  # type: ignore[no-untyped-call]  # fhirpy
        if not query:
            return address
        return f"{address}{'&' if '?' in address else '?'}{query}"

    def _do_request(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        *,
        returning_status: bool = False,
    ) -> Any:
        """Send one request of fhirpy's; amounts are Decimal in both directions."""
        verb = method.upper()
        content_type = {} if data is None else {"Content-Type": FHIR_JSON}
        answer = self.transport.send(
            Request(
                method=verb,
                url=self._build_request_url(path, params),
                sending=Sending.READ if verb in READING_METHODS else Sending.WRITE,
                headers={**content_type, **(extra_headers or {})},
                content=None if data is None else exact_json.dumps(data),
                exact=True,
            )
        )
        document = None if answer.status == NOT_MODIFIED else _attributes(answer.document)
        return (document, answer.status) if returning_status else document


def parameters_of(search_set: Any) -> list[tuple[str, str]]:
    """Give the parameters of a fhirpy search set as names and values, for `FhirServer.search`."""
    return [
        (name, str(value))
        for name, values in search_set.params.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def identifier_search(transport: Transport, resource_type: str, system: str, value: str) -> list[tuple[str, str]]:
    """Give the parameters of a search by identifier, with FHIR's special characters escaped."""
    token = f"{system.translate(_SPECIAL)}|{value.translate(_SPECIAL)}"
    return parameters_of(BridgeClient(transport).resources(resource_type).search(identifier=token))


def _attributes(document: Any) -> Any:
    """Give the document as fhirpy's own dicts, whose keys are attributes too."""
    if isinstance(document, dict):
        entries = {key: _attributes(value) for key, value in document.items()}
        return AttrDict(entries)  # type: ignore[no-untyped-call]  # fhirpy
    if isinstance(document, list):
        return [_attributes(item) for item in document]
    return document
