"""``caretally forecast``: expected revenue, what was left unbilled, and the same for another size of panel."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import is_address
from caretally.cli.failure import end_badly, error_document
from caretally.cli.outlook import outlook_of, survey_error
from caretally.errors import UsageError
from caretally.reports.forecast import Forecast
from caretally.reports.forecast_text import forecast_lines, panel_lines
from caretally.store.opening import STORE_FILE, open_existing_store, store_file
from caretally.sync.review import determinations_of
from caretally.sync.sinks.folder import DETERMINATIONS, FolderSink
from caretally.tables import tables_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from caretally.cli.options import Settings
    from caretally.errors import CaretallyError
    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.services import ServiceTables
    from caretally.reports.forecast import Rate
    from caretally.sync.survey import Surveyed


def forecast_revenue(
    settings: Settings,
    *,
    where: str | None,
    month: ServiceMonth | None,
    as_of: date | None,
    panel: int | None,
) -> None:
    """Show what determinations come to: of an output folder, of a store, or decided anew from a source.

    Raises:
        UsageError: nobody knows where to look, or there is no answer.
        CaretallyError: as `caretally.sync.survey.survey`, for a source.
        typer.Exit: not everybody could be looked at; who could has been shown.
    """
    services = tables_for(read_configuration(settings)).services
    forecast = Forecast(rate=_rate_of(services))
    error, origin = _take(settings, forecast, where=where, month=month, as_of=as_of)
    if not forecast.months:
        told = f" for {month}" if month else ""
        raise UsageError(f"no answer{told} in {origin}; decide the month first, or name another place")
    other = None if panel is None else forecast.panel(panel)
    output = settings.output
    output.document(
        {
            "from": origin,
            "service_month": None if month is None else str(month),
            **forecast.to_json(),
            "panel": other,
            **({"error": error_document(error)} if error is not None else {}),
        }
    )
    output.note(f"from {origin}")
    for line in forecast_lines(forecast):
        output.text(line)
    if other is not None:
        for line in panel_lines(other):
            output.text(line)
    if error is not None:
        end_badly(error)


def _take(
    settings: Settings, forecast: Forecast, *, where: str | None, month: ServiceMonth | None, as_of: date | None
) -> tuple[CaretallyError | None, str]:
    """Add up every answer; return what could not be looked at, and where the answers come from."""
    wanted = None if month is None else str(month)
    if where is None:
        location = read_configuration(settings).store_url
        if location is None or month is None:
            raise UsageError("name an output folder or a source, or give --store and --month")
        with open_existing_store(store_file(location)) as store:
            for answer in determinations_of(store, wanted):
                forecast.add(answer)
        return None, "the store"
    folder = Path(where).expanduser()
    if not is_address(where) and folder.name == STORE_FILE:
        folder = folder.parent
    if not is_address(where) and (folder / DETERMINATIONS).is_file():
        for answer in determinations_of(FolderSink(path=folder, resource_types={}), wanted):
            forecast.add(answer)
        return None, str(folder)
    if month is None:
        raise UsageError(f"{where} holds no determinations; to decide from it, give --month")
    return _decide(settings, forecast, where=where, month=month, as_of=as_of), where


def _decide(
    settings: Settings, forecast: Forecast, *, where: str, month: ServiceMonth, as_of: date | None
) -> CaretallyError | None:
    outlook = outlook_of(
        settings,
        source=where,
        month=month,
        as_of=as_of,
        patients=None,
        groups=None,
        practitioners=None,
        places=None,
    )

    def observe(one: Surveyed) -> None:
        for determination in one.determinations:
            forecast.add(determination.to_json())

    return survey_error(outlook.survey(observe, wide=False))


def _rate_of(services: ServiceTables) -> Rate:
    def rate(determination: Mapping[str, Any], code: str, day: str) -> Decimal | None:
        trace = determination["trace"]
        return services.rate(
            code,
            date.fromisoformat(day),
            facility=bool(trace.get("facility")),
            locality=trace.get("locality"),
            qualifying_apm=bool(trace.get("qualifying_apm")),
        ).amount

    return rate
