"""Runs one month from the command line, for tests that kill it: SOURCE OUT [claim-release]."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

from caretally.errors import CaretallyError
from caretally.facts.calendar import ServiceMonth
from caretally.sync.pulling import types_to_read
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sources.folder import FolderSource
from caretally.tables import load_configuration, load_tables, policy_book


def main(source: str, out: str, day: str = "10") -> int:
    tables = load_tables()
    configuration = load_configuration(None, environment={}, overrides={}, profile=None)
    request = RunRequest(
        source=FolderSource(Path(source)),
        sink=FolderSink(path=Path(out), resource_types=types_to_read(tables)),
        month=ServiceMonth(2025, 1),
        as_of=date(2025, 2, 10),
        now=lambda: datetime(2025, 2, int(day), 9, 0, tzinfo=UTC),
        tables=tables,
        configuration=configuration,
        policies=policy_book(tables, configuration, {"zone": "America/New_York", "other_claims_known": "full"}),
        software_version="test",
    )
    try:
        report = run_month(request)
    except CaretallyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ended = report.error()
    return 0 if ended is None else ended.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
