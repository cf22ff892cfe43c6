"""The commands that look and never write: candidates, forecast, audit."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    AsOfOption,
    GroupOption,
    MonthOption,
    PatientOption,
    PractitionerOption,
    Settings,
    SiteOption,
    SourceArgument,
    day_of,
    month_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it


@reported
@with_settings()
def candidates(
    settings: Settings,
    *,
    source: SourceArgument,
    month: MonthOption,
    as_of: AsOfOption = None,
    patient: PatientOption = None,
    group: GroupOption = None,
    practitioner: PractitionerOption = None,
    site: SiteOption = None,
) -> None:
    """List who meets the conditions and what is missing, and the minutes to the next code; nothing is written."""
    from caretally.cli.candidates_command import list_candidates
    from caretally.cli.outlook import outlook_of

    list_candidates(
        outlook_of(
            settings,
            source=source,
            month=month_of(month),
            as_of=day_of(as_of),
            patients=patient,
            groups=group,
            practitioners=practitioner,
            places=site,
        )
    )


@reported
@with_settings()
def audit(
    settings: Settings,
    *,
    source: SourceArgument,
    month: MonthOption,
    as_of: AsOfOption = None,
    patient: PatientOption = None,
    group: GroupOption = None,
    practitioner: PractitionerOption = None,
    site: SiteOption = None,
) -> None:
    """Report what the practice vouches for and what its patients' paper holds; nothing is written."""
    from caretally.cli.audit_command import audit_month
    from caretally.cli.outlook import outlook_of

    audit_month(
        outlook_of(
            settings,
            source=source,
            month=month_of(month),
            as_of=day_of(as_of),
            patients=patient,
            groups=group,
            practitioners=practitioner,
            places=site,
        )
    )


@reported
@with_settings()
def forecast(
    settings: Settings,
    *,
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHERE]",
            help="Output folder of apply, or a source to decide from; without it, the store is read.",
            show_default=False,
        ),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option("--month", "-m", metavar="YYYY-MM", help="This service month only.", show_default=False),
    ] = None,
    as_of: AsOfOption = None,
    panel: Annotated[
        int | None,
        typer.Option(
            "--panel", metavar="PATIENTS", min=1, help="Also for a panel of so many patients.", show_default=False
        ),
    ] = None,
) -> None:
    """Add up expected revenue and what was left unbilled, from answers; nothing is written."""
    from caretally.cli.forecast_command import forecast_revenue

    forecast_revenue(
        settings,
        where=where,
        month=None if month is None else month_of(month),
        as_of=day_of(as_of),
        panel=panel,
    )
