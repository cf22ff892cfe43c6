#!/usr/bin/env python3
"""Write docs/reference/commands.md from the help texts of the program; a test writes it again and compares.

python scripts/make_commands.py [FILE]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")}
    done = subprocess.run(
        [sys.executable, "-m", "caretally", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, "COLUMNS": "100", "TERMINAL_WIDTH": "100"},
    )
    return done.stdout.strip()


def document() -> str:
    """Return the whole reference."""
    parts = (f"## {' '.join(('caretally', *words))}\n\n```text\n{help_of(words)}\n```\n" for words in COMMANDS)
    return "\n".join((HEAD, *parts))


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"
    (Path(sys.argv[1]) if len(sys.argv) > 1 else default).write_text(document(), encoding="utf-8")
