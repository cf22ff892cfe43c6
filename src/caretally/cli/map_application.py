"""``caretally map`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

map_commands = typer.Typer(help="The mappings, for whoever writes one.", no_args_is_help=True, rich_markup_mode=None)


@map_commands.callback()
def _group() -> None:
    """Keep `show` a command of its own: a group of one would otherwise swallow its name."""


@map_commands.command("show")
@reported
@with_settings(without=("store", "verbose"))
def map_show(
    settings: Settings,
    *,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A resource or Bundle (.json), or resources (.ndjson).", show_default=False
        ),
    ],
    use: Annotated[
        list[str] | None,
        typer.Option(
            "--use",
            metavar="LAYER",
            help="Layer of views or folder, as in [mapping] use; may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show what becomes of resources: the rows of each view, the facts, and what is refused and why."""
    from caretally.cli.map_command import show_mapping

    show_mapping(settings, file=file, layers=use or ())
