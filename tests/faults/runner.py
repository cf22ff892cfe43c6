"""Talks to a zygote: starts runs, kills them, waits for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Runner:
    """One run at a time, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._number = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=120)
        self._process.stdout.close()

    def run(self, *, kill_after: float | None = None, **job: Any) -> int:
        """Runs a job to its end, or kills it after so many seconds; the exit code, negative for a signal."""
        pid = self.begin(**job)
        if kill_after is not None:
            time.sleep(kill_after)
            # Until its `exit` has been read the pid is the zygote's child, or was and is not given out again so soon.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return self.end()

    def begin(self, **job: Any) -> int:
        """Starts a job; its process id."""
        self._number += 1
        self.log = self.folder / f"run-{self._number}.log"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"log": str(self.log), **job}) + "\n")
        self._process.stdin.flush()
        return int(self._line().removeprefix("pid "))

    def end(self) -> int:
        """Waits for the job; its exit code."""
        return int(self._line().removeprefix("exit "))

    def report(self) -> dict[str, Any]:
        """What the last run said."""
        document: dict[str, Any] = json.loads(Path(f"{self.log}.json").read_text(encoding="utf-8"))
        return document

    def told(self) -> str:
        """The end of the log of the last run."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the zygote ended"
        return line.strip()
