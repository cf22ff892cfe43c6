"""``caretally ledger`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    WhereArgument,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

ledger = typer.Typer(
    help="The audit trail of every decision, answer and write.", no_args_is_help=True, rich_markup_mode=None
)


@ledger.command("verify")
@reported
@with_settings()
def ledger_verify(
    settings: Settings,
    *,
    where: WhereArgument,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="HEAD",
            help="A head that was kept elsewhere; nothing up to it may be missing or other.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Find anything that was changed, removed, inserted or put elsewhere."""
    from caretally.cli.ledger_command import verify_ledger

    verify_ledger(settings, where=where, head=head)


@ledger.command("head")
@reported
@with_settings()
def ledger_head(
    settings: Settings,
    *,
    where: WhereArgument,
) -> None:
    """Print number and digest of the last entry; keep it elsewhere to show later that nothing was cut off."""
    from caretally.cli.ledger_command import show_head

    show_head(settings, where=where)


@ledger.command("export")
@reported
@with_settings(without=("as_json",))
def ledger_export(
    settings: Settings,
    *,
    where: WhereArgument,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="json, or audit-event (FHIR AuditEvent).")
    ] = "json",
    after: Annotated[int, typer.Option("--after", metavar="NUMBER", help="Entries after this one only.")] = 0,
) -> None:
    """Write the entries to standard output, one JSON object a line."""
    from caretally.cli.ledger_command import export_ledger

    export_ledger(settings, where=where, form=form, after=after)
