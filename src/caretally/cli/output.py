"""Where words go: results to standard output, everything for the person beside it to standard error."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How one command speaks; with ``as_json`` standard output holds one JSON document and nothing else."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def interactive(self) -> bool:
        """Return whether a person is watching standard error."""
        return sys.stderr.isatty() and not self.quiet and not self.as_json

    def text(self, text: str = "") -> None:
        """Print a line of the result; nothing when the result is JSON."""
        if not self.as_json:
            sys.stdout.write(text + "\n")

    def table(self, table: RenderableType) -> None:
        """Print a table of the result; nothing when the result is JSON."""
        if self.as_json:
            return
        from rich.console import Console  # noqa: PLC0415 -- only commands that print tables pay for it

        # Off a terminal the width is fixed and wide, so that a table in a file is not folded.
        width = None if sys.stdout.isatty() else 160
        Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False).print(table)

    def document(self, document: Any) -> None:
        """Print the result as one JSON document; nothing when the result is text."""
        if not self.as_json:
            return
        import orjson  # noqa: PLC0415 -- see above

        def exactly(value: Any) -> Any:
            """Amounts of a resource keep each digit."""
            if isinstance(value, Decimal):
                return orjson.Fragment(str(value))
            raise TypeError

        sys.stdout.buffer.write(orjson.dumps(document, default=exactly, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Tell the person something beside the result; not in quiet mode."""
        if not self.quiet:
            sys.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Tell the person something that matters, also in quiet mode."""
        sys.stderr.write(text + "\n")
