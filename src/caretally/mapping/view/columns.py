"""Columns: evaluated together for one focus, each value checked against the type that the view declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from caretally.mapping.view.errors import RowError
from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.fhir_types import PRIMITIVE_TYPES, SYSTEM_TYPES
from caretally.mapping.view.fhirpath.values import Run, Scope, describe, items

_STRUCTURE_BASE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM_BASE = "http://hl7.org/fhirpath/"
_NOTHING = frozenset({type(None)})
_ANY_PRIMITIVE = frozenset({str, int, float, Decimal, bool})
_OBJECT = frozenset({dict})

Rows = list[dict[str, Any]]
Produce = Callable[[Any, Scope], Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, ready to be evaluated."""

    name: str
    run: Run
    declared_type: str | None
    """FHIR type without its base URL; None if the view does not say."""
    item_types: frozenset[type]
    """Python types that a value may have."""
    is_collection: bool
    is_row_index: bool
    """Whether the path is ``%rowIndex``, which is 0 in the blank row of forEachOrNull."""

    def settle(self, value: Any) -> Any:
        """Return the value of the cell.

        Raises:
            EvaluationError: several values where one is wanted, or a value of another type.
        """
        found = items(value)
        for item in found:
            if type(item) not in self.item_types:
                raise EvaluationError(f"found {describe(item)}, wanted {self._wanted()}")
        if self.is_collection:
            return list(found)
        if len(found) > 1:
            raise EvaluationError(
                f'found {len(found)} values, wanted at most one; use first(), forEach or "collection": true'
            )
        return found[0] if found else None

    def _wanted(self) -> str:
        return self.declared_type or "a single value (an object needs the type of the column to be declared)"


def bare_type(declared: str) -> str:
    """Return a declared column type without the base URL of FHIR's or FHIRPath's own types."""
    name = declared.removeprefix(_STRUCTURE_BASE).removeprefix(_SYSTEM_BASE)
    return SYSTEM_TYPES.get(name, name)


def item_types(declared: str | None) -> frozenset[type] | None:
    """Return the Python types that values of a declared type have; None if FHIR has no such primitive type."""
    if declared is None:
        return _ANY_PRIMITIVE
    if declared in PRIMITIVE_TYPES:
        return PRIMITIVE_TYPES[declared]
    is_complex = declared[:1].isupper() or ":" in declared
    return _OBJECT if is_complex else None


def column_block(columns: Sequence[Column]) -> Produce:
    """Return what evaluates these columns for one focus: always exactly one row."""
    # A value whose type is in this set is the cell as it is; only the rest (lists, surprises) need settle().
    ready = tuple(
        (column.name, column.run, frozenset() if column.is_collection else column.item_types | _NOTHING, column.settle)
        for column in columns
    )

    def produce(focus: Any, scope: Scope) -> Rows:
        row: dict[str, Any] = {}
        name = ""
        try:
            for name, run, accepted, settle in ready:
                value = run(focus, scope)
                row[name] = value if type(value) in accepted else settle(value)
        except EvaluationError as error:
            raise RowError(str(error), column=name) from None
        return [row]

    return produce


def blank_row(columns: Sequence[Column]) -> Mapping[str, Any]:
    """Return the row of a forEachOrNull that found nothing."""
    return {column.name: 0 if column.is_row_index else None for column in columns}
