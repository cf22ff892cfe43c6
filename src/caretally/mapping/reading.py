"""What every fact builder is given: the resources of one patient, the context, and where findings go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from caretally.mapping.references import target_of
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from caretally.mapping.context import MappingContext
    from caretally.mapping.copies import Source
    from caretally.mapping.report import Report
    from caretally.mapping.values import Row

T = TypeVar("T")


@dataclass(slots=True)
class Reading:
    """The resources of one patient while they become facts."""

    context: MappingContext
    sources: list[Source]
    report: Report
    used: set[str] = field(default_factory=set)
    """References that became facts."""
    refused: set[str] = field(default_factory=set)
    """References of which nothing, or not all, could be used."""

    def rows(self, view: str) -> Iterator[tuple[Source, Row]]:
        """Yield every row of the views of a name; copies that contradict each other give none."""
        for source in self.sources:
            if not self.context.index.has(view, source.type):
                continue
            for row in self.context.index.rows(view, source, self.report):
                if row is None or source.conflicting:
                    self.refused.add(source.reference)
                else:
                    yield source, row

    def facts(self, view: str, build: Callable[[Source, Row], T | None]) -> tuple[T, ...]:
        """Build a fact of every row; a value that cannot be used refuses the row by name, not the patient."""
        found: list[T] = []
        for source, row in self.rows(view):
            try:
                fact = build(source, row)
            except Refusal as refusal:
                self.report.refuse(source, refusal)
                self.refused.add(source.reference)
                continue
            if fact is not None:
                self.used.add(source.reference)
                found.append(fact)
        return tuple(found)

    def day(self, row: Row, column: str, *, latest: bool = False) -> date | None:
        """Return the local date of a column: the first possible day, or the last."""
        stamp = row.stamp(column, self.context.zone)
        if stamp is None:
            return None
        return stamp.last_day if latest else stamp.first_day

    def reference(self, row: Row, column: str) -> str | None:
        """Return the ``Type/id`` of the first Reference of a column."""
        return next(iter(self.references(row, column)), None)

    def references(self, row: Row, column: str) -> tuple[str, ...]:
        """Return the ``Type/id`` of each Reference of a column that can be read."""
        keys = (target_of(item).key for item in row.objects(column))
        return tuple(dict.fromkeys(key for key in keys if key is not None))

    def missing(self, source: Source, column: str, reference: str) -> None:
        """Note a reference to a resource that was not read; what rests on it may be less than the record holds."""
        wanted = f"{reference} among the resources that were read"
        self.report.note(source, f"{source.type}.{column}", "missing-resource", "a reference without target", wanted)

    def practitioners(self, row: Row, column: str, source: Source) -> tuple[str, ...]:
        """Return the practitioners whom the References of a column mean; who cannot be told is an issue row."""
        found: list[str] = []
        for person in self.context.people(row.objects(column), source):
            if person.reference is None:
                wanted = "a practitioner who is on file"
                self.report.note(
                    source, f"{source.type}.{column}", "unresolvable-practitioner", person.problem or "", wanted
                )
            elif person.reference not in found:
                found.append(person.reference)
                if not person.known:
                    self.missing(source, column, person.reference)
        return tuple(found)
