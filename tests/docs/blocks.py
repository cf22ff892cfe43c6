"""The code blocks of a document, and how they are run.

- ``console``: every ``$ command`` is run, and what it prints must be what stands below it (of
  a command that works: on standard output). A line ``...`` stands
  for any lines, ``...`` inside a line for anything. A command that must fail ends in ``# exit 2``.
- ``bash``: every line is run and must succeed; what it prints is not looked at.
- ``<!-- file: NAME -->`` before a block: the block is written to that file first.
- ``<!-- needs a server -->`` before a block: it is run by the live tests only.
- ``<!-- in the checkout -->`` before a block: ``make`` goals, which must exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^>]+?) -->\n)?^```(?P<language>[a-z]*)[ \t]*\n(?P<body>.*?)^```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_EXIT = re.compile(r"\s+# exit (\d+)$")
SERVER, CHECKOUT = "needs a server", "in the checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    mark: str
    language: str
    body: str
    line: int

    @property
    def file(self) -> str | None:
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def runnable(self) -> bool:
        return self.language in {"console", "bash"} and self.file is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a block; `wanted` None: what it prints is not looked at."""

    text: str
    code: int
    wanted: tuple[str, ...] | None


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            mark=(found["mark"] or "").strip(),
            language=found["language"],
            body=found["body"],
            line=text.count("\n", 0, found.start()) + 1,
        )
        for found in _BLOCK.finditer(text)
    ]


def commands_of(block: Block) -> Iterator[Command]:
    if block.language == "bash":
        for line in _joined(block.body.splitlines()):
            if line.strip() and not line.startswith("#"):
                yield _command(line, None)
        return
    text = ""
    wanted: list[str] = []
    for line in block.body.splitlines():
        if line.startswith("$ "):
            if text:
                yield _command(text, tuple(wanted))
            text, wanted = line[2:], []
        elif text.endswith("\\"):
            text = text[:-1] + line.strip()
        else:
            wanted.append(line.rstrip())
    if text:
        yield _command(text, tuple(wanted))


def _joined(lines: list[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        if line.endswith("\\"):
            before += line[:-1]
        else:
            yield before + line.strip() if before else line
            before = ""


def _command(text: str, wanted: tuple[str, ...] | None) -> Command:
    found = _EXIT.search(text)
    return Command(text=_EXIT.sub("", text), code=int(found[1]) if found else 0, wanted=wanted)


def agrees(wanted: tuple[str, ...], printed: str) -> bool:
    """Whether what was printed is what stands in the document."""
    return _match([line for line in wanted if line], [line.rstrip() for line in printed.splitlines() if line.strip()])


def _match(wanted: list[str], printed: list[str]) -> bool:
    if not wanted:
        return not printed
    first, rest = wanted[0], wanted[1:]
    if first.strip() == "...":
        return any(_match(rest, printed[skipped:]) for skipped in range(len(printed) + 1))
    if not printed:
        return False
    return _same(first, printed[0]) and _match(rest, printed[1:])


def _same(wanted: str, printed: str) -> bool:
    """Compare two lines; the width of columns does not matter, ``...`` inside a line stands for anything."""
    parts = [re.escape(" ".join(part.split())) for part in wanted.split("...")]
    return re.fullmatch(r"\s*.*\s*".join(parts), " ".join(printed.split())) is not None
