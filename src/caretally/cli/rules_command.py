"""``caretally rules check`` and ``caretally rules show``: the tables and switches, as they are in force."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from rich.table import Table

from caretally.cli.configuration import read_configuration
from caretally.errors import UsageError
from caretally.facts.practice import Site
from caretally.reports.wording import money
from caretally.tables import check_tables, effective_switches, policy_book, show_code, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.facts.policy import PolicyBook
    from caretally.facts.services import ServiceCode
    from caretally.tables import CodeView, Tables, TablesReport


def check_rules(settings: Settings) -> None:
    """Read every table and the configuration, and say what was read and what deserves a look.

    Raises:
        ConfigurationError: something is wrong; names file, table, row and key.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    places = sites(configuration)
    report = check_tables(tables)
    settings.output.document(
        {
            "files": {name: dict(counts) for name, counts in report.counts.items()},
            "totals": dict(report.totals),
            "warnings": list(report.warnings),
            "version": report.version,
            "payers": list(book.payers),
            "sites": [place.name for place in places],
            "configuration": None if configuration.file is None else str(configuration.file),
        }
    )
    _say_report(settings.output, report)
    checked = "no configuration given" if configuration.file is None else f"configuration {configuration.file}"
    settings.output.text(f"{len(report.counts)} files, {checked}: no error")


def _say_report(output: Output, report: TablesReport) -> None:
    table = Table("File", "Holds", title=None, box=None, pad_edge=False)
    for name, counts in report.counts.items():
        table.add_row(name, ", ".join(f"{kind}: {number}" for kind, number in counts.items()))
    output.table(table)
    output.text()
    for warning in report.warnings:
        output.text(f"note: {warning}")
    output.text(f"version {report.version}")


def show_rule(settings: Settings, *, code: str, on: date | None) -> None:
    """Show what the tables say about one code on a date.

    Raises:
        UsageError: no table knows the code.
        ConfigurationError: a table is wrong.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    view = show_code(tables, code.strip().upper(), on or date.today(), sites(configuration))  # noqa: DTZ011 -- a day of the calendar
    if view.row is None and view.family is None and not view.value_sets and not view.other_rows:
        known = ", ".join(sorted(tables.services.own_codes()))
        raise UsageError(f"no table knows the code '{code}'; billed are {known}")
    settings.output.document(_code_document(view))
    for line in _code_lines(view):
        settings.output.text(line)


def _code_lines(view: CodeView) -> list[str]:
    label = f" ({view.row.label})" if view.row else ""
    lines = [f"{view.code}{label} on {view.on}"]
    if view.family is not None and view.programme is not None:
        kind = f"add-on to {view.family.base}" if view.is_add_on else "base code"
        lines.append(f"  {kind} of {view.family.name}, programme {view.programme.name} ({view.programme.label})")
        minutes = ", ".join(str(minutes) for minutes in view.thresholds)
        lines.append(f"  earned at {minutes} minutes in all; time of {_pool(view.family.pool, view.programme.roles)}")
        lines.append(f"  most units in a month: {'no limit' if view.cap is None else view.cap}")
        lines.append("  gates: " + ", ".join(view.gates))
        lines.append("  conflicts looked for: " + ", ".join(conflict.name for conflict in view.conflicts))
    if view.row is not None:
        lines.append(f"  national amount of one unit, not in a facility: {money(view.amount_non_facility)}")
        lines.append(f"  national amount of one unit, in a facility: {money(view.amount_facility)}")
        for name, rate in view.site_rates.items():
            lines.append(f"  at site {name}: {money(rate.amount)}" + (f" ({rate.lacking})" if rate.lacking else ""))
        lines.append(f"  the rate is {view.rate_status}; the row holds {_dates(view.row)}")
    else:
        lines.append("  no row for this date" if view.other_rows else "  not a code that is billed here")
    lines += [f"  another row holds {_dates(row)}" for row in view.other_rows]
    if view.value_sets:
        lines.append("  in the value sets: " + ", ".join(view.value_sets))
    lines += [f"  source: {source}" for source in view.sources]
    return lines


def _pool(pool: str, roles: frozenset[str]) -> str:
    if pool == "practitioner":
        return "the practitioner alone"
    staff = "staff and community health workers" if "community-health-worker" in roles else "staff"
    return f"{staff} and practitioner" if "practitioner" in roles else staff


def _dates(row: ServiceCode) -> str:
    return f"from {row.valid_from}" + (f" to {row.valid_to}" if row.valid_to else "")


def _code_document(view: CodeView) -> dict[str, Any]:
    return {
        "code": view.code,
        "on": view.on.isoformat(),
        "label": view.row.label if view.row else None,
        "family": view.family.name if view.family else None,
        "programme": view.programme.name if view.programme else None,
        "base": view.family.base if view.family else None,
        "add_on": view.is_add_on,
        "threshold_minutes": list(view.thresholds),
        "cap": view.cap,
        "amount_non_facility": _text(view.amount_non_facility),
        "amount_facility": _text(view.amount_facility),
        "amount_at_site": {name: _text(rate.amount) for name, rate in view.site_rates.items()},
        "rate_status": view.rate_status,
        "gates": list(view.gates),
        "conflicts": [conflict.name for conflict in view.conflicts],
        "value_sets": list(view.value_sets),
        "rows": [
            {"valid_from": row.valid_from.isoformat(), "valid_to": row.valid_to.isoformat() if row.valid_to else None}
            for row in sorted((*view.other_rows, *([view.row] if view.row else [])), key=lambda row: row.valid_from)
        ],
        "sources": list(view.sources),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def show_switches(settings: Settings, *, payer: str | None, site: str | None) -> None:
    """Show every switch with its value and where it comes from.

    Args:
        settings: of the command.
        payer: name of a payer; None: the default one (all of them in JSON).
        site: name of a site; None: every site.

    Raises:
        UsageError: no such payer or site.
        ConfigurationError: a table or the configuration is wrong.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    places = _places(sites(configuration), site)
    if payer is not None and payer not in book.payers:
        raise UsageError(f"no payer '{payer}'; known are {', '.join(book.payers)}")
    if settings.output.as_json:
        payers = list(book.payers) if payer is None else [payer]
        settings.output.document([_switches_document(tables, book, name, place) for name in payers for place in places])
        return
    name = payer or book.default_payer
    for place in places:
        settings.output.text(f"{book.payers[name].title}, site {place.name}")
        table = Table("Switch", "Value", "Set by", box=None, pad_edge=False)
        for switch in effective_switches(book, name, place):
            table.add_row(switch.name, _shown(switch.value), switch.origin)
        settings.output.table(table)
        settings.output.text()
    others = [known for known in book.payers if known != name]
    settings.output.note(f"Other payers (--payer): {', '.join(others)}")


def _places(known: Sequence[Site], wanted: str | None) -> list[Site]:
    found = list(known) or [Site(name="default")]
    if wanted is None:
        return found
    chosen = [place for place in found if place.name == wanted]
    if not chosen:
        raise UsageError(f"no site '{wanted}'; known are {', '.join(place.name for place in found)}")
    return chosen


def _switches_document(tables: Tables, book: PolicyBook, payer: str, place: Site) -> dict[str, Any]:
    return {
        "payer": payer,
        "title": book.payers[payer].title,
        "site": place.name,
        "switches": {
            switch.name: {
                "value": switch.value,
                "origin": switch.origin,
                "effect": tables.switches[_described(switch.name)].effect,
            }
            for switch in effective_switches(book, payer, place)
        },
    }


def _described(name: str) -> str:
    """Return the switch that describes a name: all caps are one switch."""
    return "caps" if name.startswith("caps.") else name


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
