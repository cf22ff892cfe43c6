"""Runs months in processes that a test may kill: everything is imported once, each run is a fork of its own.

Reads one JSON job a line: {"base", "store", "month", "patients", "failpoint", "log"}, or {"command", "state",
"failpoint", "log"} for words of the command line; what a command says stands in LOG.json. Says ``pid N`` when the run
has begun and ``exit N`` when it has ended (negative: the signal that ended it).
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from caretally import cli
from caretally.errors import CaretallyError
from caretally.facts.calendar import ServiceMonth
from caretally.fhir import FhirServer, ServerSettings
from caretally.fhir.capability import WriteStrategy
from caretally.sync.pulling import Narrowing, types_to_read
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.server import ServerSource
from caretally.tables import load_configuration, load_tables, policy_book
from tests.forking import warm

TABLES = load_tables()
CONFIGURATION = load_configuration(None, environment={}, overrides={}, profile=None)
POLICIES = policy_book(TABLES, CONFIGURATION, {"zone": "America/New_York", "other_claims_known": "full"})


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def date_after(month: ServiceMonth) -> date:
    """A day on which the month is closed."""
    return month.plus(1).first_day.replace(day=10)


def run(job: dict[str, Any]) -> int:
    """One run from and to a server; its exit code. What it wrote is left beside its log."""
    month = ServiceMonth.parse(job["month"])
    with FhirServer(ServerSettings(base_url=job["base"], timeout_seconds=120)) as server:
        request = RunRequest(
            source=ServerSource(server=server, terminology=TABLES.terminology),
            sink=ServerSink(
                server=server,
                resource_types=types_to_read(TABLES),
                strategy=WriteStrategy(job["strategy"]) if job.get("strategy") else None,
                in_flight=CONFIGURATION.writeback.in_flight,
                together=CONFIGURATION.writeback.months_per_transaction,
            ),
            month=month,
            as_of=date_after(month),
            now=now,
            tables=TABLES,
            configuration=CONFIGURATION,
            policies=POLICIES,
            software_version="test",
            store=job["store"],
            narrowing=Narrowing.of(patients=tuple(job.get("patients", ()))),
        )
        try:
            report = run_month(request)
        except CaretallyError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return error.exit_code
    Path(job["log"] + ".json").write_text(json.dumps(report.to_json()), encoding="utf-8")
    ended = report.error()
    return 0 if ended is None else ended.exit_code


def command(job: dict[str, Any]) -> int:
    """The program with these words; its exit code."""
    os.environ |= {"XDG_STATE_HOME": job["state"], "HOME": job["state"]}
    told = os.open(job["log"] + ".json", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(told, 1)
    sys.argv = ["caretally", *job["command"]]
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def child(job: dict[str, Any]) -> None:
    """The forked process: never returns."""
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if job.get("failpoint"):
        os.environ["CARETALLY_FAILPOINT"] = job["failpoint"]
    code = 1
    try:
        code = command(job) if "command" in job else run(job)
    except Exception as error:  # noqa: BLE001 -- the parent reads the log
        sys.stderr.write(f"{error!r}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serves jobs until the input ends."""
    warm()
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(job)
        sys.stdout.write(f"pid {pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"exit {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
