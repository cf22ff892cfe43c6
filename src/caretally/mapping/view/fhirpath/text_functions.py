"""Functions over texts and single values. An empty input gives an empty result, a wrong type is an error."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.values import collection, describe, items, single

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def text(value: Any) -> str | None:
    """Return the single text, or None for the empty collection.

    Raises:
        EvaluationError: several values, or no text.
    """
    item = single(value)
    if item is not None and type(item) is not str:
        raise EvaluationError(f"found {describe(item)}, wanted a text")
    return item


def whole_number(value: Any) -> int | None:
    """Return the single integer, or None for the empty collection.

    Raises:
        EvaluationError: several values, or no integer.
    """
    item = single(value)
    if item is not None and type(item) is not int:
        raise EvaluationError(f"found {describe(item)}, wanted an integer")
    return item


def over_texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lift a function of str arguments to collections: empty anywhere gives empty."""

    def run(*values: Any) -> Any:
        texts = [text(value) for value in values]
        return None if None in texts else function(*texts)

    return run


def join(value: Any, separator: Any = None) -> str:
    """Return the texts in one, with `separator` between them; of no text: a blank text."""
    parts = items(value)
    for part in parts:
        if type(part) is not str:
            raise EvaluationError(f"found {describe(part)} to join, wanted texts")
    return (text(separator) or "").join(parts)


def split(value: str, separator: str) -> Any:
    """Return the parts of a text; without a separator, its characters."""
    return collection(value.split(separator) if separator else list(value))


def substring(value: Any, start: Any, length: Any = None) -> str | None:
    """Return the part from `start` (counted from 0); None if it starts outside the text."""
    whole, first, count = text(value), whole_number(start), whole_number(length)
    if whole is None or first is None or not 0 <= first < len(whole):
        return None
    return whole[first:] if count is None else whole[first : first + max(count, 0)]


def matches(value: str, pattern: str) -> bool:
    """Return whether the pattern is found anywhere in the text."""
    return expression(pattern).search(value) is not None


def replace_matches(value: str, pattern: str, replacement: str) -> str:
    """Return the text with every match of the pattern replaced, literally."""
    return expression(pattern).sub(lambda _match: replacement, value)


def expression(pattern: str) -> re.Pattern[str]:
    """Return the compiled regular expression.

    Raises:
        EvaluationError: it is none.
    """
    try:
        return re.compile(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise EvaluationError(f"found a regular expression that cannot be read ({error})") from None


def to_text(value: Any) -> str | None:
    """Return a primitive as FHIR would write it; None for an object."""
    item = single(value)
    if type(item) is bool:
        return "true" if item else "false"
    return str(item) if type(item) in (str, int, float, Decimal) else None


def to_integer(value: Any) -> int | None:
    """Return an integer, or None if the value is none."""
    item = single(value)
    if type(item) is str:
        return int(item) if _INTEGER.fullmatch(item) else None
    return int(item) if type(item) in (int, bool) else None


def to_decimal(value: Any) -> float | Decimal | None:
    """Return a number, or None if the value is none."""
    item = single(value)
    if type(item) is str:
        return float(item) if _DECIMAL.fullmatch(item) else None
    if type(item) is bool:
        return float(item)
    return item if type(item) in (int, float, Decimal) else None


def to_boolean(value: Any) -> bool | None:
    """Return a boolean, or None if the value stands for none."""
    item = single(value)
    if type(item) is bool or item is None:
        return item
    written = item.lower() if type(item) is str else str(item)
    return True if written in _TRUE else False if written in _FALSE else None
