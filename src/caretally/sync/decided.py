"""Brings people's decisions to the sink: one Provenance for each, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.billing import ChangeSet, ClaimIdentity
from caretally.billing.decided import decision_provenance, needs_provenance
from caretally.facts.calendar import ServiceMonth
from caretally.store import outbox
from caretally.sync.writes import idempotency_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caretally.billing import BillingContext
    from caretally.facts.decision import DecisionRecord
    from caretally.store.opening import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedWrites:
    """The Provenance of decisions that the sink does not have yet.

    Attributes:
        month: that of decisions which concern every month.
    """

    store: Store
    billing: BillingContext
    month: ServiceMonth

    def change_sets(self, decisions: Iterable[DecisionRecord]) -> Iterator[ChangeSet]:
        """Give one change set for each decision whose Provenance was not written before.

        Raises:
            BillingError: a fault of ours.
        """
        for one in decisions:
            if not needs_provenance(one):
                continue
            change_set = self._change_set(one)
            if not outbox.was_applied(self.store, idempotency_key(change_set)):
                yield change_set

    def _change_set(self, decision: DecisionRecord) -> ChangeSet:
        month = self.month if decision.service_month is None else ServiceMonth.parse(decision.service_month)
        return ChangeSet(
            identity=ClaimIdentity(
                tenant=self.billing.tenant,
                patient=decision.patient,
                service_month=month,
                billing_practitioner=decision.practitioner,
            ),
            revision=None,
            action="none",
            changes=(decision_provenance(decision, self.billing),),
        )
