"""``caretally ledger``: the audit trail checked, its head shown, its entries exported, also as FHIR AuditEvents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from caretally import __version__
from caretally.cli.failure import end_badly, error_document
from caretally.cli.places import place_of, store_at
from caretally.errors import UsageError
from caretally.facts import exact_json
from caretally.reports.audit_event import audit_event
from caretally.reports.wording import count
from caretally.store import ledger
from caretally.store.errors import StoreDamagedError
from caretally.store.ledger import Head
from caretally.store.ledger_check import verify

if TYPE_CHECKING:
    from caretally.cli.options import Settings

FORMATS = ("json", "audit-event")


def verify_ledger(settings: Settings, *, where: str, head: str | None) -> None:
    """Check the ledger from its first byte to its last.

    Raises:
        UsageError: the head cannot be read.
        typer.Exit: it is not whole; each place was named.
    """
    known = None if head is None else _head(head)
    with place_of(settings, where) as place, store_at(place) as store:
        found = verify(store, known=known)
    error = None
    if found.problems:
        error = StoreDamagedError(
            f"the ledger is not whole: {count(len(found.problems), 'finding')}. Keep a copy of the store as it is, and "
            "find out who could write to it; a backup shows what stood there"
        )
    document = {"entries": found.entries, "head": str(found.head), "problems": list(found.problems)}
    settings.output.document(document if error is None else {**document, "error": error_document(error)})
    for problem in found.problems:
        settings.output.text(f"! {problem}")
    if error is not None:
        end_badly(error)
    settings.output.text(f"{count(found.entries, 'entry', 'entries')}, whole; head {found.head}")


def show_head(settings: Settings, *, where: str) -> None:
    """Print the end of the ledger, to be kept elsewhere."""
    with place_of(settings, where) as place, store_at(place) as store:
        found = ledger.head(store)
    settings.output.document({"head": str(found), "entries": found.number})
    settings.output.text(str(found))


def export_ledger(settings: Settings, *, where: str, form: str, after: int) -> None:
    """Write the entries to standard output, one JSON object a line.

    Raises:
        UsageError: an unknown format.
    """
    if form not in FORMATS:
        raise UsageError(f"'{form}' is no format of the ledger; wanted {' or '.join(FORMATS)}")
    with place_of(settings, where) as place, store_at(place) as store:
        for entry in ledger.entries(store, after=after):
            row = {
                "number": entry.number,
                "at": entry.at,
                "kind": entry.kind,
                "subject": entry.subject,
                "body": entry.document,
                "previous": entry.previous,
                "digest": entry.digest,
            }
            event = audit_event(row, tenant=place.tenant, software_version=__version__)
            sys.stdout.buffer.write(exact_json.dumps(row if form == "json" else event) + b"\n")
    sys.stdout.buffer.flush()


def _head(said: str) -> Head:
    try:
        return Head.parse(said)
    except ValueError as error:
        raise UsageError(str(error)) from None
