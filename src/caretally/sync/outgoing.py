"""From change sets to the sink: intents first, then the parcels, then what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.store import outbox
from caretally.sync.failpoints import failpoint
from caretally.sync.recovery import record
from caretally.sync.report import FailedWrite, RunReport
from caretally.sync.writes import Parcel, Write, idempotency_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.billing import ChangeSet
    from caretally.store.locking import Hold
    from caretally.store.opening import Store
    from caretally.sync.writes import Sink


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """Collects change sets and delivers them in lots.

    Attributes:
        at_once: parcels of one lot; a folder replaces whole files for each, a server takes one at a time.
        hold: asked before each lot whether the store is still ours.
    """

    store: Store
    sink: Sink
    source_key: str
    report: RunReport
    now: Callable[[], str]
    at_once: int
    hold: Hold | None = None
    _failed_before: set[outbox.ClaimOf] = field(init=False)
    _anew: set[outbox.ClaimOf] = field(default_factory=set)
    _intents: list[outbox.Intent] = field(default_factory=list)
    _parcels: list[Parcel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._failed_before = outbox.failed_claims(self.store, self.report.service_month)

    def add(self, change_set: ChangeSet, *, person: str | None = None) -> None:
        """Take a change set; what an earlier run could not write of the same claim is off the list with it.

        Args:
            change_set: of one patient-month.
            person: whose it is where that is another Patient record than the one it names: what is taken back of one
                record goes out before what is claimed for the other.
        """
        identity = change_set.identity
        claim = (identity.patient, str(identity.service_month), identity.billing_practitioner or "")
        if claim in self._failed_before:
            self._anew.add(claim)
        if not change_set.changes:
            return
        writes = tuple(Write.of(change) for change in change_set.changes)
        intent = outbox.Intent(
            id=uuid4().hex,
            idempotency_key=idempotency_key(change_set),
            run_id=self.report.run_id,
            source=self.source_key,
            patient=identity.patient,
            service_month=str(identity.service_month),
            practitioner=identity.billing_practitioner,
            action=change_set.action,
            created_at=self.now(),
            document={"revision": change_set.revision, "writes": [write.to_json() for write in writes]},
        )
        self._intents.append(intent)
        self._parcels.append(Parcel(intent_id=intent.id, writes=writes, person=person or identity.patient))

    def deliver_if_full(self) -> None:
        """Deliver when a lot is together."""
        if len(self._parcels) >= self.at_once:
            self.deliver()

    def deliver(self) -> None:
        """Commit the intents, deliver the parcels, record what became of them.

        Raises:
            WriteError: the sink or the store cannot be written; the intents stay open for the next run.
            LockedError: somebody else may have the store by now; nothing of the lot was sent.
        """
        if self._anew:
            outbox.withdraw_failed(self.store, self._anew, at=self.now(), why="decided anew by a later run")
            self._failed_before -= self._anew
            self._anew = set()
        if not self._parcels:
            return
        if self.hold is not None:
            self.hold.check()
        outbox.add_intents(self.store, self._intents)
        failpoint("intents-committed")
        deliveries = self.sink.deliver(self._parcels)
        failpoint("delivered")
        record(self.store, deliveries, self.now())
        failpoint("outcomes-committed")
        for intent, parcel, delivery in zip(self._intents, self._parcels, deliveries, strict=True):
            if delivery.found:
                self.report.found += 1
                continue
            if delivery.state == "applied":
                self.report.writes.update(
                    Counter((write.kind, str(write.resource["resourceType"])) for write in parcel.writes)
                )
                continue
            self.report.failed.append(
                FailedWrite(
                    patient=intent.patient,
                    service_month=intent.service_month,
                    practitioner=intent.practitioner,
                    state=delivery.state,
                    message=delivery.message,
                    said=delivery.said,
                )
            )
        self._intents, self._parcels = [], []
