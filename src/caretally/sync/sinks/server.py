"""A FHIR server as sink: each patient-month whole, by the best way of writing that the server offers."""

from __future__ import annotations

import threading
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
from caretally.sync.sinks.landed import all_landed, landed, may_be_sent
from caretally.sync.sinks.sending import Sent, SingleSender, send_together, send_transaction
from caretally.sync.sinks.turns import Turn, turns
from caretally.sync.sinks.way import BY_IDENTIFIER, Way, way_of
from caretally.sync.workers import Workers
from caretally.sync.writes import Delivery, OnSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer
    from caretally.store.outbox import IntentState
    from caretally.store.staging import StagingWriter
    from caretally.sync.writes import Parcel

_CHUNK = 50
_PATIENCE = (0.0, 0.25, 0.5, 1.0)
"""Seconds before each look at what another adapter has written in part."""
_TRIES = 3
PRECONDITION_FAILED = 412


@dataclass(slots=True, kw_only=True)
class ServerSink:
    """Writes each change guarded by the version that it was planned for.

    Attributes:
        strategy: how to write, where the configuration says so; None: the best way that the server offers.
        in_flight: requests that write on their way at one time; what is one person's goes one after the other.
        together: patient-months in one transaction at most; one that is refused is sent again in its parts.

    Raises:
        WriteError: the server offers no safe way to write (`check`).
    """

    server: FhirServer
    resource_types: Mapping[str, ResourceType]
    written_types: tuple[str, ...] = ("ChargeItem", "Claim", "Provenance")
    strategy: WriteStrategy | None = None
    in_flight: int = 1
    together: int = 1
    requests: int = 0
    _way: Way | None = field(default=None)
    _star_works: bool = field(default=True)
    """False once the server has refused If-None-Match: * for something that is not there."""
    _proved: bool = field(default=False)
    """True once a parcel was written in this way: what is tried out is tried out by one parcel alone."""
    _stopped: str = field(default="")
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False)

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
                    self._count(1)
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
        self._count(1)
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
            self._count(sender.requests)

    def deliver(self, parcels: Sequence[Parcel]) -> list[Delivery]:
        """Send parcels, several at a time where the server is known to take them; one that fails keeps no other back.

        Parcels of one person go one after the other, in their order. Where nothing can be sent any more, what has
        not been begun is not tried: each would wait as long as the first.
        """
        self._stopped = ""
        done: dict[str, Delivery] = {}
        left = list(parcels)
        while left and not self._proved:
            self._take(left.pop(0), done)
        together = self.together if self.way().strategy is WriteStrategy.TRANSACTION else 1
        todo = turns(left, together)
        if self.in_flight == 1 or len(todo) == 1:
            for turn in todo:
                self._take_turn(turn, done)
        else:
            stop = threading.Event()
            workers = Workers(lambda turn: self._take_turn(turn, done), todo, threads=self.in_flight, stop=stop)
            for _ in workers.results():
                pass
        return [done[parcel.intent_id] for parcel in parcels]

    def _take_turn(self, turn: Turn, done: dict[str, Delivery]) -> None:
        """Deliver what goes in one transaction, or one after the other."""
        if turn.together and not self._stopped and self._take_together(turn.parcels, done):
            return
        for parcel in turn.parcels:
            self._take(parcel, done)

    def _take_together(self, parcels: Sequence[Parcel], done: dict[str, Delivery]) -> bool:
        """Send parcels in one transaction; False where it was refused, so that each has to be sent alone."""
        self._count(1)
        try:
            sent = send_together(self.server, [parcel.writes for parcel in parcels], star=self._star_works)
        except OutcomeUnknownError as error:
            self.together = 1  # one of them may be what the server stumbles over
            done |= {parcel.intent_id: self._after_silence(parcel, error) for parcel in parcels}
        except WriteNotSentError as error:
            self._stopped = str(error)
            done |= {parcel.intent_id: _failed(parcel, "waiting", str(error)) for parcel in parcels}
        except WriteRefusedError:
            return False
        else:
            done |= {parcel.intent_id: _applied(parcel, one) for parcel, one in zip(parcels, sent, strict=True)}
        return True

    def _take(self, parcel: Parcel, done: dict[str, Delivery]) -> None:
        """Deliver one parcel, unless an earlier one has shown that nothing can be sent."""
        if self._stopped:
            message = f"not sent, because of an earlier one: {self._stopped}"
            done[parcel.intent_id] = _failed(parcel, "waiting", message)
            return
        try:
            delivery = self._deliver(parcel)
        except WriteNotSentError as error:
            self._stopped = str(error)
            delivery = _failed(parcel, "waiting", str(error))
        self._proved = self._proved or (delivery.state == "applied" and self.way().otherwise is None)
        done[parcel.intent_id] = delivery

    def _count(self, requests: int) -> None:
        with self._counting:
            self.requests += requests

    def _deliver(self, parcel: Parcel, tried: int = 0) -> Delivery:
        """Send a parcel; `tried`: how often a conflict turned out to be none."""
        way, star = self.way(), self._star_works
        try:
            sent = self._send(parcel, way.strategy, star=star)
        except VersionConflictError as error:
            return self._after_conflict(parcel, error, star=star, tried=tried)
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

    def _send(self, parcel: Parcel, strategy: WriteStrategy, *, star: bool) -> Sent:
        self.check()
        if strategy is WriteStrategy.TRANSACTION:
            self._count(1)
            return send_transaction(self.server, parcel.writes, star=star)
        if strategy is WriteStrategy.SINGLE_PUT:
            self._count(len(parcel.writes))
            return SingleSender(server=self.server, look=self.look, star=star).send(parcel.writes)
        sender = IdentifiedSender(server=self.server, strategy=strategy)
        try:
            return sender.send(parcel.writes)
        finally:
            self._count(sender.requests)

    def _after_conflict(self, parcel: Parcel, error: VersionConflictError, *, star: bool, tried: int) -> Delivery:
        """Look what stands against a parcel: somebody's change, the same change by another adapter, or nothing.

        Nothing stands against it where the server only does not know If-None-Match: *, or refused one of two
        transactions that touched the same rows of its tables: it is sent once more. What another adapter has written
        in part is left to that one: it is looked at again after a while whether all of it is there.
        """
        for wait in _PATIENCE:
            if wait:
                self.server.pause(wait)
            held = self._look_at(parcel)
            if held is None:
                return _refused(parcel, "unknown", error)
            if all_landed(parcel.writes, held):
                return replace(_landed(parcel, held), found=True)
            missing = [write for write in parcel.writes if not landed(write, held.get(write.reference))]
            if not all(may_be_sent(write, held.get(write.reference)) for write in missing):
                break
            if len(missing) == len(parcel.writes):
                return self._once_more(parcel, error, star=star, tried=tried)
        return _refused(parcel, "conflict", error)

    def _once_more(self, parcel: Parcel, error: VersionConflictError, *, star: bool, tried: int) -> Delivery:
        """Send a parcel again against which nothing stands; after a precondition failed, without If-None-Match: *."""
        if tried == _TRIES:
            return _refused(parcel, "conflict", error)
        creates = any(write.kind == "create" for write in parcel.writes)
        plain = self.way().strategy not in BY_IDENTIFIER
        if error.status == PRECONDITION_FAILED and not (star and creates and plain):
            return _refused(parcel, "conflict", error)
        if star and creates and plain and (error.status == PRECONDITION_FAILED or tried):
            self._star_works = False
        return self._deliver(parcel, tried + 1)

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
