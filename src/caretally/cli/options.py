"""The options that several commands share, each written once, and how the global ones meet those of a command."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caretally.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from datetime import date

    from caretally.facts.calendar import ServiceMonth

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file (TOML). Never read from SOURCE.",
        show_default=False,
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="Where runs are remembered: a folder, or a database URL.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Profile of the configuration file.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document and nothing else."),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Say only what matters on standard error."),
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say more on standard error."),
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="FHIR base URL, or a folder of NDJSON or Bundles.",
        show_default=False,
    ),
]
WhereArgument = Annotated[
    str,
    typer.Argument(
        metavar="WHERE",
        help="Folder or FHIR base URL that apply wrote to.",
        show_default=False,
    ),
]
MonthOption = Annotated[
    str,
    typer.Option("--month", "-m", metavar="YYYY-MM", help="Service month, for example 2025-01.", show_default=False),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        help="Decide as if today were this date (YYYY-MM-DD).",
        show_default="today",
    ),
]
PatientOption = Annotated[
    list[str] | None,
    typer.Option("--patient", metavar="ID", help="This patient only; may be repeated.", show_default=False),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="ID", help="Members of this FHIR Group only; may be repeated.", show_default=False),
]
PractitionerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--practitioner",
        metavar="ID",
        help="This billing practitioner only; may be repeated.",
        show_default=False,
    ),
]
SiteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--site",
        metavar="NAME",
        help="Practitioners of this site of the configuration only; may be repeated.",
        show_default=False,
    ),
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="FOLDER", help="Write the results to this folder (NDJSON files).", show_default=False
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="URL", help="Write the results to this FHIR server.", show_default=False),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="End with exit code 4 when a resource or fact had to be refused; nothing is written then."
    ),
]


PatientArgument = Annotated[
    str, typer.Argument(metavar="PATIENT", help="Patient/ID, or the id alone.", show_default=False)
]
PatientsArgument = Annotated[
    list[str],
    typer.Argument(metavar="PATIENT...", help="Patient/ID, or the id alone; several may be given.", show_default=False),
]
OnePractitionerOption = Annotated[
    str | None,
    typer.Option("--practitioner", metavar="ID", help="This billing practitioner only.", show_default=False),
]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides.", show_default="your account's name")
]
WhyOption = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="Reason, kept with the decision.", show_default=False)
]
SeenOption = Annotated[
    str | None,
    typer.Option(
        "--seen",
        metavar="DIGEST",
        help="The answer that you looked at (answer in review list --json); refused when it changed since.",
        show_default=False,
    ),
]
AnyMonthOption = Annotated[
    str | None, typer.Option("--month", "-m", metavar="YYYY-MM", help="This month only.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every command knows: the words before the command, overruled by those after it."""

    config: str | None
    store: str | None
    profile: str | None
    output: Output


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """The options given before the command."""

    config: str | None = None
    store: str | None = None
    profile: str | None = None


def settings_of(
    context: typer.Context,
    *,
    config: str | None = None,
    store: str | None = None,
    profile: str | None = None,
    as_json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> Settings:
    """Return the common settings of a command; an option after the command wins over the same one before it."""
    before = context.obj if isinstance(context.obj, GlobalOptions) else GlobalOptions()
    return Settings(
        config=config or before.config,
        store=store or before.store,
        profile=profile or before.profile,
        output=Output(as_json=as_json, quiet=quiet, verbose=verbose),
    )


COMMON_OPTIONS: dict[str, tuple[Any, Any]] = {
    "config": (ConfigOption, None),
    "store": (StoreOption, None),
    "profile": (ProfileOption, None),
    "as_json": (JsonOption, False),
    "quiet": (QuietOption, False),
    "verbose": (VerboseOption, False),
}
"""The options that every command takes, unless it says otherwise, and what holds without them."""


def with_settings(*, without: Container[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the common options behind its own; it gets them as its first argument, `settings`.

    Args:
        without: names of `COMMON_OPTIONS` that mean nothing to this command.
    """
    common = {name: option for name, option in COMMON_OPTIONS.items() if name not in without}

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(context: typer.Context, **words: Any) -> None:
            command(settings_of(context, **{name: words.pop(name) for name in common}), **words)

        # What typer reads: the command's own parameters, with the context instead of the settings.
        keyword, either = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [
            inspect.Parameter("context", either, annotation=typer.Context),
            *own,
            *(
                inspect.Parameter(name, keyword, default=value, annotation=kind)
                for name, (kind, value) in common.items()
            ),
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return wrap


def month_of(text: str) -> ServiceMonth:
    """Read ``--month``.

    Raises:
        typer.BadParameter: not a calendar month.
    """
    from caretally.facts.calendar import ServiceMonth  # noqa: PLC0415 -- not needed for --help

    try:
        return ServiceMonth.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--month'") from None


def day_of(text: str | None, option: str = "--as-of") -> date | None:
    """Read a date option.

    Raises:
        typer.BadParameter: not a calendar date.
    """
    from datetime import date  # noqa: PLC0415 -- not needed for --help

    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        message = f"'{text}' is not a date; wanted YYYY-MM-DD, for example 2025-02-04"
        raise typer.BadParameter(message, param_hint=f"'{option}'")
    return found
