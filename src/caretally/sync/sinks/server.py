"""A FHIR server as sink: each patient-month in one transaction, or resource by resource where there is none."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from caretally.errors import SourceError, WriteError
from caretally.fhir.capability import WriteStrategy
from caretally.fhir.errors import OutcomeUnknownError, VersionConflictError, WriteNotSentError, WriteRefusedError
from caretally.fhir.writing import WriteEntry
from caretally.sync.failpoints import failpoint
from caretally.sync.resources import patient_of, write_body
from caretally.sync.sinks.folder import is_ours
from caretally.sync.sinks.landed import all_landed
from caretally.sync.writes import Delivery, OnSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer
    from caretally.fhir.writing import EntryOutcome
    from caretally.store.staging import StagingWriter
    from caretally.sync.writes import Parcel, Write

_CHUNK = 50
_SAFE = frozenset({WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT})


@dataclass(slots=True, kw_only=True)
class ServerSink:
    """Writes with ids of ours, each change guarded by the version that it was planned for.

    Raises:
        WriteError: the server offers no safe way to write (`check`).
    """

    server: FhirServer
    resource_types: Mapping[str, ResourceType]
    written_types: tuple[str, ...] = ("ChargeItem", "Claim", "Provenance")
    requests: int = 0
    _strategy: WriteStrategy | None = field(default=None)
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

    def check(self) -> None:
        """Choose the way of writing.

        Raises:
            WriteError: none of ours is offered.
            SourceError: the server cannot be asked.
        """
        if self._strategy is None:
            choice = self.server.write_strategy(self.written_types)
            strategy = choice.strategy if choice.strategy in _SAFE else self._by_trial()
            if strategy is None:
                raise WriteError(
                    f"{self.description} cannot be written safely ({choice.reason}). Caretally needs updates with ids "
                    "of its own (updateCreate); give --out FOLDER to have the claims as files instead"
                )
            self._strategy = strategy

    def _by_trial(self) -> WriteStrategy | None:
        """Return the way of writing where the server offers updates and says nothing about ids of ours.

        HAPI takes them and does not say so. A server that does not take them refuses, and nothing is written.
        """
        capabilities = self.server.capabilities()
        kinds = [capabilities.resource(name) for name in self.written_types]
        if any("update" not in kind.interactions or kind.update_create is False for kind in kinds):
            return None
        return WriteStrategy.TRANSACTION if capabilities.transaction else WriteStrategy.SINGLE_PUT

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
            kind, _, name = reference.partition("/")
            self.requests += 1
            result = self.server.read(kind, name, exact=True)
            if result is not None and result.resource is not None:
                found[reference] = OnSink(resource=result.resource, version=result.version)
        return found

    def deliver(self, parcels: Sequence[Parcel]) -> list[Delivery]:
        """Send parcels one after the other; one that fails does not keep the others back.

        Where nothing can be sent any more, the rest is not tried: each would wait as long as the first.
        """
        deliveries: list[Delivery] = []
        stopped = ""
        for parcel in parcels:
            if stopped:
                deliveries.append(_failed(parcel, "refused", f"not sent, because of an earlier one: {stopped}"))
                continue
            try:
                deliveries.append(self._deliver(parcel))
            except WriteNotSentError as error:
                stopped = str(error)
                deliveries.append(_failed(parcel, "refused", stopped))
        return deliveries

    def _deliver(self, parcel: Parcel) -> Delivery:
        try:
            outcomes = self._send(parcel.writes)
        except VersionConflictError as error:
            return self._after_conflict(parcel, error)
        except OutcomeUnknownError as error:
            return self._after_silence(parcel, error)
        except WriteRefusedError as error:
            return _failed(parcel, "refused", str(error), _words(error))
        return _applied(parcel, outcomes)

    def _send(self, writes: Sequence[Write]) -> list[EntryOutcome]:
        entries = [self._entry(write) for write in writes]
        self.check()
        failpoint("server:before-send")
        if self._strategy is WriteStrategy.TRANSACTION:
            self.requests += 1
            outcomes = self.server.transaction(entries)
        else:
            outcomes = []
            for entry in entries:
                self.requests += 1
                outcomes.append(self.server.put(entry))
                failpoint("server:between-puts")
        failpoint("server:after-send")
        return outcomes

    def _entry(self, write: Write) -> WriteEntry:
        star = write.kind == "create" and self._star_works
        return WriteEntry.of(write.resource, if_match=write.expected, if_none_match_star=star)

    def _after_conflict(self, parcel: Parcel, error: VersionConflictError) -> Delivery:
        """Look whether somebody else wrote the same, or the server only does not know If-None-Match: *."""
        held = self._look_at(parcel)
        if held is None:
            return _failed(parcel, "unknown", str(error), _words(error))
        if all_landed(parcel.writes, held):
            return replace(_applied(parcel, [], held), found=True)
        creations = [write for write in parcel.writes if write.kind == "create"]
        nothing_there = not any(write.reference in held for write in creations)
        unguarded = self._star_works and creations and nothing_there and _unchanged(parcel.writes, held)
        if not unguarded:
            return _failed(parcel, "conflict", str(error), _words(error))
        self._star_works = False
        return self._deliver(parcel)

    def _after_silence(self, parcel: Parcel, error: OutcomeUnknownError) -> Delivery:
        """Look what became of a request whose answer was lost; what is not clear is left to the next run."""
        held = self._look_at(parcel)
        if held is not None and all_landed(parcel.writes, held):
            return _applied(parcel, [], held)
        return _failed(parcel, "unknown", str(error))

    def _look_at(self, parcel: Parcel) -> dict[str, OnSink] | None:
        try:
            return self.look([write.reference for write in parcel.writes])
        except SourceError:
            return None


def _unchanged(writes: Sequence[Write], held: Mapping[str, OnSink]) -> bool:
    updates = [write for write in writes if write.kind == "update"]
    return all((now := held.get(write.reference)) is not None and now.version == write.expected for write in updates)


def _applied(parcel: Parcel, outcomes: Sequence[EntryOutcome], held: Mapping[str, OnSink] | None = None) -> Delivery:
    versions = {outcome.url: outcome.version for outcome in outcomes}
    versions |= {reference: now.version for reference, now in (held or {}).items()}
    remarks = [outcome.url for outcome in outcomes if outcome.precondition_ignored]
    said = tuple(f"{url}: the server did not honour If-None-Match" for url in remarks)
    return replace(Delivery(intent_id=parcel.intent_id, state="applied", versions=versions), said=said)


def _failed(parcel: Parcel, state: str, message: str, said: tuple[str, ...] = ()) -> Delivery:
    return Delivery(intent_id=parcel.intent_id, state=state, message=message, said=said)  # type: ignore[arg-type]


def _words(error: WriteRefusedError) -> tuple[str, ...]:
    return tuple(issue.text for issue in error.issues if issue.text)
