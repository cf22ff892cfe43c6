"""The commands and their options. The work of each one is in a module of its own, loaded when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from caretally.cli.config_application import config_commands
from caretally.cli.export_application import export
from caretally.cli.failure import reported
from caretally.cli.keys_application import keys
from caretally.cli.ledger_application import ledger
from caretally.cli.life_application import denials, remittance, review_mark_sent
from caretally.cli.map_application import map_commands
from caretally.cli.options import (
    AnyMonthOption,
    AsOfOption,
    GlobalOptions,
    GroupOption,
    MonthOption,
    OnePractitionerOption,
    OutOption,
    PatientOption,
    PractitionerOption,
    Settings,
    SiteOption,
    SourceArgument,
    StrictOption,
    ToOption,
    WhereArgument,
    day_of,
    month_of,
    with_settings,
)
from caretally.cli.outbox_application import outbox
from caretally.cli.outlook_application import audit, candidates, forecast
from caretally.cli.review_application import review
from caretally.cli.rules_application import rules
from caretally.cli.store_application import store_commands

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

application = typer.Typer(
    name="caretally",
    help="Decide from FHIR which care-management services may be billed for a month, with a reason for every no.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for a help text costs twice as much as everything else
    context_settings={"help_option_names": ["--help", "-h"]},
)
review.command("mark-sent")(review_mark_sent)
application.add_typer(review, name="review")
application.add_typer(remittance, name="remittance")
application.add_typer(denials, name="denials")
application.add_typer(ledger, name="ledger")
application.add_typer(outbox, name="outbox")
application.add_typer(rules, name="rules")
application.add_typer(store_commands, name="store")
application.add_typer(keys, name="keys")
application.add_typer(map_commands, name="map")
application.add_typer(config_commands, name="config")


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
@with_settings(without=("config", "store", "profile"))
def demo(
    settings: Settings,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Folder for the results; made where it is missing.")
    ] = "caretally-demo",
    practice: Annotated[
        str | None,
        typer.Option(
            "--practice",
            metavar="FOLDER",
            help="Copy the practice itself to this new folder, to look at and to change, and decide from there.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Decide two months of a small invented practice: who may be billed, who not, why."""
    from caretally.cli.demo_command import run_demo

    run_demo(settings, out=out, copy_to=practice)


@application.command()
@reported
@with_settings()
def packet(
    settings: Settings,
    *,
    where: WhereArgument,
    about: Annotated[
        str,
        typer.Argument(metavar="CLAIM", help="Claim/ID or account number; with --month a Patient.", show_default=False),
    ],
    month: AnyMonthOption = None,
    practitioner: OnePractitionerOption = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="SOURCE", help="Where the evidence is read.", show_default="where apply read it"
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="html, pdf, or fhir (a document Bundle).")
    ] = "html",
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="File to write.", show_default="a name of its own, here"),
    ] = None,
) -> None:
    """Write what a payer asks for with a records request: consent, plan, visit, minutes, rules and their sources."""
    from caretally.cli.packet_command import make_packet

    make_packet(
        settings,
        where=where,
        about=about,
        month=None if month is None else month_of(month),
        practitioner=practitioner,
        source=source,
        form=form,
        out=out,
    )


@application.command()
@reported
@with_settings()
def plan(
    settings: Settings,
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
) -> None:
    """Pull, decide and show what would be written; nothing is written."""
    from caretally.cli.run_command import narrowing_of, run_month_command

    run_month_command(
        settings,
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
@with_settings()
def apply(
    settings: Settings,
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
) -> None:
    """Pull, decide and write. From a server, changes go back to it; from a folder, say --out or --to."""
    from caretally.cli.run_command import narrowing_of, run_month_command

    run_month_command(
        settings,
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
@with_settings()
def sync(
    settings: Settings,
    *,
    source: SourceArgument,
    month: Annotated[
        list[str] | None,
        typer.Option(
            "--month",
            "-m",
            metavar="YYYY-MM",
            help="Service month to keep up with; may be repeated.",
            show_default="the last month and this one",
        ),
    ] = None,
    out: OutOption = None,
    to: ToOption = None,
    as_of: AsOfOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="INSTANT",
            help="Read changes from then on, whatever is known.",
            show_default="where the last run ended",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="WAY",
            help="Read by search or export (Bulk Data), or auto: what is cheaper.",
            show_default="auto",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again, which also finds deletions.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            metavar="SECONDS",
            min=1,
            help="Keep running, with this pause between rounds.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Keep up with a source: read what changed, decide again what it concerns, write what follows."""
    from caretally.cli.sync_command import run_sync

    run_sync(
        settings,
        source=source,
        months=[month_of(one) for one in month or ()],
        out=out,
        to=to,
        as_of=day_of(as_of, "--as-of"),
        since=since,
        by=by,
        full=full,
        watch=watch,
    )


@application.command()
@reported
@with_settings(without=("store",))
def doctor(
    settings: Settings,
    *,
    source: SourceArgument,
    month: Annotated[
        str | None,
        typer.Option(
            "--month", "-m", metavar="YYYY-MM", help="Service month to look at.", show_default="the last month"
        ),
    ] = None,
    as_of: AsOfOption = None,
) -> None:
    """Check what a source can and cannot do for us, with what it means for billing and the fix; writes nothing."""
    from caretally.cli.doctor_command import visit

    visit(
        settings,
        source=source,
        month=None if month is None else month_of(month),
        as_of=day_of(as_of, "--as-of"),
    )


@application.command()
@reported
@with_settings()
def explain(
    settings: Settings,
    *,
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Patient/ID, or the id alone.", show_default=False)],
    month: MonthOption,
    practitioner: Annotated[
        str | None,
        typer.Option("--practitioner", metavar="ID", help="This billing practitioner only.", show_default=False),
    ] = None,
) -> None:
    """Show one answer with its evidence, minutes and sources."""
    from caretally.cli.explain_command import explain_patient_month

    explain_patient_month(
        settings,
        patient=patient,
        month=month_of(month),
        practitioner=practitioner,
    )


application.command()(candidates)
application.command()(export)
application.command()(audit)
application.command()(forecast)
