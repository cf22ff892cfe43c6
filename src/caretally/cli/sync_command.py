"""``caretally sync``: keep up with a source, once or for as long as it is wanted."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, get_args

from caretally import __version__
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints
from caretally.cli.failure import end_badly, error_document
from caretally.cli.progress import progress_of
from caretally.cli.run_command import check_month, report_lines
from caretally.errors import UsageError
from caretally.facts.calendar import ServiceMonth
from caretally.sync.deciding import default_policy
from caretally.sync.pulling import Narrowing
from caretally.sync.request import RunRequest
from caretally.sync.sources.server import ServerSource
from caretally.sync.synchronizing import By, SyncRequest, default_months, synchronize
from caretally.tables import policy_book, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.errors import CaretallyError
    from caretally.sync.report import RunReport
    from caretally.sync.synchronizing import SyncReport


def run_sync(
    settings: Settings,
    *,
    source: str,
    months: Sequence[ServiceMonth],
    out: str | None,
    to: str | None,
    as_of: date | None,
    since: str | None,
    by: str | None,
    full: bool,
    watch: float | None,
) -> None:
    """Keep up with a source, and say after each round what came of it.

    Raises:
        CaretallyError: as `synchronize`; with ``watch`` only what a wait does not mend ends the command.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    chosen = by or configuration.sync.by
    if chosen not in get_args(By):
        raise UsageError(f"--by '{by}' is unknown; wanted is {', '.join(get_args(By))}")
    with (
        endpoints(configuration, tables, source=source, out=out, to=to, write=True) as ends,
        progress_of(settings.output) as progress,
        _stopping() as stop,
    ):
        zone = default_policy(book, sites(configuration)).time_zone

        def request() -> SyncRequest:
            today = as_of or datetime.now(zone).date()
            wanted = tuple(sorted(set(months))) or default_months(ServiceMonth.of(today))
            for month in wanted:
                check_month(tables, month)
            run = RunRequest(
                source=ends.source,
                sink=ends.sink,
                month=wanted[0],
                as_of=today,
                now=lambda: datetime.now(UTC),
                tables=tables,
                configuration=configuration,
                policies=book,
                software_version=__version__,
                store=configuration.store_url,
                narrowing=Narrowing(),
                progress=progress,
            )
            server = ends.source.server if isinstance(ends.source, ServerSource) else None
            way: By = "search" if chosen == "search" else "export" if chosen == "export" else "auto"
            return SyncRequest(run=run, months=wanted, server=server, by=way, since=_instant(since), full=full)

        worst: CaretallyError | None = None
        for report in synchronize(request, again=lambda: watch is not None and not stop.wait(watch)):
            worst = _say(settings.output, report) or worst
            if watch is not None:
                worst = None  # said already; the next round tries again
        if worst is not None:
            end_badly(worst)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Let a first SIGTERM end the wait between two rounds; what is on its way is brought to its end."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since '{text}' is no date or instant; wanted is 2025-01-31 or 2025-01-31T08:00:00Z"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _say(output: Output, report: SyncReport) -> CaretallyError | None:
    error = next((error for month in report.months if (error := month.error()) is not None), None)
    output.document({**report.to_json(), **({"error": error_document(error)} if error is not None else {})})
    if report.mode is not None:
        held = sum(report.held.values())
        how = {"full": "read everything by search", "changes": "read what changed by search"}.get(report.mode)
        how = how or ("took a whole export in" if report.mode == "export" else "took an export of changes in")
        went_on = ", going on where the last run was cut off" if report.resumed else ""
        output.text(f"{how}{went_on}: {report.requests} requests, {held} resources held")
    for month in report.months:
        output.text(_month_line(month))
        for line in report_lines(month, dry_run=False):
            output.text(f"  {line}")
    return error


def _month_line(month: RunReport) -> str:
    patients = month.patients
    return f"{month.service_month}: {patients['decided']} patients decided anew, {patients['unchanged']} unchanged"
