"""The command line as people run it: another process, its two streams, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from typer.testing import CliRunner

from caretally.cli.application import application
from tests.forking import program

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def caretally(*words: str | Path, state: Path, folder: Path | None = None, **environment: str) -> Outcome:
    """Run the command; ``state`` stands for the user's state directory, so that no test meets another."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    clean |= {"XDG_STATE_HOME": str(state), "HOME": str(state), "COLUMNS": "160", **environment}
    done = subprocess.run(
        [program(), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean,
        cwd=folder or state,
        check=False,
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)


def inside(*words: str | Path, **environment: str) -> Outcome:
    """Run the command in this process: faster, and open to what a test puts in its way."""
    try:
        done = CliRunner(env=environment).invoke(application, [str(word) for word in words], prog_name="caretally")
    finally:
        structlog.reset_defaults()  # its streams end with the command, and others log after it
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Outcome(code=done.exit_code, out=done.stdout, err=done.stderr)
