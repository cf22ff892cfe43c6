"""One FHIR server as the rest of the house sees it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from caretally.fhir import bulk, capability, conditional, reading, searching, writing
from caretally.fhir.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from caretally.fhir.bridge import BridgeClient
    from caretally.fhir.settings import ServerSettings


class FhirServer:
    """A FHIR server; may be shared by threads. Use as a context manager or call `close`.

    Args:
        settings: the server.
        transport: instead of one made from the settings, for tests and renewed tokens.
    """

    def __init__(self, settings: ServerSettings, *, transport: Transport | None = None) -> None:
        self.settings = settings
        self.transport = transport or Transport(settings)
        self._capabilities: capability.Capabilities | None = None
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Service base without a final slash."""
        return self.settings.base_url

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()

    def capabilities(self) -> capability.Capabilities:
        """Give what the server can do, asked once; see `capability.read_capabilities`."""
        with self._asking:
            if self._capabilities is None:
                self._capabilities = capability.read_capabilities(self.transport)
            return self._capabilities

    def write_strategy(self, resource_types: Sequence[str] = capability.WRITTEN_TYPES) -> capability.WriteChoice:
        """Choose the best way of writing that the server promises for all of `resource_types`."""
        return capability.write_strategy(self.capabilities(), resource_types)

    def search(
        self,
        resource_type: str,
        parameters: Sequence[tuple[str, str]] = (),
        *,
        exact: bool = False,
        fresh: bool = False,
        go_on_at: tuple[int, str] | None = None,
    ) -> Iterator[searching.Page]:
        """Search and give page after page; see `searching.search`."""
        return searching.search(self.transport, resource_type, parameters, exact=exact, fresh=fresh, go_on_at=go_on_at)

    def count(
        self, resource_type: str, parameters: Sequence[tuple[str, str]] = (), *, fresh: bool = False
    ) -> int | None:
        """Count what a search finds; None: the server does not tell, or ignored a filter; see `searching.search`."""
        page = next(iter(self.search(resource_type, [*parameters, ("_summary", "count")], fresh=fresh)))
        ignored = any(warning.kind is searching.WarningKind.PARAMETER_IGNORED for warning in page.warnings)
        return None if ignored else page.total

    def identifier_parameters(self, resource_type: str, system: str, value: str = "") -> list[tuple[str, str]]:
        """Give the search parameters for an identifier, built and escaped by fhirpy; no value: any of the system."""
        # fhirpy takes half a second to import, which a run on folders should not pay.
        from caretally.fhir.bridge import identifier_search  # noqa: PLC0415

        return identifier_search(self.transport, resource_type, system, value)

    def find_by_identifier(self, resource_type: str, system: str, value: str) -> list[dict[str, Any]]:
        """Find our own resources by identifier, past stored searches, amounts exact.

        Raises:
            IncompletePullError, SourceError: see `searching.search`.
        """
        parameters = self.identifier_parameters(resource_type, system, value)
        pages = self.search(resource_type, parameters, exact=True, fresh=True)
        return [resource for page in pages for resource in page.resources]

    def pause(self, seconds: float) -> None:
        """Wait, as before a request that is repeated."""
        self.transport.pause(seconds)

    def time(self) -> datetime | None:
        """Give the server's clock, from a small question; None when its answers have no ``Date``.

        Raises:
            SourceError: see `Transport.send`.
        """
        url = self.transport.base.address("Patient", [("_count", "1"), ("_elements", "id")])
        return bulk.server_time(self.transport.send(Request(method="GET", url=url)).headers)

    def read(self, resource_type: str, resource_id: str, *, exact: bool = False) -> reading.ReadResult | None:
        """Read one resource; None when it never was there; see `reading.read`."""
        return reading.read(self.transport, resource_type, resource_id, exact=exact)

    def transaction(self, entries: Sequence[writing.WriteEntry]) -> list[writing.EntryOutcome]:
        """Write all entries or none; see `writing.apply_transaction`."""
        return writing.apply_transaction(self.transport, entries)

    def put(self, entry: writing.WriteEntry) -> writing.EntryOutcome:
        """Write one resource; see `writing.put`."""
        return writing.put(self.transport, entry)

    def create_if_absent(self, resource: Mapping[str, Any], condition: Sequence[tuple[str, str]]) -> conditional.Placed:
        """Create a resource unless a search finds one; see `conditional.create_if_absent`."""
        return conditional.create_if_absent(self.transport, resource, condition)

    def put_where(self, resource: Mapping[str, Any], condition: Sequence[tuple[str, str]]) -> conditional.Placed:
        """Write a resource to where a search finds one; see `conditional.put_where`."""
        return conditional.put_where(self.transport, resource, condition)

    def client(self) -> BridgeClient:
        """Give a fhirpy client on our transport, for plug-ins and notebooks."""
        from caretally.fhir.bridge import BridgeClient  # noqa: PLC0415  # see identifier_parameters

        return BridgeClient(self.transport)
