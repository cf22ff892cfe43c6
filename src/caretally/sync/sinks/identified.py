"""Sending one patient-month to a server that chooses the ids: each resource is found by the id of ours it carries.

A creation is conditional, and read back: where two adapters were let in at once, the copies are found, and all but
one are taken back, the same one by everybody. A change goes to the server's own id, guarded by its version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.billing.content import LIVE, state_of
from caretally.errors import SourceError, WriteError
from caretally.fhir.capability import WriteStrategy
from caretally.fhir.errors import OutcomeUnknownError, VersionConflictError, WriteNotSentError, WriteRefusedError
from caretally.fhir.writing import WriteEntry
from caretally.sync.failpoints import failpoint
from caretally.sync.own_ids import as_sent, condition_for, first_live, in_own_ids, own_reference, own_references_in
from caretally.sync.sinks.landed import landed
from caretally.sync.sinks.sending import Sent, undone
from caretally.sync.writes import OnSink, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.fhir.conditional import Placed
    from caretally.fhir.server import FhirServer


@dataclass(slots=True, kw_only=True)
class IdentifiedSender:
    """Sends the writes of a parcel one by one, and undoes what was written when a later one is refused."""

    server: FhirServer
    strategy: WriteStrategy
    requests: int = 0
    _places: dict[str, str] = field(default_factory=dict)
    _versions: dict[str, str | None] = field(default_factory=dict)
    _done: list[tuple[Write, OnSink | None]] = field(default_factory=list)

    def send(self, writes: Sequence[Write]) -> Sent:
        """Send.

        Raises:
            VersionConflictError, WriteRefusedError, WriteNotSentError: nothing of the parcel is in force.
            OutcomeUnknownError: part of it may be.
        """
        failpoint("server:before-send")
        for write in writes:
            self._resolve(write)
            try:
                self._send(write)
            except (WriteRefusedError, WriteNotSentError) as error:
                self._undo(error)
                raise
            failpoint("server:between-puts")
        failpoint("server:after-send")
        return Sent(versions=dict(self._versions))

    def find(self, reference: str) -> list[dict[str, Any]]:
        """Give everything on the server that carries an id of ours, as it is there, what is live first.

        Raises:
            SourceError, IncompletePullError: the server cannot be asked.
        """
        self.requests += 1
        kind = reference.partition("/")[0]
        pages = self.server.search(kind, condition_for(reference), exact=True, fresh=True)
        found = [one for page in pages for one in page.resources if own_reference(one) == reference]
        return sorted(found, key=first_live)

    def look(self, reference: str) -> OnSink | None:
        """Give what the server holds under an id of ours, in ids of ours; None when it holds nothing."""
        found = self.find(reference)
        if not found:
            return None
        name = reference.partition("/")[2]
        chosen = next(one for one in in_own_ids(found) if one["id"] == name)
        others = () if reference.startswith("Provenance/") else own_references_in(chosen)
        related = [one for other in others for one in self._named(other)]
        renamed = in_own_ids([*found, *related])
        return OnSink(resource=next(one for one in renamed if one["id"] == name), version=_version(chosen))

    def _named(self, reference: str) -> list[dict[str, Any]]:
        """Give a resource that another one names by the server's id."""
        kind, _, name = reference.partition("/")
        self.requests += 1
        result = self.server.read(kind, name, exact=True)
        return [result.resource] if result is not None and result.resource is not None else []

    def _send(self, write: Write) -> None:
        reference = write.reference
        found = self.find(reference)
        body = as_sent(write.resource, reference, self._places)
        if write.kind == "update":
            self._update(write, body, found)
            return
        if found:
            self._take_as_found(write, found[0])
            return
        self.requests += 1
        condition = condition_for(reference)
        conditional = self.strategy is WriteStrategy.CONDITIONAL_UPDATE
        placed = (
            self.server.put_where(body, condition) if conditional else self.server.create_if_absent(body, condition)
        )
        failpoint("server:created")
        self._read_back(write, placed)

    def _update(self, write: Write, body: dict[str, Any], found: Sequence[dict[str, Any]]) -> None:
        kind, _, name = write.reference.partition("/")
        # A copy that a lost race left behind is planned under the server's own id.
        place = str(found[0]["id"]) if found else name
        before = found[0] if found else next(iter(self._named(write.reference)), None)
        if before is None:
            raise VersionConflictError(f"{kind} is not on the server any more; nothing was written", status=404)
        marked = body if found else as_sent(write.resource, own_reference(before) or write.reference, self._places)
        entry = WriteEntry.of({**marked, "id": place}, if_match=write.expected)
        self.requests += 1
        outcome = self.server.put(entry)
        self._done.append((write, OnSink(resource=before, version=outcome.version)))
        self._places[write.reference] = f"{kind}/{place}"
        self._versions[write.reference] = outcome.version

    def _take_as_found(self, write: Write, found: dict[str, Any]) -> None:
        renamed = {**found, "id": write.resource["id"]}
        if not landed(write, OnSink(resource=renamed, version=None)):
            raise VersionConflictError(
                f"{found['resourceType']} with our identifier is on the server already, with other content; nothing "
                "was written",
                status=412,
            )
        self._keep(write, found)

    def _read_back(self, write: Write, placed: Placed) -> None:
        """Make sure that exactly one is there; of several the first by id stays."""
        found = self.find(write.reference)
        if not found:
            raise OutcomeUnknownError(
                f"a new {write.resource['resourceType']} is not found by its identifier: the server's index lags "
                "behind, or it does not search by identifier; the next run looks again"
            )
        self._keep(write, found[0])
        for copy in found[1:]:
            self._take_back_copy(copy)
        place = self._places[write.reference]
        if placed.created and place == (placed.reference or place):
            self._done.append((write, None))
        else:
            self._take_as_found(write, found[0])

    def _take_back_copy(self, copy: dict[str, Any]) -> None:
        back = undone(Write(kind="create", resource=copy), None)
        if back is None or state_of(copy) not in LIVE:
            return
        self.requests += 1
        body = {key: value for key, value in back.items() if key != "meta"}
        try:
            self.server.put(WriteEntry.of(body, if_match=_version(copy)))
        except VersionConflictError:  # the other adapter takes it back at this moment
            return
        except (WriteError, SourceError) as error:
            raise OutcomeUnknownError(
                f"two adapters created one {copy['resourceType']} at once, and the copy could not be taken back "
                f"({error}); the next run does it"
            ) from error

    def _keep(self, write: Write, found: dict[str, Any]) -> None:
        self._places[write.reference] = f"{found['resourceType']}/{found['id']}"
        self._versions[write.reference] = _version(found)

    def _resolve(self, write: Write) -> None:
        """Find where the server keeps what a resource refers to."""
        for reference in own_references_in(write.resource) - self._places.keys():
            found = self.find(reference)
            if found:
                self._places[reference] = f"{found[0]['resourceType']}/{found[0]['id']}"

    def _undo(self, why: WriteError) -> None:
        for write, before in reversed(self._done):
            back = undone(write, before)
            if back is None:
                continue
            place = self._places[write.reference]
            body = {**as_sent(back, write.reference, self._places), "id": place.partition("/")[2]}
            self.requests += 1
            failpoint("server:before-undo")
            try:
                self.server.put(WriteEntry.of(body, if_match=self._versions[write.reference]))
            except (WriteError, SourceError) as error:
                raise OutcomeUnknownError(
                    f"{why}; what had been written before it could not be taken back ({error}): the next run looks"
                ) from error


def _version(resource: Mapping[str, Any]) -> str | None:
    found = (resource.get("meta") or {}).get("versionId")
    return found if isinstance(found, str) else None
