"""``caretally demo``: the main job on the practice that is shipped, and where to look then."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from caretally import __version__
from caretally.cli.answer_table import answer_table
from caretally.cli.endpoints import endpoints
from caretally.cli.failure import end_badly
from caretally.cli.last_store import remember_store
from caretally.cli.run_command import report_lines
from caretally.errors import UsageError, WriteError
from caretally.facts.calendar import ServiceMonth
from caretally.reports.overview import overview
from caretally.reports.summary import summarise, summary_lines
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.tables import data_path, load_configuration, policy_book, tables_for

if TYPE_CHECKING:
    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.sync.planning import Planned
    from caretally.sync.report import RunReport

MONTHS = (ServiceMonth(2025, 1), ServiceMonth(2025, 2))
AS_OF = date(2025, 3, 10)
"""A day on which both months are closed, so that the answers are the same whenever the demo is run."""


def run_demo(settings: Settings, *, out: str, copy_to: str | None = None) -> None:
    """Decide both months of the demonstration practice into a folder and show what came of it.

    Args:
        settings: of the command.
        out: folder for the results.
        copy_to: new folder for a copy of the practice, which is then the source.

    Raises:
        CaretallyError: as `run_month`; UsageError when there is something at `copy_to` already.
    """
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # the table is the progress
    practice = data_path("fixtures", "demo")
    if copy_to is not None:
        practice = _copied(practice, Path(copy_to).expanduser())
    answers: list[dict[str, Any]] = []
    reports = [_run(practice, out, month, answers) for month in MONTHS]
    _say(settings.output, reports, answers, out=out, practice=practice)
    remember_store(str(Path(out).expanduser().absolute()))
    for report in reports:
        error = report.error()
        if error is not None:
            end_badly(error)


def _run(practice: Path, out: str, month: ServiceMonth, answers: list[dict[str, Any]]) -> RunReport:
    configuration = load_configuration(practice / "caretally.toml", environment={})
    tables = tables_for(configuration)

    def observe(planned: Planned) -> None:
        answers.append(planned.determination.to_json())

    with endpoints(configuration, tables, source=str(practice), out=out, to=None, write=True) as ends:
        return run_month(
            RunRequest(
                source=ends.source,
                sink=ends.sink,
                month=month,
                as_of=AS_OF,
                now=lambda: datetime.now(UTC),
                tables=tables,
                configuration=configuration,
                policies=policy_book(tables, configuration),
                software_version=__version__,
                observe=observe,
            )
        )


def _copied(practice: Path, target: Path) -> Path:
    if target.exists():
        raise UsageError(f"--practice {target} is there already; wanted is a new folder, for nothing is overwritten")
    try:
        shutil.copytree(practice, target)
    except OSError as error:
        raise WriteError(f"the practice cannot be copied to {target} ({error.strerror or error})") from None
    return target


def _say(output: Output, reports: list[RunReport], answers: list[dict[str, Any]], *, out: str, practice: Path) -> None:
    summary = summarise(answers)
    output.document(
        {"reports": [report.to_json() for report in reports], "summary": summary.to_json(), "determinations": answers}
    )
    output.text("Demo Oncology Associates, an invented practice: who may be billed for January and February 2025?")
    output.table(answer_table(overview(answers), with_month=True))
    for line in summary_lines(summary):
        output.text(line)
    for report in reports:
        for line in report_lines(report, dry_run=False):
            output.text(f"{report.service_month}: {line}")
    practice = _from_here(practice)
    output.text()
    output.text(f"The results are in {out}: determinations.ndjson, Claim.ndjson, ChargeItem.ndjson, Provenance.ndjson")
    output.text("Next:")
    steps = (
        (f"export CARETALLY_CONFIG={practice / 'caretally.toml'}", "the configuration of this practice"),
        ("caretally explain demo-elder --month 2025-01", "one second too little"),
        ("caretally explain demo-ash --month 2025-01", "a ladder of three units"),
        (f"caretally review list {out}", "the drafts that wait for a person"),
        (f"caretally plan {practice} --month 2025-02", "your own data go here"),
    )
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        output.text(f"  {command:{width}}  # {what}")


def _from_here(path: Path) -> Path:
    """Return a path as short as it can be typed in the present folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
