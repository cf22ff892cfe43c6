"""What an 837P must say of a claim, written down from the claim and not from the writer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.facts.plain_text import plain_text

if TYPE_CHECKING:
    from caretally.billing import ProfessionalClaim
    from caretally.billing.professional_claim import Person


def expected(claim: ProfessionalClaim) -> dict[str, Any]:
    """The fields of `reading_837p.read_claims`."""
    signed = claim.signatures_on_file
    return {
        "billing": {
            "name": plain_text(claim.billing.name.family),
            "npi": claim.billing.npi,
            "tin": claim.billing.tin,
            "taxonomy": claim.billing.taxonomy,
            "street": plain_text(claim.billing.address.lines[0]),
            "zip": claim.billing.address.postal_code,
        },
        "order": "PST"[claim.payer.order - 1],
        "self": claim.relationship == "self",
        "group": claim.group_number or "",
        "filing": claim.payer.form.filing_indicator or "ZZ",
        "member_id": claim.member_id,
        "subscriber": person(claim.subscriber),
        "payer": (plain_text(claim.payer.name), claim.payer.identifier),
        "relationship": {"self": None, "spouse": "01", "child": "19"}.get(claim.relationship or "", "G8"),
        "patient": person(claim.patient),
        "account": claim.account_number,
        "total": claim.total,
        "place": claim.lines[0].place_of_service,
        "frequency": claim.frequency,
        "signed": ("Y", "Y", "Y") if signed else ("N", "N", "I"),
        "assigned": "A" if claim.accepts_assignment else "C",
        "original": claim.original_number,
        "diagnoses": [
            ("ABF" if number else "ABK", code.replace(".", "")) for number, code in enumerate(claim.diagnoses)
        ],
        "rendering": (claim.rendering.npi, plain_text(claim.rendering.name.family), claim.rendering.taxonomy),
        "facility": plain_text(claim.facility.name) if claim.facility else None,
        "others": [
            (
                "PST"[other.payer.order - 1],
                {"self": "18", "spouse": "01", "child": "19"}.get(other.relationship or "", "G8"),
                other.group_number,
                other.payer.form.filing_indicator or "ZZ",
                plain_text(other.subscriber.name.family),
                other.member_id,
                plain_text(other.payer.name),
                other.payer.identifier,
            )
            for other in claim.others
            if other.complete
        ],
        "lines": [
            {
                "code": line.code,
                "modifiers": list(line.modifiers),
                "charge": line.charge,
                "units": line.units,
                "place": "",
                "pointers": list(line.pointers),
                "days": days(line.start, line.end),
                "control": f"{claim.account_number}{number:02d}",
            }
            for number, line in enumerate(claim.lines, 1)
        ],
    }


def person(one: Person) -> tuple[str | None, ...]:
    address = one.address
    return (
        plain_text(one.name.family),
        plain_text(one.name.given),
        plain_text(one.name.middle),
        plain_text(address.lines[0]) if address.lines else None,
        plain_text(address.city),
        address.state,
        address.postal_code,
        one.birth_date.strftime("%Y%m%d") if one.birth_date else None,
        one.sex,
    )


def days(start: Any, end: Any) -> tuple[str, str]:
    if start == end:
        return ("D8", start.strftime("%Y%m%d"))
    return ("RD8", f"{start:%Y%m%d}-{end:%Y%m%d}")


def comparable(read: dict[str, Any]) -> dict[str, Any]:
    """What was read with numbers as numbers; an absent text and an empty one are the same."""
    lines = [{**x, "charge": Decimal(x["charge"]), "units": Decimal(x["units"])} for x in read["lines"]]
    found: dict[str, Any] = _blank({**read, "total": Decimal(read["total"]), "lines": lines})
    return found


def wanted(claim: ProfessionalClaim) -> dict[str, Any]:
    found: dict[str, Any] = _blank(expected(claim))
    return found


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _blank(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blank(item) for item in value]
    return "" if value is None else value
