"""A claim by the boxes of the CMS-1500 form (02/12), as texts: what a biller can check line by line.

The content of each box follows the NUCC 1500 claim form reference manual, version 02/12; what Medicare wants left
empty follows the Medicare Claims Processing Manual, chapter 26. The form itself and its artwork are NUCC's and the
AMA's: only box numbers and captions of our own stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.billing.claim import ORIGINAL
from caretally.facts.plain_text import plain_text

if TYPE_CHECKING:
    from datetime import date

    from caretally.billing import ProfessionalClaim
    from caretally.billing.professional_claim import Name, Person, Provider, ServiceLine
    from caretally.facts.practice import PostalAddress

LINES_OF_A_FORM = 6
LETTERS = "ABCDEFGHIJKL"
_ON_FILE = "SIGNATURE ON FILE"
_MEDICARE, _MEDICAID = frozenset({"MB", "MA"}), frozenset({"MC"})
_GROUP = frozenset({"CI", "BL", "12", "13", "14", "15", "HM"})
_TAXONOMY_QUALIFIER = "ZZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cms1500:
    """One form.

    Attributes:
        boxes: text by box; parts of a box have a word behind the number (``3 sex``). Boxes that stay empty are absent.
        lines: rows of box 24, each by its column; more than six go on to a further page.
        mark: what is printed over a form that must not be sent; empty for a released claim.
    """

    claim: str
    mark: str
    boxes: dict[str, str]
    lines: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the form as JSON by box number; box 24 is a list of rows."""
        return {
            "claim": self.claim,
            "form": "CMS-1500 (02/12)",
            "mark": self.mark,
            "boxes": {**self.boxes, "24": [dict(line) for line in self.lines]},
        }


def cms1500(claim: ProfessionalClaim) -> Cms1500:
    """Return the form of a claim; what of it is missing leaves its box empty."""
    boxes = {
        **_insured(claim),
        **_patient(claim),
        **_condition(claim),
        **_providers(claim),
        **_amounts(claim),
    }
    kept = {box: text for box, text in boxes.items() if text}
    return Cms1500(
        claim=claim.reference,
        mark="" if claim.state in {"released", "void"} else "DRAFT - NOT RELEASED",
        boxes=dict(sorted(kept.items(), key=lambda row: _place(row[0]))),
        lines=tuple(_line(claim, line) for line in claim.lines),
    )


def _insured(claim: ProfessionalClaim) -> dict[str, str]:
    indicator = claim.payer.form.filing_indicator or ""
    medicare = indicator in _MEDICARE
    kind = (
        "MEDICARE"
        if medicare
        else "MEDICAID"
        if indicator in _MEDICAID
        else "GROUP HEALTH PLAN"
        if indicator in _GROUP
        else "OTHER"
    )
    found = {
        "payer": plain_text(claim.payer.name),
        "1": kind,
        "1a": plain_text(claim.member_id),
        "6": (claim.relationship or "").upper(),
        "11": plain_text(claim.group_number) or ("NONE" if medicare and claim.payer.order == 1 else ""),
        "11d": "YES" if claim.others else "NO",
    }
    if claim.others:
        other = claim.others[0]
        found |= {
            "9": _name(other.subscriber.name),
            "9a": plain_text(other.group_number) or plain_text(other.member_id),
            "9d": plain_text(other.payer.name),
        }
    if medicare and claim.is_self and claim.payer.order == 1:
        return found  # Medicare wants 4 and 7 left empty when it pays first for its own beneficiary
    insured = claim.subscriber
    found |= {"4": _name(insured.name), **_address("7", insured)}
    if not claim.is_self:
        found |= {"11a": _day(insured.birth_date), "11a sex": insured.sex or ""}
    return found


def _patient(claim: ProfessionalClaim) -> dict[str, str]:
    patient = claim.patient
    return {
        "2": _name(patient.name),
        "3": _day(patient.birth_date),
        "3 sex": patient.sex if patient.sex in {"F", "M"} else "",
        **_address("5", patient),
        "12": _ON_FILE if claim.signatures_on_file else "",
        "13": _ON_FILE if claim.signatures_on_file and not claim.is_self else "",
    }


def _condition(claim: ProfessionalClaim) -> dict[str, str]:
    found = {
        "10a": "NO",
        "10b": "NO",
        "10c": "NO",
        "20": "NO",
        "21 ICD": "0",
        "22": "" if claim.frequency == ORIGINAL else claim.frequency,
        "22 original": plain_text(claim.original_number),
    }
    codes = zip(LETTERS, claim.diagnoses, strict=False)
    return found | {f"21 {letter}": code.replace(".", "").upper() for letter, code in codes}


def _providers(claim: ProfessionalClaim) -> dict[str, str]:
    billing, facility = claim.billing, claim.facility
    where = (facility.name, facility.npi, facility.address) if facility else None
    name, npi, address = where or (_provider_name(billing), billing.npi, billing.address)
    return {
        "25": (billing.tin or "").replace("-", ""),
        "25 type": "EIN" if billing.tin else "",
        "26": claim.account_number,
        "27": {True: "YES", False: "NO", None: ""}[claim.accepts_assignment],
        "31": _ON_FILE if claim.signatures_on_file else "",
        "31 date": _day(claim.created) if claim.signatures_on_file else "",
        "32": plain_text(name),
        **_place_of("32", address),
        "32a": npi or "",
        "33": plain_text(_provider_name(billing)),
        **_place_of("33", billing.address),
        "33 phone": _phone(billing.phone),
        "33a": billing.npi or "",
        "33b": f"{_TAXONOMY_QUALIFIER}{billing.taxonomy}" if billing.taxonomy else "",
    }


def _amounts(claim: ProfessionalClaim) -> dict[str, str]:
    return {"28": money(claim.total), "29": money(Decimal(0))}


def _line(claim: ProfessionalClaim, line: ServiceLine) -> dict[str, str]:
    rendering = claim.rendering
    row = {
        "A from": _day(line.start),
        "A to": _day(line.end),
        "B": line.place_of_service,
        "D": line.code,
        "D modifiers": " ".join(line.modifiers),
        "E": "".join(LETTERS[one - 1] for one in line.pointers if 0 < one <= len(LETTERS)),
        "F": money(line.charge),
        "G": "" if line.units is None else str(int(line.units)),
        "I": _TAXONOMY_QUALIFIER if rendering.taxonomy else "",
        "J taxonomy": rendering.taxonomy or "",
        "J": rendering.npi or "",
    }
    return {column: text for column, text in row.items() if text}


def money(amount: Decimal | None) -> str:
    """Return dollars and cents with a blank between them, as the form has them."""
    if amount is None:
        return ""
    dollars, _, cents = f"{amount:.2f}".partition(".")
    return f"{dollars} {cents}"


def _name(name: Name) -> str:
    parts = [" ".join(filter(None, (name.family, name.suffix))), name.given or "", (name.middle or "")[:1]]
    return ", ".join(text for part in parts if (text := plain_text(part)))


def _provider_name(provider: Provider) -> str:
    name = provider.name
    return (name.family or "") if provider.organization else " ".join(filter(None, (name.given, name.family)))


def _address(box: str, person: Person) -> dict[str, str]:
    return {**_place_of(box, person.address), f"{box} phone": _phone(person.phone)}


def _place_of(box: str, address: PostalAddress) -> dict[str, str]:
    code = (address.postal_code or "").replace("-", "")
    return {
        f"{box} street": plain_text(" ".join(address.lines)),
        f"{box} city": plain_text(address.city),
        f"{box} state": plain_text(address.state),
        f"{box} zip": code,
    }


def _phone(digits: str | None) -> str:
    return f"{digits[:3]} {digits[3:]}" if digits else ""


def _day(day: date | None) -> str:
    return "" if day is None else f"{day:%m %d %Y}"


def _place(box: str) -> tuple[int, str]:
    digits = "".join(c for c in box.partition(" ")[0] if c.isdigit())
    return (int(digits) if digits else 0, box)
