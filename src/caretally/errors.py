"""The errors that end a command, each with the exit code that the documentation promises.

    CaretallyError            1  internal: a fault of ours
    ├── UsageError            2  the command line asks for what cannot be done
    ├── ConfigurationError    3  the configuration file, a policy or a table is wrong
    │   └── TableError        3  a file of mappings/ is wrong: names file, table, row and key
    ├── SourceError           4  the source cannot be read at all
    ├── IncompletePullError   5  part of the source could not be read; nothing was decided from half of it
    ├── WriteError            6  some changes could not be written; the rest were
    └── LockedError           7  another run holds the sink

Exit codes are never reused. A message says what was found, where, what was wanted and what to do; it never
holds patient data. What concerns one resource only is not an error but an issue row (`facts.issue`).
"""

from __future__ import annotations

from typing import ClassVar


class CaretallyError(Exception):
    """A fault that ends the command; the message is written for the person who ran it."""

    exit_code: ClassVar[int] = 1


class UsageError(CaretallyError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigurationError(CaretallyError):
    """The configuration, a policy or a table is wrong."""

    exit_code = 3


class TableError(ConfigurationError):
    """A data file of mappings/ is wrong.

    Args:
        message: what was found and what is wanted.
        file: name of the file as the user knows it.
        where: table, row and key inside the file, for example ``code[3].rate``.
    """

    def __init__(self, message: str, *, file: str | None = None, where: str | None = None) -> None:
        self.file = file
        self.where = where
        place = ", ".join(part for part in (file, where) if part)
        super().__init__(f"{place}: {message}" if place else message)


class SourceError(CaretallyError):
    """The source cannot be read at all."""

    exit_code = 4


class IncompletePullError(CaretallyError):
    """Part of the source could not be read, so nothing was decided from it."""

    exit_code = 5


class WriteError(CaretallyError):
    """Some changes could not be written."""

    exit_code = 6


class LockedError(CaretallyError):
    """Another run holds the sink."""

    exit_code = 7
