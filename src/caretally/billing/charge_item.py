"""ChargeItems: one for each line of a determination."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.billing.content import CLAIM_REVISION, State
from caretally.billing.lines import (
    C4BB_CARE_TEAM_ROLE,
    coding,
    diagnosis_codes,
    entries_of,
    money,
    ordered_lines,
    reference,
)
from caretally.facts.codes import CANONICAL, ICD10CM
from caretally.facts.exact_json import canonical

if TYPE_CHECKING:
    from datetime import date

    from caretally.billing.context import BillingContext
    from caretally.billing.identity import ClaimIdentity
    from caretally.facts.determination import Determination, Line

CHARGE_STATUS = {State.DRAFT: "planned", State.RELEASED: "billable"}
LEDGER_NOTE = "Caretally ledger sha256:"
"""How our note begins; every other note is somebody else's and is kept."""


def charge_items(
    determination: Determination, context: BillingContext, identity: ClaimIdentity, *, revision: int, state: State
) -> tuple[dict[str, Any], ...]:
    """Return the ChargeItems of a determination, in the order of the claim's lines.

    The counted Encounters stand in `supportingInformation`: R4 does not allow an Encounter in `service`.

    The state is ``draft`` (planned) or ``released`` (billable).

    Raises:
        BillingError: a line or a diagnosis is missing or wrong.
    """
    return tuple(
        _charge_item(determination, context, identity, line, revision=revision, state=state)
        for line in ordered_lines(determination)
    )


def definition_canonical(code: str, service_date: date) -> str:
    """Return the canonical of the ChargeItemDefinition of a code in the year of service."""
    return f"{CANONICAL}/ChargeItemDefinition/{code}|{service_date.year}"


def ledger_digest(determination: Determination) -> str:
    """Return the SHA-256 of the minutes ledger; whoever holds the trace can check it."""
    return sha256(canonical([row.to_json() for row in determination.trace.ledger])).hexdigest()


def _charge_item(
    determination: Determination,
    context: BillingContext,
    identity: ClaimIdentity,
    line: Line,
    *,
    revision: int,
    state: State,
) -> dict[str, Any]:
    practitioner = str(determination.billing_practitioner)
    evidence = determination.evidence
    entries = entries_of(determination, line)
    papers = (evidence.consent, evidence.care_plan, evidence.initiating_visit, *evidence.others)
    about = [r for r in papers if r] + list(entries)
    encounters = [entry for entry in entries if entry.startswith("Encounter/")]
    resource: dict[str, Any] = {
        "resourceType": "ChargeItem",
        "id": identity.charge_item_id(revision, line.code, line.service_date),
        "extension": [{"url": CLAIM_REVISION, "valueUnsignedInt": revision}],
        "identifier": identity.charge_item_identifiers(revision, line.code, line.service_date),
        "definitionCanonical": [line.definition or definition_canonical(line.code, line.service_date)],
        "status": CHARGE_STATUS[state],
        "code": coding(line.system, line.code),
        "subject": reference(determination.patient),
    }
    if len(encounters) == 1:
        resource["context"] = reference(encounters[0])
    resource |= {
        "occurrenceDateTime": line.service_date.isoformat(),
        "performer": [{"function": coding(C4BB_CARE_TEAM_ROLE, "rendering"), "actor": reference(practitioner)}],
    }
    if determination.organization:
        resource["performingOrganization"] = reference(determination.organization)
    resource["quantity"] = {"value": line.units}
    if line.charge is not None:
        resource["priceOverride"] = money(line.charge)
    resource["enteredDate"] = context.recorded
    codes = diagnosis_codes(determination)
    own = [code for code in line.diagnoses if code in codes] or codes
    resource["reason"] = [coding(ICD10CM, code) for code in own]
    if about:
        resource["supportingInformation"] = [reference(target) for target in dict.fromkeys(about)]
    resource["note"] = [{"text": LEDGER_NOTE + ledger_digest(determination)}]
    return resource
