"""What the commands that only look have in common: the words of the command line, and the survey of a source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from caretally import __version__
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints
from caretally.cli.progress import progress_of
from caretally.cli.run_command import check_month, narrowing_of
from caretally.errors import CaretallyError, IncompletePullError
from caretally.reports.wording import count
from caretally.sync.deciding import default_policy
from caretally.sync.request import RunRequest
from caretally.sync.survey import survey
from caretally.tables import policy_book, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.facts.calendar import ServiceMonth
    from caretally.sync.pulling import Narrowing
    from caretally.sync.survey import Surveyed, SurveyReport
    from caretally.tables import Configuration, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a command that only looks was asked for."""

    settings: Settings
    configuration: Configuration
    tables: Tables
    source: str
    month: ServiceMonth
    as_of: date
    narrowing: Narrowing

    @property
    def output(self) -> Output:
        """Return where the words go."""
        return self.settings.output

    def survey(self, observe: Callable[[Surveyed], None], *, wide: bool) -> SurveyReport:
        """Look at every patient of the source; raises as `caretally.sync.survey.survey`.

        Args:
            observe: told each patient.
            wide: whether a server is asked for people with qualifying conditions as well.
        """
        with (
            endpoints(self.configuration, self.tables, source=self.source, out=None, to=None, write=False) as ends,
            progress_of(self.output) as progress,
        ):
            request = RunRequest(
                source=ends.source,
                sink=None,
                month=self.month,
                as_of=self.as_of,
                now=lambda: datetime.now(UTC),
                tables=self.tables,
                configuration=self.configuration,
                policies=policy_book(self.tables, self.configuration),
                software_version=__version__,
                store=self.configuration.store_url,
                narrowing=self.narrowing,
                write=False,
                wide=wide,
                progress=progress,
            )
            return survey(request, observe)


def outlook_of(
    settings: Settings,
    *,
    source: str,
    month: ServiceMonth,
    as_of: date | None,
    patients: Sequence[str] | None,
    groups: Sequence[str] | None,
    practitioners: Sequence[str] | None,
    places: Sequence[str] | None,
) -> Outlook:
    """Read the configuration and put the words of a command together.

    Raises:
        UsageError: the words do not fit together, or there is no code table for the month.
        ConfigurationError, TableError: the configuration or a table is wrong.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    check_month(tables, month)
    zone = default_policy(policy_book(tables, configuration), sites(configuration)).time_zone
    return Outlook(
        settings=settings,
        configuration=configuration,
        tables=tables,
        source=source,
        month=month,
        as_of=as_of or datetime.now(zone).date(),
        narrowing=narrowing_of(patients, groups, practitioners, places),
    )


def survey_error(report: SurveyReport) -> CaretallyError | None:
    """Return how a command has to end when not everybody could be looked at; None: everybody was."""
    if report.faults:
        places = ", ".join(sorted(set(report.faults.values())))
        return CaretallyError(
            f"a fault of Caretally kept {count(len(report.faults), 'patient')} from being looked at ({places}); the "
            "others were. Please report these places"
        )
    if report.gaps:
        people = len({gap.patient for gap in report.gaps})
        return IncompletePullError(
            f"{count(people, 'patient')} could not be read wholly and were left out; run again when the source answers"
        )
    return None
