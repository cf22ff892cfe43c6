"""Runs the command line in processes of their own without importing everything each time: each run is a fork.

Reads one JSON job a line: {"words", "environment", "folder", "now", "patients_at_once", "log"}. Answers with one JSON
line: {"code", "peak_kilobytes", "seconds", "cpu_seconds"}. Beside the log lies what the run connected to or looked up,
one a line, as Python's own audit events tell it: also a connection that nobody answers is seen there.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import structlog

from caretally import cli
from caretally.cli import application, run_command, sync_command
from caretally.sync.mirroring import plan
from caretally.tables import loading
from tests import forking
from tests.sync.practices import golden, write

COMMANDS: Any = (run_command, sync_command)


def warm() -> None:
    """What every command makes anew, made once: the command line itself, the tables, and what a run imports late."""
    from typer import main as typer_main  # noqa: PLC0415

    forking.warm()
    made = typer_main.get_command(application.application)
    typer_main.get_command = lambda typer_instance: made  # noqa: ARG005 -- the library's name
    read: dict[str, Any] = {}

    def tables_for(configuration: Any) -> Any:
        key = configuration.mapping.model_dump_json()
        if key not in read:
            read[key] = loading.tables_for(configuration)
        return read[key]

    for module in COMMANDS:
        module.tables_for = tables_for
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        source = write(Path(folder) / "source", golden("G02"))
        sys.argv = ["caretally", "sync", str(source), "--month", "2025-01", "--out", f"{folder}/out", "--quiet"]
        with suppress(SystemExit):
            cli.main()
    structlog.reset_defaults()


def watch(path: str) -> None:
    """Write down where the process connects to and which names it looks up."""
    out = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            os.write(out, f"{arguments[1][0]} {arguments[1][1]}\n".encode())
        elif event == "socket.getaddrinfo":
            os.write(out, f"{arguments[0]} {arguments[1]}\n".encode())

    sys.addaudithook(hook)


def child(job: dict[str, Any]) -> None:
    """The forked process: never returns."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{job['log']}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), number)
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    still = datetime.fromisoformat(job["now"])

    class Still(datetime):
        """The clock stands still, so that two runs write the same moments and can be compared byte by byte."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return still.astimezone(tz)

    for module in COMMANDS:
        module.datetime = Still
    plan.CHUNK = job["patients_at_once"]
    plan.chunks.__defaults__ = (plan.CHUNK,)
    watch(f"{job['log']}.connected")
    sys.argv = ["caretally", *job["words"]]
    code = 1
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException as error:  # noqa: BLE001 -- the parent reads the log
        sys.stderr.write(f"{error!r}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve(jobs: TextIO, told: TextIO) -> None:
    """Run one job after the other until there are no more."""
    for line in jobs:
        job = json.loads(line)
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            child(job)
        _, status, usage = os.wait4(pid, 0)
        done = {
            "code": os.waitstatus_to_exitcode(status),
            "peak_kilobytes": usage.ru_maxrss,
            "seconds": time.monotonic() - started,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }
        told.write(json.dumps(done) + "\n")
        told.flush()


def main() -> None:
    """Serve several lanes side by side, each a fork with a pipe for jobs and one for what came of them."""
    asked_for = sys.argv[1]
    warm()
    lanes = []
    for pair in asked_for.split(","):
        jobs, told = map(int, pair.split(":"))
        pid = os.fork()
        if pid == 0:
            for other in asked_for.replace(":", ",").split(","):
                if int(other) not in {jobs, told}:
                    os.close(int(other))
            with os.fdopen(jobs) as asked, os.fdopen(told, "w") as answered:
                serve(asked, answered)
            os._exit(0)
        lanes.append(pid)
    for other in asked_for.replace(":", ",").split(","):
        os.close(int(other))
    for pid in lanes:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
