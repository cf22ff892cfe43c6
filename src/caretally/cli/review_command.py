"""``caretally review``: what waits for a person, and the release of drafts and corrections."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from caretally import __version__
from caretally.billing import Decision
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints, is_address
from caretally.cli.explain_command import reference_of
from caretally.cli.failure import end_badly, error_document
from caretally.cli.places import Place, instant, place_of, source_of
from caretally.cli.progress import progress_of
from caretally.cli.run_command import report_lines
from caretally.errors import UsageError, WriteError
from caretally.facts.decision import DecisionKind
from caretally.reports.explanation import code_list, total_amount
from caretally.reports.wording import count
from caretally.store.decisions import decisions_of
from caretally.store.opening import open_existing_store
from caretally.sync.deciding import default_policy
from caretally.sync.planning import Approval
from caretally.sync.pulling import Narrowing
from caretally.sync.request import RunRequest
from caretally.sync.review import ReviewItem, determinations_of, list_reviews
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.store_place import store_of
from caretally.tables import policy_book, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.facts.calendar import ServiceMonth
    from caretally.sync.report import RunReport

_KINDS = {
    "release": "draft to release",
    "correction": "correction to agree to",
    "look": "somebody has to look",
    "question": "question to settle",
}


def show_reviews(settings: Settings, *, where: str, month: ServiceMonth | None) -> None:
    """List what waits for a person.

    Raises:
        UsageError: a server without a month, a folder that holds no results.
        SourceError: the claims cannot be read.
    """
    with place_of(settings, where) as place:
        items = _reviews(place, month)
    settings.output.document([item.to_json() for item in items])
    if not items:
        settings.output.text("nothing waits for a person")
        return
    settings.output.table(_table(items))
    settings.output.text(_hint(items, where))


def approve_reviews(
    settings: Settings,
    *,
    where: str,
    patients: Sequence[str],
    everything: bool,
    month: ServiceMonth,
    practitioner: str | None,
    source: str | None,
    by: str | None,
    why: str,
    seen: str | None,
    as_of: date | None,
) -> None:
    """Release drafts, and carry out proposed corrections, for the patients that are named.

    Everything is read and decided once more first: what is released is what the evidence backs today.

    Raises:
        UsageError: nothing to approve was named, or nothing of it waits.
        WriteError: some approvals were refused.
    """
    if bool(patients) == everything:
        raise UsageError("name the patients to approve, or --all for every draft of the month; not both")
    if seen is not None and len(patients) != 1:
        raise UsageError("--seen is what you looked at of one patient; name one")
    who = by or getpass.getuser()
    asked = [reference_of("Patient", one) for one in patients]
    with place_of(settings, where) as place:
        items = _reviews(place, month)
        chosen = _chosen(items, asked, practitioner, month, approved=_approved(place, asked, month))
    if not chosen:
        settings.output.document({"approved": 0, "report": None})
        settings.output.text(f"no draft of {month} waits for a release")
        return
    if seen is not None and seen not in {item.seen for item in chosen}:
        raise UsageError(
            f"what waits for {asked[0]} in {month} has changed since you looked at it: look again, then approve"
        )
    read_from = source or source_of(where)
    settings.output.note(f"decided again from {read_from}; approved by {who}")
    report = _run(settings, where=where, source=read_from, month=month, chosen=chosen, by=who, why=why, as_of=as_of)
    _say(settings.output, report)


def _reviews(place: Place, month: ServiceMonth | None) -> list[ReviewItem]:
    tenant = place.configuration.writeback.tenant
    wanted = None if month is None else str(month)
    opened_at = instant()
    if isinstance(place.sink, FolderSink):
        return list_reviews(determinations_of(place.sink, wanted), place.sink, tenant=tenant, opened_at=opened_at)
    if wanted is None:
        raise UsageError("a server holds many months: say which one with --month")
    location, _ = store_of(place.sink, named=place.configuration.store_url, tenant=tenant)
    with open_existing_store(location) as store:
        return list_reviews(determinations_of(store, wanted), place.sink, tenant=tenant, opened_at=opened_at)


def _approved(place: Place, patients: Sequence[str], month: ServiceMonth) -> dict[str, str]:
    """Say of patients who approved what was on file for them last."""
    location, _ = store_of(place.sink, named=place.configuration.store_url, tenant=place.tenant)
    if "://" not in location and not Path(location).is_file():
        return {}
    with open_existing_store(location) as store:
        return {
            one.patient: f"{one.who} on {one.at}"
            for patient in patients
            for one in decisions_of(store, patient, kind=DecisionKind.APPROVE)
            if one.service_month == str(month)
        }


def _chosen(
    items: Sequence[ReviewItem],
    patients: Sequence[str],
    practitioner: str | None,
    month: ServiceMonth,
    *,
    approved: Mapping[str, str],
) -> list[ReviewItem]:
    who = None if practitioner is None else reference_of("Practitioner", practitioner)
    fitting = [item for item in items if who in {None, item.practitioner}]
    if not patients:
        # A correction changes what is released already: it is agreed to one by one.
        return [item for item in fitting if item.kind == "release"]
    chosen = [item for item in fitting if item.patient in patients and item.kind in {"release", "correction"}]
    missing = sorted(set(patients) - {item.patient for item in chosen})
    if missing:
        before = [f"{one} was approved already, by {approved[one]}" for one in missing if one in approved]
        raise UsageError(
            f"nothing of {', '.join(missing)} in {month} waits for an approval"
            + (f" ({'; '.join(before)})" if before else "")
            + "; see: caretally review list"
        )
    return chosen


def _run(
    settings: Settings,
    *,
    where: str,
    source: str,
    month: ServiceMonth,
    chosen: Sequence[ReviewItem],
    by: str,
    why: str,
    as_of: date | None,
) -> RunReport:
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    at = instant()
    out, to = (None, where) if is_address(where) else (where, None)
    with (
        endpoints(configuration, tables, source=source, out=out, to=to, write=True) as ends,
        progress_of(settings.output) as progress,
    ):
        zone = default_policy(book, sites(configuration)).time_zone
        return run_month(
            RunRequest(
                source=ends.source,
                sink=ends.sink,
                month=month,
                as_of=as_of or datetime.now(zone).date(),
                now=lambda: datetime.now(UTC),
                tables=tables,
                configuration=configuration,
                policies=book,
                software_version=__version__,
                store=configuration.store_url,
                narrowing=Narrowing.of(patients=tuple(dict.fromkeys(item.patient for item in chosen))),
                approvals=tuple(
                    Approval(
                        patient=item.patient,
                        practitioner=item.practitioner,
                        decision=Decision(by=by, at=at, reason=why, seen=item.seen),
                    )
                    for item in chosen
                ),
                progress=progress,
            )
        )


def _say(output: Output, report: RunReport) -> None:
    refused = report.refused_approvals
    error = report.error()
    if error is None and refused:
        error = WriteError(f"{count(len(refused), 'approval')} refused; see above")
    document: dict[str, Any] = {"approved": report.approved, "refused": refused, "report": report.to_json()}
    if error is not None:
        document["error"] = error_document(error)
    output.document(document)
    output.text(f"{count(report.approved, 'approval')} carried out")
    for row in refused:
        output.text(f"refused: {row['patient']}, {row['practitioner']}: {row['message']}")
    for line in report_lines(report, dry_run=False):
        output.text(line)
    if error is not None:
        end_badly(error)


def _table(items: Sequence[ReviewItem]) -> Table:
    table = Table(
        "Patient", "Month", "Practitioner", "What waits", "Codes", "Amount", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for item in items:
        lines = item.determination.get("lines", ())
        reasons = ", ".join(dict.fromkeys(one["code"] for one in item.determination.get("reasons", ())))
        table.add_row(
            item.patient,
            item.service_month,
            item.practitioner or "",
            _KINDS[item.kind],
            code_list(lines) or reasons,
            total_amount(lines) if lines else "",
        )
    return table


def _hint(items: Sequence[ReviewItem], where: str) -> str:
    first = next((item for item in items if item.kind in {"release", "correction"}), None)
    if first is None:
        return f"see: caretally explain {items[0].patient} --month {items[0].service_month}"
    return f"to approve one: caretally review approve {where} {first.patient} --month {first.service_month}"
