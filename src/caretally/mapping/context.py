"""What the mapping of a patient needs beside the patient's resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caretally.mapping.references import Directory, Person, target_of
from caretally.mapping.values import Row
from caretally.mapping.view import RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any
    from zoneinfo import ZoneInfo

    from caretally.facts.codes import Terminology
    from caretally.facts.practice import Practice
    from caretally.mapping.copies import Source
    from caretally.mapping.report import Report
    from caretally.mapping.view import CompiledView

UNREADABLE = "unreadable-resource"


class ViewIndex:
    """Views by name and resource type: several may share a name, and all of them feed the same facts."""

    def __init__(self, views: Mapping[str, tuple[CompiledView, ...]]) -> None:
        self._views: dict[tuple[str, str], tuple[CompiledView, ...]] = {}
        self.types: frozenset[str] = frozenset(view.resource for group in views.values() for view in group)
        for name, group in views.items():
            for view in group:
                key = (name, view.resource)
                self._views[key] = (*self._views.get(key, ()), view)

    def rows(self, name: str, source: Source, report: Report) -> Iterator[Row | None]:
        """Yield the rows of a resource in all views of a name.

        A view that cannot read the resource leaves an issue row; it yields None when the resource had passed its
        conditions, so that the caller can count what is lost.
        """
        for view in self._views.get((name, source.type), ()):
            try:
                found = view.rows(source.body)
            except RowError as error:
                element = f"{source.type}.{error.column}"
                report.note(source, element, UNREADABLE, error.message, "the shape that FHIR R4 gives", "error")
                if error.column in view.columns:
                    yield None
                continue
            for row in found:
                yield Row(source.type, row)

    def has(self, name: str, kind: str) -> bool:
        """Whether any view of a name reads a resource type."""
        return (name, kind) in self._views


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingContext:
    """Everything that is the same for all patients of a run.

    Args:
        views: compiled views by name; their names and columns are those of mappings/views.
        terminology: the sets and maps of mappings/terminology.
        zone: the practice's time zone, in which stamps without offset and local dates are read.
        max_entry_minutes: longest time entry that only a period vouches for.
        practice: see `map_practice`.
        own_identifier_system: identifier system of what this product writes.
    """

    views: Mapping[str, tuple[CompiledView, ...]]
    terminology: Terminology
    zone: ZoneInfo
    max_entry_minutes: int
    practice: Practice
    own_identifier_system: str
    index: ViewIndex = field(init=False, repr=False, compare=False)
    directory: Directory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", ViewIndex(self.views))
        object.__setattr__(self, "directory", Directory(self.practice))

    def person(self, reference: Mapping[str, Any], source: Source) -> Person | None:
        """Return whom a Reference means, also where it is contained in the resource; None: no person of a practice."""
        return find_person(reference, source, self.directory)

    def people(self, references: Iterable[Mapping[str, Any]], source: Source) -> list[Person]:
        """Return the persons whom References mean; relatives, patients and organizations are left out."""
        found = (self.person(reference, source) for reference in references)
        return [person for person in found if person is not None]

    def practitioner(self, reference: Mapping[str, Any] | None, source: Source) -> str | None:
        """Return the Practitioner reference whom a Reference means, if any."""
        person = self.person(reference, source) if reference is not None else None
        return person.reference if person is not None else None

    def organization(self, reference: Mapping[str, Any] | None) -> str | None:
        """Return the Organization reference that a Reference means, if any."""
        return self.directory.organization(target_of(reference)) if reference is not None else None


def find_person(reference: Mapping[str, Any], source: Source, directory: Directory) -> Person | None:
    """Return whom a Reference means; a contained Practitioner is found by NPI, a contained role by its practitioner."""
    target = target_of(reference)
    if target.fragment is None:
        return directory.person(target)
    inside = source.contained(target.fragment)
    if inside is None:
        return Person(problem="a reference to a contained resource that is not there")
    kind = inside.get("resourceType")
    if kind == "Practitioner":
        for identifier in _objects(inside.get("identifier")):
            system, value = identifier.get("system"), identifier.get("value")
            if isinstance(system, str) and isinstance(value, str):
                person = directory.by_identifier(system, value)
                if person.reference is not None or person.npi is not None:
                    return person
        return Person(problem="a contained Practitioner without an NPI that is on file")
    if kind == "PractitionerRole":
        outer = inside.get("practitioner")
        if isinstance(outer, dict) and not str(outer.get("reference", "")).startswith("#"):
            return directory.person(target_of(outer))
        return Person(problem="a contained PractitionerRole without practitioner")
    return None


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
