"""The command line: it reads the words, calls the rooms below, and shows what they answer.

Nothing is decided here. The imports are late on purpose: `caretally --help` must answer at once, so the rooms
that read FHIR, talk HTTP or open a store are loaded by the command that needs them.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and end the process with one of the documented exit codes."""
    from caretally.cli.application import application  # noqa: PLC0415 -- importing the package must cost nothing

    application(prog_name="caretally")
