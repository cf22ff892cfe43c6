"""``caretally review`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.decide_application import add_decisions
from caretally.cli.failure import reported
from caretally.cli.options import (
    AsOfOption,
    MonthOption,
    Settings,
    WhereArgument,
    day_of,
    month_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

review = typer.Typer(
    help="What people decide: drafts, proposals, holds, facts that no record holds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@review.command("list")
@reported
@with_settings()
def review_list(
    settings: Settings,
    *,
    where: WhereArgument,
    month: Annotated[
        str | None,
        typer.Option("--month", "-m", metavar="YYYY-MM", help="One month; needed for a server.", show_default=False),
    ] = None,
) -> None:
    """List the drafts, corrections and questions that wait for a person."""
    from caretally.cli.review_command import show_reviews

    show_reviews(
        settings,
        where=where,
        month=None if month is None else month_of(month),
    )


@review.command("approve")
@reported
@with_settings()
def review_approve(
    settings: Settings,
    *,
    where: WhereArgument,
    month: MonthOption,
    patients: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATIENT", help="Patient/ID, or the id alone; several may be given.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every draft of the month; no corrections.")] = False,
    practitioner: Annotated[
        str | None,
        typer.Option("--practitioner", metavar="ID", help="This billing practitioner only.", show_default=False),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="SOURCE", help="Where the evidence is read.", show_default="where apply read it"
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who approves.", show_default="your account's name")
    ] = None,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="Reason, kept with the approval.", show_default=False)
    ] = "",
    seen: Annotated[
        str | None,
        typer.Option(
            "--seen",
            metavar="DIGEST",
            help="What you looked at (seen in review list --json), of one patient; refused when it changed since.",
            show_default=False,
        ),
    ] = None,
    as_of: AsOfOption = None,
) -> None:
    """Release drafts, or agree to proposed corrections, after deciding once more."""
    from caretally.cli.review_command import approve_reviews

    approve_reviews(
        settings,
        where=where,
        patients=patients or (),
        everything=everything,
        month=month_of(month),
        practitioner=practitioner,
        source=source,
        by=by,
        why=why,
        seen=seen,
        as_of=day_of(as_of),
    )


add_decisions(review)
