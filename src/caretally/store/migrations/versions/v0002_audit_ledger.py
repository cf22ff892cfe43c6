"""The audit ledger, with what the store holds already as its first entries, and triggers that keep it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, text

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "0002"
down_revision = "0001"

_KEPT = ("ledger_entry", "decision", "change_outcome")
"""Tables of which no row is ever changed or deleted."""


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "ledger_entry",
        Column("number", BigInteger(), autoincrement=False, nullable=False),
        Column("at", Text(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("subject", Text(), nullable=False),
        Column("body", Text(), nullable=False),
        Column("previous", Text(), nullable=False),
        Column("digest", Text(), nullable=False),
        PrimaryKeyConstraint("number", name="pk_ledger_entry"),
    )
    op.create_index("ix_ledger_entry_subject_number", "ledger_entry", ["subject", "number"])
    _enter_what_is_there()
    for name in _KEPT:
        _forbid(name)


def _forbid(name: str) -> None:
    """Let the database itself refuse a change or deletion."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
                f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {name}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_is_append_only()"
    )


def _enter_what_is_there() -> None:
    connection = op.get_bind()
    previous = "0" * 64
    for number, (at, kind, subject, body) in enumerate(_entries(), 1):
        parts = [part.encode() for part in (str(number), at, kind, subject, body, previous)]
        digest = sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()
        connection.execute(
            text("INSERT INTO ledger_entry VALUES (:number, :at, :kind, :subject, :body, :previous, :digest)"),
            {
                "number": number,
                "at": at,
                "kind": kind,
                "subject": subject,
                "body": body,
                "previous": previous,
                "digest": digest,
            },
        )
        previous = digest


def _entries() -> Iterator[tuple[str, str, str, str]]:
    for row in _rows("decision", "at, id"):
        yield row["at"], "decision", row["id"], _body(row)
    for row in _rows("determination", "patient, service_month, practitioner"):
        subject = f"{row['patient']} {row['service_month']} {row['practitioner']}".rstrip()
        said = {name: value for name, value in row.items() if name not in {"run_id", "decided_at"}}
        yield row["decided_at"], "determination", subject, _body(said)
    for row in _rows("change_intent", "created_at, id"):
        yield row["created_at"], "intent", row["id"], _body({k: v for k, v in row.items() if k != "state"})
    for row in _rows("change_outcome", "intent_id, attempt"):
        yield row["at"], "outcome", f"{row['intent_id']} {row['attempt']}", _body(row)


def _rows(table: str, order: str) -> list[dict[str, Any]]:
    found = op.get_bind().execute(text(f"SELECT * FROM {table} ORDER BY {order}"))  # noqa: S608 -- names of our own
    return [dict(row) for row in found.mappings()]


def _body(row: dict[str, Any]) -> str:
    known = {name: value for name, value in row.items() if value is not None}
    return json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
