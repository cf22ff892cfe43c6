"""The configuration of a command: the file, its profile, the environment, and the flags over all of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from caretally.cli.logs import configure_logs
from caretally.errors import ConfigurationError
from caretally.tables import load_configuration

if TYPE_CHECKING:
    from caretally.cli.options import Settings
    from caretally.tables import Configuration


def read_configuration(settings: Settings) -> Configuration:
    """Read the configuration in force for a command.

    Raises:
        ConfigurationError: the file is missing or wrong; names file, table and key.
    """
    # Before anything can log: a log line on standard output would stand in the middle of a result.
    output = settings.output
    configure_logs(quiet=output.quiet or output.interactive, verbose=output.verbose)
    path = None if settings.config is None else Path(settings.config).expanduser()
    if path is not None and not path.is_file():
        raise ConfigurationError(f"{settings.config}: no such configuration file; --config wants a TOML file")
    if path is None and settings.profile is not None:
        raise ConfigurationError(f"profile '{settings.profile}' was asked for, but no configuration file (--config)")
    return load_configuration(
        path,
        environment=os.environ,
        overrides={"store.url": settings.store},
        profile=settings.profile,
    )
