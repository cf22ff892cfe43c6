"""Compiles a ViewDefinition: checks all of it first, so that a wrong view fails before the first resource is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import CANONICAL
from caretally.mapping.view.constants import read_constants
from caretally.mapping.view.errors import RowError
from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.fhir_types import RESOURCE_TYPES
from caretally.mapping.view.fhirpath.values import Run, Scope, describe, single
from caretally.mapping.view.reader import NAME, Reader
from caretally.mapping.view.selects import read_select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from caretally.mapping.view.columns import Column, Produce, Rows

_KEYS = ("name", "resource", "constant", "select", "where")
FOUND_BY = f"{CANONICAL}/StructureDefinition/found-by"
"""Extension of a view of a layer: the search by which a server finds whom its rows are about."""
_SEARCH = re.compile(r"[A-Za-z_][A-Za-z0-9_:.\-]*=[^&\s]+(&[A-Za-z_][A-Za-z0-9_:.\-]*=[^&\s]+)*")
_METADATA = frozenset(
    (
        *("resourceType", "meta", "implicitRules", "language", "text", "contained", "url", "identifier", "version"),
        *("versionAlgorithmString", "versionAlgorithmCoding", "title", "status", "experimental", "date", "publisher"),
        *("contact", "description", "useContext", "jurisdiction", "purpose", "copyright", "copyrightLabel"),
        *("approvalDate", "lastReviewDate", "effectivePeriod", "profile", "fhirVersion"),
    )
)
"""Elements of a ViewDefinition that say something about it and change no row."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledView:
    """A view, compiled once and run per resource. It holds no state: threads may share it."""

    name: str
    """The view's name; blank if it has none."""
    resource: str
    """The resource type that gives rows; every other type gives none."""
    columns: tuple[str, ...]
    """Column names in the order of the rows."""
    source: str | None
    """The file that the view came from."""
    found_by: tuple[str, ...]
    """Searches that find the patients of its rows on a server: ``code=system|&period={month}``."""
    _produce: Produce
    _conditions: tuple[tuple[str, Run], ...]

    def rows(self, resource: Mapping[str, Any]) -> Rows:
        """Return the rows of one resource as parsed from JSON: none, one or several.

        Cells hold what JSON holds: str, int, float, bool, None, a list of these for a column with
        ``"collection": true``, and a dict for a column with a complex type.

        Raises:
            RowError: the resource does not fit the view, with the column and the reference; no other error.
        """
        if type(resource) is not dict:
            raise RowError(f"found {describe(resource)}, wanted a resource", column="resource", view=self._label())
        if resource.get("resourceType") != self.resource:
            return []
        scope = Scope(resource, resource, 0)
        try:
            for place, holds in self._conditions:
                if not _holds(holds, place, resource, scope):
                    return []
            return self._produce(resource, scope)
        except RowError as error:
            raise RowError(
                error.message, column=error.column, reference=self._reference(resource), view=self._label()
            ) from None

    def _label(self) -> str | None:
        return self.source or self.name or None

    def _reference(self, resource: Mapping[str, Any]) -> str | None:
        key = resource.get("id")
        return f"{self.resource}/{key}" if type(key) is str and _ID.fullmatch(key) else None


def _holds(run: Run, place: str, resource: Any, scope: Scope) -> bool:
    try:
        verdict = single(run(resource, scope))
    except EvaluationError as error:
        raise RowError(f"{error}; wanted a boolean", column=place) from None
    if verdict is None or type(verdict) is bool:
        return verdict is True
    raise RowError(f"found {describe(verdict)}, wanted a boolean", column=place)


def compile_view(view: Mapping[str, Any], *, source: str | None = None) -> CompiledView:
    """Return the view, checked and compiled.

    Args:
        view: a SQL-on-FHIR v2 ViewDefinition as parsed from JSON.
        source: the name of its file, for error messages.

    Raises:
        ViewError: what is wrong, in which file, column and place, and at which offset of the FHIRPath expression.
    """
    reader = Reader(source=source)
    reader.require(isinstance(view, dict), "", f"found {describe(view)}, wanted a ViewDefinition")
    reader.only_keys(view, "", _KEYS, _METADATA)
    kind = view.get("resourceType", "ViewDefinition")
    reader.require(kind == "ViewDefinition", "resourceType", f"found {kind!r}, wanted 'ViewDefinition'")
    resource = view.get("resource")
    reader.require(resource is not None, "resource", "found nothing, wanted the resource type of the view")
    if not isinstance(resource, str) or resource not in RESOURCE_TYPES:
        raise reader.error("resource", f"found {resource!r}, wanted a resource type of FHIR R4 such as Encounter")
    name = view.get("name", "")
    if not isinstance(name, str) or (name and NAME.fullmatch(name) is None):
        raise reader.error("name", f"found {name!r}, wanted a name of letters, digits and _ that begins with a letter")
    reader = Reader(source=source, resource=resource, constants=read_constants(reader, view))
    conditions = tuple(_read_conditions(reader, view))
    selection = read_select(reader, {"select": view.get("select")}, "")
    _refuse_duplicates(reader, selection.columns)
    return CompiledView(
        name=name,
        resource=resource,
        columns=tuple(column.name for column in selection.columns),
        source=source,
        found_by=tuple(_read_searches(reader, view)),
        _produce=selection.produce,
        _conditions=conditions,
    )


def _read_conditions(reader: Reader, view: Mapping[str, Any]) -> Iterator[tuple[str, Run]]:
    for place, where in reader.objects(view, "where", ""):
        reader.only_keys(where, place, ("path", "description"))
        compiled, _ = reader.expression(where, "path", place)
        if compiled.is_constant and not compiled.is_condition:
            raise reader.error(f"{place}.path", f"found {describe(compiled.constant)}, wanted a condition", position=0)
        yield f"{place}.path", compiled.run


def _read_searches(reader: Reader, view: Mapping[str, Any]) -> Iterator[str]:
    for place, row in reader.objects(view, "extension", ""):
        if row.get("url") != FOUND_BY:
            continue  # other extensions of a view change nothing
        search = row.get("valueString")
        if not isinstance(search, str) or _SEARCH.fullmatch(search) is None:
            wanted = "wanted a search such as code=http://loinc.org|73980-5&date={month}"
            raise reader.error(f"{place}.valueString", f"found {describe(search)}, {wanted}")
        yield search


def _refuse_duplicates(reader: Reader, columns: Iterable[Column]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise reader.error(f'column "{column.name}"', "found this name twice, wanted every column name once")
        seen.add(column.name)


def evaluate(view: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the rows of all resources, one after the other, read as they are asked for.

    The view is compiled at once, so a ViewError comes from this call; a RowError comes while iterating and ends it.
    To go on after a bad resource, use `compile_view` and `CompiledView.rows`.

    Raises:
        ViewError: the view is wrong.
    """
    compiled = compile_view(view)
    return (row for resource in resources for row in compiled.rows(resource))
