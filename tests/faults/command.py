"""The command line as a person runs it, in a process whose connections and memory are watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]
NOW = "2025-02-10T09:00:00+00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code.
        out, err: what it said.
        connected: hosts and ports that it connected to or looked up, for example ``127.0.0.1 8080``.
        peak_kilobytes: most memory it had at one time.
        seconds, cpu_seconds: that it took.
    """

    code: int
    out: str
    err: str
    connected: frozenset[str]
    peak_kilobytes: int
    seconds: float
    cpu_seconds: float

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out) if self.out.strip() else {}
        return found


class Commands:
    """Runs commands one after the other.

    Args:
        folder: for logs.
        jobs, told: pipes to a lane of the zygote.
    """

    def __init__(self, folder: Path, jobs: TextIO, told: TextIO) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs, self._told = jobs, told
        self._number = 0

    def run(
        self,
        *words: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        now: str = NOW,
        patients_at_once: int = 1,
    ) -> Ended:
        """Run ``caretally WORDS`` in a folder, with its state directory there too."""
        folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        log = self.folder / f"run-{self._number}"
        job = {
            "words": words,
            "environment": {"XDG_STATE_HOME": str(folder), "HOME": str(folder), **(environment or {})},
            "folder": str(folder),
            "now": now,
            "patients_at_once": patients_at_once,
            "log": str(log),
        }
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        line = self._told.readline()
        assert line, "the zygote ended"
        return Ended(
            out=log.with_suffix(".out").read_text(encoding="utf-8"),
            err=log.with_suffix(".err").read_text(encoding="utf-8", errors="replace"),
            connected=frozenset(log.with_suffix(".connected").read_text(encoding="utf-8").splitlines()),
            **json.loads(line),
        )


@contextmanager
def lanes(folder: Path, count: int) -> Iterator[list[Commands]]:
    """Start the zygote, with so many lanes side by side."""
    with ExitStack() as opened:
        found, theirs = [], []
        for number in range(count):
            (job_out, job_in), (told_out, told_in) = os.pipe(), os.pipe()
            theirs.append((job_out, told_in))
            jobs, told = opened.enter_context(os.fdopen(job_in, "w")), opened.enter_context(os.fdopen(told_out))
            found.append(Commands(folder / str(number), jobs, told))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.command_zygote", ",".join(f"{a}:{b}" for a, b in theirs)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[number for pair in theirs for number in pair],
            env={name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")},
        )
        for number in (number for pair in theirs for number in pair):
            os.close(number)
        try:
            yield found
        finally:
            opened.close()
            process.wait(timeout=120)
