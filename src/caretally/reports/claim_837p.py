"""Claims as an 837P file: the structure of 005010X222A1 from ISA to IEA. Not certified by a clearinghouse.

The implementation guide is licensed: nothing of its tables stands here. What each segment holds follows CMS's public
companion guides and the claim form's crosswalk (NUCC 1500 manual).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.plain_text import plain_text
from caretally.reports.x12 import Element, Envelope, amount, interchange, segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime

    from caretally.billing import ProfessionalClaim
    from caretally.billing.professional_claim import Name, OtherCoverage, Payer, Person, Provider, ServiceLine
    from caretally.facts.practice import Facility, PostalAddress

NOT_CERTIFIED = "not certified by a clearinghouse"
VERSION = "005010X222A1"
CLAIMS_OF_A_TRANSACTION = 5_000
"""Receivers take no longer transactions."""
_NAME, _GIVEN, _MIDDLE, _SUFFIX, _LINE, _CITY = 60, 35, 25, 10, 55, 30
"""Longest names, given names, middle names, suffixes, address lines and cities."""
_ORDERS = ("P", "S", "T")
_RELATIONSHIPS = {"spouse": "01", "child": "19", "other": "G8"}
_SHORTEST_CITY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """Who sends and who receives; both sides agree on these values when they enrol."""

    submitter_name: str
    submitter_id: str
    submitter_qualifier: str
    contact_name: str
    contact_phone: str
    contact_email: str | None
    receiver_name: str
    receiver_id: str
    receiver_qualifier: str
    production: bool


def claims_837p(claims: Sequence[ProfessionalClaim], trading: Trading, *, control_number: int, at: datetime) -> bytes:
    """Return an 837P file of some claims, in the order of biller, patient and claim.

    Args:
        claims: that passed the checks for this format; what those look at is not looked at again.
        trading: who sends and receives.
        control_number: never used before between the two.
        at: local moment of the practice.

    Raises:
        X12SyntaxError: a value that no segment can hold, which the checks should have found.
    """
    envelope = Envelope(
        sender_qualifier=trading.submitter_qualifier,
        sender=trading.submitter_id,
        receiver_qualifier=trading.receiver_qualifier,
        receiver=trading.receiver_id,
        control_number=control_number,
        production=trading.production,
        made_at=at,
        functional_id="HC",
        version=VERSION,
        transaction="837",
    )
    ordered = sorted(claims, key=lambda c: (c.billing.reference, c.patient_reference, c.account_number))
    starts = range(0, len(ordered), CLAIMS_OF_A_TRANSACTION)
    parts = [ordered[start : start + CLAIMS_OF_A_TRANSACTION] for start in starts]
    transactions = [
        list(_transaction(part, trading, f"{control_number:09d}{number:04d}", at))
        for number, part in enumerate(parts, 1)
    ]
    return interchange(envelope, transactions)


def _transaction(claims: Sequence[ProfessionalClaim], trading: Trading, number: str, at: datetime) -> Iterator[str]:
    yield segment("BHT", "0019", "00", number, f"{at:%Y%m%d}", f"{at:%H%M}", "CH")
    yield from _submitter(trading)
    yield _entity("40", trading.receiver_name, "46", trading.receiver_id)
    level = 0
    biller = 0
    last: Provider | None = None
    for claim in claims:
        if claim.billing != last:
            level += 1
            biller, last = level, claim.billing
            yield from _biller(claim.billing, level)
        level += 1
        yield from _subscriber(claim, level, biller)
        if not claim.is_self:
            level += 1
            yield from _patient(claim, level)
        yield from _claim(claim)


def _submitter(trading: Trading) -> Iterator[str]:
    yield _entity("41", trading.submitter_name, "46", trading.submitter_id)
    ways: list[Element] = ["TE", trading.contact_phone]
    if trading.contact_email:
        ways += ["EM", trading.contact_email]
    yield segment("PER", "IC", plain_text(trading.contact_name, longest=_NAME), *ways)


def _biller(billing: Provider, level: int) -> Iterator[str]:
    yield segment("HL", str(level), "", "20", "1")
    if billing.taxonomy:
        yield segment("PRV", "BI", "PXC", billing.taxonomy)
    yield _provider("85", billing)
    yield from _place(billing.address)
    yield segment("REF", "EI", (billing.tin or "").replace("-", ""))


def _subscriber(claim: ProfessionalClaim, level: int, biller: int) -> Iterator[str]:
    payer = claim.payer
    yield segment("HL", str(level), str(biller), "22", "0" if claim.is_self else "1")
    order = _ORDERS[min(payer.order, len(_ORDERS)) - 1]
    own = "18" if claim.is_self else ""
    group = plain_text(claim.group_number, longest=50)
    yield segment("SBR", order, own, group, "", "", "", "", "", payer.form.filing_indicator or "ZZ")
    yield _entity("IL", claim.subscriber.name, "MI", plain_text(claim.member_id, longest=80))
    yield from _person(claim.subscriber)
    yield from _payer(payer)


def _payer(payer: Payer) -> Iterator[str]:
    yield _entity("PR", payer.name or "", "PI", plain_text(payer.identifier, longest=80))


def _patient(claim: ProfessionalClaim, level: int) -> Iterator[str]:
    yield segment("HL", str(level), str(level - 1), "23", "0")
    yield segment("PAT", _RELATIONSHIPS.get(claim.relationship or "", "G8"))
    yield _entity("QC", claim.patient.name)
    yield from _person(claim.patient)


def _claim(claim: ProfessionalClaim) -> Iterator[str]:
    assigned = "A" if claim.accepts_assignment else "C"
    signed, benefits, release = ("Y", "Y", "Y") if claim.signatures_on_file else ("N", "N", "I")
    place = claim.lines[0].place_of_service
    total = amount(claim.total) if claim.total is not None else ""
    service = (place, "B", claim.frequency)
    yield segment("CLM", claim.account_number, total, "", "", service, signed, assigned, benefits, release)
    if claim.original_number:
        yield segment("REF", "F8", plain_text(claim.original_number, longest=50))
    codes = [code.replace(".", "").upper() for code in claim.diagnoses]
    yield segment("HI", *(("ABK" if number == 0 else "ABF", code) for number, code in enumerate(codes)))
    if claim.rendering.reference != claim.billing.reference:
        yield _provider("82", claim.rendering)
        if claim.rendering.taxonomy:
            yield segment("PRV", "PE", "PXC", claim.rendering.taxonomy)
    if claim.facility is not None:
        yield from _facility(claim.facility)
    for other in claim.others:
        if other.complete:
            yield from _other(other, benefits, release)
    for number, line in enumerate(claim.lines, 1):
        yield from _line(claim, line, number, place)


def _facility(facility: Facility) -> Iterator[str]:
    yield _entity("77", facility.name, "XX" if facility.npi else "", facility.npi or "")
    yield from _place(facility.address)


def _other(other: OtherCoverage, benefits: str, release: str) -> Iterator[str]:
    """Name a payer behind the first one, so that it can get the claim by crossover."""
    relationship = "18" if other.relationship == "self" else _RELATIONSHIPS.get(other.relationship or "", "G8")
    indicator = other.payer.form.filing_indicator or "ZZ"
    order = _ORDERS[min(max(other.payer.order, 2), len(_ORDERS)) - 1]
    group = plain_text(other.group_number, longest=50)
    yield segment("SBR", order, relationship, group, "", "", "", "", "", indicator)
    yield segment("OI", "", "", benefits, "", "", release)
    yield _entity("IL", other.subscriber.name, "MI", plain_text(other.member_id, longest=80))
    yield from _payer(other.payer)


def _line(claim: ProfessionalClaim, line: ServiceLine, number: int, place: str) -> Iterator[str]:
    yield segment("LX", str(number))
    charge = amount(line.charge) if line.charge is not None else ""
    units = amount(line.units) if line.units is not None else ""
    other_place = "" if line.place_of_service == place else line.place_of_service
    pointers = tuple(str(one) for one in line.pointers)
    yield segment("SV1", ("HC", line.code, *line.modifiers), charge, "UN", units, other_place, "", pointers)
    yield segment("DTP", "472", *_days(line.start, line.end))
    yield segment("REF", "6R", f"{claim.account_number}{number:02d}")


def _days(start: date | None, end: date | None) -> tuple[str, str]:
    if start is None or end is None:
        return "D8", ""
    return ("D8", f"{start:%Y%m%d}") if start == end else ("RD8", f"{start:%Y%m%d}-{end:%Y%m%d}")


def _provider(role: str, provider: Provider) -> str:
    name = (provider.name.family or "") if provider.organization else provider.name
    return _entity(role, name, "XX", provider.npi or "")


def _entity(role: str, name: str | Name, qualifier: str = "", identifier: str = "") -> str:
    """Return an NM1 segment: an organization for a text, a person for a name."""
    if isinstance(name, str):
        return segment("NM1", role, "2", plain_text(name, longest=_NAME), "", "", "", "", qualifier, identifier)
    return segment(
        "NM1",
        role,
        "1",
        plain_text(name.family, longest=_NAME),
        plain_text(name.given, longest=_GIVEN),
        plain_text(name.middle, longest=_MIDDLE),
        "",
        plain_text(name.suffix, longest=_SUFFIX),
        qualifier,
        identifier,
    )


def _person(person: Person) -> Iterator[str]:
    yield from _place(person.address)
    born = f"{person.birth_date:%Y%m%d}" if person.birth_date is not None else ""
    yield segment("DMG", "D8", born, person.sex or "U")


def _place(address: PostalAddress) -> Iterable[str]:
    lines = [text for one in address.lines[:2] if (text := plain_text(one, longest=_LINE))]
    yield segment("N3", *lines)
    city = plain_text(address.city, longest=_CITY).ljust(_SHORTEST_CITY, ".")
    yield segment("N4", city, address.state or "", (address.postal_code or "").replace("-", ""))
