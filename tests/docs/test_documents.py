"""Every command that the documents show is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import CHECKOUT, SERVER, blocks_of, commands_of
from tests.docs.running import prepare, run_document

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


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_commands_do_what_the_document_says(document: Path, tmp_path: Path) -> None:
    prepare(tmp_path, started=document.name == "README.md")
    run_document(document, tmp_path)


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
