"""``caretally remittance``, ``caretally denials``, ``caretally review mark-sent``, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    AnyMonthOption,
    ByOption,
    OnePractitionerOption,
    Settings,
    WhereArgument,
    WhyOption,
    month_of,
    with_settings,
)
from caretally.errors import UsageError

SomePatientsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATIENT", help="Patient/ID, or the id alone.", show_default=False),
]

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

remittance = typer.Typer(help="What payers answered.", no_args_is_help=True, rich_markup_mode=None)
denials = typer.Typer(help="The work list of denied claims.", no_args_is_help=True, rich_markup_mode=None)


@remittance.command("import")
@reported
@with_settings()
def remittance_import(
    settings: Settings,
    *,
    where: WhereArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Remittance as CSV.", show_default=False)],
    by: ByOption = None,
) -> None:
    """Move claims along as a remittance says: accepted, paid, denied, with the payer's control numbers."""
    from caretally.cli.life_command import import_remittance

    import_remittance(settings, where=where, path=file, by=by)


@denials.command("list")
@reported
@with_settings()
def denials_list(
    settings: Settings,
    *,
    where: WhereArgument,
    month: AnyMonthOption = None,
) -> None:
    """List denials that nobody has dealt with, with the check that should have caught each."""
    from caretally.cli.life_command import show_denials

    show_denials(settings, where=where, month=None if month is None else month_of(month))


@denials.command("settle")
@reported
@with_settings()
def denials_settle(
    settings: Settings,
    *,
    where: WhereArgument,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Claim/ID, or the id alone.", show_default=False)],
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Take a denial off the list, and keep how it was dealt with."""
    from caretally.cli.life_command import settle_denial

    settle_denial(settings, where=where, claim=claim, by=by, why=why)


@reported
@with_settings()
def review_mark_sent(
    settings: Settings,
    *,
    where: WhereArgument,
    patients: SomePatientsArgument = None,
    month: AnyMonthOption = None,
    practitioner: OnePractitionerOption = None,
    control_number: Annotated[
        str | None,
        typer.Option("--control-number", metavar="TEXT", help="What the payer calls the claim.", show_default=False),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Many at once, from a CSV file.", show_default=False),
    ] = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Say that released claims were sent to their payers."""
    from caretally.cli.life_command import mark_sent, mark_sent_from_file

    if file is not None:
        if patients or month or practitioner or control_number:
            raise UsageError("a claim and --from are both given; give one of them")
        mark_sent_from_file(settings, where=where, path=file, by=by, why=why)
        return
    if not patients or month is None:
        raise UsageError("name the patients and --month, or give a CSV file with --from")
    mark_sent(
        settings,
        where=where,
        patients=patients,
        month=month_of(month),
        practitioner=practitioner,
        control_number=control_number,
        by=by,
        why=why,
    )
