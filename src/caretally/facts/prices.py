"""The price list of a practice: ChargeItemDefinitions on the server (design 5, `charge`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

PriceKind = Literal["charge", "rate"]
"""``charge``: what the practice asks for one unit; ``rate``: what the payer allows for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One amount of one unit of a code."""

    system: str
    code: str
    kind: PriceKind
    amount: Decimal
    """Dollars, whole cents."""
    reference: str
    """The ChargeItemDefinition, ``Type/id``."""
    canonical: str | None = None
    """Its canonical address with the version, as `ChargeItem.definitionCanonical` names it."""
    facility: bool | None = None
    """Whether it holds for places paid at the facility rate, or for the others; None: for all."""
    valid_from: date | None = None
    valid_to: date | None = None
    """Last day; None for no end."""

    def holds_on(self, on: date) -> bool:
        """Whether the amount holds for a date of service."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrice:
    """What a price list says: one amount, nothing, or several that contradict each other."""

    price: Price | None = None
    contradicting: tuple[str, ...] = ()
    """The definitions that give different amounts for the same unit, place and date: none of them is used."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices that were read; a hospital's list may have many thousands, so they are found by their code."""

    prices: tuple[Price, ...] = ()
    _by_code: dict[str, list[Price]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_code: dict[str, list[Price]] = {}
        for price in self.prices:
            by_code.setdefault(price.code, []).append(price)
        object.__setattr__(self, "_by_code", by_code)

    def find(self, code: str, on: date, kind: PriceKind, *, facility: bool) -> FoundPrice:
        """Return the amount of one unit on a date of service.

        One for the kind of place goes before one for every place, then the one that began last; where two remain
        with different amounts none is taken, for which one holds is not ours to guess.
        """
        held = [
            p
            for p in self._by_code.get(code, ())
            if p.kind == kind and p.facility in {None, facility} and p.holds_on(on)
        ]
        if not held:
            return FoundPrice()
        best = max(_rank(p) for p in held)
        first = sorted((p for p in held if _rank(p) == best), key=lambda p: p.reference)
        if len({p.amount for p in first}) > 1:
            return FoundPrice(contradicting=tuple(dict.fromkeys(p.reference for p in first)))
        return FoundPrice(price=first[0])


def _rank(price: Price) -> tuple[bool, int]:
    return price.facility is not None, 0 if price.valid_from is None else price.valid_from.toordinal()
