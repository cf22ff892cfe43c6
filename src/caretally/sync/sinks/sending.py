"""Sending one patient-month with ids of ours: in one transaction, or resource by resource and undone if one fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.billing.content import CLAIM_WITHDRAWAL, with_extension
from caretally.errors import SourceError, WriteError
from caretally.fhir.errors import OutcomeUnknownError, VersionConflictError, WriteNotSentError, WriteRefusedError
from caretally.fhir.writing import WriteEntry
from caretally.sync.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caretally.fhir.server import FhirServer
    from caretally.fhir.writing import EntryOutcome
    from caretally.sync.writes import OnSink, Write

_SERVER_ONLY = ("versionId", "lastUpdated", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of a parcel that was sent whole.

    Attributes:
        versions: by reference with the id of ours.
        remarks: what a person should know.
    """

    versions: Mapping[str, str | None]
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, outcomes: Sequence[EntryOutcome]) -> Sent:
        """Make it of what the server said about each entry."""
        ignored = [outcome.url for outcome in outcomes if outcome.precondition_ignored]
        return cls(
            versions={outcome.url: outcome.version for outcome in outcomes},
            remarks=tuple(f"{url}: the server did not honour If-None-Match" for url in ignored),
        )


def entry_of(write: Write, *, star: bool) -> WriteEntry:
    """Return the entry of a write; `star`: a creation asks that nothing is there."""
    return WriteEntry.of(write.resource, if_match=write.expected, if_none_match_star=write.kind == "create" and star)


def send_transaction(server: FhirServer, writes: Sequence[Write], *, star: bool) -> Sent:
    """Send all writes in one transaction.

    Raises:
        WriteError: see `writing.apply_transaction`.
    """
    failpoint("server:before-send")
    outcomes = server.transaction([entry_of(write, star=star) for write in writes])
    failpoint("server:after-send")
    return Sent.of(outcomes)


def send_together(server: FhirServer, parcels: Sequence[Sequence[Write]], *, star: bool) -> list[Sent]:
    """Send the writes of several parcels in one transaction, and give what came of each parcel.

    Raises:
        WriteError: see `writing.apply_transaction`.
    """
    for _ in parcels:
        failpoint("server:before-send")
    outcomes = iter(server.transaction([entry_of(write, star=star) for writes in parcels for write in writes]))
    for _ in parcels:
        failpoint("server:after-send")
    return [Sent.of([next(outcomes) for _ in writes]) for writes in parcels]


@dataclass(slots=True, kw_only=True)
class SingleSender:
    """Sends the writes of a parcel one by one, and undoes what was written when a later one is refused.

    A crash in between is no failure: the next run looks and goes on. What is undone is never deleted: a creation
    is taken back by its status, an update is followed by what was there before.

    Attributes:
        look: gives what the server holds of some references now.
    """

    server: FhirServer
    look: Callable[[Sequence[str]], Mapping[str, OnSink]]
    star: bool
    _done: list[tuple[Write, EntryOutcome]] = field(default_factory=list)

    def send(self, writes: Sequence[Write]) -> Sent:
        """Send.

        Raises:
            VersionConflictError, WriteRefusedError, WriteNotSentError: nothing of the parcel is in force.
            OutcomeUnknownError: part of it may be.
        """
        before = self.look([write.reference for write in writes if write.kind == "update"])
        failpoint("server:before-send")
        for write in writes:
            try:
                outcome = self.server.put(entry_of(write, star=self.star))
            except (WriteRefusedError, WriteNotSentError) as error:
                self._undo(before, error)
                raise
            self._done.append((write, outcome))
            failpoint("server:between-puts")
        failpoint("server:after-send")
        return Sent.of([outcome for _, outcome in self._done])

    def _undo(self, before: Mapping[str, OnSink], why: WriteError) -> None:
        """Take back what was written before an entry was refused.

        Raises:
            OutcomeUnknownError: not all of it could be taken back.
        """
        for write, outcome in reversed(self._done):
            if isinstance(why, VersionConflictError) and not outcome.created and write.kind == "create":
                continue  # somebody else wrote the same before us: not ours to undo
            back = undone(write, before.get(write.reference))
            if back is None:
                continue
            failpoint("server:before-undo")
            try:
                self.server.put(WriteEntry.of(back, if_match=outcome.version))
            except (WriteError, SourceError) as error:
                raise OutcomeUnknownError(
                    f"{why}; what had been written before it could not be taken back ({error}): the next run looks"
                ) from error


def undone(write: Write, before: OnSink | None) -> dict[str, Any] | None:
    """Return what takes a write back; None where nothing has to be."""
    kind = write.resource["resourceType"]
    if write.kind == "update":
        if before is None:
            return None
        kept = {key: value for key, value in before.resource.items() if key != "meta"}
        meta = {k: v for k, v in (before.resource.get("meta") or {}).items() if k not in _SERVER_ONLY}
        return {**kept, **({"meta": meta} if meta else {})}
    if kind not in {"Claim", "ChargeItem"}:
        return None
    status = "cancelled" if kind == "Claim" else "aborted"
    return with_extension({**write.resource, "status": status}, CLAIM_WITHDRAWAL, valueCode="withdrawn")
