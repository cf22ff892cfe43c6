"""The codes and reference targets that FHIR R4 requires of what we write.

`fhir.resources` accepts any code and any reference (``subject: Practitioner/1``); a server may not. The tables
hold only the elements that we write.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from caretally.billing.errors import BillingError

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED_CODES: dict[str, frozenset[str]] = {
    "Claim.status": frozenset({"active", "cancelled", "draft", "entered-in-error"}),
    "Claim.use": frozenset({"claim", "preauthorization", "predetermination"}),
    "ChargeItem.status": frozenset(
        {"planned", "billable", "not-billable", "aborted", "billed", "entered-in-error", "unknown"}
    ),
    "Provenance.entity.role": frozenset({"derivation", "revision", "quotation", "source", "removal"}),
    # The whole of ISO 4217 is allowed; we write dollars only, so anything else is a fault of ours.
    "Claim.total.currency": frozenset({"USD"}),
    "Claim.item.unitPrice.currency": frozenset({"USD"}),
    "Claim.item.net.currency": frozenset({"USD"}),
    "ChargeItem.priceOverride.currency": frozenset({"USD"}),
}
"""Element path without indexes to its allowed codes."""

REFERENCE_TYPES: dict[str, frozenset[str]] = {
    "Claim.patient": frozenset({"Patient"}),
    "Claim.provider": frozenset({"Practitioner", "PractitionerRole", "Organization"}),
    "Claim.insurer": frozenset({"Organization"}),
    "Claim.careTeam.provider": frozenset({"Practitioner", "PractitionerRole", "Organization"}),
    "Claim.insurance.coverage": frozenset({"Coverage"}),
    "Claim.related.claim": frozenset({"Claim"}),
    "ChargeItem.subject": frozenset({"Patient", "Group"}),
    "ChargeItem.context": frozenset({"Encounter", "EpisodeOfCare"}),
    "ChargeItem.performer.actor": frozenset(
        {"Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "Device", "RelatedPerson"}
    ),
    "ChargeItem.performingOrganization": frozenset({"Organization"}),
    "Provenance.agent.who": frozenset(
        {"Practitioner", "PractitionerRole", "RelatedPerson", "Patient", "Device", "Organization"}
    ),
}
"""Element path without indexes to the resource types that its reference may name."""

_ID = re.compile(r"[A-Za-z][A-Za-z0-9\-.]{0,63}")
"""What we write: letters first, because HAPI takes an id of digits only for one of its own."""
_INDEX = re.compile(r"\[\d+\]")


def check_bindings(resource: dict[str, Any]) -> None:
    """Refuse a code or a reference that R4 does not allow where it stands.

    Raises:
        BillingError: names resource and element.
    """
    kind = str(resource.get("resourceType"))
    for path, value in _walk(kind, resource):
        element = _INDEX.sub("", path)
        allowed = REQUIRED_CODES.get(element)
        if allowed is not None and value not in allowed:
            raise BillingError(f"the code is not one of {', '.join(sorted(allowed))}", where=path)
        types = REFERENCE_TYPES.get(element)
        if types is not None and isinstance(value, dict) and "reference" in value:
            target = reference_type(str(value["reference"]))
            if target not in types:
                raise BillingError(f"refers to {target or 'nothing'}; wanted {' or '.join(sorted(types))}", where=path)


def check_own_id(resource: dict[str, Any]) -> None:
    """Refuse an id of a new resource that not every server takes.

    Raises:
        BillingError: the id is missing, too long, or does not begin with a letter.
    """
    identity = str(resource.get("id", ""))
    if not _ID.fullmatch(identity):
        raise BillingError(
            "wanted a letter, then at most 63 letters, digits, - and .", where=f"{resource['resourceType']}.id"
        )


def reference_type(reference: str) -> str | None:
    """Return the resource type that a relative or absolute reference names; None when it names none."""
    parts = reference.split("/_history/", maxsplit=1)[0].rsplit("/", 2)
    return parts[-2] if len(parts) > 1 else None


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(f"{path}.{key}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(f"{path}[{index}]", item)
