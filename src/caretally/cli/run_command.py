"""``caretally plan`` and ``caretally apply``: one month of one source, decided, and written or shown."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally import __version__
from caretally.billing import describe
from caretally.cli.answer_table import answer_table
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints
from caretally.cli.failure import end_badly, error_document
from caretally.cli.last_store import remember_store
from caretally.cli.progress import progress_of
from caretally.errors import SourceError, UsageError
from caretally.reports.audit import requirement_results, settle_line
from caretally.reports.before_the_claim import checks_in_short
from caretally.reports.explanation import check_lines
from caretally.reports.overview import OverviewRow, overview
from caretally.reports.summary import Tally, summary_lines
from caretally.reports.wording import count
from caretally.store.opening import open_existing_store
from caretally.store.runs import issues_of
from caretally.sync.deciding import default_policy
from caretally.sync.pulling import Narrowing
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.store_place import store_of
from caretally.tables import attestations, policy_book, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from caretally.billing import ChangeSet
    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.errors import CaretallyError
    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.issue import Issue
    from caretally.sync.planning import Planned
    from caretally.sync.report import RunReport
    from caretally.tables import Tables

ISSUES_SHOWN = 20
ROWS_SHOWN = 60
"""Longest table that apply prints; a longer month is in the output folder."""
_INCOMPLETE = {
    "release": "claims that a payer would turn down",
    "export": "claims that lack something for a form or an 837P",
}


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a run showed on its way, kept small: one row for each patient-month, not its trace."""

    output: Output
    dry_run: bool
    tally: Tally = field(default_factory=Tally)
    rows: list[OverviewRow] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    changes: list[list[str]] = field(default_factory=list)
    """In words, of records that were joined to another one."""
    issues: list[Issue] = field(default_factory=list)
    """Of a run that has no folder to list them in."""

    def observe(self, planned: Planned) -> None:
        """Take in one answer and what it asks of the sink."""
        determination = planned.determination.to_json()
        self.tally.add(determination)
        told = self.output.as_json or self.dry_run
        changes = describe(planned.change_set) if told and planned.change_set is not None else []
        if self.output.as_json:
            self.documents.append(_short(determination, changes, proposed=_is_proposed(planned)))
        elif self.dry_run:
            self._say_plan(determination, changes)
        elif len(self.rows) <= ROWS_SHOWN:
            self.rows.extend(overview([determination]))

    def observe_changes(self, change_set: ChangeSet) -> None:
        """Take in changes that belong to no answer."""
        changes = describe(change_set)
        if self.output.as_json:
            self.changes.append(changes)
        elif self.dry_run and (change_set.changes or change_set.proposed):
            for line in changes:
                self.output.text(line)

    def _say_plan(self, determination: dict[str, Any], changes: Sequence[str]) -> None:
        for line in changes:
            self.output.text(line)
        for reason in determination["reasons"]:
            self.output.text(f"    {reason['code']}: {reason['message']}")
        for line in (*check_lines(determination, stops="release"), *checks_in_short(determination)):
            self.output.text(f"    {line}")


def _is_proposed(planned: Planned) -> bool:
    return planned.change_set is not None and planned.change_set.proposed


def _short(determination: dict[str, Any], changes: list[str], *, proposed: bool) -> dict[str, Any]:
    keys = ("patient", "service_month", "billing_practitioner", "status", "family", "lines", "projected", "action")
    return {
        **{key: determination[key] for key in keys},
        "reasons": [reason["code"] for reason in determination["reasons"]],
        "notices": [notice["code"] for notice in determination["notices"]],
        "claim_checks": determination["claim_checks"],
        "pre_submission": [check for check in determination["pre_submission"] if check["outcome"] != "passed"],
        "filing": determination["filing"],
        "proposed": proposed,
        "changes": changes,
    }


def run_month_command(
    settings: Settings,
    *,
    source: str,
    month: ServiceMonth,
    out: str | None,
    to: str | None,
    as_of: date | None,
    strict: bool,
    narrowing: Narrowing,
    dry_run: bool,
) -> None:
    """Run a month and say what came of it.

    Raises:
        CaretallyError: as `run_month`, and SourceError with ``strict`` when something had to be refused.
        typer.Exit: not everything could be done; what was done has been said.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    check_month(tables, month)
    book = policy_book(tables, configuration)
    seen = Seen(output=settings.output, dry_run=dry_run)
    with (
        endpoints(configuration, tables, source=source, out=out, to=to, write=not dry_run) as ends,
        progress_of(settings.output) as progress,
    ):
        zone = default_policy(book, sites(configuration)).time_zone
        request = RunRequest(
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
            narrowing=narrowing,
            write=not dry_run,
            progress=progress,
            observe=seen.observe,
            observe_changes=seen.observe_changes,
        )
        if strict and not dry_run:
            # Looked at first without writing: a strict run writes nothing when something has to be refused.
            refusal = strict_error(
                run_month(replace(request, write=False, observe=lambda _: None, observe_changes=lambda _: None))
            )
            if refusal is not None:
                raise refusal
        report = run_month(request)
        if ends.sink is not None and not dry_run:
            location, _ = store_of(ends.sink, named=configuration.store_url, tenant=request.tenant)
            remember_store(location if "://" in location else str(Path(location).absolute().parent))
            if not isinstance(ends.sink, FolderSink):
                seen.issues = list(_issues(location, report))
    hint = ""
    if report.writes["create", "Claim"] and configuration.writeback.release == "review":
        hint = f"new claims are drafts until a person releases them: caretally review list {out or to or source}"
    vouched = requirement_results(tables.requirements, attestations(configuration), month, request.as_of)
    settle = settle_line(vouched)
    if settle is not None and not settings.output.as_json:
        settings.output.note(settle)
    error = report.error() or (strict_error(report) if strict else None)
    say_report(settings.output, report, seen, error=error, hint=hint, settle=settle)


def check_month(tables: Tables, month: ServiceMonth) -> None:
    """Refuse a month for which there are no code tables.

    Raises:
        UsageError: names the months that are covered.
    """
    if tables.services.covers(month):
        return
    codes = tables.services.codes
    first = min(row.valid_from for row in codes)
    last = max(row.valid_to or row.valid_from for row in codes)
    raise UsageError(
        f"there is no code table for {month}; the tables go from {first:%Y-%m} to {last:%Y-%m}. Another year is added "
        "as a file in mappings/services"
    )


def strict_error(report: RunReport) -> SourceError | None:
    """Return how a strict run ends in which something had to be refused; None where nothing had."""
    if not report.issue_count:
        return None
    return SourceError(
        f"{count(report.issue_count, 'issue')} in {report.source} ({_issue_codes(report)}), and --strict was given: "
        "correct the source, or run without --strict, which lists them and goes on"
    )


def _issue_codes(report: RunReport) -> str:
    found = [f"{code} {number}" for (severity, code), number in report.issues.items() if severity != "information"]
    return ", ".join(found)


def _issues(location: str, report: RunReport) -> Iterator[Issue]:
    """Give what a run refused or doubted, from its store."""
    with open_existing_store(location) as store:
        yield from (issue for issue in issues_of(store, report.run_id) if issue.severity != "information")


def say_report(
    output: Output,
    report: RunReport,
    seen: Seen,
    *,
    error: CaretallyError | None,
    hint: str,
    settle: str | None = None,
) -> None:
    """Say what a run did, and end the command with an exit code where not everything could be done."""
    summary = seen.tally.summary()
    output.document(
        {
            "report": report.to_json(),
            "summary": summary.to_json(),
            "answers": seen.documents,
            "changes_of_joined_records": seen.changes,
            "issues": [issue.to_json() for issue in seen.issues],
            **({"self_audit": settle} if settle is not None else {}),
            **({"error": error_document(error)} if error is not None else {}),
        }
    )
    if seen.rows and len(seen.rows) <= ROWS_SHOWN:
        output.table(answer_table(seen.rows))
    for line in (*summary_lines(summary), *report_lines(report, dry_run=seen.dry_run)):
        output.text(line)
    for issue in seen.issues[:ISSUES_SHOWN]:
        output.text(f"  {issue.resource} {issue.element}: {issue.found}; wanted {issue.wanted}")
    if len(seen.issues) > ISSUES_SHOWN:
        output.text(f"  and {len(seen.issues) - ISSUES_SHOWN} more; all of them with --json")
    if hint:
        output.text(hint)
    if error is not None:
        end_badly(error)


def report_lines(report: RunReport, *, dry_run: bool) -> list[str]:
    """Return what was written, what waits and what was refused, one a line."""
    lines = []
    written: dict[str, int] = {}
    for (kind, name), number in sorted(report.writes.items()):
        written[f"{name} {kind}d"] = number
    changes = ", ".join(f"{number} {what}" for what, number in written.items())
    if dry_run:
        lines.append("nothing was written: this is a plan")
    else:
        lines.append(
            f"written to {report.sink}: {changes}" if changes else f"nothing had to be written to {report.sink}"
        )
    if report.write_strategy is not None and dry_run:
        strategy = report.write_strategy
        lines.append(f"apply would write by {strategy['strategy']}: {strategy['reason']}")
    if report.proposed:
        proposed = count(report.proposed, "change to a released claim", "changes to released claims")
        lines.append(f"proposed, and waiting for a person: {proposed}; see: caretally review list")
    if report.decisions:
        said = count(report.decisions, "decision of a person", "decisions of people")
        lines.append(f"{said} {'would be' if dry_run else 'was' if report.decisions == 1 else 'were'} recorded there")
    if report.recovered:
        lines.append("finished from an interrupted run: " + ", ".join(f"{n} {w}" for w, n in report.recovered.items()))
    for stops, what in _INCOMPLETE.items():
        if stops in report.claim_checks:
            found = ", ".join(f"{code} {number}" for code, number in sorted(report.claim_checks[stops].items()))
            lines.append(f"{what}: {found}; see: caretally explain")
    if report.issue_count:
        found = count(report.issue_count, "resource or fact", "resources or facts")
        lines.append(f"{found} refused or doubtful: {_issue_codes(report)}")
    lines += [f"not written: {row.patient}, {row.state}: {row.message}" for row in report.failed]
    lines += [f"not read: {gap.patient or 'the source'}, {gap.resource_type}: {gap.reason}" for gap in report.gaps]
    return lines


def narrowing_of(
    patients: Sequence[str] | None,
    groups: Sequence[str] | None,
    practitioners: Sequence[str] | None,
    places: Sequence[str] | None,
) -> Narrowing:
    """Return which part of the practice a run is for.

    Raises:
        UsageError: a reference to something else.
    """
    return Narrowing.of(
        patients=tuple(patients or ()),
        groups=tuple(groups or ()),
        practitioners=tuple(practitioners or ()),
        sites=tuple(places or ()),
    )
