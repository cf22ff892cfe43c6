#!/usr/bin/env python3
"""Write docs/reference/commands.md from the help texts of the program; a test writes it again and compares.

python scripts/make_commands.py [FILE]
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

# Read when typer is imported: the pages are 100 columns wide, whatever the terminal is.
os.environ |= {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}
for name in [name for name in os.environ if name.startswith("CARETALLY_")]:
    del os.environ[name]

from caretally.cli.application import application  # noqa: E402

COMMANDS = (
    (),
    ("demo",),
    ("plan",),
    ("apply",),
    ("sync",),
    ("doctor",),
    ("explain",),
    ("candidates",),
    ("audit",),
    ("forecast",),
    ("export",),
    ("review", "list"),
    ("review", "approve"),
    ("outbox", "list"),
    ("outbox", "show"),
    ("outbox", "retry"),
    ("outbox", "drop"),
    ("review", "hold"),
    ("review", "release"),
    ("review", "elect-physician"),
    ("review", "choose-programme"),
    ("review", "attest"),
    ("review", "override"),
    ("review", "same-person"),
    ("review", "different-people"),
    ("review", "lock-month"),
    ("review", "unlock-month"),
    ("review", "withdraw"),
    ("review", "decisions"),
    ("review", "mark-sent"),
    ("packet",),
    ("remittance", "import"),
    ("denials", "list"),
    ("denials", "settle"),
    ("ledger", "verify"),
    ("ledger", "head"),
    ("ledger", "export"),
    ("rules", "check"),
    ("rules", "show"),
    ("store", "show"),
    ("store", "upgrade"),
    ("map", "show"),
    ("keys", "make"),
    ("keys", "jwks"),
    ("config", "show"),
)
HEAD = """# Commands

Written by `scripts/make_commands.py` from the help texts of the program: change those, not this file.

Options of one kind mean the same in every command. An option after the command wins over the same one before it, a
flag over the environment, the environment over the configuration file. How a command ends is told by its
[exit code](exit-codes.md); what it writes is described in [Output](output.md).

With `--json`, standard output holds one JSON document and nothing else; everything for a person goes to standard error,
also the log lines of a run that nobody watches (one JSON object a line).
"""


def help_of(words: tuple[str, ...]) -> str:
    """Return the help text of a command, 100 columns wide at most."""
    told = StringIO()
    try:
        with redirect_stdout(told):
            application([*words, "--help"], prog_name="caretally")
    except SystemExit as end:
        if end.code:
            raise
    return told.getvalue().strip()


def document() -> str:
    """Return the whole reference."""
    parts = (f"## {' '.join(('caretally', *words))}\n\n```text\n{help_of(words)}\n```\n" for words in COMMANDS)
    return "\n".join((HEAD, *parts))


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"
    (Path(sys.argv[1]) if len(sys.argv) > 1 else default).write_text(document(), encoding="utf-8")
