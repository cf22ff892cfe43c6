"""Checks the audit ledger from its first byte to its last, and the tables that it covers against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from caretally.store import schema
from caretally.store.ledger import (
    BEGINNING,
    Head,
    NewEntry,
    Verification,
    decision_entry,
    determination_entry,
    digest_of,
    entries,
    intent_entry,
    outcome_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Table

    from caretally.store.ledger import LedgerEntry
    from caretally.store.opening import Store

    Row = Mapping[str, Any]

_SHOWN = 20
_CHUNK = 1_000


def verify(store: Store, *, known: Head | None = None) -> Verification:
    """Read the whole ledger and say what does not hold.

    Found is any entry that was changed, removed, inserted or put elsewhere; entries cut off at the end, as far as
    the tables still hold what they told, or as ``known`` lies beyond; rows of the tables that were changed, added
    or removed beside the ledger.

    Args:
        store: to be checked.
        known: head that was exported earlier; must still be in the ledger.
    """
    check = _Check(known)
    for entry in entries(store):
        check.take(entry)
    check.end()
    for table, build, column in _COVERED:
        check.compare(_rows(store, table), build, column)
    check.missing()
    return Verification(entries=check.count, head=check.head, problems=tuple(check.problems[:_SHOWN]))


class _Check:
    """Walks along the chain; memory holds one digest for each thing that the tables have to show."""

    def __init__(self, known: Head | None) -> None:
        self.known = known
        self.count = 0
        self.head = Head(number=0, digest=BEGINNING)
        self.problems: list[str] = []
        self.standing: dict[tuple[str, str], str] = {}
        """The last body of each subject, by its digest."""

    def take(self, entry: LedgerEntry) -> None:
        """Check the next entry."""
        self.count += 1
        place = f"entry {entry.number}"
        if entry.number != self.head.number + 1:
            self.problems.append(f"{place}: follows entry {self.head.number}; entries between them are missing")
        if entry.previous != self.head.digest:
            self.problems.append(f"{place}: is not chained to the entry before it")
        wanted = digest_of(entry.number, entry.at, entry.kind, entry.subject, entry.body, entry.previous)
        if wanted != entry.digest:
            self.problems.append(f"{place}: its content is not what was entered")
        self.head = Head(number=entry.number, digest=entry.digest)
        if self.known is not None and self.known.number == entry.number and self.known.digest != entry.digest:
            self.problems.append(f"{place}: is not the one of the head that was kept elsewhere")
        kind = entry.kind.removesuffix("-dropped")
        if kind == entry.kind:
            self.standing[kind, entry.subject] = _short(entry.body)
        else:
            self.standing.pop((kind, entry.subject), None)

    def end(self) -> None:
        """Check that the ledger reaches as far as it once did."""
        if self.known is not None and self.known.number > self.head.number:
            self.problems.append(
                f"the ledger ends at entry {self.head.number}, and had {self.known.number} when its head was kept: "
                "the end was cut off"
            )

    def compare(self, rows: Iterator[Row], build: Callable[[Row], NewEntry], word: str) -> None:
        """Check that the rows of a table say what the ledger says."""
        for row in rows:
            entry = build(row)
            body = self.standing.pop((entry.kind, entry.subject), None)
            if body is None:
                self.problems.append(f"{word} {_named(entry)} stands in its table and not in the ledger")
            elif body != _short(entry.body):
                self.problems.append(f"{word} {_named(entry)} is not what the ledger says")

    def missing(self) -> None:
        """Name what the ledger holds and the tables no longer do."""
        self.problems += [
            f"{kind} {subject if kind != 'determination' else ''}".rstrip()
            + " stands in the ledger and not in its table"
            for kind, subject in self.standing
        ]


def _named(entry: NewEntry) -> str:
    # The key of a determination names a patient.
    return "of a patient-month" if entry.kind == "determination" else entry.subject


def _short(body: str) -> str:
    return digest_of(0, "", "", "", body, "")


def _rows(store: Store, table: Table) -> Iterator[Row]:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_CHUNK)
    with store.reading() as connection:
        for row in connection.execute(query).mappings():
            yield {str(name): value for name, value in row.items()}


_COVERED: tuple[tuple[Table, Callable[[Row], NewEntry], str], ...] = (
    (schema.decision, decision_entry, "the decision"),
    (schema.determination, determination_entry, "the determination"),
    (schema.change_intent, intent_entry, "the intent"),
    (schema.change_outcome, outcome_entry, "the outcome"),
)
