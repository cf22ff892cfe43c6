"""``caretally explain``: one stored answer, with everything that it rests on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally.cli.configuration import read_configuration
from caretally.cli.last_store import last_store
from caretally.errors import UsageError
from caretally.reports.explanation import explain_json, explain_text, render
from caretally.store.opening import STORE_FILE
from caretally.sync.review import find_determination
from caretally.sync.sinks.folder import DETERMINATIONS, FolderSink
from caretally.tables import load_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.cli.options import Settings
    from caretally.facts.calendar import ServiceMonth


def explain_patient_month(settings: Settings, *, patient: str, month: ServiceMonth, practitioner: str | None) -> None:
    """Show the answer for a patient-month, of each billing practitioner or of one.

    Raises:
        UsageError: there is no such answer, or nobody knows which store to look into.
        ConfigurationError: the store cannot be opened.
    """
    location, origin = where_to_look(settings)
    reference = reference_of("Patient", patient)
    who = None if practitioner is None else reference_of("Practitioner", practitioner)
    answers = stored_answers(location, reference, month, who)
    if not answers:
        by = f" by {who}" if who else ""
        raise UsageError(
            f"no answer for {reference}{by} in {month} in {_shown(location)} ({origin}); run apply for the month "
            "first, or name another store with --store"
        )
    settings.output.note(f"from {_shown(location)} ({origin})")
    labels = labels_of(answers)
    settings.output.document([explain_json(answer, labels=labels) for answer in answers])
    for answer in answers:
        settings.output.text(render(explain_text(answer, labels=labels)))


def where_to_look(settings: Settings) -> tuple[str, str]:
    """Return the store to look into, and who named it.

    Raises:
        UsageError: nobody did.
    """
    configured = read_configuration(settings).store_url
    if settings.store is not None:
        return settings.store, "--store"
    if configured is not None:
        return configured, "configuration"
    found = last_store()
    if found is None:
        raise UsageError("no store is known yet: run apply first, or name the output folder with --store")
    return found, "the store used last"


def stored_answers(
    location: str, patient: str, month: ServiceMonth, practitioner: str | None
) -> Sequence[Mapping[str, Any]]:
    """Return the answers of one patient-month from a store, or from an output folder without one."""
    folder = Path(location).expanduser()
    if "://" not in location and folder.name == STORE_FILE:
        folder = folder.parent
    if (folder / DETERMINATIONS).is_file() and not (folder / STORE_FILE).is_file():
        lines = FolderSink(path=folder, resource_types={}).determinations()
        return [
            line
            for line in lines
            if (line.get("patient"), line.get("service_month")) == (patient, str(month))
            and practitioner in {None, line.get("billing_practitioner")}
        ]
    return find_determination(location if "://" in location else str(folder), patient, str(month), practitioner)


def reference_of(kind: str, text: str) -> str:
    """Return ``Patient/id`` for a reference or an id alone.

    Raises:
        UsageError: a reference to something else.
    """
    name, slash, rest = text.strip().rpartition("/")
    if not rest or (slash and name != kind):
        raise UsageError(f"'{text}' is not a {kind}; wanted {kind}/ID, or the id alone")
    return f"{kind}/{rest}"


def labels_of(answers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return our own short labels of the codes of some answers, as the tables of today have them."""
    services = load_tables().services
    found = {}
    for answer in answers:
        for line in (*answer.get("lines", ()), *answer.get("projected", ())):
            row = services.code_on(line["code"], date.fromisoformat(line["service_date"]))
            if row is not None:
                found[line["code"]] = row.label
    return found


def _shown(location: str) -> str:
    """Return a store's address without a password."""
    scheme, mark, rest = location.partition("://")
    return location if not mark else f"{scheme}://{rest.rpartition('@')[2]}"
