"""The determinations as they stand: one for each patient, month and billing practitioner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from caretally.facts import exact_json
from caretally.store import ledger, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from caretally.store.opening import Store

_t = schema.determination
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """One determination.

    Attributes:
        practitioner: reference of the billing practitioner; None where nobody can be said to bill.
        facts_digest: of everything that it was made from.
        decided_at: instant in UTC, ISO 8601.
        document: `Determination.to_json`.
    """

    patient: str
    service_month: str
    practitioner: str | None
    run_id: str
    status: str
    action: str
    facts_digest: str
    decided_at: str
    document: Mapping[str, Any] = field(repr=False)


def replace_answers(store: Store, service_month: str, decided: Sequence[str], answers: Iterable[AnswerRecord]) -> None:
    """Put the answers of some patients in place of those they had in a month.

    Args:
        store: where they are kept.
        service_month: ``2025-01``.
        decided: all patients that were decided; one without an answer loses those it had.
        answers: of these patients and this month.
    """
    rows = [_row(answer) for answer in answers]
    with store.writing() as connection:
        before: list[Mapping[str, Any]] = []
        for start in range(0, len(decided), _CHUNK):
            of_chunk = (_t.c.service_month == service_month, _t.c.patient.in_(decided[start : start + _CHUNK]))
            before += _rows(connection, *of_chunk)
            connection.execute(delete(_t).where(*of_chunk))
        if rows:
            connection.execute(insert(_t), rows)
        _enter(connection, before, rows)


def replace_answer(store: Store, answer: AnswerRecord) -> None:
    """Put one answer in place of the one that stands for the same patient, month and practitioner."""
    of_claim = (
        _t.c.patient == answer.patient,
        _t.c.service_month == answer.service_month,
        _t.c.practitioner == (answer.practitioner or ""),
    )
    with store.writing() as connection:
        before = _rows(connection, *of_claim)
        connection.execute(delete(_t).where(*of_claim))
        connection.execute(insert(_t).values(**_row(answer)))
        _enter(connection, before, [_row(answer)])


def drop_answers_of_other_runs(store: Store, service_month: str, run_id: str, kept: Sequence[str]) -> None:
    """Drop the answers of a month that a run over everybody did not give again.

    Args:
        store: where they are kept.
        service_month: ``2025-01``.
        run_id: of the run.
        kept: patients that the run could not decide; their answers stay.
    """
    with store.writing() as connection:
        for patient in kept:
            of_patient = (_t.c.service_month == service_month, _t.c.patient == patient)
            connection.execute(update(_t).where(*of_patient).values(run_id=run_id))
        of_others = (_t.c.service_month == service_month, _t.c.run_id != run_id)
        before = _rows(connection, *of_others)
        connection.execute(delete(_t).where(*of_others))
        _enter(connection, before, [])


def answers_of(store: Store, service_month: str, *, run_id: str | None = None) -> Iterator[AnswerRecord]:
    """Give the answers of a month one by one, by patient and practitioner; of one run only, when it is named."""
    last = ("", "")
    while True:
        query = (
            select(_t)
            .where(
                _t.c.service_month == service_month,
                (_t.c.patient > last[0]) | ((_t.c.patient == last[0]) & (_t.c.practitioner > last[1])),
            )
            .order_by(_t.c.patient, _t.c.practitioner)
            .limit(_CHUNK)
        )
        with store.reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield from (_answer(row) for row in rows if run_id is None or row.run_id == run_id)
        last = (rows[-1].patient, rows[-1].practitioner)


def find_answers(store: Store, patient: str, service_month: str, practitioner: str | None = None) -> list[AnswerRecord]:
    """Give the answers of one patient-month; of one practitioner only, when named."""
    query = select(_t).where(_t.c.patient == patient, _t.c.service_month == service_month).order_by(_t.c.practitioner)
    if practitioner is not None:
        query = query.where(_t.c.practitioner == practitioner)
    with store.reading() as connection:
        return [_answer(row) for row in connection.execute(query)]


def has_answer(store: Store, patient: str) -> bool:
    """Whether any answer was given for a patient, of any month."""
    with store.reading() as connection:
        return connection.execute(select(_t.c.patient).where(_t.c.patient == patient).limit(1)).first() is not None


def _rows(connection: Connection, *which: ColumnElement[bool]) -> list[dict[str, Any]]:
    return [
        {str(name): value for name, value in row.items()}
        for row in connection.execute(select(_t).where(*which)).mappings()
    ]


def _enter(connection: Connection, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> None:
    """Enter in the ledger what an answer newly says; saying the same again is nothing new."""
    old = {ledger.determination_subject(row): row for row in before}
    new = {ledger.determination_subject(row): row for row in after}
    at = next((str(row["decided_at"]) for row in after), "")
    dropped = [
        ledger.dropped_entry(row, at or str(row["decided_at"])) for subject, row in old.items() if subject not in new
    ]
    said = [
        entry
        for subject, row in new.items()
        if (entry := ledger.determination_entry(row)).body
        != (ledger.determination_entry(old[subject]).body if subject in old else None)
    ]
    ledger.append(connection, [*dropped, *said])


def _row(answer: AnswerRecord) -> dict[str, Any]:
    return {
        "patient": answer.patient,
        "service_month": answer.service_month,
        "practitioner": answer.practitioner or "",
        "run_id": answer.run_id,
        "status": answer.status,
        "action": answer.action,
        "facts_digest": answer.facts_digest,
        "decided_at": answer.decided_at,
        "document": exact_json.dumps(answer.document).decode(),
    }


def _answer(row: Row[Any]) -> AnswerRecord:
    return AnswerRecord(
        patient=row.patient,
        service_month=row.service_month,
        practitioner=row.practitioner or None,
        run_id=row.run_id,
        status=row.status,
        action=row.action,
        facts_digest=row.facts_digest,
        decided_at=row.decided_at,
        document=exact_json.loads(row.document),
    )
