"""What is sent to a sink, as it stands in the outbox: whole resources with the version each one is to replace."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Protocol

from caretally.facts import exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from caretally.billing import Change, ChangeSet
    from caretally.store.outbox import IntentState
    from caretally.store.staging import StagingWriter
    from caretally.sync.sinks.way import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One resource to be put.

    Attributes:
        kind: ``create`` where nothing may be on file, else ``update``.
        resource: amounts as Decimal.
        expected: version that must be on file; None where the sink keeps none.
    """

    kind: Literal["create", "update"]
    resource: Mapping[str, Any] = field(repr=False)
    expected: str | None = None

    @property
    def reference(self) -> str:
        """Return ``Type/id``."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @classmethod
    def of(cls, change: Change) -> Write:
        """Make the write of a planned change."""
        return cls(kind=change.kind, resource=change.resource, expected=change.if_match)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Write:
        """Read a write of the outbox."""
        return cls(kind=row["kind"], resource=row["resource"], expected=row["expected"])

    def to_json(self) -> dict[str, Any]:
        """Return the write for the outbox."""
        return {"kind": self.kind, "expected": self.expected, "resource": self.resource}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """All writes of one patient-month, to be carried out together, in this order.

    Attributes:
        person: whose parcels are carried out one after the other, in their order; empty: it stands alone.
    """

    intent_id: str
    writes: tuple[Write, ...]
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a parcel.

    Attributes:
        state: applied, refused, conflict, unknown, or waiting: nothing was sent, and the next run sends it.
        message: for a person, without patient data; empty when applied.
        said: the sink's own words; may hold patient data.
        outcome: the server's OperationOutcome, trimmed; may hold patient data.
        versions: by reference, for what was written.
        found: it was there already, written by somebody else who decided the same.
    """

    intent_id: str
    state: IntentState
    message: str = ""
    said: tuple[str, ...] = field(default=(), repr=False)
    outcome: Mapping[str, Any] | None = field(default=None, repr=False)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    found: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the outcome for the outbox."""
        return {
            "found": self.found,
            "message": self.message,
            "said": list(self.said),
            "versions": dict(self.versions),
            **({"outcome": self.outcome} if self.outcome is not None else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSink:
    """A resource as the sink holds it now."""

    resource: Mapping[str, Any] = field(repr=False)
    version: str | None


class Sink(Protocol):
    """Where answers and claims go."""

    @property
    def target(self) -> str:
        """What the store of this sink is bound to: ``folder:.`` or ``server:`` and the base URL."""

    @property
    def description(self) -> str:
        """What a message calls the sink."""

    @property
    def keeps_versions(self) -> bool:
        """Whether what is on file has versions that guard a change."""

    @property
    def requests(self) -> int:
        """How many requests were made so far."""

    def way(self) -> Way | None:
        """Say how a server is written to, which may be found out only by writing; None for a folder."""

    def check(self) -> None:
        """Refuse a sink that cannot be written at all; raises WriteError or UsageError."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs out; raises LockedError when one is in."""

    def stage_on_file(self, writer: StagingWriter, patients: Sequence[str]) -> None:
        """Stage the claims and charges of ours that the sink holds, where the source does not bring them."""

    def look(self, references: Sequence[str]) -> dict[str, OnSink]:
        """Give what the sink holds of some resources now; absent where it holds none."""

    def deliver(self, parcels: Sequence[Parcel]) -> list[Delivery]:
        """Carry out parcels, each wholly or, as far as the sink can, not at all; one delivery for each."""


def idempotency_key(change_set: ChangeSet) -> str:
    """Return a digest that is equal for equal changes to the same claim, whenever they are planned."""
    content = [[change.kind, change.name, change.if_match, _timeless(change.resource)] for change in change_set.changes]
    return sha256(exact_json.canonical([change_set.identity.key, content])).hexdigest()


def _timeless(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key not in {"created", "recorded", "enteredDate"}}
