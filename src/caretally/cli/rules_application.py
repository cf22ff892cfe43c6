"""``caretally rules`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    day_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

rules = typer.Typer(
    help="The tables and switches that decide, checked and shown.", no_args_is_help=True, rich_markup_mode=None
)


@rules.command("check")
@reported
@with_settings(without=("store",))
def rules_check(
    settings: Settings,
) -> None:
    """Read every table and the configuration, and say what is wrong with them."""
    from caretally.cli.rules_command import check_rules

    check_rules(settings)


@rules.command("show")
@reported
@with_settings(without=("store",))
def rules_show(
    settings: Settings,
    *,
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="Billing code; without one, the switches in force.", show_default=False),
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="Date of service (YYYY-MM-DD).", show_default="today")
    ] = None,
    payer: Annotated[
        str | None,
        typer.Option("--payer", metavar="NAME", help="Switches of this payer.", show_default="the default payer"),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", metavar="NAME", help="Switches at this site only.", show_default=False)
    ] = None,
) -> None:
    """Show what the tables say about a code, or every switch with its origin."""
    from caretally.cli.rules_command import show_rule, show_switches

    day = day_of(on, "--on")
    if code is None:
        if day is not None:
            raise typer.BadParameter("a date needs a CODE: switches have no dates", param_hint="'--on'")
        show_switches(settings, payer=payer, site=site)
        return
    if payer is not None or site is not None:
        raise typer.BadParameter("a payer or site is for switches: leave CODE out", param_hint="'CODE'")
    show_rule(settings, code=code, on=day)
