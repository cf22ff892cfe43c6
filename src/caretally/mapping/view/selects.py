"""Reads the select elements of a view, which may hold further selects, and puts their parts together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from caretally.mapping.view import selection as joins
from caretally.mapping.view.columns import Column, Produce, bare_type, blank_row, column_block, item_types
from caretally.mapping.view.fhirpath.syntax import Variable
from caretally.mapping.view.fhirpath.values import describe
from caretally.mapping.view.reader import NAME, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

DEEPEST_SELECT = 20
"""Selects inside selects."""

_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_SELECT_KEYS = ("column", "select", "unionAll", *_ITERATIONS)
_COLUMN_KEYS = ("name", "path", "type", "collection", "description", "tag")


@dataclass(frozen=True, slots=True)
class Selection:
    """A compiled select: its rows, and their columns in order."""

    parts: tuple[Column | Produce, ...]
    """What is joined for one focus; columns are kept apart so that neighbours are evaluated together."""
    columns: tuple[Column, ...]

    @property
    def produce(self) -> Produce:
        """The join of all parts."""
        ready: list[Produce] = []
        for is_column, group in groupby(self.parts, key=lambda part: isinstance(part, Column)):
            members = list(group)
            if is_column:
                ready.append(column_block([part for part in members if isinstance(part, Column)]))
            else:
                ready += [part for part in members if not isinstance(part, Column)]
        return joins.joined(ready)


def read_select(reader: Reader, part: Mapping[str, Any], place: str, level: int = 0) -> Selection:
    """Return one select, compiled with everything inside it.

    Raises:
        ViewError: an unknown key, a wrong type, two iterations, no columns at all, branches that differ, or a fault
            in one of the expressions.
    """
    reader.require(level <= DEEPEST_SELECT, place, f"found more than {DEEPEST_SELECT} nested selects, wanted fewer")
    reader.only_keys(part, place, _SELECT_KEYS)
    foci = _read_iteration(reader, part, place)
    parts: list[Column | Produce] = [
        _read_column(reader, entry, here) for here, entry in reader.objects(part, "column", place)
    ]
    columns = [column for column in parts if isinstance(column, Column)]
    for here, entry in reader.objects(part, "select", place):
        inner = read_select(reader, entry, here, level + 1)
        parts += inner.parts
        columns += inner.columns
    union = _read_union(reader, part, place, level)
    if union is not None:
        parts += union.parts
        columns += union.columns
    reader.require(bool(parts), place or "select", "found no column, wanted column, select or unionAll with columns")
    whole = Selection(tuple(parts), tuple(columns))
    if foci is None:
        return whole
    blank = blank_row(columns) if "forEachOrNull" in part else None
    return Selection((joins.for_each(foci, whole.produce, blank),), whole.columns)


def _read_iteration(reader: Reader, part: Mapping[str, Any], place: str) -> joins.Foci | None:
    used = [key for key in _ITERATIONS if key in part]
    reader.require(len(used) <= 1, place, f"found {' and '.join(used)}, wanted at most one of them in a select")
    if not used:
        return None
    here = f"{place}.{used[0]}"
    if used[0] != "repeat":
        compiled, _ = reader.expression(part, used[0], place)
        return joins.found_by(compiled.run, here)
    paths = part["repeat"]
    if not isinstance(paths, list) or not paths:
        raise reader.error(here, f"found {describe(paths)}, wanted a list of FHIRPath expressions")
    runs = [reader.compile(path, f"{here}[{number}]")[0].run for number, path in enumerate(paths)]
    return joins.found_recursively(runs, here)


def _read_union(reader: Reader, part: Mapping[str, Any], place: str, level: int) -> Selection | None:
    branches = [
        (here, read_select(reader, entry, here, level + 1)) for here, entry in reader.objects(part, "unionAll", place)
    ]
    if not branches:
        return None
    first = branches[0][1].columns
    for here, branch in branches[1:]:
        names = [column.name for column in branch.columns]
        wanted = [column.name for column in first]
        reader.require(
            names == wanted,
            here,
            f"found the columns {', '.join(names)}, wanted those of the first branch in the same "
            f"order: {', '.join(wanted)}",
        )
        for column, other in zip(branch.columns, first, strict=True):
            _same_type(reader, column, other, here)
    return Selection((joins.one_after_the_other([branch.produce for _, branch in branches]),), first)


def _same_type(reader: Reader, column: Column, first: Column, place: str) -> None:
    types = column.declared_type, first.declared_type
    reader.require(
        None in types or types[0] == types[1],
        f'column "{column.name}" ({place})',
        f"found the type {types[0]}, wanted {types[1]} as in the first branch",
    )
    reader.require(
        column.is_collection == first.is_collection,
        f'column "{column.name}" ({place})',
        'found another "collection" than in the first branch, wanted the same',
    )


def _read_column(reader: Reader, part: Mapping[str, Any], place: str) -> Column:
    reader.only_keys(part, place, _COLUMN_KEYS)
    name = part.get("name")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise reader.error(
            f"{place}.name", f"found {name!r}, wanted a name of letters, digits and _ that begins with a letter"
        )
    label = f'column "{name}" ({place}'
    collection = part.get("collection", False)
    reader.require(
        isinstance(collection, bool), f"{label}.collection)", f"found {describe(collection)}, wanted true or false"
    )
    declared = part.get("type")
    reader.require(
        declared is None or isinstance(declared, str),
        f"{label}.type)",
        f"found {describe(declared)}, wanted a FHIR type",
    )
    bare = bare_type(declared) if declared else None
    accepted = item_types(bare)
    if accepted is None:
        raise reader.error(f"{label}.type)", f"found {declared!r}, wanted a FHIR type such as string or dateTime")
    compiled, tree = reader.expression(part, "path", place, column=name)
    return Column(
        name=name,
        run=compiled.run,
        declared_type=bare,
        item_types=accepted,
        is_collection=collection,
        is_row_index=isinstance(tree, Variable) and tree.name == "rowIndex",
    )
