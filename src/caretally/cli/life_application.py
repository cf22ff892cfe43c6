"""``caretally remittance``, ``caretally denials``, ``caretally review mark-sent``, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    AnyMonthOption,
    ByOption,
    ConfigOption,
    JsonOption,
    MonthOption,
    OnePractitionerOption,
    PatientsArgument,
    ProfileOption,
    QuietOption,
    StoreOption,
    VerboseOption,
    WhereArgument,
    WhyOption,
    month_of,
    settings_of,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

remittance = typer.Typer(help="What payers answered.", no_args_is_help=True, rich_markup_mode=None)
denials = typer.Typer(help="The work list of denied claims.", no_args_is_help=True, rich_markup_mode=None)


@remittance.command("import")
@reported
def remittance_import(
    context: typer.Context,
    *,
    where: WhereArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Remittance as CSV.", show_default=False)],
    by: ByOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Move claims along as a remittance says: accepted, paid, denied, with the payer's control numbers."""
    from caretally.cli.life_command import import_remittance

    settings = settings_of(
        context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
    )
    import_remittance(settings, where=where, path=file, by=by)


@denials.command("list")
@reported
def denials_list(
    context: typer.Context,
    *,
    where: WhereArgument,
    month: AnyMonthOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """List denials that nobody has dealt with, with the check that should have caught each."""
    from caretally.cli.life_command import show_denials

    settings = settings_of(
        context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
    )
    show_denials(settings, where=where, month=None if month is None else month_of(month))


@denials.command("settle")
@reported
def denials_settle(
    context: typer.Context,
    *,
    where: WhereArgument,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Claim/ID, or the id alone.", show_default=False)],
    by: ByOption = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take a denial off the list, and keep how it was dealt with."""
    from caretally.cli.life_command import settle_denial

    settings = settings_of(
        context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
    )
    settle_denial(settings, where=where, claim=claim, by=by, why=why)


@reported
def review_mark_sent(
    context: typer.Context,
    *,
    where: WhereArgument,
    patients: PatientsArgument,
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    control_number: Annotated[
        str | None,
        typer.Option("--control-number", metavar="TEXT", help="What the payer calls the claim.", show_default=False),
    ] = None,
    by: ByOption = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Say that released claims were sent to their payers."""
    from caretally.cli.life_command import mark_sent

    settings = settings_of(
        context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
    )
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
