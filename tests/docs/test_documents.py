"""Every command that the documents show is run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import CHECKOUT, SERVER, Block, agrees, blocks_of, commands_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/how-to/*.md"),
        *ROOT.glob("docs/reference/*.md"),
    ]
)
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty folder with ``caretally`` on the path and a home of its own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    program = tmp_path / "bin" / "caretally"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m caretally "$@"\n')
    program.chmod(0o755)
    return tmp_path


def run(text: str, workspace: Path) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    path = f"{workspace / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean |= {"PATH": path, "HOME": str(workspace), "XDG_STATE_HOME": str(workspace / "state"), "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=workspace / "work",
        env=clean,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    # A command that works is shown with its result only; what it says beside that, and its logs, are left out.
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def check(block: Block, workspace: Path, document: str) -> None:
    for command in commands_of(block):
        code, printed = run(command.text, workspace)
        where = f"{document}, block at line {block.line}: $ {command.text}\n{printed}"
        assert code == command.code, f"exit {code} instead of {command.code}: {where}"
        if command.wanted is not None:
            assert agrees(command.wanted, printed), where


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_commands_do_what_the_document_says(document: Path, workspace: Path) -> None:
    name = str(document.relative_to(ROOT))
    for block in blocks_of(document):
        if block.file is not None:
            target = workspace / "work" / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.body, encoding="utf-8")
        elif block.runnable and block.mark not in {SERVER, CHECKOUT}:
            check(block, workspace, name)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_make_goals_exist(document: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks_of(document):
        if block.mark == CHECKOUT:
            for command in commands_of(block):
                words = command.text.split("#")[0].split()
                if words[0] == "make":
                    assert set(words[1:]) <= known, command.text
                else:
                    assert (ROOT / words[0]).exists(), command.text


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_block_says_what_it_is(document: Path) -> None:
    for block in blocks_of(document):
        assert block.language, f"{document.relative_to(ROOT)}, line {block.line}"
        assert block.mark in {"", SERVER, CHECKOUT} or block.file, block.mark


def test_no_document_is_forgotten() -> None:
    linked = {
        (document.parent / target).resolve()
        for document in DOCUMENTS
        for target in LINK.findall(document.read_text(encoding="utf-8"))
    }
    roots = {ROOT / "README.md"}
    assert {path.resolve() for path in DOCUMENTS} - linked - roots == set(), "not linked from anywhere"
