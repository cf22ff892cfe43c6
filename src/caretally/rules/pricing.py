"""What one unit of a code costs: what the payer allows, and what the practice asks (design 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from caretally.facts.rates import Rate
    from caretally.rules.context import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrice:
    """Amount and charge of one unit on a date of service, and where each comes from."""

    amount: Decimal | None
    """What the payer allows; None: no rate is known."""
    amount_from: str
    """A ChargeItemDefinition, else ``tables, national``, ``tables, locality`` and the like, else ``none``."""
    charge: Decimal | None
    charge_from: str
    """``fee schedule of site NAME``, else a ChargeItemDefinition, else ``amount``, else ``none``."""
    definition: str | None = None
    """Canonical address of the ChargeItemDefinition that gave the charge."""
    lacking: str = ""
    """Why an amount that was asked for a locality is not adjusted to it."""
    contradicting: tuple[str, ...] = ()
    """Definitions that say different things, so that none of them was used."""


def unit_price(case: Case, code: str, day: date) -> UnitPrice:
    """Return what one unit costs at the practitioner's site."""
    listed, facility = case.context.practice.prices, is_facility(case)
    allowed = listed.find(code, day, "rate", facility=facility)
    rate = _rate_of_tables(case, code, day)
    amount, amount_from = rate.amount, "none" if rate.amount is None else f"tables, {rate.basis}"
    if allowed.price is not None:
        amount, amount_from = allowed.price.amount, allowed.price.reference
    contradicting, definition = allowed.contradicting, None
    fee = case.site.fee_schedule.get(code)
    charge: Decimal | None
    if fee is not None:
        charge, charge_from = fee, f"fee schedule of site {case.site.name}"
    else:
        asked = listed.find(code, day, "charge", facility=facility)
        contradicting += asked.contradicting
        if asked.price is not None:
            charge, charge_from, definition = asked.price.amount, asked.price.reference, asked.price.canonical
        else:
            charge, charge_from = amount, "none" if amount is None else "amount"
    return UnitPrice(
        amount=amount,
        amount_from=amount_from,
        charge=charge,
        charge_from=charge_from,
        definition=definition,
        lacking=rate.lacking if allowed.price is None and amount is not None else "",
        contradicting=tuple(dict.fromkeys(contradicting)),
    )


def is_facility(case: Case) -> bool:
    """Whether the place of service is paid at the facility rate."""
    return case.site.place_of_service in case.context.tables.facility_places


def _rate_of_tables(case: Case, code: str, day: date) -> Rate:
    site = case.site
    return case.context.tables.rate(
        code, day, facility=is_facility(case), locality=site.locality, qualifying_apm=site.qualifying_apm
    )
