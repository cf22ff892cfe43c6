"""The checks that a claim passes before it is sent (mappings/claim-checks.toml says what each one means).

A failed check tells the shape of what was found, never the value: results stand in logs, tickets and worklists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.billing.claim import ORIGINAL, claim
from caretally.billing.content import State
from caretally.billing.identity import ACCOUNT_NUMBER_LENGTH, ClaimIdentity
from caretally.billing.lines import CENT, DIAGNOSES_ON_A_CLAIM
from caretally.facts.calendar import ServiceMonth
from caretally.facts.claim_check import CheckOutcome, ClaimCheckTables, FailedCheck
from caretally.facts.identifiers import is_icd10cm, is_mbi, is_npi, is_place_of_service, is_taxonomy, is_tin
from caretally.facts.plain_text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from caretally.billing.claim_reading import ClaimReader
    from caretally.billing.context import BillingContext
    from caretally.billing.professional_claim import Person, ProfessionalClaim, Provider
    from caretally.facts.determination import Determination
    from caretally.facts.practice import PostalAddress

    Look = Callable[["ProfessionalClaim", ClaimCheckTables], Iterator["Wrong"]]

_POINTERS = 4
_MODIFIERS = 4
_LONG_ZIP = 9
_ACCOUNT = re.compile(rf"[A-Za-z0-9]{{1,{ACCOUNT_NUMBER_LENGTH}}}", re.ASCII)
_PROCEDURE = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]", re.ASCII)
_MODIFIER = re.compile(r"[0-9A-Z]{2}", re.ASCII)
_BOX = re.compile(r"\bP\.?\s*O\.?\s*BOX\b|\bPOST OFFICE BOX\b", re.IGNORECASE)
_SHORT_STATE = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a check found, and where."""

    found: str
    where: str


def check_claim(claim: ProfessionalClaim, tables: ClaimCheckTables) -> CheckOutcome:
    """Run every check of the catalogue over a claim.

    Raises:
        KeyError: the catalogue names a check that this module does not know; a test compares both.
    """
    failed: list[FailedCheck] = []
    passed = 0
    for rule in tables.rules:
        wrong = list(CHECKS[rule.id](claim, tables))
        passed += not wrong
        failed += [FailedCheck(rule=rule, found=one.found, where=one.where) for one in wrong]
    return CheckOutcome(passed=passed, failed=tuple(failed))


def check_month(
    determination: Determination,
    context: BillingContext,
    reader: ClaimReader,
    find: Callable[[str], Mapping[str, Any] | None],
    tables: ClaimCheckTables,
) -> CheckOutcome | None:
    """Check the claim that a determination leads to, before it is written.

    Returns:
        None where no claim is made: the month is not billable, or the site keeps charges only.

    Raises:
        BillingError: no claim can be made, as in `plan_changes`.
    """
    if determination.status != "billable" or context.resources == "charges":
        return None
    identity = ClaimIdentity.of(determination, context.tenant)
    resource = claim(determination, context, identity, revision=0, state=State.DRAFT)
    return check_claim(reader.read(resource, find), tables)


def _npi(provider: Provider) -> Iterator[Wrong]:
    if provider.npi is None:
        yield Wrong("no NPI", provider.reference)
    elif not is_npi(provider.npi):
        yield Wrong("an NPI whose digits do not fit", provider.reference)


def _taxonomy(provider: Provider) -> Iterator[Wrong]:
    if provider.taxonomy is None:
        yield Wrong("no taxonomy", provider.reference)
    elif not is_taxonomy(provider.taxonomy):
        yield Wrong("a code that is no taxonomy code", provider.reference)


def _tin(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.billing.tin is None:
        yield Wrong("no tax number", claim.billing.reference)
    elif not is_tin(claim.billing.tin):
        yield Wrong("a tax number that has not nine digits", claim.billing.reference)


def _address(address: PostalAddress, where: str) -> Iterator[Wrong]:
    lacking = [
        name
        for name, there in (
            ("street", bool(address.lines)),
            ("city", address.city),
            ("state of two letters", address.state and _SHORT_STATE.fullmatch(address.state)),
            ("ZIP code", address.postal_code),
        )
        if not there
    ]
    if lacking:
        yield Wrong("no " + ", no ".join(lacking), where)


def _billing_name(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.billing.name.family:
        yield Wrong("no name", claim.billing.reference)


def _billing_zip(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    code = claim.billing.address.postal_code
    if code is not None and len(code) != _LONG_ZIP:
        yield Wrong("five digits", claim.billing.reference)


def _billing_street(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if any(_BOX.search(line) for line in claim.billing.address.lines):
        yield Wrong("a post-office box", claim.billing.reference)


def _rendering_name(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    name = claim.rendering.name
    if not (name.family and name.given):
        yield Wrong("no name" if not (name.family or name.given) else "half a name", claim.rendering.reference)


def _characters(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    people = [("patient", claim.patient), *([] if claim.is_self else [("subscriber", claim.subscriber)])]
    texts: list[tuple[str, str | None]] = [
        (f"{who} {part}", text)
        for who, person in people
        for part, text in (
            ("family name", person.name.family),
            ("given name", person.name.given),
            ("street", person.address.lines[0] if person.address.lines else None),
            ("city", person.address.city),
        )
    ]
    texts += [
        ("billing name", claim.billing.name.family),
        ("rendering family name", claim.rendering.name.family),
        ("rendering given name", claim.rendering.name.given),
        ("payer", claim.payer.name),
        ("member number", claim.member_id),
    ]
    for where, text in texts:
        if text and not plain_text(text):
            yield Wrong("no letter of the Latin alphabet", f"{claim.patient_reference} {where}")


def _assignment(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.accepts_assignment is None:
        yield Wrong("no statement", f"[site.{claim.site}] accepts_assignment")


def _signatures(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.signatures_on_file:
        yield Wrong("no statement", f"[site.{claim.site}] signatures_on_file")


def _person_name(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    name = claim.patient.name
    if not (name.family and name.given):
        yield Wrong("no name" if not (name.family or name.given) else "half a name", claim.patient_reference)


def _birth_date(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.patient.birth_date is None:
        yield Wrong("no date of a day", claim.patient_reference)


def _sex(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.patient.sex is None:
        yield Wrong("none", claim.patient_reference)


def _patient_address(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    return _address(claim.patient.address, claim.patient_reference)


def _member_id(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.member_id:
        yield Wrong("no number", f"Coverage of {claim.patient_reference}")


def _mbi(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.payer.form.member_id == "mbi" and claim.member_id and not is_mbi(claim.member_id):
        yield Wrong(f"a number of {len(claim.member_id)} places", f"Coverage of {claim.patient_reference}")


def _subscriber(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    where = f"Coverage of {claim.patient_reference}"
    if claim.relationship is None:
        yield Wrong("no coverage at hand", where)
    elif not claim.is_self and not _complete(claim.subscriber):
        yield Wrong("a subscriber who is not wholly known", where)


def _complete(person: Person) -> bool:
    known = person.name.family and person.name.given and person.birth_date and person.sex
    return bool(known) and not list(_address(person.address, ""))


def _payer_name(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.payer.name:
        yield Wrong("no name", f"payer of {claim.patient_reference}")


def _payer_id(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.payer.identifier:
        yield Wrong("no identifier", f"payer of {claim.patient_reference}")


def _other_payer(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, other in enumerate(claim.others, 2):
        known = "a further payer" if other.complete else "a further payer that is not wholly known"
        yield Wrong(known, f"{claim.reference} insurance {number}")


def _not_primary(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.payer.order > 1:
        yield Wrong(f"payer number {claim.payer.order}", f"{claim.reference} insurance")


def _professional(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.professional:
        yield Wrong("another type or use", f"{claim.reference} type")


def _diagnosis_shape(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, code in enumerate(claim.diagnoses, 1):
        if not is_icd10cm(code):
            yield Wrong("no ICD-10-CM code" if not code else "a code of another shape", f"diagnosis {number}")


def _diagnosis_count(claim: ProfessionalClaim, tables: ClaimCheckTables) -> Iterator[Wrong]:
    number = len(set(claim.diagnoses))
    needed = max((tables.diagnoses_needed.get(line.code, 1) for line in claim.lines), default=1)
    if number < needed or len(claim.diagnoses) > DIAGNOSES_ON_A_CLAIM:
        yield Wrong(f"{number} different, {len(claim.diagnoses)} in all", f"{claim.reference} diagnosis")


def _pointers(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, line in enumerate(claim.lines, 1):
        pointers = line.pointers
        if not 1 <= len(pointers) <= _POINTERS or len(set(pointers)) < len(pointers) or 0 in pointers:
            yield Wrong(f"{len(pointers)} pointers, or one to nothing", f"line {number}")
        elif pointers != tuple(sorted(pointers)):
            yield Wrong("pointers out of order", f"line {number}")


def _place(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, line in enumerate(claim.lines, 1):
        if not is_place_of_service(line.place_of_service):
            yield Wrong(line.place_of_service or "none", f"line {number}")


def _dates(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    try:
        month = ServiceMonth.parse(claim.service_month)
    except ValueError:
        yield Wrong("no service month", f"{claim.reference} billablePeriod")
        return
    for number, line in enumerate(claim.lines, 1):
        days = (line.start, line.end)
        if any(day is None or not month.contains(day) for day in days):
            yield Wrong("no date" if None in days else "a day of another month", f"line {number}")


def _code(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not claim.lines:
        yield Wrong("no line", claim.reference)
    for number, line in enumerate(claim.lines, 1):
        if not _PROCEDURE.fullmatch(line.code):
            yield Wrong("a code of another shape", f"line {number}")
        if len(line.modifiers) > _MODIFIERS or not all(_MODIFIER.fullmatch(one) for one in line.modifiers):
            yield Wrong("modifiers of another shape, or too many", f"line {number}")


def _units(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, line in enumerate(claim.lines, 1):
        if line.units is None or line.units < 1 or line.units != line.units.to_integral_value():
            yield Wrong("no whole number above zero", f"line {number}")


def _charge(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    for number, line in enumerate(claim.lines, 1):
        if line.charge is None:
            yield Wrong("no charge", f"line {number}, {line.code}")
        elif line.charge <= 0 or line.charge != line.charge.quantize(CENT):
            yield Wrong("no amount above zero in whole cents", f"line {number}, {line.code}")


def _sum(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    charges = [line.charge for line in claim.lines if line.charge is not None]
    if claim.total is None:
        yield Wrong("no total", claim.reference)
    elif len(charges) < len(claim.lines) or sum(charges, Decimal(0)) != claim.total:
        yield Wrong("another sum", claim.reference)


def _add_on(claim: ProfessionalClaim, tables: ClaimCheckTables) -> Iterator[Wrong]:
    billed = {line.code for line in claim.lines}
    for code in sorted(billed):
        bases = tables.bases.get(code)
        if bases is not None and not bases & billed:
            yield Wrong(f"{code} without {' or '.join(sorted(bases))}", claim.reference)


def _account(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if not _ACCOUNT.fullmatch(claim.account_number):
        yield Wrong(f"{len(claim.account_number)} places", f"{claim.reference} identifier")


def _control_number(claim: ProfessionalClaim, _: ClaimCheckTables) -> Iterator[Wrong]:
    if claim.frequency != ORIGINAL and not claim.original_number:
        yield Wrong(f"frequency {claim.frequency} without a number", claim.reference)


CHECKS: dict[str, Look] = {
    "K-NPI-RENDERING": lambda claim, _: _npi(claim.rendering),
    "K-NPI-BILLING": lambda claim, _: _npi(claim.billing),
    "K-TIN": _tin,
    "K-TAXONOMY-RENDERING": lambda claim, _: _taxonomy(claim.rendering),
    "K-TAXONOMY-BILLING": lambda claim, _: _taxonomy(claim.billing),
    "K-BILLING-NAME": _billing_name,
    "K-BILLING-ADDRESS": lambda claim, _: _address(claim.billing.address, claim.billing.reference),
    "K-BILLING-ZIP": _billing_zip,
    "K-BILLING-STREET": _billing_street,
    "K-RENDERING-NAME": _rendering_name,
    "K-CHARACTERS": _characters,
    "K-ASSIGNMENT": _assignment,
    "K-SIGNATURES": _signatures,
    "K-PATIENT-NAME": _person_name,
    "K-PATIENT-BIRTH-DATE": _birth_date,
    "K-PATIENT-SEX": _sex,
    "K-PATIENT-ADDRESS": _patient_address,
    "K-MEMBER-ID": _member_id,
    "K-MBI": _mbi,
    "K-SUBSCRIBER": _subscriber,
    "K-PAYER-NAME": _payer_name,
    "K-PAYER-ID": _payer_id,
    "K-OTHER-PAYER": _other_payer,
    "K-NOT-PRIMARY": _not_primary,
    "K-PROFESSIONAL": _professional,
    "K-DX-SHAPE": _diagnosis_shape,
    "K-DX-COUNT": _diagnosis_count,
    "K-DX-POINTER": _pointers,
    "K-POS": _place,
    "K-SERVICE-DATE": _dates,
    "K-CODE": _code,
    "K-UNITS": _units,
    "K-CHARGE": _charge,
    "K-SUM": _sum,
    "K-ADDON": _add_on,
    "K-ACCOUNT": _account,
    "K-CONTROL-NUMBER": _control_number,
}
"""What each check of the catalogue looks at."""
