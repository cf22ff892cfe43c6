"""The lines of a determination, checked and in one order, as both the claim and the charges need them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.billing.errors import BillingError
from caretally.facts.codes import NPI

if TYPE_CHECKING:
    from caretally.facts.determination import Determination, Line

C4BB_CARE_TEAM_ROLE = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimCareTeamRole"
CENT = Decimal("0.01")
POINTERS = 4
"""A line of a professional claim points at no more than four diagnoses."""
DIAGNOSES_ON_A_CLAIM = 12
"""Box 21 and HI of the 837P have room for twelve; the others stand in Provenance."""


def ordered_lines(determination: Determination) -> tuple[Line, ...]:
    """Return the lines by date, the base code before its add-on, then by code; the given order means nothing.

    Raises:
        BillingError: a line that no claim can carry.
    """
    base = _base_codes(determination)
    lines = sorted(determination.lines, key=lambda x: (x.service_date, x.code not in base, x.code))
    seen = set()
    for index, line in enumerate(lines):
        where = f"lines[{index}]"
        if not determination.service_month.contains(line.service_date):
            raise BillingError(f"{line.code} is dated outside {determination.service_month}", where=where)
        if line.units < 1:
            raise BillingError(f"{line.code} has {line.units} units; wanted one or more", where=where)
        if line.charge is not None and not (line.charge.is_finite() and line.charge >= 0):
            raise BillingError(f"{line.code} has a charge that is no amount of money", where=where)
        if (line.code, line.service_date) in seen:
            raise BillingError(f"{line.code} stands twice on {line.service_date}; wanted one line", where=where)
        if not line.system or not line.code:
            raise BillingError("a line without code or code system", where=where)
        seen.add((line.code, line.service_date))
    if not lines:
        raise BillingError("there is nothing to bill: the determination has no lines", where="lines")
    return tuple(lines)


def _base_codes(determination: Determination) -> set[str]:
    """Return the base codes of the families that are billed: the first step of each ladder."""
    families = determination.families or (determination.family,)
    lowest: dict[str, tuple[int, str]] = {}
    for step in determination.trace.ladder:
        if step.family in families:
            here = (step.threshold_seconds, step.code)
            lowest[step.family] = min(lowest.get(step.family, here), here)
    return {code for _, code in lowest.values()}


def diagnosis_codes(determination: Determination) -> tuple[str, ...]:
    """Return the ICD-10-CM codes in the order of the claim, each once, at most twelve.

    Raises:
        BillingError: no condition has a code.
    """
    codes = dict.fromkeys(d.icd10cm for d in determination.evidence.diagnoses if d.icd10cm)
    if not codes:
        raise BillingError("no condition of the evidence has an ICD-10-CM code", where="Claim.diagnosis")
    return tuple(codes)[:DIAGNOSES_ON_A_CLAIM]


def diagnosis_pointers(determination: Determination, line: Line) -> list[int]:
    """Return the places, on the claim, of the diagnoses that a line rests on: at most four, in order.

    A line that names none rests on those of the whole answer.
    """
    codes = diagnosis_codes(determination)
    own = [code for code in line.diagnoses if code in codes] or list(codes)
    return sorted(codes.index(code) + 1 for code in own[:POINTERS])


def entries_of(determination: Determination, line: Line) -> tuple[str, ...]:
    """Return the entries whose counted time had been worked by a line's date of service, in time order.

    Time worked later did not help to reach the line: it changes nothing that stands on it.
    """
    evidence = determination.evidence.entries
    worked = {
        row.entry
        for row in determination.trace.ledger
        if row.excluded is None
        and row.used
        and row.day <= line.service_date
        and line.programme in {None, row.programme}
    }
    return tuple(entry for entry in evidence if entry in worked) if determination.trace.ledger else evidence


def money(amount: Decimal) -> dict[str, Any]:
    """Return a FHIR Money in dollars, digit for digit."""
    return {"value": amount, "currency": "USD"}


def unit_price(charge: Decimal, units: int) -> Decimal | None:
    """Return the price of one unit; None when it has no whole number of cents, for nothing is rounded."""
    price = (charge / units).quantize(CENT)
    return price if price * units == charge else None


def coding(system: str, code: str) -> dict[str, Any]:
    """Return a CodeableConcept with one coding and no text: descriptors of CPT belong to the AMA."""
    return {"coding": [{"system": system, "code": code}]}


def reference(target: str, *, npi: str | None = None) -> dict[str, Any]:
    """Return a FHIR Reference; with an NPI, readers need not resolve it to know who bills."""
    found: dict[str, Any] = {"reference": target}
    return found if npi is None else {**found, "identifier": {"system": NPI, "value": npi}}
