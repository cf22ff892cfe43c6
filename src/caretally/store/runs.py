"""Runs, their pulls, the gaps of a pull, and the issue rows of a run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, func, insert, select, update

from caretally.facts import exact_json
from caretally.facts.issue import Issue, Severity
from caretally.store import schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from caretally.store.opening import Store

_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as it stands in the store.

    Attributes:
        state: running, done, incomplete or failed; one that stays running was interrupted.
        report: what the run said at its end.
    """

    id: str
    command: str
    service_month: str
    as_of: str
    started_at: str
    ended_at: str | None
    state: str
    report: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Part of a source that could not be read.

    Attributes:
        patient: reference; None when any patient may be concerned.
        resource_type: what is missing.
        reason: for a person, without patient data.
    """

    patient: str | None
    resource_type: str
    reason: str


def begin_run(store: Store, *, run_id: str, command: str, service_month: str, as_of: str, started_at: str) -> None:
    """Record that a run has begun."""
    with store.writing() as connection:
        connection.execute(
            insert(schema.run).values(
                id=run_id,
                command=command,
                service_month=service_month,
                as_of=as_of,
                started_at=started_at,
                state="running",
            )
        )


def end_run(store: Store, run_id: str, *, state: str, ended_at: str, report: Mapping[str, Any]) -> None:
    """Record how a run ended."""
    table = schema.run
    with store.writing() as connection:
        connection.execute(
            update(table)
            .where(table.c.id == run_id)
            .values(state=state, ended_at=ended_at, report=exact_json.dumps(report).decode())
        )


def latest_run(store: Store, service_month: str | None = None) -> RunRecord | None:
    """Give the run that began last, of one month or of any."""
    table = schema.run
    query = select(table).order_by(table.c.started_at.desc(), table.c.id.desc()).limit(1)
    if service_month is not None:
        query = query.where(table.c.service_month == service_month)
    with store.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    report = None if row["report"] is None else exact_json.loads(row["report"])
    return RunRecord(**{**row, "report": report})


def begin_pull(store: Store, *, pull_id: str, run_id: str, source: str, service_month: str, started_at: str) -> None:
    """Record that a pull has begun; it counts as incomplete until it has ended."""
    with store.writing() as connection:
        connection.execute(
            insert(schema.pull).values(
                id=pull_id,
                run_id=run_id,
                source=source,
                service_month=service_month,
                started_at=started_at,
                complete=False,
            )
        )


def end_pull(store: Store, pull_id: str, *, ended_at: str, gaps: Iterable[Gap], counts: Mapping[str, Any]) -> None:
    """Record what a pull brought and what it could not bring."""
    rows = [
        {
            "pull_id": pull_id,
            "ordinal": ordinal,
            "patient": gap.patient,
            "resource_type": gap.resource_type,
            "reason": gap.reason,
        }
        for ordinal, gap in enumerate(gaps)
    ]
    table = schema.pull
    with store.writing() as connection:
        if rows:
            connection.execute(insert(schema.pull_gap), rows)
        connection.execute(
            update(table)
            .where(table.c.id == pull_id)
            .values(complete=not rows, ended_at=ended_at, counts=exact_json.dumps(counts).decode())
        )


def gaps_of(store: Store, pull_id: str) -> list[Gap]:
    """List what a pull could not bring."""
    table = schema.pull_gap
    with store.reading() as connection:
        rows = connection.execute(select(table).where(table.c.pull_id == pull_id).order_by(table.c.ordinal)).all()
    return [Gap(patient=row.patient, resource_type=row.resource_type, reason=row.reason) for row in rows]


def forget_pulls(store: Store) -> None:
    """Drop the resources of all pulls, which are needed only while a run decides, and give their room back."""
    with store.writing() as connection:
        connection.execute(delete(schema.pull))
    if store.engine.dialect.name == "sqlite":
        raw = store.engine.raw_connection()
        try:
            # A script is stepped to its end; the statement alone gives back one page.
            cast("sqlite3.Connection", raw.driver_connection).executescript("PRAGMA incremental_vacuum;")
        finally:
            raw.close()


def add_issues(store: Store, run_id: str, issues: Iterable[Issue]) -> None:
    """Add issue rows to a run, in their order."""
    table = schema.issue
    with store.writing() as connection:
        last = connection.execute(select(func.max(table.c.ordinal)).where(table.c.run_id == run_id)).scalar()
        rows = (
            {"run_id": run_id, "ordinal": ordinal, **issue.to_json()}
            for ordinal, issue in enumerate(issues, 0 if last is None else last + 1)
        )
        while batch := list(islice(rows, _BATCH)):
            connection.execute(insert(table), batch)


def issues_of(store: Store, run_id: str) -> Iterator[Issue]:
    """Give the issue rows of a run one by one, in the order in which they were found."""
    table = schema.issue
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.ordinal)
    with store.reading() as connection:
        for row in connection.execution_options(yield_per=_BATCH).execute(query):
            yield Issue(
                resource=row.resource,
                element=row.element,
                code=row.code,
                found=row.found,
                wanted=row.wanted,
                severity=cast("Severity", row.severity),
                patient=row.patient,
            )


def count_issues(store: Store, run_id: str) -> dict[tuple[str, str], int]:
    """Count the issue rows of a run by severity and code."""
    table = schema.issue
    query = (
        select(table.c.severity, table.c.code, func.count())
        .where(table.c.run_id == run_id)
        .group_by(table.c.severity, table.c.code)
        .order_by(table.c.severity, table.c.code)
    )
    with store.reading() as connection:
        return {(severity, code): int(count) for severity, code, count in connection.execute(query)}


def forget_issues_before(store: Store, run_id: str) -> None:
    """Drop the issue rows of all other runs: each run lists anew what is wrong."""
    table = schema.issue
    with store.writing() as connection:
        connection.execute(delete(table).where(table.c.run_id != run_id))
