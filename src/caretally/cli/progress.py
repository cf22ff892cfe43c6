"""How far a run is: a bar on a terminal, log lines elsewhere, nothing in quiet mode."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.cli.output import Output
    from caretally.sync.pulling import Progress

EVERY_SECONDS = 10.0
"""How often a log line says how far a stage is."""


@contextmanager
def progress_of(output: Output) -> Iterator[Progress]:
    """Give the callback that a run tells its progress: the stage, how much is done, and of how much."""
    if output.interactive:
        with _bars() as tell:
            yield tell
    else:
        yield _log_lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 -- a run that nobody watches need not load it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # What is printed meanwhile stands above the bar; where standard output goes to a file, it must stay there.
    same_screen = sys.stdout.isatty()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=same_screen) as bars:
        tasks = {}

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell


def _log_lines() -> Progress:
    log = structlog.get_logger("caretally")
    told: dict[str, float] = {}

    def tell(stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        finished = total is not None and done >= total
        if stage in told and not finished and now - told[stage] < EVERY_SECONDS:
            return
        told[stage] = now
        log.info("progress", phase=stage, done=done, total=total)

    return tell
