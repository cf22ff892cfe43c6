"""``caretally review hold``, ``attest``, ``override`` and the others: what a person decides is taken down."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from caretally.cli.explain_command import reference_of
from caretally.cli.failure import end_badly, error_document
from caretally.cli.places import Place, place_of, store_at
from caretally.errors import CaretallyError, UsageError, WriteError
from caretally.facts.decision import DecisionKind, DecisionRecord
from caretally.reports.wording import count
from caretally.store.decisions import all_decisions
from caretally.sync.attestation import attestation_document, read_attestations
from caretally.sync.recording import AlreadyRecordedError, Draft, Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.cli.options import Settings
    from caretally.facts.calendar import ServiceMonth
    from caretally.store.opening import Store

_MONTH_KINDS = frozenset({DecisionKind.LOCK_MONTH, DecisionKind.UNLOCK_MONTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was said on the command line about one decision."""

    patients: Sequence[str] = ()
    month: ServiceMonth | None = None
    practitioner: str | None = None
    resource: str | None = None
    seen: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    by: str | None = None
    why: str = ""


def decide(settings: Settings, kind: DecisionKind, *, where: str, words: Words) -> None:
    """Take down one decision, about one or several patients.

    Raises:
        UsageError: it is refused; of several, those before it are kept.
    """
    who = words.by or getpass.getuser()
    practitioner = None if words.practitioner is None else reference_of("Practitioner", words.practitioner)
    with place_of(settings, where) as place, store_at(place) as store:
        recorder = _recorder(place, store)
        drafts = [
            Draft(
                kind=kind,
                who=who,
                why=words.why,
                patient=patient,
                month=words.month,
                practitioner=practitioner,
                resource=words.resource,
                seen=words.seen,
                document=words.document,
            )
            for patient in [reference_of("Patient", one) for one in words.patients] or [""]
        ]
        for draft in drafts:
            # All of them are checked before the first is kept.
            recorder.check(draft)
        made = [recorder.record(draft) for draft in drafts]
    settings.output.document({"recorded": [one.to_json() for one in made]})
    for one in made:
        settings.output.text(f"recorded: {_said(one)}, by {one.who} (decision {one.id})")
    settings.output.note(_from_when_on(kind, words.month))


def decide_pair(
    settings: Settings, kind: DecisionKind, *, where: str, records: tuple[str, str], by: str | None, why: str
) -> None:
    """Take down whether two Patient records are one person."""
    first, other = (reference_of("Patient", one) for one in records)
    words = Words(patients=[first], resource=first, document={"other": other}, by=by, why=why)
    decide(settings, kind, where=where, words=words)


def attest_from_file(settings: Settings, *, where: str, path: str, by: str | None, why: str) -> None:
    """Take down the attestations of a CSV file; a row that is refused keeps no other one back.

    Raises:
        UsageError: the file cannot be read.
        typer.Exit: some rows were refused; each was named.
    """
    recorded: list[DecisionRecord] = []
    known, refused = 0, []
    with place_of(settings, where) as place, store_at(place) as store:
        for row in read_attestations(Path(path)):
            try:
                recorded.append(_recorder(place, store).record(_draft_of(row.values, by=by, why=why)))
            except AlreadyRecordedError:
                known += 1
            except UsageError as refusal:
                refused.append({"line": row.line, "message": str(refusal)})
    error: CaretallyError | None = None
    if refused:
        error = WriteError(f"{count(len(refused), 'row')} of {path} refused; see above, correct them and run it again")
    document: dict[str, Any] = {
        "recorded": [one.to_json() for one in recorded],
        "already_recorded": known,
        "refused": refused,
    }
    if error is not None:
        document["error"] = error_document(error)
    settings.output.document(document)
    settings.output.text(f"{count(len(recorded), 'attestation')} recorded, {known} known before")
    for refusal_row in refused:
        settings.output.text(f"line {refusal_row['line']}: {refusal_row['message']}")
    if error is not None:
        end_badly(error)


def _draft_of(values: Mapping[str, str], *, by: str | None, why: str) -> Draft:
    practitioner = values["practitioner"]
    return Draft(
        kind=DecisionKind.ATTEST,
        who=values["by"] or by or getpass.getuser(),
        why=values["why"] or why,
        patient=reference_of("Patient", values["patient"]),
        practitioner=reference_of("Practitioner", practitioner) if practitioner else None,
        resource=values["subject"] or None,
        document=attestation_document(values["fact"], values["value"], values["date"]),
    )


def show_decisions(settings: Settings, *, where: str, patient: str | None, month: ServiceMonth | None) -> None:
    """List what people decided, oldest first."""
    with place_of(settings, where) as place, store_at(place) as store:
        found = [
            one
            for one in all_decisions(store)
            if (patient is None or one.patient == reference_of("Patient", patient))
            and (month is None or one.service_month in {None, str(month)})
        ]
    settings.output.document([one.to_json() for one in found])
    if not found:
        settings.output.text("nobody has decided anything here")
        return
    table = Table("Decision", "When", "Who", "What", "Why", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        table.add_row(one.id, one.at, one.who, _said(one), one.why)
    settings.output.table(table)


def _recorder(place: Place, store: Store) -> Recorder:
    return Recorder(store=store, sink=place.sink, tables=place.tables, now=datetime.now(UTC))


def _said(decision: DecisionRecord) -> str:
    """Return a decision in a few words."""
    month = decision.service_month
    about = ", ".join(part for part in (decision.patient, month, decision.practitioner) if part)
    keys = ("code", "fact", "element", "value", "date", "other")
    value = " ".join(said for key in keys if (said := decision.value(key)))
    subject = decision.resource or ""
    return " ".join(part for part in (decision.kind, value, subject, f"({about})" if about else "") if part)


def _from_when_on(kind: DecisionKind, month: ServiceMonth | None) -> str:
    if kind in _MONTH_KINDS:
        return f"it counts from now on for {month}"
    return f"it counts from the next run on: caretally apply SOURCE --month {month or 'YYYY-MM'}"
