"""lowBoundary() and highBoundary(): the ends of what a number or a partial date may stand for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.temporal import boundary as temporal_boundary
from caretally.mapping.view.fhirpath.values import Run, Scope, describe, is_number, single

if TYPE_CHECKING:
    from caretally.mapping.view.fhirpath.compiled import Compiled


def boundary(source: Compiled, *, low: bool) -> Run:
    """Return ``source.lowBoundary()`` (`low`) or ``source.highBoundary()``.

    Numbers give a number, dates a date, dateTimes a dateTime, times a time; a Period gives its outer dateTime.
    A day by itself counts as a date unless ``ofType(dateTime)`` stands before.
    """
    start, kind = source.run, source.kind

    def run(focus: Any, scope: Scope) -> Any:
        return _boundary(single(start(focus, scope)), kind, low=low)

    return run


def _boundary(value: Any, kind: str | None, *, low: bool) -> Any:
    if value is None:
        return None
    if is_number(value):
        return _decimal_boundary(value, low=low)
    if type(value) is dict and ("start" in value or "end" in value):
        end = value.get("start" if low else "end")
        return None if end is None else _boundary(end, "dateTime", low=low)
    found = temporal_boundary(value, low=low, kind=kind) if type(value) is str else None
    if found is None:
        what = "a text that is no date or time" if type(value) is str else describe(value)
        raise EvaluationError(f"found {what}, wanted a number, a date, a time or a Period")
    return found


def _decimal_boundary(value: float | Decimal, *, low: bool) -> float | None:
    number = Decimal(str(value))
    if not number.is_finite():
        return None
    exponent = number.as_tuple().exponent
    places = min(exponent, 0) if isinstance(exponent, int) else 0
    half = Decimal(5).scaleb(places - 1)
    return float(number - half if low else number + half)
