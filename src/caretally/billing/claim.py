"""The Claim: one for each patient, month and billing practitioner, all lines on it (billing-rules 2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.billing.content import BILLING_TIN, CLAIM_FREQUENCY, CLAIM_REVISION, State
from caretally.billing.context import policy_of
from caretally.billing.errors import BillingError
from caretally.billing.identity import PAYER_CONTROL_NUMBER
from caretally.billing.lines import (
    C4BB_CARE_TEAM_ROLE,
    coding,
    diagnosis_codes,
    diagnosis_pointers,
    money,
    ordered_lines,
    reference,
    unit_price,
)
from caretally.facts.codes import CANONICAL, ICD10CM, NUCC, TIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.billing.context import BillingContext
    from caretally.billing.identity import ClaimIdentity
    from caretally.facts.determination import Determination, Line

CLAIM_STATUS = {State.DRAFT: "draft", State.RELEASED: "active"}
PLACE_OF_SERVICE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
CARE_TEAM_ROLE = f"{CANONICAL}/CodeSystem/claim-care-team-role"
RENDERING_SEQUENCE = 1
ORIGINAL, REPLACEMENT, VOID = "1", "7", "8"
"""Claim frequency codes of the National Uniform Billing Committee (CLM05-3, box 22)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """The claim that a new one stands for."""

    claim_id: str
    payer_control_number: str | None = None
    frequency: str | None = None
    """`REPLACEMENT` when the payer has the old claim and takes replacements; None: the new claim is an original."""


def claim(
    determination: Determination,
    context: BillingContext,
    identity: ClaimIdentity,
    *,
    revision: int,
    state: State,
    superseded: Superseded | None = None,
) -> dict[str, Any]:
    """Return the Claim of a determination.

    The state is ``draft`` or ``released`` (active); `superseded` is the claim on file that this one stands for.

    Raises:
        BillingError: names the element for which a fact is missing.
    """
    frequency = (superseded.frequency if superseded is not None else None) or ORIGINAL
    extensions: list[dict[str, Any]] = [
        {"url": CLAIM_REVISION, "valueUnsignedInt": revision},
        {"url": CLAIM_FREQUENCY, "valueCode": frequency},
    ]
    tin = context.practice.billing_tin(determination.organization)
    if tin is not None:
        extensions.append({"url": BILLING_TIN, "valueIdentifier": {"system": TIN, "value": tin}})
    if not determination.evidence.coverage:
        raise BillingError("the evidence names no Coverage", where="Claim.insurance[0].coverage")
    month = determination.service_month
    resource: dict[str, Any] = {
        "resourceType": "Claim",
        "id": identity.claim_id(revision),
        "extension": extensions,
        "identifier": identity.claim_identifiers(revision),
        "status": CLAIM_STATUS[state],
        "type": coding("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "claim",
        "patient": reference(determination.patient),
        "billablePeriod": {"start": month.first_day.isoformat(), "end": month.last_day.isoformat()},
        "created": context.created.isoformat(),
    }
    if context.insurer:
        resource["insurer"] = reference(context.insurer)
    resource["provider"] = _provider(determination, context)
    resource["priority"] = coding("http://terminology.hl7.org/CodeSystem/processpriority", "normal")
    if superseded is not None:
        resource["related"] = [_related(superseded)]
    resource["careTeam"] = _care_team(determination, context)
    supporting = _supporting_info(determination)
    if supporting:
        resource["supportingInfo"] = supporting
    resource["diagnosis"] = [
        {"sequence": number, "diagnosisCodeableConcept": coding(ICD10CM, code)}
        for number, code in enumerate(diagnosis_codes(determination), 1)
    ]
    coverages = dict.fromkeys((determination.evidence.coverage, *determination.evidence.other_coverages))
    resource["insurance"] = [
        {"sequence": number, "focal": number == 1, "coverage": reference(target)}
        for number, target in enumerate(coverages, 1)
    ]
    resource |= _items(determination)
    return resource


def payer_control_number(resource: dict[str, Any]) -> str | None:
    """Return the number that the payer gave a claim; None when nobody has recorded it."""
    for identifier in resource.get("identifier") or ():
        if identifier.get("system") == PAYER_CONTROL_NUMBER and identifier.get("value"):
            return str(identifier["value"])
    return None


def _provider(determination: Determination, context: BillingContext) -> dict[str, Any]:
    practice, organization = context.practice, determination.organization
    if context.provider == "organization":
        if not organization:
            raise BillingError(
                "no billing provider is known; wanted an Organization, as provider = organization asks",
                where="Claim.provider",
            )
        return reference(organization, npi=practice.billing_npi(organization))
    practitioner = determination.billing_practitioner
    if not practitioner:
        raise BillingError("no billing provider is known; wanted one", where="Claim.provider")
    return reference(practitioner, npi=practice.practitioner(practitioner).npi)


def _related(superseded: Superseded) -> dict[str, Any]:
    found: dict[str, Any] = {
        "claim": reference(f"Claim/{superseded.claim_id}"),
        "relationship": coding("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior"),
    }
    if superseded.payer_control_number:
        found["reference"] = {"system": PAYER_CONTROL_NUMBER, "value": superseded.payer_control_number}
    return found


def _care_team(determination: Determination, context: BillingContext) -> list[dict[str, Any]]:
    """Return both roles: software differs in which of the two it looks for in `provider`."""
    practice, organization = context.practice, determination.organization
    practitioner = str(determination.billing_practitioner)
    person = practice.practitioner(practitioner)
    npi = practice.billing_npi(organization) if organization else person.npi
    rendering: dict[str, Any] = {
        "sequence": RENDERING_SEQUENCE,
        "provider": reference(practitioner, npi=person.npi),
        "role": coding(C4BB_CARE_TEAM_ROLE, "rendering"),
    }
    billing: dict[str, Any] = {
        "sequence": RENDERING_SEQUENCE + 1,
        "provider": reference(organization or practitioner, npi=npi),
        "responsible": True,
        "role": coding(CARE_TEAM_ROLE, "billing"),
    }
    if person.taxonomy:
        rendering["qualification"] = coding(NUCC, person.taxonomy)
    taxonomy = practice.site_of_organization(organization).taxonomy if organization else person.taxonomy
    if taxonomy:
        billing["qualification"] = coding(NUCC, taxonomy)
    return [rendering, billing]


def _supporting_info(determination: Determination) -> list[dict[str, Any]]:
    """Return what the claim rests on, for sites that keep no ChargeItems."""
    evidence = determination.evidence
    papers = (evidence.consent, evidence.care_plan, evidence.initiating_visit, *evidence.others)
    targets = dict.fromkeys(r for r in papers if r)
    category = coding("http://terminology.hl7.org/CodeSystem/claiminformationcategory", "info")
    return [
        {"sequence": number, "category": category, "valueReference": reference(target)}
        for number, target in enumerate(targets, 1)
    ]


def _items(determination: Determination) -> dict[str, Any]:
    lines = ordered_lines(determination)
    span = policy_of(determination).service_date_form == "month_span"
    groups = _by_code(lines) if span else [[line] for line in lines]
    items = [_item(determination, number, group, span=span) for number, group in enumerate(groups, 1)]
    nets = [item["net"]["value"] for item in items if "net" in item]
    # A total of some of the lines would be an invented amount.
    return {"item": items, **({"total": money(sum(nets, Decimal(0)))} if len(nets) == len(items) else {})}


def _by_code(lines: Iterable[Line]) -> list[list[Line]]:
    """Return the lines grouped by code: with one date span, two lines of a code would deny as duplicates."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.code, []).append(line)
    return list(groups.values())


def _item(determination: Determination, number: int, group: list[Line], *, span: bool) -> dict[str, Any]:
    month = determination.service_month
    units = sum(line.units for line in group)
    item: dict[str, Any] = {
        "sequence": number,
        "careTeamSequence": [RENDERING_SEQUENCE],
        "diagnosisSequence": diagnosis_pointers(determination, group[0]),
        "productOrService": coding(group[0].system, group[0].code),
    }
    if span:
        item["servicedPeriod"] = {"start": month.first_day.isoformat(), "end": month.last_day.isoformat()}
    else:
        item["servicedDate"] = group[0].service_date.isoformat()
    item["locationCodeableConcept"] = coding(PLACE_OF_SERVICE, determination.place_of_service)
    item["quantity"] = {"value": units}
    charges = [line.charge for line in group if line.charge is not None]
    if len(charges) == len(group):
        net = sum(charges, Decimal(0))
        price = unit_price(net, units)
        if price is not None:
            item["unitPrice"] = money(price)
        item["net"] = money(net)
    return item
