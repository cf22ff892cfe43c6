"""The outbox: what is to be written, committed before the first byte is sent, and what became of it.

An intent that is still open when a run starts was interrupted: whether it reached the sink is not known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import func, insert, select, update

from caretally.facts import exact_json
from caretally.store import ledger, schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from caretally.store.opening import Store

IntentState = Literal["open", "applied", "refused", "conflict", "unknown", "waiting", "withdrawn"]
"""`refused`: the sink said no; `conflict`: it has another version than expected; `unknown`: the answer was lost;
`waiting`: the sink took nothing at that time; `withdrawn`: a later run decided otherwise, or a person dropped it."""

UNSETTLED: tuple[IntentState, ...] = ("open", "unknown", "waiting")
"""What the next run looks up and finishes."""
FAILED: tuple[IntentState, ...] = ("refused", "conflict")
"""What waits for the next decision about the claim, or for a person."""

ClaimOf = tuple[str, str, str]
"""Patient, service month, practitioner; "" where nobody can be said to bill."""

_t = schema.change_intent
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One change set that is to be written.

    Attributes:
        id: of this record.
        idempotency_key: equal for equal changes to the same claim.
        source: key of the source that it was decided from.
        practitioner: None where nobody can be said to bill.
        document: the writes, with the versions expected.
    """

    id: str
    idempotency_key: str
    run_id: str
    source: str
    patient: str
    service_month: str
    practitioner: str | None
    action: str
    state: IntentState = "open"
    created_at: str
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an intent at one attempt.

    Attributes:
        document: references and versions written, or the sink's own words.
    """

    intent_id: str
    state: IntentState
    at: str
    document: Mapping[str, Any] = field(repr=False)


def add_intents(store: Store, intents: Iterable[Intent]) -> None:
    """Commit intents before anything of them is sent."""
    rows = [
        {
            "id": intent.id,
            "idempotency_key": intent.idempotency_key,
            "run_id": intent.run_id,
            "source": intent.source,
            "patient": intent.patient,
            "service_month": intent.service_month,
            "practitioner": intent.practitioner or "",
            "action": intent.action,
            "state": intent.state,
            "created_at": intent.created_at,
            "document": exact_json.dumps(intent.document).decode(),
        }
        for intent in intents
    ]
    if rows:
        with store.writing() as connection:
            connection.execute(insert(_t), rows)
            ledger.append(connection, [ledger.intent_entry(row) for row in rows])


def add_outcomes(store: Store, outcomes: Sequence[Outcome]) -> None:
    """Record what became of intents; their state follows."""
    if not outcomes:
        return
    table = schema.change_outcome
    with store.writing() as connection:
        tried = _attempts(connection, [outcome.intent_id for outcome in outcomes])
        rows = []
        states: dict[IntentState, list[str]] = {}
        for outcome in outcomes:
            tried[outcome.intent_id] += 1
            rows.append(
                {
                    "intent_id": outcome.intent_id,
                    "attempt": tried[outcome.intent_id],
                    "at": outcome.at,
                    "state": outcome.state,
                    "document": exact_json.dumps(outcome.document).decode(),
                }
            )
            states.setdefault(outcome.state, []).append(outcome.intent_id)
        connection.execute(insert(table), rows)
        ledger.append(connection, [ledger.outcome_entry(row) for row in rows])
        for state, intents in states.items():
            for start in range(0, len(intents), _AT_ONCE):
                concerned = _t.c.id.in_(intents[start : start + _AT_ONCE])
                connection.execute(update(_t).where(concerned).values(state=state))


def _attempts(connection: Connection, intents: Sequence[str]) -> Counter[str]:
    """Count what is known of each intent already."""
    table = schema.change_outcome
    found: Counter[str] = Counter()
    for start in range(0, len(intents), _AT_ONCE):
        query = (
            select(table.c.intent_id, func.count())
            .where(table.c.intent_id.in_(intents[start : start + _AT_ONCE]))
            .group_by(table.c.intent_id)
        )
        found.update({str(intent_id): int(number) for intent_id, number in connection.execute(query)})
    return found


def open_intents(store: Store) -> list[Intent]:
    """List the intents of which nobody knows whether they were written, oldest first."""
    return _intents(store, select(_t).where(_t.c.state.in_(UNSETTLED)))


def last_written(store: Store, patient: str, service_month: str, practitioner: str | None) -> str | None:
    """Return the intent by which the claim of a patient-month was last written with new content; None: it never was."""
    query = (
        select(_t.c.id)
        .where(
            _t.c.patient == patient,
            _t.c.service_month == service_month,
            _t.c.practitioner == (practitioner or ""),
            _t.c.state == "applied",
            _t.c.action.in_(["create", "update", "replace"]),
        )
        .order_by(_t.c.created_at.desc(), _t.c.id.desc())
        .limit(1)
    )
    with store.reading() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else str(found)


def was_applied(store: Store, idempotency_key: str) -> bool:
    """Whether a change was written before."""
    query = select(_t.c.id).where(_t.c.idempotency_key == idempotency_key, _t.c.state == "applied").limit(1)
    with store.reading() as connection:
        return connection.execute(query).first() is not None


def failed_intents(store: Store, service_month: str | None = None) -> list[tuple[Intent, Outcome]]:
    """List the intents that the sink refused, each with what it said last."""
    return [
        (intent, said[-1]) for intent, said in listed_intents(store, service_month) if intent.state in FAILED and said
    ]


def failed_claims(store: Store, service_month: str) -> set[ClaimOf]:
    """Give the claims of a month of which an intent failed: patient, month, practitioner (empty: nobody)."""
    columns = (_t.c.patient, _t.c.service_month, _t.c.practitioner)
    query = select(*columns).distinct().where(_t.c.service_month == service_month, _t.c.state.in_(FAILED))
    with store.reading() as connection:
        return {(str(row[0]), str(row[1]), str(row[2])) for row in connection.execute(query)}


def withdraw_failed(store: Store, claims: Collection[ClaimOf], *, at: str, why: str) -> None:
    """Take failed intents of some claims off the list, because the claims were decided anew."""
    for patient, service_month, practitioner in sorted(claims):
        query = select(_t).where(
            _t.c.state.in_(FAILED),
            _t.c.patient == patient,
            _t.c.service_month == service_month,
            _t.c.practitioner == practitioner,
        )
        found = _intents(store, query)
        add_outcomes(
            store, [Outcome(intent_id=one.id, state="withdrawn", at=at, document={"message": why}) for one in found]
        )


def listed_intents(store: Store, service_month: str | None = None) -> list[tuple[Intent, tuple[Outcome, ...]]]:
    """List everything that has not reached the sink, oldest first, each with what became of it at each attempt."""
    query = select(_t).where(_t.c.state.in_((*UNSETTLED, *FAILED)))
    if service_month is not None:
        query = query.where(_t.c.service_month == service_month)
    return [(intent, outcomes_of(store, intent.id)) for intent in _intents(store, query)]


def find_intents(store: Store, beginning: str) -> list[Intent]:
    """Give the intents whose id begins so."""
    return _intents(store, select(_t).where(_t.c.id.startswith(beginning, autoescape=True)))


def outcomes_of(store: Store, intent_id: str) -> tuple[Outcome, ...]:
    """Give what became of an intent at each attempt, the first one first."""
    table = schema.change_outcome
    query = select(table).where(table.c.intent_id == intent_id).order_by(table.c.attempt)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return tuple(
        Outcome(
            intent_id=row.intent_id,
            state=cast("IntentState", row.state),
            at=row.at,
            document=exact_json.loads(row.document),
        )
        for row in rows
    )


def later_intent(store: Store, intent: Intent) -> Intent | None:
    """Give an intent for the same claim that was decided after one; None where that one is the last."""
    query = select(_t).where(
        _t.c.patient == intent.patient,
        _t.c.service_month == intent.service_month,
        _t.c.practitioner == (intent.practitioner or ""),
        _t.c.id != intent.id,
        _t.c.created_at >= intent.created_at,
        _t.c.state != "withdrawn",
    )
    found = _intents(store, query)
    return found[-1] if found else None


def last_source(store: Store, patient: str, service_month: str, practitioner: str | None) -> str | None:
    """Tell from which source the change to a claim that was written last was decided; None when nothing is known.

    What only moved the claim along its life, as a person or a payer said, was decided from no source.
    """
    moved = select(schema.run.c.id).where(schema.run.c.command == "advance")
    query = (
        select(_t.c.source)
        .where(
            _t.c.state == "applied",
            _t.c.patient == patient,
            _t.c.service_month == service_month,
            _t.c.practitioner == (practitioner or ""),
            _t.c.run_id.not_in(moved),
        )
        .order_by(_t.c.created_at.desc())
        .limit(1)
    )
    with store.reading() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else str(found)


def _intents(store: Store, query: Select[Any]) -> list[Intent]:
    with store.reading() as connection:
        rows = connection.execute(query.order_by(_t.c.created_at, _t.c.id)).all()
    return [_intent(row) for row in rows]


def _intent(row: Row[Any]) -> Intent:
    return Intent(
        id=row.id,
        idempotency_key=row.idempotency_key,
        run_id=row.run_id,
        source=row.source,
        patient=row.patient,
        service_month=row.service_month,
        practitioner=row.practitioner or None,
        action=row.action,
        state=cast("IntentState", row.state),
        created_at=row.created_at,
        document=exact_json.loads(row.document),
    )
