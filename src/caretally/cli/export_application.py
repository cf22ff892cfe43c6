"""``caretally export`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    PatientOption,
    PractitionerOption,
    Settings,
    SiteOption,
    month_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- the command loads its own module, so that --help need not wait for it


@reported
@with_settings()
def export(
    settings: Settings,
    *,
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="WHERE",
            help="Folder or FHIR base URL that apply wrote to.",
            show_default="where the store used last belongs to",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", "-f", metavar="FORMAT", help="cms1500, 837p, csv or parquet.", show_default=False),
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Folder for the files; made where it is missing.")
    ] = "caretally-export",
    month: Annotated[
        list[str] | None,
        typer.Option(
            "--month", "-m", metavar="YYYY-MM", help="This service month only; may be repeated.", show_default=False
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Where patients, coverages and practitioners are read.",
            show_default="where apply read them",
        ),
    ] = None,
    include_drafts: Annotated[
        bool,
        typer.Option("--include-drafts", help="Also claims that nobody has released, marked; not for production."),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="837p: also claims that the payer has, or that an earlier file holds."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Write nothing, and end with 4, when a claim lacks something."),
    ] = False,
    patient: PatientOption = None,
    practitioner: PractitionerOption = None,
    site: SiteOption = None,
) -> None:
    """Write released claims as claim forms (PDF and JSON), an 837P file, or a table of their lines."""
    from caretally.cli.export_command import run_export
    from caretally.cli.run_command import narrowing_of

    run_export(
        settings,
        form=form,
        where=where,
        source=source,
        out=out,
        months=[str(month_of(one)) for one in month or ()],
        narrowing=narrowing_of(patient, None, practitioner, site),
        drafts=include_drafts,
        again=again,
        strict=strict,
    )
