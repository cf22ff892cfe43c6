"""The Provenance of a person's decision: who decided what, when and why, about which resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.billing.bindings import check_own_id
from caretally.billing.change_set import Change, create
from caretally.billing.context import Decision
from caretally.billing.identity import digest_id
from caretally.billing.lines import coding, reference
from caretally.billing.provenance import DECISION, person, software
from caretally.billing.validate import validate
from caretally.facts.codes import CANONICAL
from caretally.facts.decision import DecisionKind

if TYPE_CHECKING:
    from caretally.billing.context import BillingContext
    from caretally.facts.decision import DecisionRecord

SERVICE_MONTH = f"{CANONICAL}/identifier/service-month"
DECISION_KIND = f"{CANONICAL}/CodeSystem/decision-kind"

_IN_CLAIM = frozenset({DecisionKind.APPROVE, DecisionKind.MARK})
"""Kinds whose Provenance is written with the claim that they change."""


def needs_provenance(decision: DecisionRecord) -> bool:
    """Whether a decision has a Provenance of its own."""
    return decision.kind not in _IN_CLAIM


def decision_provenance(decision: DecisionRecord, context: BillingContext) -> Change:
    """Return the creation of the Provenance of a decision; the same decision always gets the same id.

    Raises:
        BillingError: we built something that is not FHIR, a fault of ours.
    """
    by = Decision(by=decision.who, at=decision.at, reason=decision.why)
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": f"pv-{digest_id('decision', context.tenant, decision.id)}",
        "target": [_target(decision)],
        "occurredDateTime": decision.at,
        "recorded": decision.at,
        "reason": [{**coding(DECISION_KIND, decision.kind), **({"text": decision.why} if decision.why else {})}],
        "activity": coding("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE"),
        "agent": [person(by), software(context)],
        "entity": [{"role": "source", "what": {"identifier": {"system": DECISION, "value": decision.id}}}],
    }
    check_own_id(resource)
    validate(resource)
    return create(resource)


def _target(decision: DecisionRecord) -> dict[str, Any]:
    """Return what a decision is about: the resource, the patient, an earlier decision, or the month of everybody."""
    about = decision.resource or decision.patient
    if about.startswith("Decision/"):
        return {"identifier": {"system": DECISION, "value": about.removeprefix("Decision/")}}
    if about:
        return reference(about)
    return {"identifier": {"system": SERVICE_MONTH, "value": decision.service_month or "all"}}
