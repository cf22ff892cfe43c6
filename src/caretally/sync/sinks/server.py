"""A FHIR server as sink: each patient-month whole, by the best way of writing that the server offers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from caretally.errors import SourceError, WriteError
from caretally.fhir.capability import HOW, WriteStrategy
from caretally.fhir.errors import OutcomeUnknownError, VersionConflictError, WriteNotSentError, WriteRefusedError
from caretally.fhir.outcome import operation_outcome
from caretally.sync.own_ids import is_own_id
from caretally.sync.resources import patient_of, write_body
from caretally.sync.sinks.folder import is_ours
from caretally.sync.sinks.identified import IdentifiedSender
from caretally.sync.sinks.landed import all_landed
from caretally.sync.sinks.sending import Sent, SingleSender, send_transaction
from caretally.sync.sinks.way import BY_IDENTIFIER, Way, way_of
from caretally.sync.writes import Delivery, OnSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer
    from caretally.store.outbox import IntentState
    from caretally.store.staging import StagingWriter
    from caretally.sync.writes import Parcel, Write

_CHUNK = 50


@dataclass(slots=True, kw_only=True)
class ServerSink:
    """Writes each change guarded by the version that it was planned for.

    Attributes:
        strategy: how to write, where the configuration says so; None: the best way that the server offers.

    Raises:
        WriteError: the server offers no safe way to write (`check`).
    """

    server: FhirServer
    resource_types: Mapping[str, ResourceType]
    written_types: tuple[str, ...] = ("ChargeItem", "Claim", "Provenance")
    strategy: WriteStrategy | None = None
    requests: int = 0
    _way: Way | None = field(default=None)
    _star_works: bool = field(default=True)
    """False once the server has refused If-None-Match: * for something that is not there."""

    @property
    def target(self) -> str:
        """Return the binding of this server's store."""
        return f"server:{self.server.base_url}"

    @property
    def description(self) -> str:
        """Return the base URL."""
        return self.server.base_url

    @property
    def keeps_versions(self) -> bool:
        """Return whether what is on file has versions that guard a change."""
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock nothing: a server is locked by its store, and other machines are met by ids and versions."""
        yield

    def way(self) -> Way:
        """Return how changes are written, and why so.

        Raises:
            ConfigurationError: the configuration wants a way that the server does not offer.
            SourceError: the server cannot be asked.
        """
        if self._way is None:
            choice = self.server.write_strategy(self.written_types)
            self._way = way_of(choice, self.server.capabilities(), self.written_types, self.strategy)
        return self._way

    def check(self) -> None:
        """Choose the way of writing.

        Raises:
            WriteError: none of ours is offered, or the configuration wants files only.
            ConfigurationError, SourceError: see `way`.
        """
        way = self.way()
        if way.strategy is WriteStrategy.EXPORT_ONLY:
            raise WriteError(
                f"{self.description} cannot be written safely ({way.reason}). Caretally needs updates with ids of its "
                "own (updateCreate), or conditional creation; give --out FOLDER to have the claims as files instead"
            )

    def stage_on_file(self, writer: StagingWriter, patients: Sequence[str]) -> None:
        """Stage the claims and charges of ours that the server holds for some patients.

        Raises:
            SourceError, IncompletePullError: what is on file is not known, so nothing may be planned.
        """
        for name in ("ChargeItem", "Claim"):
            kind = self.resource_types[name]
            for start in range(0, len(patients), _CHUNK):
                chunk = set(patients[start : start + _CHUNK])
                ids = ",".join(sorted(patient.partition("/")[2] for patient in chunk))
                parameters = [(str(kind.patient_search), ids)]
                for page in self.server.search(name, parameters, exact=True, fresh=True):
                    self.requests += 1
                    for resource in page.resources:
                        patient = patient_of(resource, kind)
                        if patient in chunk and is_ours(resource):
                            place = f"{name}/{resource['id']}"
                            body = write_body(resource)
                            writer.add(name, str(resource["id"]), patient=patient, place=place, body=body)

    def look(self, references: Sequence[str]) -> dict[str, OnSink]:
        """Read some resources as they are now.

        Raises:
            SourceError: the server cannot be asked.
        """
        found: dict[str, OnSink] = {}
        for reference in references:
            held = self._read(reference) or self._find(reference)
            if held is not None:
                found[reference] = held
        return found

    def _read(self, reference: str) -> OnSink | None:
        if self.way().strategy in BY_IDENTIFIER and is_own_id(reference):
            return None
        kind, _, name = reference.partition("/")
        self.requests += 1
        result = self.server.read(kind, name, exact=True)
        if result is None or result.resource is None:
            return None
        return OnSink(resource=result.resource, version=result.version)

    def _find(self, reference: str) -> OnSink | None:
        """Find what the server keeps under an id of its own."""
        strategy = self.way().otherwise or self.way().strategy
        if strategy not in BY_IDENTIFIER:
            return None
        sender = IdentifiedSender(server=self.server, strategy=strategy)
        try:
            return sender.look(reference)
        finally:
            self.requests += sender.requests

    def deliver(self, parcels: Sequence[Parcel]) -> list[Delivery]:
        """Send parcels one after the other; one that fails does not keep the others back.

        Where nothing can be sent any more, the rest is not tried: each would wait as long as the first.
        """
        deliveries: list[Delivery] = []
        stopped = ""
        for parcel in parcels:
            if stopped:
                deliveries.append(_failed(parcel, "waiting", f"not sent, because of an earlier one: {stopped}"))
                continue
            try:
                deliveries.append(self._deliver(parcel))
            except WriteNotSentError as error:
                stopped = str(error)
                deliveries.append(_failed(parcel, "waiting", stopped))
        return deliveries

    def _deliver(self, parcel: Parcel) -> Delivery:
        way = self.way()
        try:
            sent = self._send(parcel, way.strategy)
        except VersionConflictError as error:
            return self._after_conflict(parcel, error)
        except OutcomeUnknownError as error:
            return self._after_silence(parcel, error)
        except WriteRefusedError as error:
            if way.otherwise is not None:
                return self._otherwise(parcel, way.otherwise, error)
            return _refused(parcel, "refused", error)
        if way.otherwise is not None:  # it takes ids of ours
            self._way = replace(way, otherwise=None)
        return _applied(parcel, sent)

    def _otherwise(self, parcel: Parcel, strategy: WriteStrategy, refusal: WriteRefusedError) -> Delivery:
        """Try the next way where a server that did not promise to take ids of ours has refused something.

        If that is refused too, it was not about the ids.
        """
        before = self._way
        self._way = Way(strategy=strategy, reason=f"{HOW[strategy]}: the server refused ids of ours ({refusal.status})")
        delivery = self._deliver(parcel)
        if delivery.state == "refused":
            self._way = before
        return delivery

    def _send(self, parcel: Parcel, strategy: WriteStrategy) -> Sent:
        self.check()
        if strategy is WriteStrategy.TRANSACTION:
            self.requests += 1
            return send_transaction(self.server, parcel.writes, star=self._star_works)
        if strategy is WriteStrategy.SINGLE_PUT:
            self.requests += len(parcel.writes)
            return SingleSender(server=self.server, look=self.look, star=self._star_works).send(parcel.writes)
        sender = IdentifiedSender(server=self.server, strategy=strategy)
        try:
            return sender.send(parcel.writes)
        finally:
            self.requests += sender.requests

    def _after_conflict(self, parcel: Parcel, error: VersionConflictError) -> Delivery:
        """Look whether somebody else wrote the same, or the server only does not know If-None-Match: *."""
        held = self._look_at(parcel)
        if held is None:
            return _refused(parcel, "unknown", error)
        if all_landed(parcel.writes, held):
            return replace(_landed(parcel, held), found=True)
        creations = [write for write in parcel.writes if write.kind == "create"]
        nothing_there = not any(write.reference in held for write in creations)
        plain = self.way().strategy not in BY_IDENTIFIER
        unguarded = plain and self._star_works and creations and nothing_there and _unchanged(parcel.writes, held)
        if not unguarded:
            return _refused(parcel, "conflict", error)
        self._star_works = False
        return self._deliver(parcel)

    def _after_silence(self, parcel: Parcel, error: OutcomeUnknownError) -> Delivery:
        """Look what became of a request whose answer was lost; what is not clear is left to the next run."""
        held = self._look_at(parcel)
        if held is not None and all_landed(parcel.writes, held):
            return _landed(parcel, held)
        return _failed(parcel, "unknown", str(error))

    def _look_at(self, parcel: Parcel) -> dict[str, OnSink] | None:
        try:
            return self.look([write.reference for write in parcel.writes])
        except SourceError:
            return None


def _unchanged(writes: Sequence[Write], held: Mapping[str, OnSink]) -> bool:
    updates = [write for write in writes if write.kind == "update"]
    return all((now := held.get(write.reference)) is not None and now.version == write.expected for write in updates)


def _applied(parcel: Parcel, sent: Sent) -> Delivery:
    return Delivery(intent_id=parcel.intent_id, state="applied", versions=sent.versions, said=sent.remarks)


def _landed(parcel: Parcel, held: Mapping[str, OnSink]) -> Delivery:
    versions = {reference: now.version for reference, now in held.items()}
    return Delivery(intent_id=parcel.intent_id, state="applied", versions=versions)


def _failed(parcel: Parcel, state: IntentState, message: str) -> Delivery:
    return Delivery(intent_id=parcel.intent_id, state=state, message=message)


def _refused(parcel: Parcel, state: IntentState, error: WriteRefusedError) -> Delivery:
    words = tuple(issue.text for issue in error.issues if issue.text)
    return Delivery(
        intent_id=parcel.intent_id,
        state=state,
        message=str(error),
        said=words,
        outcome=operation_outcome(error.issues) if error.issues else None,
    )
