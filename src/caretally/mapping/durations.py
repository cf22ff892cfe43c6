"""FHIR durations in whole seconds and whole months, always rounded down."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UCUM = "http://unitsofmeasure.org"
WEEK_SECONDS = 7 * 86_400
LONGEST_NUMBER = 30
"""Digits before or after the point; no duration and no quantity of a claim needs more."""

_SECONDS: Mapping[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_SECONDS_BY_WORD: Mapping[str, str] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_MONTHS: Mapping[str, Fraction] = {
    "a": Fraction(12),
    "mo": Fraction(1),
    # A year has 52 weeks and 365 days: whoever documents 52 weeks means a year.
    "wk": Fraction(12, 52),
    "d": Fraction(12, 365),
}
_MONTHS_BY_WORD: Mapping[str, str] = {
    **dict.fromkeys(("a", "year", "years", "yr", "yrs"), "a"),
    **dict.fromkeys(("mo", "month", "months"), "mo"),
    **dict.fromkeys(("wk", "week", "weeks"), "wk"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}


def exact(value: object) -> Decimal | None:
    """Return a JSON number as the decimal that was written; None for anything else (a boolean is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):  # ValueError: an integer of thousands of digits
        return None
    exponent = number.as_tuple().exponent
    # Longer numbers are slips or attacks: computing with them exactly would cost more than the whole run.
    if not isinstance(exponent, int) or abs(exponent) > LONGEST_NUMBER or number.adjusted() > LONGEST_NUMBER:
        return None
    return number


def unit_of(code: str | None, system: str | None, word: str | None, *, months: bool = False) -> tuple[str | None, bool]:
    """Return the UCUM code of a duration's unit, and whether it had to be taken from a unit without a UCUM code.

    Args:
        code: `Quantity.code`.
        system: `Quantity.system`; a code of another system than UCUM has no meaning here.
        word: `Quantity.unit`, the text for people.
        months: look for calendar units (a, mo, wk, d) instead of s, min, h, d.
    """
    codes: Mapping[str, object] = _MONTHS if months else _SECONDS
    words = _MONTHS_BY_WORD if months else _SECONDS_BY_WORD
    if code is not None:
        if system not in (None, UCUM) or code not in codes:
            return None, False
        return code, system is None
    if word is None:
        return None, False
    return words.get(word.strip().lower()), True


def whole_seconds(value: Decimal, unit: str) -> int:
    """Return a duration in whole seconds, rounded towards zero; `unit` is one of s, min, h, d."""
    # Fractions, because Decimal multiplication rounds after 28 digits, and may round up.
    return int(Fraction(value) * _SECONDS[unit])


def whole_months(value: Decimal, unit: str) -> int:
    """Return a duration in whole months, rounded down; `unit` is one of a, mo, wk, d."""
    return int(Fraction(value) * _MONTHS[unit])
