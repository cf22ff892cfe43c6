"""ClaimResponses that were read with a patient move our claims along, without a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.billing import ApprovalRefusedError, Decision
from caretally.billing.identity import identity_of
from caretally.billing.payer_answer import claim_responses
from caretally.sync.advancing import keep_answer, moved_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.billing import BillingContext, ChangeSet, ClaimIdentity, OnFile
    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.payer_answer import PayerAnswer
    from caretally.store.opening import Store
    from caretally.sync.deciding import PatientRecord

PAYER = "payer"
"""Who decided, where a ClaimResponse says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a payer answered to one claim of ours, and the changes that it asks for."""

    identity: ClaimIdentity
    answer: PayerAnswer
    changes: ChangeSet
    on_file: tuple[OnFile, ...]


def responses(record: PatientRecord, month: ServiceMonth, billing: BillingContext) -> Iterator[Response]:
    """Give the answers to claims of a month that say something new.

    An answer to a claim that was taken back since, or was never released, is no step of the claim that counts.

    Raises:
        BillingError: a fault of ours.
    """
    answered = claim_responses(record.resources)
    own: dict[ClaimIdentity, list[OnFile]] = {}
    for one in record.own if answered else ():
        identity = identity_of(one.resource, billing.tenant)
        if identity is not None and identity.service_month == month:
            own.setdefault(identity, []).append(one)
    for identity, on_file in own.items():
        live = [
            o.resource for o in on_file if o.resource["resourceType"] == "Claim" and o.resource["status"] == "active"
        ]
        answer = answered.get(f"Claim/{live[-1]['id']}") if live else None
        if answer is None:
            continue
        decision = Decision(by=PAYER, at=billing.recorded, reason=answer.source)
        try:
            changes = moved_on(identity, on_file, billing, answer, decision)
        except ApprovalRefusedError:
            continue
        if changes.changes:
            yield Response(identity=identity, answer=answer, changes=changes, on_file=tuple(on_file))


def keep_response(store: Store, response: Response, at: str) -> None:
    """Keep what a payer answered."""
    decision = Decision(by=PAYER, at=at, reason=response.answer.source)
    name = f"{uuid4().hex}"
    keep_answer(store, response.identity, response.answer, response.on_file, decision, name)
