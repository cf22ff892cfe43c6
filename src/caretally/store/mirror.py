"""What is held of a server, read slice by slice and page by page, so that a reading that was cut off goes on.

Each page is committed together with the place from which to go on: whatever happens, no more than the page that was
on its way is asked for again. A reading (generation) marks everything it sees; what it did not see is gone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from caretally.facts import exact_json
from caretally.facts.issue import Issue
from caretally.store import schema
from caretally.store.runs import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from caretally.store.opening import Store

Mode = Literal["full", "changes", "export", "export-changes"]
_CHUNK = 500

_m, _s, _r = schema.mirror, schema.mirror_slice, schema.mirror_resource
_p, _f, _n = schema.mirror_person, schema.mirror_reference, schema.mirror_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What is held of one server for one purpose.

    Attributes:
        mode: ``full`` reads everything anew by search, ``changes`` what changed since `held_up_to`; ``export`` and
            ``export-changes`` do the same by Bulk Data export.
        complete: whether the last reading came to its end.
        generation: name of the last reading.
        begun_at: of that reading, by our clock.
        server_began_at: the same by the server's clock.
        held_up_to: every change up to then is held; None: nobody knows.
        fully_read_at: when everything was read anew last.
        export_status: address at which a started export tells its state.
        export_manifest: what the export gave, as JSON.
    """

    id: str
    source: str
    purpose: str
    mode: Mode
    complete: bool
    generation: str
    begun_at: str
    server_began_at: str | None = None
    held_up_to: str | None = None
    fully_read_at: str | None = None
    export_status: str | None = field(default=None, repr=False)
    export_manifest: Any = field(default=None, repr=False)

    @property
    def incremental(self) -> bool:
        """Whether what is not seen stays."""
        return self.mode in {"changes", "export-changes"}

    @property
    def by_export(self) -> bool:
        """Whether it is a Bulk Data export."""
        return self.mode in {"export", "export-changes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSlice:
    """A bounded part of a reading: one search, or one file of an export.

    Attributes:
        document: what is asked for.
        next_link: page to go on with; None: from the beginning.
        pages: taken in so far.
    """

    ordinal: int
    phase: str
    resource_type: str
    document: Mapping[str, Any] = field(repr=False)
    next_link: str | None = field(default=None, repr=False)
    pages: int = 0


@dataclass(slots=True)
class Taken:
    """What one page brought, to be kept with the place from which to go on."""

    rows: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    """Resource type, id, patient and body."""
    people: set[str] = field(default_factory=set)
    """Patients who were found, and whose resources are to be asked for."""
    read_people: set[str] = field(default_factory=set)
    """Patients whose resources come without being asked for."""
    references: set[str] = field(default_factory=set)
    issues: list[Issue] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)
    """Resources of patients that were not asked for, by type; they are not kept."""
    gone: list[tuple[str, str]] = field(default_factory=list)
    """Type and id of resources that no longer exist."""


def find(store: Store, source: str, purpose: str) -> Mirror | None:
    """Give what is held of a source for a purpose; None: nothing."""
    with store.reading() as connection:
        row = connection.execute(select(_m).where(_m.c.source == source, _m.c.purpose == purpose)).mappings().first()
    if row is None:
        return None
    values = {name: value for name, value in row.items() if name not in {"state", "export_manifest"}}
    manifest = None if row["export_manifest"] is None else exact_json.loads(row["export_manifest"])
    return Mirror(**values, complete=row["state"] == "complete", export_manifest=manifest)


def begin(store: Store, mirror: Mirror) -> Mirror:
    """Begin a reading: of a new mirror, or anew of one that is held; what was planned and noted before is dropped."""
    values = {
        "mode": mirror.mode,
        "state": "reading",
        "generation": mirror.generation,
        "begun_at": mirror.begun_at,
        "server_began_at": mirror.server_began_at,
        "export_status": None,
        "export_manifest": None,
    }
    with store.writing() as connection:
        held = connection.execute(select(_m.c.id).where(_m.c.id == mirror.id)).first()
        if held is None:
            fresh = {"id": mirror.id, "source": mirror.source, "purpose": mirror.purpose}
            connection.execute(insert(_m).values(**fresh, **values))
        else:
            connection.execute(update(_m).where(_m.c.id == mirror.id).values(**values))
        for table in (_s, _n):
            connection.execute(delete(table).where(table.c.mirror_id == mirror.id))
        if not mirror.incremental:
            connection.execute(update(_p).where(_p.c.mirror_id == mirror.id).values(asked=False))
            connection.execute(delete(_f).where(_f.c.mirror_id == mirror.id))
    return replace(mirror, complete=False, export_status=None, export_manifest=None)


def complete(store: Store, mirror: Mirror, *, held_up_to: str | None, at: str) -> None:
    """End a reading; in a full one, what was not seen is dropped, but for the patients of whom something is missing."""
    with store.writing() as connection:
        if not mirror.incremental:
            _drop_unseen(connection, mirror)
        values: dict[str, Any] = {"state": "complete", "held_up_to": held_up_to, "export_status": None}
        if not mirror.incremental:
            values["fully_read_at"] = at
        connection.execute(update(_m).where(_m.c.id == mirror.id).values(**values))


def _drop_unseen(connection: Connection, mirror: Mirror) -> None:
    gaps = (_n.c.mirror_id == mirror.id, _n.c.kind == "gap")
    if connection.execute(select(_n.c.ordinal).where(*gaps, _n.c.patient.is_(None))).first() is not None:
        return  # nobody knows whose resources are missing
    flawed = select(_n.c.patient).where(*gaps)
    connection.execute(
        delete(_r).where(
            _r.c.mirror_id == mirror.id,
            _r.c.seen != mirror.generation,
            or_(_r.c.patient.is_(None), _r.c.patient.not_in(flawed)),
        )
    )
    connection.execute(delete(_p).where(_p.c.mirror_id == mirror.id, _p.c.seen != mirror.generation))


def forget(store: Store, mirror_id: str) -> None:
    """Drop a mirror and everything in it."""
    with store.writing() as connection:
        connection.execute(delete(_m).where(_m.c.id == mirror_id))


def keep_export(store: Store, mirror_id: str, *, status: str | None, manifest: Any = None) -> None:
    """Remember a started export before its state is asked for the first time, and later what it gave."""
    text = None if manifest is None else exact_json.dumps(manifest).decode()
    with store.writing() as connection:
        connection.execute(update(_m).where(_m.c.id == mirror_id).values(export_status=status, export_manifest=text))


def forget_export(store: Store, mirror_id: str, phase: str) -> None:
    """Forget a started export and the slices of its files; what was taken in of them stays."""
    with store.writing() as connection:
        connection.execute(update(_m).where(_m.c.id == mirror_id).values(export_status=None, export_manifest=None))
        connection.execute(delete(_s).where(_s.c.mirror_id == mirror_id, _s.c.phase == phase))


def keep_server_time(store: Store, mirror_id: str, began_at: str) -> None:
    """Remember when a reading began by the server's clock."""
    with store.writing() as connection:
        connection.execute(update(_m).where(_m.c.id == mirror_id).values(server_began_at=began_at))


def plan_slices(store: Store, mirror_id: str, phase: str, slices: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Add slices of a phase: resource type and what is asked for."""
    with store.writing() as connection:
        _add_slices(connection, mirror_id, phase, slices)


def _add_slices(
    connection: Connection, mirror_id: str, phase: str, slices: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    last = connection.execute(select(func.max(_s.c.ordinal)).where(_s.c.mirror_id == mirror_id)).scalar()
    rows = [
        {
            "mirror_id": mirror_id,
            "ordinal": ordinal,
            "phase": phase,
            "resource_type": resource_type,
            "document": exact_json.dumps(document).decode(),
            "state": "waiting",
            "pages": 0,
        }
        for ordinal, (resource_type, document) in enumerate(slices, 0 if last is None else int(last) + 1)
    ]
    if rows:
        connection.execute(insert(_s), rows)


def phase_planned(store: Store, mirror_id: str, phase: str) -> bool:
    """Whether the slices of a phase were planned in this reading."""
    query = select(_s.c.ordinal).where(_s.c.mirror_id == mirror_id, _s.c.phase == phase).limit(1)
    with store.reading() as connection:
        return connection.execute(query).first() is not None


def count_waiting(store: Store, mirror_id: str, phase: str) -> int:
    """Count the slices of a phase that are not done."""
    query = select(func.count()).where(_s.c.mirror_id == mirror_id, _s.c.phase == phase, _s.c.state == "waiting")
    with store.reading() as connection:
        return int(connection.execute(query).scalar() or 0)


def waiting_slices(store: Store, mirror_id: str, phase: str, *, limit: int | None = None) -> list[MirrorSlice]:
    """Give slices of a phase that are not done, the first `limit` of them, those half read with their place."""
    query = (
        select(_s)
        .where(_s.c.mirror_id == mirror_id, _s.c.phase == phase, _s.c.state == "waiting")
        .order_by(_s.c.ordinal)
        .limit(limit)
    )
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return [
        MirrorSlice(
            ordinal=row.ordinal,
            phase=row.phase,
            resource_type=row.resource_type,
            document=exact_json.loads(row.document),
            next_link=row.next_link,
            pages=row.pages,
        )
        for row in rows
    ]


def take_page(
    store: Store, mirror: Mirror, one: MirrorSlice, taken: Taken, *, next_link: str | None, done: bool
) -> None:
    """Keep what a page brought together with the place from which to go on.

    Both are gone together when the machine loses power, and the page is asked for again.
    """
    with store.writing(may_be_lost=True) as connection:
        _keep(connection, mirror, taken)
        values: dict[str, Any] = {"next_link": next_link, "pages": _s.c.pages + 1}
        if done:
            values["state"] = "done"
        connection.execute(update(_s).where(_s.c.mirror_id == mirror.id, _s.c.ordinal == one.ordinal).values(**values))


def keep(store: Store, mirror: Mirror, taken: Taken) -> None:
    """Keep resources of which no slice need know, for example lines of a file that is taken in batch by batch."""
    with store.writing() as connection:
        _keep(connection, mirror, taken)


def replace_slice(
    store: Store,
    mirror: Mirror,
    one: MirrorSlice,
    *,
    by: Sequence[Mapping[str, Any]] = (),
    issues: Iterable[Issue] = (),
    gaps: Iterable[Gap] = (),
) -> None:
    """End a slice without a page: by other slices of the same type, or by what it cannot bring."""
    with store.writing() as connection:
        _add_slices(connection, mirror.id, one.phase, [(one.resource_type, document) for document in by])
        _note(connection, mirror.id, issues, gaps)
        state = "gap" if gaps else "done"
        connection.execute(
            update(_s)
            .where(_s.c.mirror_id == mirror.id, _s.c.ordinal == one.ordinal)
            .values(state=state, next_link=None)
        )


def restart_slice(store: Store, mirror: Mirror, one: MirrorSlice) -> None:
    """Read a slice from its beginning again: the server has forgotten where we were."""
    with store.writing() as connection:
        connection.execute(
            update(_s).where(_s.c.mirror_id == mirror.id, _s.c.ordinal == one.ordinal).values(next_link=None)
        )


def ask_again(store: Store, mirror_id: str) -> None:
    """Let a reading that goes on ask again for what it could not bring before it was cut off: it may be there now."""
    with store.writing() as connection:
        failed = (_s.c.mirror_id == mirror_id, _s.c.state == "gap")
        connection.execute(update(_s).where(*failed).values(state="waiting"))
        # A gap without a patient is not of a slice: it stays.
        gaps = (_n.c.mirror_id == mirror_id, _n.c.kind == "gap", _n.c.patient.is_not(None))
        connection.execute(delete(_n).where(*gaps))


def note(store: Store, mirror_id: str, *, issues: Iterable[Issue] = (), gaps: Iterable[Gap] = ()) -> None:
    """Keep issue rows and gaps of the present reading."""
    with store.writing() as connection:
        _note(connection, mirror_id, issues, gaps)


def _keep(connection: Connection, mirror: Mirror, taken: Taken) -> None:
    seen = mirror.generation
    rows = {
        (kind, name): {
            "mirror_id": mirror.id,
            "resource_type": kind,
            "resource_id": name,
            "patient": patient,
            "seen": seen,
            "body": body,
        }
        for kind, name, patient, body in taken.rows
    }
    _upsert(connection, _r, list(rows.values()), changed=("patient", "seen", "body"))
    people = [{"mirror_id": mirror.id, "patient": one, "seen": seen, "asked": False} for one in sorted(taken.people)]
    _upsert(connection, _p, people, changed=("seen",))
    read = [{"mirror_id": mirror.id, "patient": one, "seen": seen, "asked": True} for one in sorted(taken.read_people)]
    _upsert(connection, _p, read, changed=("seen", "asked"))
    references = [{"mirror_id": mirror.id, "reference": one, "asked": False} for one in sorted(taken.references)]
    _upsert(connection, _f, references, changed=())
    for kind, name in taken.gone:
        connection.execute(
            delete(_r).where(_r.c.mirror_id == mirror.id, _r.c.resource_type == kind, _r.c.resource_id == name)
        )
    _note(connection, mirror.id, taken.issues, (), taken.strangers)


def _upsert(connection: Connection, table: Table, rows: list[dict[str, Any]], *, changed: tuple[str, ...]) -> None:
    if not rows:
        return
    text, names = _upsert_text(connection.dialect.name, table, tuple(rows[0]), changed)
    # Past the library's own look at each value, which costs more than the database's work: all are text or bytes.
    connection.exec_driver_sql(text, [tuple(row[name] for name in names) for row in rows] if names else rows)


@lru_cache
def _upsert_text(
    dialect_name: str, table: Table, columns: tuple[str, ...], changed: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return the statement as its driver takes it, and the order of its values; none where they go by name."""
    dialect = sqlite if dialect_name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = list(table.primary_key.columns)
    if changed:
        statement = statement.on_conflict_do_update(
            index_elements=keys, set_={name: statement.excluded[name] for name in changed}
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    made = statement.compile(dialect=dialect.dialect(), column_keys=list(columns))
    return str(made), tuple(made.positiontup or ())


def _note(
    connection: Connection,
    mirror_id: str,
    issues: Iterable[Issue],
    gaps: Iterable[Gap],
    strangers: Mapping[str, int] = MappingProxyType({}),
) -> None:
    documents: list[tuple[str, str | None, dict[str, Any]]] = [("issue", one.patient, one.to_json()) for one in issues]
    documents += [("gap", gap.patient, {"resource_type": gap.resource_type, "reason": gap.reason}) for gap in gaps]
    documents += [("strangers", None, {"resource_type": kind, "count": count}) for kind, count in strangers.items()]
    if not documents:
        return
    last = connection.execute(select(func.max(_n.c.ordinal)).where(_n.c.mirror_id == mirror_id)).scalar()
    rows = [
        {
            "mirror_id": mirror_id,
            "ordinal": ordinal,
            "kind": kind,
            "patient": patient,
            "document": exact_json.dumps(document).decode(),
        }
        for ordinal, (kind, patient, document) in enumerate(documents, 0 if last is None else int(last) + 1)
    ]
    connection.execute(insert(_n), rows)


@dataclass(frozen=True, slots=True)
class Notes:
    """What was noted in a reading; in an order that does not depend on which slice was read first."""

    issues: list[Issue]
    gaps: list[Gap]
    strangers: Counter[str]


def notes(store: Store, mirror_id: str) -> Notes:
    """Give what was noted in the present reading."""
    with store.reading() as connection:
        rows = connection.execute(select(_n).where(_n.c.mirror_id == mirror_id).order_by(_n.c.ordinal)).all()
    issues, gaps = [], []
    strangers: Counter[str] = Counter()
    for row in rows:
        document = exact_json.loads(row.document)
        if row.kind == "gap":
            gaps.append(Gap(patient=row.patient, **document))
        elif row.kind == "strangers":
            strangers[document["resource_type"]] += document["count"]
        else:
            issues.append(Issue(**{**document, "patient": row.patient}))
    # A file that is taken in a second time, after a crash, notes the same again.
    issues = list(dict.fromkeys(issues))
    issues.sort(key=lambda one: (one.resource, one.element, one.code, one.found))
    gaps.sort(key=lambda one: (one.patient or "", one.resource_type, one.reason))
    return Notes(issues, gaps, strangers)


def people_to_ask(store: Store, mirror: Mirror) -> list[str]:
    """Give the patients who were found and whose resources are not asked for yet."""
    query = select(_p.c.patient).where(_p.c.mirror_id == mirror.id, _p.c.asked.is_(False)).order_by(_p.c.patient)
    if not mirror.incremental:
        query = query.where(_p.c.seen == mirror.generation)
    with store.reading() as connection:
        return [str(row[0]) for row in connection.execute(query)]


def people(store: Store, mirror: Mirror) -> set[str]:
    """Give every patient of the mirror, of a reading of everything those whom it found."""
    query = select(_p.c.patient).where(_p.c.mirror_id == mirror.id)
    if not mirror.incremental:
        query = query.where(_p.c.seen == mirror.generation)
    with store.reading() as connection:
        rows = connection.execute(query)
        return {str(row[0]) for row in rows}


def references_to_ask(store: Store, mirror_id: str) -> list[str]:
    """Give the people and places of the practice that were not asked for yet."""
    query = select(_f.c.reference).where(_f.c.mirror_id == mirror_id, _f.c.asked.is_(False)).order_by(_f.c.reference)
    with store.reading() as connection:
        return [str(row[0]) for row in connection.execute(query)]


def plan_for(
    store: Store,
    mirror_id: str,
    planned: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]],
    *,
    people: Sequence[str] = (),
    references: Sequence[str] = (),
) -> None:
    """Add slices, by phase, for patients or references, which then count as asked for: all of it, or nothing."""
    with store.writing() as connection:
        for phase, slices in planned.items():
            _add_slices(connection, mirror_id, phase, slices)
        for table, column, values in ((_p, _p.c.patient, people), (_f, _f.c.reference, references)):
            for start in range(0, len(values), _CHUNK):
                chunk = values[start : start + _CHUNK]
                connection.execute(
                    update(table).where(table.c.mirror_id == mirror_id, column.in_(chunk)).values(asked=True)
                )


def holds(store: Store, mirror: Mirror, references: Sequence[str]) -> set[str]:
    """Tell which of some references (``Type/id``) were seen in the present reading."""
    by_type: dict[str, list[str]] = {}
    for reference in references:
        kind, _, name = reference.partition("/")
        by_type.setdefault(kind, []).append(name)
    found: set[str] = set()
    for kind, names in by_type.items():
        for start in range(0, len(names), _CHUNK):
            query = select(_r.c.resource_id).where(
                _r.c.mirror_id == mirror.id,
                _r.c.resource_type == kind,
                _r.c.resource_id.in_(names[start : start + _CHUNK]),
            )
            if not mirror.incremental:
                query = query.where(_r.c.seen == mirror.generation)
            with store.reading() as connection:
                found |= {f"{kind}/{row[0]}" for row in connection.execute(query)}
    return found


def count_by_type(store: Store, mirror_id: str, *, seen: str | None = None) -> dict[str, int]:
    """Count what is held, or what a reading (`generation`) brought of it, by resource type."""
    query = (
        select(_r.c.resource_type, func.count())
        .where(_r.c.mirror_id == mirror_id, *([] if seen is None else [_r.c.seen == seen]))
        .group_by(_r.c.resource_type)
        .order_by(_r.c.resource_type)
    )
    with store.reading() as connection:
        return {str(kind): int(number) for kind, number in connection.execute(query)}


def seen(store: Store, mirror: Mirror) -> Iterator[tuple[str, bytes]]:
    """Give type and body of what the present reading brought, one after the other."""
    query = select(_r.c.resource_type, _r.c.body).where(_r.c.mirror_id == mirror.id, _r.c.seen == mirror.generation)
    with store.reading() as connection:
        for kind, body in connection.execution_options(yield_per=_CHUNK).execute(query):
            yield str(kind), bytes(body)


def stage(store: Store, mirror_id: str, *, pull_id: str, origin: str, first_ordinal: int) -> int:
    """Copy everything that is held into a pull; return the next free ordinal there.

    In one statement, so that no resource passes through this process.
    """
    staged = schema.staged_resource
    number = func.row_number().over(order_by=(_r.c.resource_type, _r.c.resource_id)) - 1 + first_ordinal
    rows = select(
        literal(pull_id),
        number,
        literal(origin),
        _r.c.resource_type,
        _r.c.resource_id,
        _r.c.patient,
        _r.c.resource_type + "/" + _r.c.resource_id,
        _r.c.body,
    ).where(_r.c.mirror_id == mirror_id)
    names = ["pull_id", "ordinal", "origin", "resource_type", "resource_id", "patient", "place", "body"]
    with store.writing() as connection:
        connection.execute(insert(staged).from_select(names, rows))
        last = connection.execute(select(func.max(staged.c.ordinal)).where(staged.c.pull_id == pull_id)).scalar()
    return first_ordinal if last is None else int(last) + 1


def references(store: Store, mirror_id: str) -> set[str]:
    """Give every person and place of the practice that something in the mirror refers to."""
    with store.reading() as connection:
        rows = connection.execute(select(_f.c.reference).where(_f.c.mirror_id == mirror_id))
        return {str(row[0]) for row in rows}
