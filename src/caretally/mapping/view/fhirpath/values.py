"""Collections as this engine holds them, and the questions every operator asks of them.

A collection is None (empty), a list of items, or one item by itself: the three ways FHIR JSON writes an element.
Keeping that form means that a path over single values allocates nothing. Items are what JSON holds: str, int, float,
bool or dict; a list inside a list (no FHIR) is an item that nothing can be read from.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.temporal import compare_temporal, parse_temporal


class Scope:
    """What an expression can see beside its focus."""

    __slots__ = ("context", "resource", "row_index")

    def __init__(self, resource: Any, context: Any, row_index: int) -> None:
        self.resource = resource
        self.context = context
        self.row_index = row_index


Run = Callable[[Any, Scope], Any]
"""A compiled expression: the focus and the scope in, a collection out."""


def items(value: Any) -> list[Any]:
    """Return the items of a collection as a list (not to be changed: it may be part of the resource)."""
    if value is None:
        return []
    return value if type(value) is list else [value]


def collection(found: list[Any]) -> Any:
    """Return a list in the shortest of the three forms."""
    if len(found) == 1:
        return found[0]
    return found or None


def is_empty(value: Any) -> bool:
    """Whether the collection has no item."""
    return value is None or (type(value) is list and not value)


def single(value: Any) -> Any:
    """Return the only item, or None for the empty collection.

    Raises:
        EvaluationError: there are several items.
    """
    if type(value) is not list:
        return value
    if len(value) > 1:
        raise EvaluationError(f"found {len(value)} values, wanted at most one")
    return value[0] if value else None


def truth(value: Any) -> bool | None:
    """Return what a collection means as a condition: a boolean, True for any other single item, None if empty."""
    if value is True or value is False or value is None:
        return value
    item = single(value)
    return item if item is None or type(item) is bool else True


def describe(value: Any) -> str:
    """Return the JSON name of a value's type, never the value: it may be about a patient."""
    if value is None:
        return "nothing"
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        Decimal: "a number",
        str: "a text",
        dict: "an object",
        list: "a list",
    }
    return names.get(type(value), "something that is no JSON")


def is_number(value: Any) -> bool:
    """Whether `value` is a JSON number (bool is none)."""
    return type(value) is int or type(value) is float or type(value) is Decimal


def equal(left: Any, right: Any) -> bool | None:
    """Return FHIRPath ``left = right``; None if a side is empty or dates cannot be told apart."""
    if is_empty(left) or is_empty(right):
        return None
    if type(left) is not list and type(right) is not list:
        return _equal_items(left, right)
    first, second = items(left), items(right)
    if len(first) != len(second):
        return False
    verdicts = [_equal_items(one, other) for one, other in zip(first, second, strict=True)]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _equal_items(left: Any, right: Any) -> bool | None:
    if type(left) is str and type(right) is str:
        return True if left == right else _equal_texts(left, right)
    if type(left) is not type(right):
        return bool(is_number(left) and is_number(right) and left == right)
    try:
        return bool(left == right)
    except RecursionError:
        raise EvaluationError("found objects nested too deeply to compare") from None


def _equal_texts(left: str, right: str) -> bool | None:
    first = parse_temporal(left)
    second = parse_temporal(right) if first is not None else None
    if first is None or second is None:
        return False
    order = compare_temporal(first, second)
    return None if order is None else order == 0


def same(left: Any, right: Any) -> bool:
    """Whether two items are surely equal: the test for duplicates."""
    return _equal_items(left, right) is True


def order(left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1 as `left` stands to `right`; None if a side is empty or the dates leave it open.

    Raises:
        EvaluationError: several values on one side, or two values without an order between them.
    """
    left, right = single(left), single(right)
    if left is None or right is None:
        return None
    if is_number(left) and is_number(right):
        return int(left > right) - int(left < right)
    if type(left) is not str or type(right) is not str:
        raise EvaluationError(
            f"found {describe(left)} and {describe(right)}, wanted two numbers, two texts or two dates"
        )
    first, second = parse_temporal(left), parse_temporal(right)
    if first is not None and second is not None:
        return compare_temporal(first, second)
    if first is None and second is None:
        return (left > right) - (left < right)
    raise EvaluationError("found a date or time and a text that is none, wanted two dates or times")


def distinct(found: list[Any]) -> list[Any]:
    """Return the items without duplicates, in their first order."""
    kept: list[Any] = []
    texts: set[str] = set()
    for item in found:
        if type(item) is str and parse_temporal(item) is None:
            if item in texts:
                continue
            texts.add(item)
        elif any(same(item, other) for other in kept):
            continue
        kept.append(item)
    return kept
