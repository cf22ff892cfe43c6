"""The runner of the documents can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import Block, agrees, blocks_of, commands_of

if TYPE_CHECKING:
    from pathlib import Path


def block(language: str, body: str) -> Block:
    return Block(mark="", language=language, body=body, line=1)


def test_commands_and_what_they_print_are_told_apart() -> None:
    found = list(commands_of(block("console", "$ one \\\n  two\nout 1\n\nout 2\n$ bad  # exit 3\n")))
    assert [(c.text, c.code, c.wanted) for c in found] == [
        ("one two", 0, ("out 1", "", "out 2")),
        ("bad", 3, ()),
    ]


def test_bash_lines_are_commands() -> None:
    found = list(commands_of(block("bash", "# a comment\nfirst --x \\\n  1\nsecond\n")))
    assert [(c.text, c.wanted) for c in found] == [("first --x 1", None), ("second", None)]


@pytest.mark.parametrize(
    ("wanted", "printed", "same"),
    [
        (("a", "b"), "a\nb\n", True),
        (("a", "b"), "a\nc\n", False),
        (("a",), "a\nb\n", False),
        (("a", "..."), "a\nb\nc\n", True),
        (("...", "c"), "a\nb\nc\n", True),
        (("...", "d"), "a\nb\nc\n", False),
        (("version ab...",), "version abcdef\n", True),
        (("... files, no error",), "61 files, no error\n", True),
        (("a   b",), "a b\n", True),
        (("a.c",), "abc\n", False),
        ((), "something\n", False),
        (("a", "", "b"), "a\n\n\nb   \n", True),
    ],
)
def test_what_is_printed_is_compared(wanted: tuple[str, ...], printed: str, same: bool) -> None:
    assert agrees(wanted, printed) is same


def test_marks_and_files_are_read(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(
        "text\n<!-- file: x.toml -->\n```toml\na = 1\n```\n\n<!-- needs a server -->\n```bash\nls\n```\n"
        "```json\n{}\n```\n"
    )
    first, second, third = blocks_of(document)
    assert (first.file, first.body, first.line) == ("x.toml", "a = 1\n", 2)
    assert (second.mark, second.runnable) == ("needs a server", True)
    assert not third.runnable
