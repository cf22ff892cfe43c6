"""Tokens and passwords: they come by file or environment, never inline, and are never shown."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 -- the dataclass is inspected at run time

from caretally.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is. A file is read each time, so that a rotated token is seen without a restart."""

    origin: str
    """``file /run/secrets/token`` or ``environment variable FHIR_TOKEN``; may be shown."""
    _value: str | None = field(default=None, repr=False)
    _path: Path | None = field(default=None, repr=False)

    @classmethod
    def from_file(cls, path: Path) -> Secret:
        """Point at a file that holds the secret and nothing else."""
        return cls(f"file {path}", _path=path)

    @classmethod
    def from_environment(cls, variable: str, value: str) -> Secret:
        """Keep a value that was found in an environment variable."""
        return cls(f"environment variable {variable}", _value=value)

    def reveal(self) -> str:
        """Return the secret, without white space around it.

        Raises:
            ConfigurationError: the file cannot be read, is open to others, or is empty.
        """
        value = self._value if self._path is None else _read(self._path)
        value = (value or "").strip()
        if not value:
            raise ConfigurationError(f"{self.origin} is empty; wanted is the secret and nothing else")
        return value

    def __str__(self) -> str:
        return f"*** ({self.origin})"


def _read(path: Path) -> str:
    try:
        found = path.stat()
        # A mounted secret belongs to root and is often readable by all; that is the platform's doing, not the user's.
        if found.st_uid == os.getuid() != 0 and stat.S_IMODE(found.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"file {path} is open to other users; run: chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"file {path} is not text; wanted is the secret and nothing else") from None
    except OSError as problem:
        raise ConfigurationError(f"file {path} cannot be read: {problem.strerror or problem}") from None
