"""The audit ledger: append-only, each entry chained to the one before by a SHA-256.

Every decision of a person, every determination that says something new, every intent and every outcome is entered
in the same transaction that keeps it. Triggers forbid a change or a deletion; whoever goes around them breaks the
chain, and `verify` names the first place. What was cut off at the end shows in the tables that the ledger covers,
and against a head that was exported before (`head`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from caretally.facts import exact_json
from caretally.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from caretally.store.opening import Store

_t = schema.ledger_entry
_LOCK = 5_820_411_007  # any number, the same in every release
_CHUNK = 1_000
BEGINNING = "0" * 64
"""What the first entry is chained to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """What is to be entered.

    Attributes:
        at: instant in UTC, ISO 8601.
        kind: decision, determination, intent or outcome.
        subject: what it is about, unique for the thing: the id of a decision or intent, the key of a claim.
        body: JSON text; kept byte for byte.
    """

    at: str
    kind: str
    subject: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry of the ledger."""

    number: int
    at: str
    kind: str
    subject: str
    body: str = field(repr=False)
    previous: str
    digest: str

    @property
    def document(self) -> Any:
        """Return the body, read."""
        return exact_json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the ledger at one moment: kept elsewhere, it proves later that nothing was cut off or rewritten."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @classmethod
    def parse(cls, said: str) -> Head:
        """Read ``number:digest``.

        Raises:
            ValueError: it is something else.
        """
        number, _, digest = said.strip().partition(":")
        if not number.isascii() or not number.isdecimal() or len(digest) != len(BEGINNING):
            raise ValueError(f"'{said}' is no head; wanted NUMBER:DIGEST as ledger head prints it")
        return cls(number=int(number), digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check of the whole ledger found.

    Attributes:
        entries: how many were read.
        problems: what does not hold, in words, without patient data; empty: the ledger is whole.
    """

    entries: int
    head: Head
    problems: tuple[str, ...]


def append(connection: Connection, entries: Sequence[NewEntry]) -> None:
    """Enter entries at the end, inside the transaction that keeps what they tell.

    Args:
        connection: of `Store.writing`.
        entries: in their order.
    """
    if not entries:
        return
    if connection.dialect.name == "postgresql":
        # Two writers must not take the same number; SQLite has one writer at a time anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = connection.execute(select(_t.c.number, _t.c.digest).order_by(_t.c.number.desc()).limit(1)).first()
    number, previous = (0, BEGINNING) if last is None else (int(last.number), str(last.digest))
    rows = []
    for entry in entries:
        number += 1
        digest = digest_of(number, entry.at, entry.kind, entry.subject, entry.body, previous)
        rows.append(
            {
                "number": number,
                "at": entry.at,
                "kind": entry.kind,
                "subject": entry.subject,
                "body": entry.body,
                "previous": previous,
                "digest": digest,
            }
        )
        previous = digest
    connection.execute(insert(_t), rows)


def digest_of(number: int, at: str, kind: str, subject: str, body: str, previous: str) -> str:
    """Return the digest of an entry: SHA-256 over its parts, each with its length, so that none can flow over."""
    parts = [part.encode() for part in (str(number), at, kind, subject, body, previous)]
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


def decision_entry(row: Mapping[str, Any]) -> NewEntry:
    """Return the entry of a decision, from its row."""
    return NewEntry(at=row["at"], kind="decision", subject=row["id"], body=_body(row))


def determination_entry(row: Mapping[str, Any]) -> NewEntry:
    """Return the entry of a determination, from its row; the run that gave it is not part of what it says."""
    said = {name: value for name, value in row.items() if name not in {"run_id", "decided_at"}}
    return NewEntry(at=row["decided_at"], kind="determination", subject=determination_subject(row), body=_body(said))


def dropped_entry(row: Mapping[str, Any], at: str) -> NewEntry:
    """Return the entry of a determination that no longer stands."""
    subject = determination_subject(row)
    return NewEntry(at=at, kind="determination-dropped", subject=subject, body=_body({"key": subject}))


def determination_subject(row: Mapping[str, Any]) -> str:
    """Return the key of a determination."""
    return f"{row['patient']} {row['service_month']} {row['practitioner']}".rstrip()


def intent_entry(row: Mapping[str, Any]) -> NewEntry:
    """Return the entry of an intent, from its row; its state is told by the outcomes."""
    said = {name: value for name, value in row.items() if name in INTENT_COLUMNS}
    return NewEntry(at=row["created_at"], kind="intent", subject=row["id"], body=_body(said))


def outcome_entry(row: Mapping[str, Any]) -> NewEntry:
    """Return the entry of an outcome, from its row."""
    said = {name: value for name, value in row.items() if name in OUTCOME_COLUMNS}
    return NewEntry(at=row["at"], kind="outcome", subject=f"{row['intent_id']} {row['attempt']}", body=_body(said))


INTENT_COLUMNS = (
    "id",
    "idempotency_key",
    "run_id",
    "source",
    "patient",
    "service_month",
    "practitioner",
    "action",
    "created_at",
    "document",
)
"""What of an intent never changes."""
OUTCOME_COLUMNS = ("intent_id", "attempt", "at", "state", "document")


def entries(store: Store, *, after: int = 0) -> Iterator[LedgerEntry]:
    """Give the entries one by one, from a number on."""
    last = after
    while True:
        query = select(_t).where(_t.c.number > last).order_by(_t.c.number).limit(_CHUNK)
        with store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return
        for row in rows:
            yield LedgerEntry(**row)
        last = int(rows[-1]["number"])


def determination_behind(
    store: Store, patient: str, service_month: str, practitioner: str | None, intent_id: str
) -> Any:
    """Return the answer of a patient-month from which an intent was made; None where the ledger does not hold it.

    By the order of the entries and not by their instants, of which many fall into one second.
    """
    key = {"patient": patient, "service_month": service_month, "practitioner": practitioner or ""}
    made = select(_t.c.number).where(_t.c.kind == "intent", _t.c.subject == intent_id).limit(1).scalar_subquery()
    query = (
        select(_t.c.body)
        .where(_t.c.kind == "determination", _t.c.subject == determination_subject(key), _t.c.number < made)
        .order_by(_t.c.number.desc())
        .limit(1)
    )
    with store.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else exact_json.loads(exact_json.loads(row.body)["document"])


def head(store: Store) -> Head:
    """Return the end of the ledger; number 0 where it is empty."""
    with store.reading() as connection:
        row = connection.execute(select(_t.c.number, _t.c.digest).order_by(_t.c.number.desc()).limit(1)).first()
    return Head(number=0, digest=BEGINNING) if row is None else Head(number=int(row.number), digest=str(row.digest))


def _body(said: Mapping[str, Any]) -> str:
    return exact_json.canonical({name: value for name, value in said.items() if value is not None}).decode()
