"""The life of a released claim: ``review mark-sent``, ``remittance import``, ``denials``."""

from __future__ import annotations

import csv
import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from caretally import __version__
from caretally.billing import BillingError
from caretally.billing.payer_answer import COLUMNS, remittance_answer
from caretally.cli.explain_command import reference_of
from caretally.cli.failure import end_badly, error_document
from caretally.cli.places import Place, place_of, store_at
from caretally.cli.run_command import report_lines
from caretally.errors import UsageError, WriteError
from caretally.facts.calendar import ServiceMonth
from caretally.facts.decision import DecisionKind
from caretally.facts.payer_answer import PayerAnswer
from caretally.reports.wording import count
from caretally.sync.advancing import Advanced, AdvanceRequest, Step, advance_claims
from caretally.sync.denials import Denial, open_denials
from caretally.sync.recording import Draft, Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.cli.options import Settings
    from caretally.errors import CaretallyError

_NEEDED = ("status",)
_SENT_COLUMNS = ("claim", "patient", "month", "practitioner", "control_number")


def mark_sent(
    settings: Settings,
    *,
    where: str,
    patients: Sequence[str],
    month: ServiceMonth,
    practitioner: str | None,
    control_number: str | None,
    by: str | None,
    why: str,
) -> None:
    """Say that released claims were sent to their payers.

    Raises:
        UsageError: a control number for several claims.
        typer.Exit: some were refused; each was named.
    """
    if control_number is not None and len(patients) != 1:
        raise UsageError("a control number belongs to one claim: name one patient")
    answer = PayerAnswer(progress="sent", control_number=control_number, source="a person")
    who = None if practitioner is None else reference_of("Practitioner", practitioner)
    references = [reference_of("Patient", one) for one in patients]
    steps = [Step(answer=answer, place=one, patient=one, month=str(month), practitioner=who) for one in references]
    with place_of(settings, where) as place:
        done = advance_claims(_request(place, by=by, why=why), steps)
    _say(settings, done, [])


def mark_sent_from_file(settings: Settings, *, where: str, path: str, by: str | None, why: str) -> None:
    """Say of many claims that they were sent, from a CSV file; a row that is refused keeps no other one back.

    Raises:
        UsageError: the file cannot be read.
        typer.Exit: some rows were refused; each was named.
    """
    steps: list[Step] = []
    unread: list[dict[str, str]] = []
    for line, values in _rows_of(Path(path), _SENT_COLUMNS):
        place = f"line {line}"
        try:
            steps.append(_sent_step(values, place))
        except UsageError as error:
            unread.append({"place": place, "message": str(error)})
    with place_of(settings, where) as place_at:
        done = advance_claims(_request(place_at, by=by, why=why), steps)
    _say(settings, done, unread)


def _sent_step(values: dict[str, str], place: str) -> Step:
    """Return what a row asks for.

    Raises:
        UsageError: it does not say which claim.
    """
    answer = PayerAnswer(progress="sent", control_number=values["control_number"] or None, source="a person")
    if values["claim"]:
        return Step(answer=answer, place=place, claim=values["claim"])
    if not values["patient"] or not values["month"]:
        raise UsageError("does not say which claim: wanted is claim (its id or account number), or patient and month")
    try:
        month = ServiceMonth.parse(values["month"])
    except ValueError as error:
        raise UsageError(f"the month {error}") from error
    return Step(
        answer=answer,
        place=place,
        patient=reference_of("Patient", values["patient"]),
        month=str(month),
        practitioner=reference_of("Practitioner", values["practitioner"]) if values["practitioner"] else None,
    )


def _rows_of(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file with a heading: the line of each row, and its cells by column, empty where there is none.

    Raises:
        UsageError: the file cannot be read, or has other columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            unknown = [name for name in names if name not in columns]
            if not names or unknown:
                said = f"has the unknown column {', '.join(unknown)}" if unknown else "is missing"
                raise UsageError(f"the heading of {path} {said}; its columns are {', '.join(columns)}")
            reader.fieldnames = names
            return [(reader.line_num, {name: (row.get(name) or "").strip() for name in columns}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV in UTF-8 ({error})") from error


def import_remittance(settings: Settings, *, where: str, path: str, by: str | None) -> None:
    """Take over what payers answered from a CSV file; a claim that is refused keeps no other one back.

    Raises:
        UsageError: the file cannot be read.
        typer.Exit: some rows were refused; each was named.
    """
    steps: list[Step] = []
    unread: list[dict[str, str]] = []
    name = Path(path).name
    for lines, claim, rows in _claims_in(Path(path)):
        place = f"line {lines}"
        try:
            steps.append(Step(answer=remittance_answer(rows, name), place=place, claim=claim))
        except BillingError as error:
            unread.append({"place": place, "message": str(error)})
    with place_of(settings, where) as place_at:
        done = advance_claims(_request(place_at, by=by, why=f"remittance {name}"), steps)
    _say(settings, done, unread)


def _claims_in(path: Path) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Read a remittance: for each claim its lines in the file, its name and its rows.

    Raises:
        UsageError: the file cannot be read, or its heading lacks what is needed.
    """
    found: dict[str, tuple[list[int], list[dict[str, str]]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            unknown = [name for name in names if name not in COLUMNS]
            missing = [name for name in _NEEDED if name not in names]
            if missing or unknown or not {"account_number", "claim"} & set(names):
                said = f"has the unknown column {', '.join(unknown)}" if unknown else "lacks a column"
                raise UsageError(
                    f"the heading of {path} {said}; its columns are {', '.join(COLUMNS)}, of which status and "
                    "account_number (or claim) are needed"
                )
            reader.fieldnames = names
            for row in reader:
                values = {name: (row.get(name) or "").strip() for name in COLUMNS}
                claim = values["account_number"] or values["claim"]
                lines, rows = found.setdefault(claim, ([], []))
                lines.append(reader.line_num)
                rows.append(values)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV in UTF-8 ({error})") from error
    return [(", ".join(map(str, lines)), claim, rows) for claim, (lines, rows) in found.items()]


def show_denials(settings: Settings, *, where: str, month: ServiceMonth | None) -> None:
    """List what payers denied and nobody has dealt with."""
    with place_of(settings, where) as place, store_at(place) as store:
        found = open_denials(store, place.tables.services.checks, None if month is None else str(month))
    settings.output.document([one.to_json() for one in found])
    if not found:
        settings.output.text("no denial is open")
        return
    table = Table(
        "Claim", "Patient", "Month", "Codes", "What should have caught it", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for one in found:
        checks = "; ".join(f"{check['title']} ({check['outcome']})" for check in one.checks)
        table.add_row(one.claim, one.patient, one.service_month, " ".join(one.codes), checks or "no check is known")
    settings.output.table(table)
    settings.output.text(f"when one is dealt with: caretally denials settle {where} {found[0].claim} --why TEXT")


def settle_denial(settings: Settings, *, where: str, claim: str, by: str | None, why: str) -> None:
    """Say that a denial was dealt with, and how.

    Raises:
        UsageError: no such denial is open, or nobody says how it was dealt with.
    """
    if not why.strip():
        raise UsageError("say with --why how the denial was dealt with: appealed, corrected, written off")
    reference = f"Claim/{claim.removeprefix('Claim/')}"
    with place_of(settings, where) as place, store_at(place) as store:
        denial = _open(open_denials(store, place.tables.services.checks), reference)
        recorder = Recorder(store=store, sink=place.sink, tables=place.tables, now=datetime.now(UTC))
        made = recorder.record(
            Draft(
                kind=DecisionKind.SETTLE_DENIAL,
                who=by or getpass.getuser(),
                why=why,
                patient=denial.patient,
                resource=denial.claim,
                practitioner=denial.practitioner,
            )
        )
    settings.output.document({"recorded": [made.to_json()]})
    settings.output.text(f"recorded: the denial of {denial.claim} was dealt with (decision {made.id})")


def _open(denials: Sequence[Denial], reference: str) -> Denial:
    for one in denials:
        if one.claim == reference:
            return one
    raise UsageError(f"no denial of {reference} is open; see: caretally denials list")


def _request(place: Place, *, by: str | None, why: str) -> AdvanceRequest:
    return AdvanceRequest(
        sink=place.sink,
        store=place.configuration.store_url,
        tenant=place.tenant,
        tables_version=place.tables.version,
        software_version=__version__,
        now=datetime.now(UTC),
        by=by or getpass.getuser(),
        why=why,
    )


def _say(settings: Settings, done: Advanced, unread: Sequence[dict[str, str]]) -> None:
    refused = [*unread, *done.refused]
    error: CaretallyError | None = done.report.error()
    if error is None and refused:
        error = WriteError(f"{count(len(refused), 'claim')} refused; see above")
    document: dict[str, Any] = {
        "moved": dict(sorted(done.moved.items())),
        "unchanged": done.unchanged,
        "refused": refused,
        "report": done.report.to_json(),
    }
    if error is not None:
        document["error"] = error_document(error)
    settings.output.document(document)
    moved = ", ".join(f"{number} {state}" for state, number in sorted(done.moved.items())) or "none"
    settings.output.text(f"claims moved along: {moved}; known before: {done.unchanged}")
    for row in refused:
        settings.output.text(f"refused: {row['place']}: {row['message']}")
    for line in report_lines(done.report, dry_run=False):
        settings.output.text(line)
    if error is not None:
        end_badly(error)
