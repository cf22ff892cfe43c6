"""``caretally config`` and its options."""

from __future__ import annotations

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

config_commands = typer.Typer(help="The configuration in force.", no_args_is_help=True, rich_markup_mode=None)


@config_commands.callback()
def _group() -> None:
    """Keep `show` a command of its own: a group of one would otherwise swallow its name."""


@config_commands.command("show")
@reported
@with_settings(without=("verbose",))
def config_show(
    settings: Settings,
) -> None:
    """Show every setting with its origin; of a secret, where it is and never what it is."""
    from caretally.cli.config_command import show_configuration

    show_configuration(settings)
