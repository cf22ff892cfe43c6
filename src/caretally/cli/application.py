"""The commands and their options. The work of each one is in a module of its own, loaded when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    AsOfOption,
    ConfigOption,
    GlobalOptions,
    GroupOption,
    JsonOption,
    MonthOption,
    OutOption,
    PatientOption,
    PractitionerOption,
    ProfileOption,
    QuietOption,
    SiteOption,
    SourceArgument,
    StoreOption,
    StrictOption,
    ToOption,
    VerboseOption,
    WhereArgument,
    day_of,
    month_of,
    settings_of,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

application = typer.Typer(
    name="caretally",
    help="Decide from FHIR which care-management services may be billed for a month, with a reason for every no.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for a help text costs twice as much as everything else
    context_settings={"help_option_names": ["--help", "-h"]},
)
review = typer.Typer(
    help="What people decide: drafts to release, proposals to accept.", no_args_is_help=True, rich_markup_mode=None
)
rules = typer.Typer(
    help="The tables and switches that decide, checked and shown.", no_args_is_help=True, rich_markup_mode=None
)
application.add_typer(review, name="review")
application.add_typer(rules, name="rules")


def _version(wanted: bool) -> None:
    if wanted:
        from caretally import __version__

        sys.stdout.write(f"caretally {__version__}\n")
        raise typer.Exit


@application.callback()
def before_the_command(
    context: typer.Context,
    *,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", envvar="CARETALLY_CONFIG", help="Configuration file (TOML)."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="STORE",
            envvar="CARETALLY_STORE",
            help="Where runs are remembered: a folder, or a database URL.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", envvar="CARETALLY_PROFILE", help="Profile of the configuration."),
    ] = None,
    version: Annotated[  # noqa: ARG001 -- answered by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Keep the options given before the command."""
    context.obj = GlobalOptions(config=config, store=store, profile=profile)


@application.command()
@reported
def demo(
    context: typer.Context,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Folder for the results; made where it is missing.")
    ] = "caretally-demo",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Decide two months of a small invented practice: who may be billed, who not, why."""
    from caretally.cli.demo_command import run_demo

    run_demo(settings_of(context, as_json=as_json, quiet=quiet, verbose=verbose), out=out)


@application.command()
@reported
def plan(
    context: typer.Context,
    *,
    source: SourceArgument,
    month: MonthOption,
    out: OutOption = None,
    to: ToOption = None,
    as_of: AsOfOption = None,
    strict: StrictOption = False,
    patient: PatientOption = None,
    group: GroupOption = None,
    practitioner: PractitionerOption = None,
    site: SiteOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Pull, decide and show what would be written; nothing is written."""
    from caretally.cli.run_command import narrowing_of, run_month_command

    run_month_command(
        settings_of(
            context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
        ),
        source=source,
        month=month_of(month),
        out=out,
        to=to,
        as_of=day_of(as_of),
        strict=strict,
        narrowing=narrowing_of(patient, group, practitioner, site),
        dry_run=True,
    )


@application.command()
@reported
def apply(
    context: typer.Context,
    *,
    source: SourceArgument,
    month: MonthOption,
    out: OutOption = None,
    to: ToOption = None,
    as_of: AsOfOption = None,
    strict: StrictOption = False,
    patient: PatientOption = None,
    group: GroupOption = None,
    practitioner: PractitionerOption = None,
    site: SiteOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Pull, decide and write. From a server, changes go back to it; from a folder, say --out or --to."""
    from caretally.cli.run_command import narrowing_of, run_month_command

    run_month_command(
        settings_of(
            context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
        ),
        source=source,
        month=month_of(month),
        out=out,
        to=to,
        as_of=day_of(as_of),
        strict=strict,
        narrowing=narrowing_of(patient, group, practitioner, site),
        dry_run=False,
    )


@application.command()
@reported
def explain(
    context: typer.Context,
    *,
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Patient/ID, or the id alone.", show_default=False)],
    month: MonthOption,
    practitioner: Annotated[
        str | None,
        typer.Option("--practitioner", metavar="ID", help="This billing practitioner only.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show one answer with its evidence, minutes and sources."""
    from caretally.cli.explain_command import explain_patient_month

    explain_patient_month(
        settings_of(
            context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
        ),
        patient=patient,
        month=month_of(month),
        practitioner=practitioner,
    )


@review.command("list")
@reported
def review_list(
    context: typer.Context,
    *,
    where: WhereArgument,
    month: Annotated[
        str | None,
        typer.Option("--month", "-m", metavar="YYYY-MM", help="One month; needed for a server.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """List the drafts, corrections and questions that wait for a person."""
    from caretally.cli.review_command import show_reviews

    show_reviews(
        settings_of(
            context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
        ),
        where=where,
        month=None if month is None else month_of(month),
    )


@review.command("approve")
@reported
def review_approve(
    context: typer.Context,
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
    as_of: AsOfOption = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Release drafts, or agree to proposed corrections, after deciding once more."""
    from caretally.cli.review_command import approve_reviews

    approve_reviews(
        settings_of(
            context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
        ),
        where=where,
        patients=patients or (),
        everything=everything,
        month=month_of(month),
        practitioner=practitioner,
        source=source,
        by=by,
        why=why,
        as_of=day_of(as_of),
    )


@rules.command("check")
@reported
def rules_check(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read every table and the configuration, and say what is wrong with them."""
    from caretally.cli.rules_command import check_rules

    check_rules(settings_of(context, config=config, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose))


@rules.command("show")
@reported
def rules_show(
    context: typer.Context,
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
    config: ConfigOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what the tables say about a code, or every switch with its origin."""
    from caretally.cli.rules_command import show_rule, show_switches

    settings = settings_of(context, config=config, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose)
    day = day_of(on, "--on")
    if code is None:
        if day is not None:
            raise typer.BadParameter("a date needs a CODE: switches have no dates", param_hint="'--on'")
        show_switches(settings, payer=payer, site=site)
        return
    if payer is not None or site is not None:
        raise typer.BadParameter("a payer or site is for switches: leave CODE out", param_hint="'CODE'")
    show_rule(settings, code=code, on=day)
