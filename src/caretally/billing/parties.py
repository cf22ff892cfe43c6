"""People and organizations of other systems' resources, as far as a claim needs them; never raises."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from caretally.billing.professional_claim import Name, Person, Provider
from caretally.facts.codes import TIN
from caretally.facts.practice import PostalAddress
from caretally.mapping.references import is_npi_system, npi_digits, tin_digits

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFERRED_NAMES = ("official", "usual", "")
_PREFERRED_PLACES = ("home", "work", "billing", "")
_PHONE_DIGITS = 10
_SEXES: dict[str, Literal["F", "M", "U"]] = {"female": "F", "male": "M", "other": "U", "unknown": "U"}


def party_person(resource: Mapping[str, Any] | None) -> Person:
    """Return a Patient or RelatedPerson."""
    if resource is None:
        return Person()
    return Person(
        name=_name(resource),
        birth_date=_day(resource.get("birthDate")),
        sex=_SEXES.get(text(resource.get("gender"))),
        phone=_phone(resource),
        address=_address(resource),
    )


def party_provider(reference: str, resource: Mapping[str, Any] | None) -> Provider:
    """Return a Practitioner or Organization; without a resource only the reference tells which of them it is."""
    organization = reference.startswith("Organization/")
    if resource is None:
        return Provider(reference=reference, organization=organization)
    identifiers = [as_dict(one) for one in as_list(resource.get("identifier"))]
    npis = [npi_digits(text(i.get("value"))) for i in identifiers if is_npi_system(text(i.get("system")))]
    tins = [tin_digits(text(i.get("value"))) for i in identifiers if i.get("system") == TIN]
    name = Name(family=text(resource.get("name")) or None) if organization else _name(resource)
    return Provider(
        reference=reference,
        organization=organization,
        name=name,
        npi=next(filter(None, npis), None),
        tin=next(filter(None, tins), None),
        phone=_phone(resource),
        address=_address(resource),
    )


def identifier_value(resource: Mapping[str, Any], system: str) -> str | None:
    """Return the value of the first identifier with a system."""
    found = (as_dict(one) for one in as_list(resource.get("identifier")))
    return next((text(one.get("value")) for one in found if one.get("system") == system and one.get("value")), None)


def as_dict(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text without blanks around it; an empty one for anything else."""
    return value.strip() if isinstance(value, str) else ""


def _name(resource: Mapping[str, Any]) -> Name:
    names = [as_dict(one) for one in as_list(resource.get("name"))]
    chosen = _preferred(names, _PREFERRED_NAMES)
    given = [text(one) for one in as_list(chosen.get("given")) if text(one)]
    suffixes = [text(one) for one in as_list(chosen.get("suffix")) if text(one)]
    return Name(
        family=text(chosen.get("family")) or None,
        given=given[0] if given else None,
        middle=given[1] if len(given) > 1 else None,
        suffix=suffixes[0] if suffixes else None,
    )


def _address(resource: Mapping[str, Any]) -> PostalAddress:
    rows = [as_dict(one) for one in as_list(resource.get("address"))]
    chosen = _preferred([row for row in rows if row.get("type") != "postal"] or rows, _PREFERRED_PLACES)
    country = text(chosen.get("country")).upper()
    digits = "".join(c for c in text(chosen.get("postalCode")) if c.isdecimal() and c.isascii())
    return PostalAddress(
        lines=tuple(line for one in as_list(chosen.get("line")) if (line := text(one))),
        city=text(chosen.get("city")) or None,
        state=text(chosen.get("state")).upper() or None,
        # A foreign postal code would be taken for a ZIP code.
        postal_code=digits if country in {"", "US", "USA"} and len(digits) in {5, 9} else None,
    )


def _preferred(rows: list[dict[str, Any]], uses: tuple[str, ...]) -> dict[str, Any]:
    usable = [row for row in rows if row.get("use") != "old"]
    for use in uses:
        for row in usable:
            if text(row.get("use")) == use:
                return row
    return usable[0] if usable else {}


def _phone(resource: Mapping[str, Any]) -> str | None:
    for row in (as_dict(one) for one in as_list(resource.get("telecom"))):
        digits = "".join(c for c in text(row.get("value")) if c.isdecimal() and c.isascii())
        digits = digits.removeprefix("1") if len(digits) == _PHONE_DIGITS + 1 else digits
        if row.get("system") == "phone" and row.get("use") != "old" and len(digits) == _PHONE_DIGITS:
            return digits
    return None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        return None
