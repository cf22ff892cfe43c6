"""``caretally store`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

store_commands = typer.Typer(
    help="The store: what it belongs to, and bringing one of an older release up to date.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@store_commands.command("show")
@reported
@with_settings()
def store_show(
    settings: Settings,
) -> None:
    """Show where the store is, what it belongs to, and what is in it."""
    from caretally.cli.store_command import show_store

    show_store(settings)


@store_commands.command("upgrade")
@reported
@with_settings()
def store_upgrade(
    settings: Settings,
    *,
    backed_up: Annotated[
        bool, typer.Option("--backed-up", help="There is a backup; needed for a database, a file is copied first.")
    ] = False,
) -> None:
    """Bring the tables of a store that an older release made up to date."""
    from caretally.cli.store_command import upgrade_store

    upgrade_store(
        settings,
        backed_up=backed_up,
    )
