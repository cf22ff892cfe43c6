"""A bar where a person watches, log lines elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

from caretally.cli.logs import configure_logs
from caretally.cli.output import Output
from caretally.cli.progress import progress_of
from tests.cli.running import DEMO

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_terminal_gets_a_bar_and_no_json(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "caretally", "plan", str(DEMO), "--month", "2025-01"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100"}
    # What it prints goes to a file: nobody reads a pipe while the terminal is read, and it would wait for ever.
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=theirs)
        os.close(theirs)
        shown = _all_of(ours)
        process.wait(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert "deciding" in shown
    assert "12/12" in shown
    assert '"event"' not in shown
    assert b"create: Patient/demo-ash" in (tmp_path / "out").read_bytes()


def _all_of(terminal: int) -> str:
    """Read a terminal until the other side closes it: it holds little, and a writer would wait for ever."""
    found = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says so when nobody has the other side open any more
            part = b""
        if not part:
            return found.decode()
        found += part


def test_log_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(quiet=False, verbose=False)
    with progress_of(Output()) as tell:
        for done in range(1001):
            tell("deciding", done, 1000)
        tell("reading", 5, None)
        tell("reading", 6, None)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(quiet=True, verbose=False)
    with progress_of(Output(quiet=True)) as tell:
        tell("deciding", 1, 1)
    assert capsys.readouterr().err == ""
