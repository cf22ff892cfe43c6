"""What `caretally rules show` and `caretally rules check` say about the tables: data, not text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caretally.facts.codes import CPT, HCPCS, Coding
from caretally.tables.reading import read_json, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    from caretally.facts.practice import Site
    from caretally.facts.rates import Rate, RateStatus
    from caretally.facts.services import Conflict, Family, Programme, ServiceCode
    from caretally.tables.loading import Tables

_UNCAPPED_STEPS = 4
"""How many add-on steps are shown for a ladder without a cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeView:
    """Everything the tables say about one code on one date."""

    code: str
    on: date
    row: ServiceCode | None
    """None: no family bills it on that date."""
    other_rows: tuple[ServiceCode, ...]
    """Rows of other dates."""
    family: Family | None
    programme: Programme | None
    is_add_on: bool
    thresholds: tuple[int, ...]
    """Total minutes at which a unit of this code is earned."""
    cap: int | None
    """Most units in a month; None without a family, and for an add-on without a cap."""
    amount_non_facility: Decimal | None
    amount_facility: Decimal | None
    site_rates: Mapping[str, Rate]
    """Amount of one unit at each site of the practice that has a locality or takes part in a payment model."""
    rate_status: RateStatus | None
    gates: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    value_sets: tuple[str, ...]
    """Value sets that hold the code on that date: ``separately-billed``, ``conflict-esrd``."""
    sources: tuple[str, ...]


def show_code(tables: Tables, code: str, on: date, places: Iterable[Site] = ()) -> CodeView:
    """Return what the tables say about a code on a date; a code that nothing knows has no row and no value sets.

    Args:
        tables: all tables.
        code: the code.
        on: the date of service.
        places: sites of the practice; those with a locality or a payment model are shown with their own amounts.
    """
    services = tables.services
    family = next((f for f in services.families.values() if code in (f.base, f.add_on)), None)
    programme = None if family is None else services.programmes[family.programme]
    row = services.code_on(code, on)
    is_add_on = family is not None and family.add_on == code
    codings = [Coding(system, code) for system in (CPT, HCPCS)]
    named = [row.source] if row is not None else []
    sets = {
        name: [rule.source for rule in found.rules if any(rule.matches(c, on) for c in codings)]
        for name, found in tables.terminology.sets.items()
    }
    sources = [*named, *([family.source] if family else []), *(s for found in sets.values() for s in found)]
    return CodeView(
        code=code,
        on=on,
        row=row,
        other_rows=tuple(c for c in services.codes if c.code == code and c is not row),
        family=family,
        programme=programme,
        is_add_on=is_add_on,
        thresholds=() if family is None else _thresholds(family, is_add_on=is_add_on),
        cap=None if family is None else family.add_on_cap if is_add_on else 1,
        amount_non_facility=services.unit_amount(code, on, facility=False),
        amount_facility=services.unit_amount(code, on, facility=True),
        site_rates={
            place.name: services.rate(
                code,
                on,
                facility=place.place_of_service in services.facility_places,
                locality=place.locality,
                qualifying_apm=place.qualifying_apm,
            )
            for place in places
            if place.locality is not None or place.qualifying_apm
        },
        rate_status=None if row is None else row.rate_status,
        gates=(*(programme.gates if programme else ()), *(family.gates if family else ())),
        conflicts=tuple(c for c in services.conflicts if programme is not None and programme.name in c.programmes),
        value_sets=tuple(sorted(name for name, found in sets.items() if found)),
        sources=tuple(dict.fromkeys(source for source in sources if source)),
    )


def _thresholds(family: Family, *, is_add_on: bool) -> tuple[int, ...]:
    if not is_add_on or family.add_on_minutes is None:
        return (family.base_minutes,)
    units = family.add_on_cap or _UNCAPPED_STEPS
    return tuple(family.base_minutes + family.add_on_minutes * unit for unit in range(1, units + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesReport:
    """What was loaded, and what deserves a look although it is no error."""

    counts: Mapping[str, Mapping[str, int]]
    """File to kind of row to number of rows."""
    warnings: tuple[str, ...]
    version: str
    totals: Mapping[str, int] = field(default_factory=dict)


def check_tables(tables: Tables) -> TablesReport:
    """Count the rows of every file and list what deserves a look; that they load at all is the check itself."""
    counts = {name: _counts(path) for name, path in zip(tables.files, tables.paths, strict=True)}
    totals: Counter[str] = Counter()
    for found in counts.values():
        totals.update(found)
    return TablesReport(counts=counts, warnings=tuple(_warnings(tables)), version=tables.version, totals=dict(totals))


def _counts(path: Path) -> dict[str, int]:
    if path.suffix == ".toml":
        tables = {key: rows for key, rows in read_toml(path).items() if isinstance(rows, list) and key != "sources"}
        return {key: len(rows) for key, rows in tables.items()} or {"payers": 1}
    found = read_json(path)
    include = found.get("compose", {}).get("include", [])
    codes = sum(max(1, len(row.get("concept", []))) for row in include)
    elements = sum(len(group["element"]) for group in found.get("group", []))
    return {kind: number for kind, number in (("codes", codes), ("map rows", elements)) if number} or {"views": 1}


def _warnings(tables: Tables) -> list[str]:
    services, found = tables.services, []
    for row in services.codes:
        lacking = [
            side
            for side, facility in (("non-facility", False), ("facility", True))
            if services.unit_amount(row.code, row.valid_from, facility=facility) is None
        ]
        if lacking:
            found.append(f"{row.code} from {row.valid_from}: no {' and no '.join(lacking)} rate; its amount stays open")
    for year in sorted({r.valid_from.year for r in services.codes if r.rate_status == "secondary"}):
        codes = [r.code for r in services.codes if r.rate_status == "secondary" and r.valid_from.year == year]
        found.append(f"{year}: the rates of {len(codes)} codes come from secondary sources; compare with the CMS file")
    for code in sorted(services.own_codes()):
        end = max((r.valid_to for r in services.codes if r.code == code and r.valid_to is not None), default=None)
        if end is not None and end < _last(tables):
            found.append(f"{code} ends on {end}, before the other codes")
    found.append(f"tables end on {_last(tables)}; later months have no answer until a file for that year is added")
    for name, codes_of in tables.terminology.sets.items():
        if not codes_of.rules:
            found.append(f"value set {name} is empty")
    return found


def _last(tables: Tables) -> date:
    return max(row.valid_to or row.valid_from for row in tables.services.codes)
