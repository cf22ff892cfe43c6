"""Amounts: relative values, conversion factors and geographic indices (rules 1, "Payment").

The fee schedule pays (work x GPCI + practice expense x GPCI + malpractice x GPCI) x conversion factor. Without a
locality every index is 1 and the parts add up to the relative value, so the amount is the national one. All amounts
are information and a tie-breaker; none decides whether a month is billed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

RateStatus = Literal["confirmed", "secondary", "missing"]
RateBasis = Literal["locality", "national", "stated", "none"]
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeValueParts:
    """The parts of a code's relative value; work, practice expense and malpractice add up to it."""

    work: Decimal
    pe_non_facility: Decimal
    pe_facility: Decimal
    mp: Decimal

    def total(self, *, facility: bool) -> Decimal:
        """Return the relative value that the parts add up to."""
        return self.work + (self.pe_facility if facility else self.pe_non_facility) + self.mp


@dataclass(frozen=True, slots=True, kw_only=True)
class Locality:
    """The geographic practice cost indices of one payment locality for a span of dates."""

    code: str
    """Contractor and locality as CMS numbers them: ``13202-01``."""
    name: str
    valid_from: date
    valid_to: date | None
    work: Decimal
    pe: Decimal
    mp: Decimal
    rate_status: RateStatus = "secondary"
    source: str = ""

    def holds_on(self, on: date) -> bool:
        """Whether the row holds on a date."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)

    def adjusted(self, parts: RelativeValueParts, *, facility: bool) -> Decimal:
        """Return the relative value of a code in this locality."""
        expense = parts.pe_facility if facility else parts.pe_non_facility
        return parts.work * self.work + expense * self.pe + parts.mp * self.mp


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionFactor:
    """Dollars for one relative value unit."""

    amount: Decimal
    valid_from: date
    valid_to: date | None
    qualifying_apm: bool = False
    """For qualifying participants of advanced payment models only; since 2026 they have a factor of their own."""
    source: str = ""

    def holds_on(self, on: date) -> bool:
        """Whether the row holds on a date."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The amount of one unit and what it rests on."""

    amount: Decimal | None
    """None: no rate is known."""
    basis: RateBasis
    """``locality``: adjusted; ``national``: not; ``stated``: an amount stands in the table instead of a value."""
    lacking: str = ""
    """Why an amount that was asked for a locality is not adjusted to it."""


def dollars(relative_value: Decimal, factor: Decimal) -> Decimal:
    """Return relative value times conversion factor, to the cent, halves up."""
    return (relative_value * factor).quantize(CENT, rounding=ROUND_HALF_UP)
