"""The commands that look and never write: candidates, forecast, audit."""

from __future__ import annotations

import typer  # noqa: TC002 -- typer reads the annotations

from caretally.cli.failure import reported
from caretally.cli.options import (
    AsOfOption,
    ConfigOption,
    GroupOption,
    JsonOption,
    MonthOption,
    PatientOption,
    PractitionerOption,
    ProfileOption,
    QuietOption,
    SiteOption,
    SourceArgument,
    StoreOption,
    VerboseOption,
    day_of,
    month_of,
    settings_of,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it


@reported
def candidates(
    context: typer.Context,
    *,
    source: SourceArgument,
    month: MonthOption,
    as_of: AsOfOption = None,
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
    """List who meets the conditions and what is missing, and the minutes to the next code; nothing is written."""
    from caretally.cli.candidates_command import list_candidates
    from caretally.cli.outlook import outlook_of

    list_candidates(
        outlook_of(
            settings_of(
                context, config=config, store=store, profile=profile, as_json=as_json, quiet=quiet, verbose=verbose
            ),
            source=source,
            month=month_of(month),
            as_of=day_of(as_of),
            patients=patient,
            groups=group,
            practitioners=practitioner,
            places=site,
        )
    )
