"""The resources of a pull, kept while a run decides, so that memory need not hold them.

A resource stays the bytes that came. Several copies of one resource are all kept, in the order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from caretally.store import mirror, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from sqlalchemy import ColumnElement, Row

    from caretally.store.opening import Store

SOURCE, SINK = "source", "sink"
_BATCH = 2_000
_CHUNK = 500
"""Values of one IN list; SQLite allows some thousand."""

_t = schema.staged_resource


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedResource:
    """One resource as it came.

    Attributes:
        origin: ``source`` or ``sink``.
        patient: reference of the beneficiary's record; None for resources of the practice.
        place: file and line, or the reference on the server.
    """

    ordinal: int
    origin: str
    resource_type: str
    resource_id: str
    patient: str | None
    place: str
    body: bytes = field(repr=False)

    @property
    def reference(self) -> str:
        """Return ``Type/id``."""
        return f"{self.resource_type}/{self.resource_id}"


class StagingWriter:
    """Adds resources to a pull in batches; use it in a `with` block, which adds the last ones."""

    def __init__(self, store: Store, pull_id: str, origin: str) -> None:
        self._store = store
        self._pull_id = pull_id
        self._origin = origin
        self._rows: list[dict[str, object]] = []
        self._next = _next_ordinal(store, pull_id)

    def add(self, resource_type: str, resource_id: str, *, patient: str | None, place: str, body: bytes) -> None:
        """Add one resource."""
        self._rows.append(
            {
                "pull_id": self._pull_id,
                "ordinal": self._next,
                "origin": self._origin,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "patient": patient,
                "place": place,
                "body": body,
            }
        )
        self._next += 1
        if len(self._rows) >= _BATCH:
            self.flush()

    @property
    def store(self) -> Store:
        """Where the pull lies."""
        return self._store

    def take_mirror(self, mirror_id: str) -> None:
        """Add everything that a mirror holds."""
        self.flush()
        self._next = mirror.stage(
            self._store, mirror_id, pull_id=self._pull_id, origin=self._origin, first_ordinal=self._next
        )

    def flush(self) -> None:
        """Write what has been added so far."""
        if self._rows:
            with self._store.writing() as connection:
                connection.execute(insert(_t), self._rows)
            self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()


def _next_ordinal(store: Store, pull_id: str) -> int:
    with store.reading() as connection:
        last = connection.execute(select(func.max(_t.c.ordinal)).where(_t.c.pull_id == pull_id)).scalar()
    return 0 if last is None else int(last) + 1


def count_by_type(store: Store, pull_id: str, origin: str = SOURCE) -> dict[str, int]:
    """Count the resources of a pull by type."""
    query = (
        select(_t.c.resource_type, func.count())
        .where(_t.c.pull_id == pull_id, _t.c.origin == origin)
        .group_by(_t.c.resource_type)
        .order_by(_t.c.resource_type)
    )
    with store.reading() as connection:
        return {name: int(count) for name, count in connection.execute(query)}


def patients(store: Store, pull_id: str, *, batch: int = 200) -> Iterator[list[str]]:
    """Give the patients whose own record is in the pull, sorted by id, in batches.

    A record that was joined to another one (`join_patients`) is not given.
    """
    last = ""
    while True:
        query = (
            select(_t.c.resource_id)
            .distinct()
            .where(*_own_records(pull_id), _t.c.resource_id > last)
            .order_by(_t.c.resource_id)
            .limit(batch)
        )
        with store.reading() as connection:
            found = [str(row[0]) for row in connection.execute(query)]
        if not found:
            return
        yield [f"Patient/{resource_id}" for resource_id in found]
        last = found[-1]


def count_patients(store: Store, pull_id: str) -> int:
    """Count the patients that `patients` gives."""
    query = select(func.count(_t.c.resource_id.distinct())).where(*_own_records(pull_id))
    with store.reading() as connection:
        return int(connection.execute(query).scalar() or 0)


def _own_records(pull_id: str) -> tuple[ColumnElement[bool], ...]:
    own = _t.c.patient == "Patient/" + _t.c.resource_id
    return (_t.c.pull_id == pull_id, _t.c.resource_type == "Patient", own)


def of_patients(store: Store, pull_id: str, references: Sequence[str]) -> dict[str, list[StagedResource]]:
    """Give all resources of some patients, each in the order of arrival; every patient asked for has a key."""
    found: dict[str, list[StagedResource]] = {reference: [] for reference in references}
    for row in _select(store, pull_id, _t.c.patient, references):
        found[str(row.patient)].append(row)
    return found


def of_types(store: Store, pull_id: str, types: Sequence[str]) -> list[StagedResource]:
    """Give all resources of some types, in the order of arrival; meant for those of the practice."""
    return sorted(_select(store, pull_id, _t.c.resource_type, types), key=lambda row: row.ordinal)


def stream_type(store: Store, pull_id: str, resource_type: str) -> Iterator[StagedResource]:
    """Give all resources of one type one by one, in the order of arrival."""
    last = -1
    while True:
        query = (
            select(_t)
            .where(_t.c.pull_id == pull_id, _t.c.resource_type == resource_type, _t.c.ordinal > last)
            .order_by(_t.c.ordinal)
            .limit(_BATCH)
        )
        with store.reading() as connection:
            rows = [_staged(row) for row in connection.execute(query).all()]
        if not rows:
            return
        yield from rows
        last = rows[-1].ordinal


def present(store: Store, pull_id: str, references: Iterable[str]) -> set[str]:
    """Tell which of some references (``Type/id``) are in the pull."""
    by_type: dict[str, list[str]] = {}
    for reference in references:
        resource_type, _, resource_id = reference.partition("/")
        by_type.setdefault(resource_type, []).append(resource_id)
    found: set[str] = set()
    for resource_type, ids in by_type.items():
        for start in range(0, len(ids), _CHUNK):
            query = select(_t.c.resource_id).where(
                _t.c.pull_id == pull_id,
                _t.c.resource_type == resource_type,
                _t.c.resource_id.in_(ids[start : start + _CHUNK]),
            )
            with store.reading() as connection:
                found.update(f"{resource_type}/{row[0]}" for row in connection.execute(query))
    return found


def patients_without_record(store: Store, pull_id: str) -> list[tuple[str, int]]:
    """List patients that resources refer to although their own record is not in the pull, with the number of them."""
    own = _t.alias("own")
    # Not a correlated EXISTS: SQLite would look through all Patients once for each resource.
    records = select("Patient/" + own.c.resource_id).where(own.c.pull_id == pull_id, own.c.resource_type == "Patient")
    query = (
        select(_t.c.patient, func.count())
        .where(
            _t.c.pull_id == pull_id,
            _t.c.origin == SOURCE,
            _t.c.patient.is_not(None),
            _t.c.patient.not_in(records),
        )
        .group_by(_t.c.patient)
        .order_by(_t.c.patient)
    )
    with store.reading() as connection:
        return [(str(patient), int(count)) for patient, count in connection.execute(query)]


def join_patients(store: Store, pull_id: str, canonical: Mapping[str, str]) -> None:
    """File everything of some patient records under another record of the same person."""
    if not canonical:
        return
    statement = (
        update(_t)
        .where(_t.c.pull_id == pull_id, _t.c.patient == bindparam("record"))
        .values(patient=bindparam("canonical"))
    )
    with store.writing() as connection:
        connection.execute(statement, [{"record": old, "canonical": new} for old, new in canonical.items()])


def _select(store: Store, pull_id: str, column: ColumnElement[Any], values: Sequence[str]) -> Iterator[StagedResource]:
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        query = select(_t).where(_t.c.pull_id == pull_id, column.in_(chunk)).order_by(_t.c.ordinal)
        with store.reading() as connection:
            rows = [_staged(row) for row in connection.execute(query).all()]
        yield from rows


def _staged(row: Row[Any]) -> StagedResource:
    return StagedResource(
        ordinal=row.ordinal,
        origin=row.origin,
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        patient=row.patient,
        place=row.place,
        body=row.body,
    )
