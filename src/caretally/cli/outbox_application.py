"""``caretally outbox`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    WhereArgument,
    month_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

outbox = typer.Typer(
    help="What was to be written and has not been: look, send again, or drop.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Month = Annotated[
    str | None, typer.Option("--month", "-m", metavar="YYYY-MM", help="One month only.", show_default=False)
]
_Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="From outbox list; the first characters are enough.", show_default=False),
]


@outbox.command("list")
@reported
@with_settings()
def outbox_list(
    settings: Settings,
    *,
    where: WhereArgument,
    month: _Month = None,
) -> None:
    """List the patient-months that have not reached the folder or server, and why."""
    from caretally.cli.outbox_command import list_outbox

    list_outbox(
        settings,
        where=where,
        month=None if month is None else month_of(month),
    )


@outbox.command("show")
@reported
@with_settings()
def outbox_show(
    settings: Settings,
    *,
    where: WhereArgument,
    name: Annotated[str, typer.Argument(metavar="ID", help="From outbox list.", show_default=False)],
) -> None:
    """Show one of them: what was to be written, and each attempt with the server's own words."""
    from caretally.cli.outbox_command import show_intent

    show_intent(
        settings,
        where=where,
        name=name,
    )


@outbox.command("retry")
@reported
@with_settings()
def outbox_retry(
    settings: Settings,
    *,
    where: WhereArgument,
    names: _Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    month: _Month = None,
) -> None:
    """Look on the server, and send again what is missing there and still fits."""
    from caretally.cli.outbox_command import retry_intents

    retry_intents(
        settings,
        where=where,
        names=names or (),
        everything=everything,
        month=None if month is None else month_of(month),
    )


@outbox.command("drop")
@reported
@with_settings()
def outbox_drop(
    settings: Settings,
    *,
    where: WhereArgument,
    names: _Ids = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who drops it.", show_default="your account's name")
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, kept with it.", show_default=False)] = "",
) -> None:
    """Take some off the list without sending them; the next apply decides their months anew."""
    from caretally.cli.outbox_command import drop_intents

    drop_intents(
        settings,
        where=where,
        names=names or (),
        by=by,
        why=why,
    )
