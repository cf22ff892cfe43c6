"""Binary and unary operators over collections. Each takes collections in and gives a collection out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.values import (
    collection,
    describe,
    distinct,
    equal,
    is_empty,
    is_number,
    items,
    order,
    same,
    single,
    truth,
)

Operator = Callable[[Any, Any], Any]


def _not_equal(left: Any, right: Any) -> bool | None:
    verdict = equal(left, right)
    return None if verdict is None else not verdict


def _less(left: Any, right: Any) -> bool | None:
    found = order(left, right)
    return None if found is None else found < 0


def _less_or_equal(left: Any, right: Any) -> bool | None:
    found = order(left, right)
    return None if found is None else found <= 0


def _greater(left: Any, right: Any) -> bool | None:
    found = order(left, right)
    return None if found is None else found > 0


def _greater_or_equal(left: Any, right: Any) -> bool | None:
    found = order(left, right)
    return None if found is None else found >= 0


def _exclusive_or(left: Any, right: Any) -> bool | None:
    first, second = truth(left), truth(right)
    return None if first is None or second is None else first is not second


def _in(left: Any, right: Any) -> bool | None:
    item = single(left)
    return None if item is None else any(same(item, other) for other in items(right))


def _contains(left: Any, right: Any) -> bool | None:
    return _in(right, left)


def _union(left: Any, right: Any) -> Any:
    return collection(distinct([*items(left), *items(right)]))


def _concatenate(left: Any, right: Any) -> str:
    return _text_or_blank(single(left)) + _text_or_blank(single(right))


def _text_or_blank(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise EvaluationError(f"found {describe(value)}, wanted texts on both sides of &")
    return value


def _add(left: Any, right: Any) -> Any:
    left, right = single(left), single(right)
    if type(left) is str and type(right) is str:
        return left + right
    return _calculate("+", left, right)


def _calculation(symbol: str) -> Operator:
    return lambda left, right: _calculate(symbol, single(left), single(right))


def _divide_whole(left: Decimal, right: Decimal) -> Decimal:
    return (left / right).to_integral_value(rounding="ROUND_DOWN")


_CALCULATIONS: Mapping[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "div": _divide_whole,
    "mod": lambda left, right: left % right,
}
_DECIMAL_ONLY = "/"


def _calculate(symbol: str, left: Any, right: Any) -> int | float | None:
    """Calculate in decimals, so that 0.1 + 0.2 is 0.3; None for an empty side and for a division by zero."""
    if left is None or right is None:
        return None
    if not (is_number(left) and is_number(right)):
        raise EvaluationError(f"found {describe(left)} {symbol} {describe(right)}, wanted two numbers")
    try:
        with localcontext() as context:
            context.prec = 40
            result = _CALCULATIONS[symbol](Decimal(str(left)), Decimal(str(right)))
        whole = symbol == "div" or (type(left) is int and type(right) is int and symbol != _DECIMAL_ONLY)
        number = int(result) if whole else float(result)
        return number if math.isfinite(number) else None
    except (ArithmeticError, ValueError):
        return None


OPERATORS: Mapping[str, Operator] = {
    "=": equal,
    "!=": _not_equal,
    "<": _less,
    "<=": _less_or_equal,
    ">": _greater,
    ">=": _greater_or_equal,
    "xor": _exclusive_or,
    "in": _in,
    "contains": _contains,
    "|": _union,
    "&": _concatenate,
    "+": _add,
    **{symbol: _calculation(symbol) for symbol in ("-", "*", "/", "div", "mod")},
}
"""By symbol; and, or and implies are not here, because they need not look at their right side."""

CONDITIONS = frozenset({"=", "!=", "<", "<=", ">", ">=", "xor", "in", "contains"})
"""The operators that give True, False or None only."""


def negate(value: Any) -> float | Decimal | None:
    """Return ``-value``."""
    item = single(value)
    if item is None:
        return None
    if not is_number(item):
        raise EvaluationError(f"found {describe(item)} after a sign, wanted a number")
    negative: float | Decimal = -item
    return negative


def both(left: bool | None, right: bool | None) -> bool | None:
    """Return ``left and right`` in three-valued logic."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:
    """Return ``left or right`` in three-valued logic."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def negation(value: Any) -> bool | None:
    """Return ``value.not()``."""
    verdict = truth(value)
    return None if verdict is None else not verdict


def exists(value: Any) -> bool:
    """Return ``value.exists()``."""
    return not is_empty(value)
