"""The one door from a determination to the resources that should stand on file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.billing.bindings import check_own_id
from caretally.billing.change_set import create
from caretally.billing.charge_item import charge_items
from caretally.billing.claim import claim
from caretally.billing.content import State, sealed
from caretally.billing.errors import BillingError
from caretally.billing.identity import ClaimIdentity
from caretally.billing.provenance import CREATE, provenance
from caretally.billing.validate import validate

if TYPE_CHECKING:
    from caretally.billing.claim import Superseded
    from caretally.billing.context import BillingContext
    from caretally.facts.determination import Determination


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What should stand on file, as JSON dicts whose amounts are exact `Decimal`."""

    claim: dict[str, Any] | None
    """None where the site keeps charges only, and where nothing is to be billed."""
    charge_items: tuple[dict[str, Any], ...]
    """Empty where the site keeps claims only, and where nothing is to be billed."""
    provenance: dict[str, Any] | None

    @property
    def resources(self) -> tuple[dict[str, Any], ...]:
        """Return ChargeItems and Claim, in the order in which they are written."""
        return self.charge_items if self.claim is None else (*self.charge_items, self.claim)


NOTHING = Desired(claim=None, charge_items=(), provenance=None)


def desired(determination: Determination, context: BillingContext, *, revision: int = 0) -> Desired:
    """Return the resources of a determination as its first writing would create them, checked.

    Raises:
        BillingError: a fact is missing or we built something that is not FHIR; names resource and element.
    """
    identity = ClaimIdentity.of(determination, context.tenant)
    built = assemble(determination, context, identity, revision=revision, state=starting_state(context))
    if not built.resources:
        return NOTHING
    changes = [create(resource) for resource in built.resources]
    record = provenance(determination, context, identity, changes, activity=CREATE)
    for resource in (*built.resources, record):
        check_own_id(resource)
        validate(resource)
    return Desired(claim=built.claim, charge_items=built.charge_items, provenance=record)


def first_claim(determination: Determination, context: BillingContext) -> dict[str, Any] | None:
    """Return the Claim that a determination asks for, unsealed; None where none is written.

    Raises:
        BillingError: a fact is missing.
    """
    if determination.status != "billable" or context.resources == "charges":
        return None
    identity = ClaimIdentity.of(determination, context.tenant)
    return claim(determination, context, identity, revision=0, state=starting_state(context))


def assemble(
    determination: Determination,
    context: BillingContext,
    identity: ClaimIdentity,
    *,
    revision: int,
    state: State,
    superseded: Superseded | None = None,
) -> Desired:
    """Return the resources of a determination, sealed but not yet checked, without Provenance.

    Raises:
        BillingError: a fact is missing.
    """
    if determination.status != "billable":
        return NOTHING
    if determination.billing_practitioner is None:
        raise BillingError("a billable month has no billing practitioner", where="Claim.provider")
    return Desired(
        claim=(
            sealed(claim(determination, context, identity, revision=revision, state=state, superseded=superseded))
            if context.resources != "charges"
            else None
        ),
        charge_items=(
            tuple(sealed(c) for c in charge_items(determination, context, identity, revision=revision, state=state))
            if context.resources != "claims"
            else ()
        ),
        provenance=None,
    )


def starting_state(context: BillingContext) -> State:
    """Return the state in which this practice writes something new."""
    return State.RELEASED if context.release == "automatic" else State.DRAFT
