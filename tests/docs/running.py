"""Runs the blocks of a document in an empty folder, with ``caretally`` on the path and a home of its own.

The live tests run the blocks that need a server: they set ``FHIR_BASE_URL`` and call `run_document` with
``servers=True``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import CHECKOUT, SERVER, Block, agrees, blocks_of, commands_of
from tests.forking import program


def prepare(workspace: Path, *, started: bool = False) -> None:
    """Put the program on the path of a new workspace; `started`: each command as users start it, not as a fork."""
    (workspace / "bin").mkdir()
    (workspace / "work").mkdir()
    path = workspace / "bin" / "caretally"
    if started:
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m caretally "$@"\n')
        path.chmod(0o755)
    else:
        path.symlink_to(program())


def run_document(document: Path, workspace: Path, *, servers: bool = False, **environment: str) -> int:
    """Write the files and run the commands of a document in their order; give how many blocks were run.

    Args:
        document: Markdown file.
        workspace: prepared folder.
        servers: also run the blocks that need a server.
        environment: further variables, ``FHIR_BASE_URL`` among them.
    """
    count = 0
    for block in blocks_of(document):
        if block.file is not None:
            target = workspace / "work" / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.body, encoding="utf-8")
        elif block.runnable and block.mark != CHECKOUT and (servers or block.mark != SERVER):
            _check(block, workspace, document, environment)
            count += 1
    return count


def _check(block: Block, workspace: Path, document: Path, environment: dict[str, str]) -> None:
    for command in commands_of(block):
        code, printed = run(command.text, workspace, environment)
        where = f"{document.name}, block at line {block.line}: $ {command.text}\n{printed}"
        assert code == command.code, f"exit {code} instead of {command.code}: {where}"
        if command.wanted is not None:
            assert agrees(command.wanted, printed), where


def run(text: str, workspace: Path, environment: dict[str, str]) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    path = f"{workspace / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean |= {"PATH": path, "HOME": str(workspace), "XDG_STATE_HOME": str(workspace / "state"), "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=workspace / "work",
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # A command that works is shown with its result only; what it says beside that, and its logs, are left out.
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")
