"""What people decided; the kinds and their meaning are in `facts.decision`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select

from caretally.facts import exact_json
from caretally.facts.decision import DecisionRecord
from caretally.store import ledger, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Select

    from caretally.store.opening import Store

__all__ = [
    "DecisionRecord",
    "add_decision",
    "add_decisions",
    "all_decisions",
    "decisions_about",
    "decisions_by_patient",
    "decisions_of",
    "find_decision",
]

_t = schema.decision
_CHUNK = 500


def add_decision(store: Store, decision: DecisionRecord) -> None:
    """Keep a decision."""
    add_decisions(store, [decision])


def add_decisions(store: Store, decisions: Sequence[DecisionRecord]) -> None:
    """Keep decisions, all or none."""
    if not decisions:
        return
    rows = [
        {
            "id": one.id,
            "kind": one.kind,
            "patient": one.patient,
            "service_month": one.service_month,
            "practitioner": one.practitioner,
            "resource": one.resource,
            "who": one.who,
            "at": one.at,
            "why": one.why,
            "document": exact_json.dumps(one.document).decode(),
        }
        for one in decisions
    ]
    with store.writing() as connection:
        connection.execute(insert(_t), rows)
        ledger.append(connection, [ledger.decision_entry(row) for row in rows])


def decisions_of(store: Store, patient: str, *, kind: str | None = None) -> list[DecisionRecord]:
    """Give the decisions about a patient, oldest first."""
    query = select(_t).where(_t.c.patient == patient)
    return _decisions(store, query if kind is None else query.where(_t.c.kind == kind))


def decisions_about(store: Store, service_month: str, *, kinds: Iterable[str] = ()) -> list[DecisionRecord]:
    """Give the decisions that concern a month, of any patient, oldest first; of some kinds only, when named."""
    query = select(_t).where(or_(_t.c.service_month == service_month, _t.c.service_month.is_(None)))
    wanted = list(kinds)
    return _decisions(store, query.where(_t.c.kind.in_(wanted)) if wanted else query)


def decisions_by_patient(store: Store, patients: Sequence[str]) -> dict[str, list[DecisionRecord]]:
    """Give the decisions about some patients, oldest first; absent where there is none."""
    found: dict[str, list[DecisionRecord]] = {}
    for start in range(0, len(patients), _CHUNK):
        for one in _decisions(store, select(_t).where(_t.c.patient.in_(patients[start : start + _CHUNK]))):
            found.setdefault(one.patient, []).append(one)
    return found


def all_decisions(store: Store) -> list[DecisionRecord]:
    """Give every decision, oldest first."""
    return _decisions(store, select(_t))


def find_decision(store: Store, name: str) -> DecisionRecord | None:
    """Give one decision by its id; None when there is none."""
    found = _decisions(store, select(_t).where(_t.c.id == name))
    return found[0] if found else None


def _decisions(store: Store, query: Select[tuple[object, ...]]) -> list[DecisionRecord]:
    with store.reading() as connection:
        rows = connection.execute(query.order_by(_t.c.at, _t.c.id)).mappings().all()
    return [DecisionRecord(**{**row, "document": exact_json.loads(row["document"])}) for row in rows]
