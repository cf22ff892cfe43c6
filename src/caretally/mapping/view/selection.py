"""Selects: joined, repeated per item, walked down recursively, or put one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.errors import RowError
from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.values import Run, Scope, items

if TYPE_CHECKING:
    from caretally.mapping.view.columns import Produce, Rows

DEEPEST_REPEAT = 10_000
"""Levels that a repeat follows. JSON parsers stop long before; a path that finds its own start never would."""

Foci = Callable[[Any, Scope], Sequence[Any]]


def joined(parts: Sequence[Produce]) -> Produce:
    """Return the cross join of the rows of all parts."""
    if len(parts) == 1:
        return parts[0]
    first, *others = parts

    def produce(focus: Any, scope: Scope) -> Rows:
        rows = first(focus, scope)
        for part in others:
            if not rows:
                return rows
            more = part(focus, scope)
            if len(more) == 1 and len(rows) == 1:
                rows[0].update(more[0])
            else:
                rows = [{**row, **other} for row in rows for other in more]
        return rows

    return produce


def one_after_the_other(branches: Sequence[Produce]) -> Produce:
    """Return the rows of all branches: ``unionAll``."""
    return lambda focus, scope: [row for branch in branches for row in branch(focus, scope)]


def for_each(foci: Foci, inner: Produce, blank: Mapping[str, Any] | None) -> Produce:
    """Return the inner rows of every focus, and `blank` (forEachOrNull) where there is no focus."""

    def produce(focus: Any, scope: Scope) -> Rows:
        found = foci(focus, scope)
        if not found:
            return [] if blank is None else [dict(blank)]
        rows: Rows = []
        for index, item in enumerate(found):
            rows += inner(item, Scope(scope.resource, item, index))
        return rows

    return produce


def found_by(run: Run, place: str) -> Foci:
    """Return the items of one path: ``forEach``."""

    def foci(focus: Any, scope: Scope) -> list[Any]:
        try:
            return items(run(focus, scope))
        except EvaluationError as error:
            raise RowError(str(error), column=place) from None

    return foci


def found_recursively(runs: Sequence[Run], place: str) -> Foci:
    """Return what the paths find, and what they find there, and so on, each item before those below it: ``repeat``."""

    def children(focus: Any, scope: Scope, level: int) -> list[tuple[Any, int]]:
        return [(child, level) for run in runs for child in items(run(focus, scope))]

    def foci(focus: Any, scope: Scope) -> list[Any]:
        found: list[Any] = []
        # A stack of our own, the next item on top: the depth of the data is not the depth of Python's calls.
        try:
            waiting = children(focus, scope, 1)[::-1]
            while waiting:
                item, level = waiting.pop()
                if level > DEEPEST_REPEAT:
                    raise RowError(f"found more than {DEEPEST_REPEAT} levels, wanted a path that ends", column=place)
                found.append(item)
                waiting += children(item, Scope(scope.resource, item, 0), level + 1)[::-1]
        except EvaluationError as error:
            raise RowError(str(error), column=place) from None
        return found

    return foci
