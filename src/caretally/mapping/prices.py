"""ChargeItemDefinitions become the price list of the practice; an amount that would have to be guessed is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from caretally.facts.codes import CANONICAL
from caretally.facts.prices import Price, PriceKind
from caretally.mapping.durations import exact
from caretally.mapping.values import Refusal, is_procedure, kind, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from caretally.mapping.copies import Source
    from caretally.mapping.values import Row

OWN_DEFINITIONS = f"{CANONICAL}/ChargeItemDefinition/"
"""Canonical addresses of the definitions that this project ships: they repeat the tables, which are used themselves."""
PRICE_KIND = f"{CANONICAL}/CodeSystem/price-kind"
PAYER_RATE = "payer-rate"
_STATUSES = frozenset({"draft", "active", "retired", "unknown"})
_SETTINGS = {"facility": True, "non-facility": False}
_CENT = Decimal("0.01")
# Prices hold for whole days; a definition that gives an instant is read as its day in UTC.
_ZONE = ZoneInfo("UTC")


def prices_of(source: Source, row: Row) -> Iterator[Price]:
    """Yield the prices of one property group; nothing for a definition that is not active, or is our own.

    Raises:
        Refusal: names the element that cannot be used.
    """
    if row.status("status", _STATUSES) != "active":
        return
    url, version = row.text("url"), row.text("version")
    if url is not None and url.startswith(OWN_DEFINITIONS):
        return
    codes = [coding for coding in row.codings("codings") if is_procedure(coding)]
    if not codes:
        return
    for flag in ("conditional", "group_conditional"):
        if row.flag(flag):
            wanted = "a price for every use, without applicability, useContext, jurisdiction or instance"
            raise Refusal("ChargeItemDefinition.applicability", "conditional-price", "a condition", wanted)
    setting = row.text("setting")
    if setting is not None and setting not in _SETTINGS:
        element, wanted = "ChargeItemDefinition.propertyGroup.extension", "facility or non-facility"
        raise Refusal(element, "unknown-setting", shown(setting), wanted)
    start, end = _narrower(row)
    for component in row.objects("components"):
        found = _amount(component)
        if found is not None:
            for coding in codes:
                yield Price(
                    system=coding.system,
                    code=coding.code,
                    kind=found[0],
                    amount=found[1],
                    reference=source.reference,
                    canonical=None if url is None else url if version is None else f"{url}|{version}",
                    facility=None if setting is None else _SETTINGS[setting],
                    valid_from=start,
                    valid_to=end,
                )


def _narrower(row: Row) -> tuple[date | None, date | None]:
    """Return the days for which a group holds: its own period within that of the definition."""
    starts = [stamp.first_day for name in ("start", "group_start") if (stamp := row.stamp(name, _ZONE)) is not None]
    ends = [stamp.last_day for name in ("end", "group_end") if (stamp := row.stamp(name, _ZONE)) is not None]
    return max(starts, default=None), min(ends, default=None)


def _amount(component: Mapping[str, Any]) -> tuple[PriceKind, Decimal] | None:
    """Return kind and amount of a price component; None for information that is no rate.

    Raises:
        Refusal: the amount is no sum of dollars, or only part of a price.
    """
    where = "ChargeItemDefinition.propertyGroup.priceComponent"
    what = component.get("type")
    if what == "informational":
        if not _is_rate(component.get("code")):
            return None
    elif what != "base":
        wanted = "base, or informational: a price made of parts is not put together here"
        raise Refusal(f"{where}.type", "unknown-price-part", "nothing" if what is None else shown(what), wanted)
    if component.get("factor") is not None:
        raise Refusal(f"{where}.factor", "price-factor", "a factor", "an amount alone")
    money = component.get("amount")
    if not isinstance(money, dict):
        raise Refusal(f"{where}.amount", "no-amount", "nothing" if money is None else kind(money), "an amount in USD")
    if money.get("currency") != "USD":
        found = "no currency" if money.get("currency") is None else "another currency"
        raise Refusal(f"{where}.amount.currency", "unknown-currency", found, "USD")
    value = exact(money.get("value"))
    if value is None or value < 0 or value != value.quantize(_CENT):
        raise Refusal(f"{where}.amount.value", "no-amount", kind(money.get("value")), "dollars and whole cents")
    return "charge" if what == "base" else "rate", value.quantize(_CENT)


def _is_rate(concept: Any) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return isinstance(codings, list) and any(
        isinstance(c, dict) and c.get("system") == PRICE_KIND and c.get("code") == PAYER_RATE for c in codings
    )
