"""``caretally doctor``: what a source can and cannot do for us, what that means for billing, and how to mend it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from caretally import __version__
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints
from caretally.cli.failure import end_badly
from caretally.cli.progress import progress_of
from caretally.errors import SourceError
from caretally.facts.calendar import ServiceMonth
from caretally.sync.deciding import default_policy
from caretally.sync.doctor.visit import Visit
from caretally.sync.request import RunRequest
from caretally.sync.sources.server import ServerSource
from caretally.tables import policy_book, sites, tables_for

if TYPE_CHECKING:
    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.sync.doctor.check import Findings

_MARKS = {"ok": "ok      ", "warning": "warning ", "failed": "FAILED  ", "not-checked": "-       "}


def visit(settings: Settings, *, source: str, month: ServiceMonth | None, as_of: date | None) -> None:
    """Make every check of a source and say what was found.

    Raises:
        CaretallyError: the configuration is wrong, or SOURCE is no source.
        typer.Exit: a check failed (exit code 4).
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    with (
        endpoints(configuration, tables, source=source, out=None, to=None, write=False) as ends,
        progress_of(settings.output) as progress,
    ):
        today = as_of or datetime.now(default_policy(book, sites(configuration)).time_zone).date()
        run = RunRequest(
            source=ends.source,
            sink=None,
            month=month or ServiceMonth.of(today).plus(-1),
            as_of=today,
            now=lambda: datetime.now(UTC),
            tables=tables,
            configuration=configuration,
            policies=book,
            software_version=__version__,
            write=False,
            progress=progress,
        )
        server = ends.source.server if isinstance(ends.source, ServerSource) else None
        findings = Visit(run=run).to_folder() if server is None else Visit(run=run).to_server(server)
    _say(settings.output, findings)
    if findings.count("failed"):
        end_badly(
            SourceError(f"{findings.count('failed')} checks failed; what each means and how to mend it stands above")
        )


def _say(output: Output, findings: Findings) -> None:
    output.document(
        {
            "checks": [result.to_json() for result in findings],
            "totals": {verdict: findings.count(verdict) for verdict in ("ok", "warning", "failed", "not-checked")},
        }
    )
    for result in findings:
        output.text(f"{_MARKS[result.verdict]}{result.name}: {result.found}")
        if result.means:
            output.text(f"          means: {result.means}")
        if result.fix:
            output.text(f"          mend:  {result.fix}")
    totals = f"{findings.count('ok')} ok, {findings.count('warning')} warnings, {findings.count('failed')} failed"
    output.text(f"{totals}, {findings.count('not-checked')} not checked; nothing was written")
