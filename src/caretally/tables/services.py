"""The code tables of mappings/services and the catalogue of reasons, checked and put together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeVar, get_args

from caretally.errors import TableError
from caretally.facts.codes import CPT, HCPCS
from caretally.facts.policy import Policy
from caretally.facts.rates import ConversionFactor, RelativeValueParts
from caretally.facts.reasons import Block, Exclusion, Hold, Notice
from caretally.facts.services import (
    Conflict,
    Family,
    Institutional,
    Programme,
    ReasonText,
    ServiceCode,
    ServiceTables,
)
from caretally.tables.localities import no_overlap, read_localities
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, annotation_at, checked, known_keys, nearest, read_toml
from caretally.tables.service_rows import CodeRow, ConflictsFile, ProgrammeRow, ProgrammesFile, ReasonsFile, YearFile
from caretally.tables.submission import read_checks, read_payments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

GATES = (
    "coverage",
    "consent",
    "initiating-visit",
    "conditions",
    "care-plan",
    "pcm-elements",
    "biller-role",
    "place-of-service",
    "deceased",
    "other-clinician",
    "already-billed",
    "conflicts",
    "enrolled-elsewhere",
    "hospice",
    "global-period",
    "office-only",
    "trained-personnel",
)
"""Gates that a programme may name; a test holds them against the gates of the rules."""
FAMILY_GATES = ("decision-making",)
"""Gates that a family may name."""

_Model = TypeVar("_Model", bound=Strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFiles:
    """Where the tables of services lie."""

    years: Sequence[Path]
    programmes: Path
    conflicts: Path
    reasons: Path
    localities: Path
    checks: Path
    payments: Path
    extra_localities: Sequence[Path] = ()
    """Files of a site; a locality that they name takes the place of the shipped rows."""


def read_services(files: ServiceFiles, *, version: str) -> ServiceTables:
    """Read and check all code tables.

    Raises:
        TableError: naming file, row and key.
    """
    codes, factors = _read_years(files.years)
    programmes, file = checked_file(ProgrammesFile, files.programmes)
    families = _families(programmes, {row.code for row in codes}, file)
    return ServiceTables(
        codes=tuple(codes),
        families=families,
        programmes=_programmes(programmes, families, file),
        conflicts=_conflicts(files.conflicts, [p.name for p in programmes.programme]),
        conversion_factors=tuple(factors),
        localities=read_localities(files.localities, files.extra_localities),
        reasons=_reasons(files.reasons),
        facility_places=frozenset(programmes.place_of_service.facility),
        blocked_places=frozenset(programmes.place_of_service.blocked),
        institutional=_institutional(programmes, file),
        checks=read_checks(files.checks),
        payments=read_payments(files.payments),
        version=version,
    )


def checked_file(model: type[_Model], path: Path) -> tuple[_Model, str]:
    """Read and check one TOML file; return it with its name."""
    file = display_name(path)
    return checked(model, read_toml(path), path), file


def _read_years(paths: Sequence[Path]) -> tuple[list[ServiceCode], list[ConversionFactor]]:
    codes: list[ServiceCode] = []
    factors: list[ConversionFactor] = []
    for path in paths:
        table, file = checked_file(YearFile, path)
        first, last = date(table.year, 1, 1), date(table.year, 12, 31)
        if path.stem != str(table.year):
            raise TableError(f"found {table.year}, but the file is named {path.name}", file=file, where="year")
        for number, row in enumerate((*table.conversion_factor, *table.code), 1):
            start, end = row.valid_from or first, row.valid_to or last
            if start < first or end > last:
                what = f'code "{row.code}"' if isinstance(row, CodeRow) else f"conversion_factor[{number}]"
                raise TableError(f"valid {start} to {end}, outside the file's year {table.year}", file=file, where=what)
        factors += [
            ConversionFactor(
                amount=f.amount,
                valid_from=f.valid_from or first,
                valid_to=f.valid_to or last,
                qualifying_apm=f.qualifying_apm,
                source=f.source,
            )
            for f in table.conversion_factor
        ]
        codes += [_service_code(row, first, last) for row in table.code]
        for special, what in ((False, "the conversion factor"), (True, "the conversion factor of payment models")):
            rows = [f for f in factors if f.valid_from.year == table.year and f.qualifying_apm is special]
            no_overlap(rows, what, file)
        for code in dict.fromkeys(row.code for row in codes):
            no_overlap([c for c in codes if c.code == code], f"code {code}", file)
    return codes, factors


def _service_code(row: CodeRow, first: date, last: date) -> ServiceCode:
    return ServiceCode(
        code=row.code,
        system=row.system or (CPT if row.code.isdigit() else HCPCS),
        label=row.label,
        valid_from=row.valid_from or first,
        valid_to=row.valid_to or last,
        rvu_non_facility=row.rvu_non_facility,
        rvu_facility=row.rvu_facility,
        parts=None if row.parts is None else RelativeValueParts(**row.parts.model_dump()),
        amount_non_facility=row.amount_non_facility,
        amount_facility=row.amount_facility,
        rate_status=row.rate_status,
        source=row.source,
    )


def _families(table: ProgrammesFile, codes: set[str], file: str) -> dict[str, Family]:
    families: dict[str, Family] = {}
    owners: dict[str, str] = {}
    for row in table.family:
        where = f'family "{row.name}"'
        if row.name in families:
            raise TableError("stands there twice", file=file, where=where)
        for code in (row.base, row.add_on):
            if code is None:
                continue
            if code not in codes:
                raise TableError(
                    f"code {code} has no row in any year file{nearest(code, codes)}", file=file, where=where
                )
            if code in owners:
                raise TableError(f"code {code} belongs to family {owners[code]} already", file=file, where=where)
            owners[code] = row.name
        for gate in row.gates:
            _known(gate, FAMILY_GATES, "gate", file, f"{where}, gates")
        families[row.name] = Family(
            name=row.name,
            programme=row.programme,
            pool=row.pool,
            base=row.base,
            base_minutes=row.base_minutes,
            add_on=row.add_on,
            add_on_minutes=row.add_on_minutes,
            add_on_cap=row.add_on_cap,
            complex=row.complex,
            gates=tuple(row.gates),
            source=row.source,
        )
    return families


def _programmes(table: ProgrammesFile, families: dict[str, Family], file: str) -> dict[str, Programme]:
    names = [row.name for row in table.programme]
    for family in families.values():
        _known(family.programme, names, "programme", file, f'family "{family.name}", programme')
    programmes: dict[str, Programme] = {}
    for row in table.programme:
        where = f'programme "{row.name}"'
        if row.name in programmes:
            raise TableError("stands there twice", file=file, where=where)
        for gate in row.gates:
            _known(gate, GATES, "gate", file, f"{where}, gates")
        _named(row, names, file)
        for name in row.families:
            _known(name, families, "family", file, f"{where}, families")
        owned = {f.name for f in families.values() if f.programme == row.name}
        if owned != set(row.families):
            wrong = ", ".join(sorted(owned ^ set(row.families)))
            raise TableError(f"families and [[family]] rows disagree about {wrong}", file=file, where=where)
        programmes[row.name] = Programme(
            name=row.name,
            label=row.label,
            gates=tuple(row.gates),
            families=tuple(row.families),
            conditions_needed=row.conditions_needed,
            months_needed=row.months_needed,
            exclusive_with=tuple(row.exclusive_with),
            one_practitioner=row.one_practitioner,
            roles=frozenset(row.roles),
            initiating_visits=tuple(row.initiating_visits),
            admission_shows_risk=row.admission_shows_risk,
            consent_max_age_months=row.consent_max_age_months,
            same_condition_hold=row.same_condition_hold,
            apart_from=tuple(row.apart_from),
            apart_hold=row.apart_hold,
        )
    return programmes


def _named(row: ProgrammeRow, programmes: list[str], file: str) -> None:
    """Check the names that a programme's row gives of other rows and of holds."""
    where = f'programme "{row.name}"'
    for key in ("exclusive_with", "apart_from"):
        for other in getattr(row, key):
            _known(other, programmes, "programme", file, f"{where}, {key}")
    for key in ("same_condition_hold", "apart_hold"):
        if getattr(row, key) is not None:
            _known(getattr(row, key), [h.value for h in Hold], "hold", file, f"{where}, {key}")


def _institutional(table: ProgrammesFile, file: str) -> tuple[Institutional, ...]:
    kinds = [row.kind for row in table.institutional]
    twice = [kind for kind in kinds if kinds.count(kind) > 1]
    if twice:
        raise TableError("stands there twice", file=file, where=f'institutional "{twice[0]}"')
    return tuple(
        Institutional(
            kind=row.kind,
            individual_codes_from=row.individual_codes_from,
            general_code=row.general_code,
            general_code_from=row.general_code_from,
            general_code_to=row.general_code_to,
            source=row.source,
        )
        for row in table.institutional
    )


def _conflicts(path: Path, programmes: list[str]) -> tuple[Conflict, ...]:
    table, file = checked_file(ConflictsFile, path)
    found: dict[str, Conflict] = {}
    for row in table.conflict:
        where = f'conflict "{row.name}"'
        if row.name in found:
            raise TableError("stands there twice", file=file, where=where)
        _known(row.reason, [r.value for kind in (Block, Hold) for r in kind], "reason", file, f"{where}, reason")
        if row.other in {"block", "hold"} and (row.other == "block") != (row.reason in [b.value for b in Block]):
            raise TableError(
                f"other = {row.other}, but {row.reason} is no {row.other}; one row has one reason",
                file=file,
                where=where,
            )
        for programme in row.programmes:
            _known(programme, programmes, "programme", file, f"{where}, programmes")
        for switch, key in ((row.scope_switch, "scope_switch"), (row.enabled_switch, "enabled_switch")):
            if switch is not None:
                _known_switch(switch, file, f"{where}, {key}")
        if row.enabled_switch is not None and row.enabled_value is not None:
            options = get_args(annotation_at(Policy, row.enabled_switch.split(".")))
            _known(row.enabled_value, options, "value", file, f"{where}, enabled_value")
        found[row.name] = Conflict(
            name=row.name,
            code_set=row.code_set,
            reason=row.reason,
            programmes=tuple(row.programmes),
            scope=row.scope,
            scope_switch=row.scope_switch,
            enabled_switch=row.enabled_switch,
            enabled_value=row.enabled_value,
            other=None if row.other == "nothing" else row.other,
            same_condition=row.same_condition,
            source=row.source,
        )
    return tuple(found.values())


def _known_switch(name: str, file: str, where: str) -> None:
    *tables, key = name.split(".")
    options = known_keys(Policy, tables)
    if key not in options:
        prefix = ".".join((*tables, ""))
        raise TableError(f"no switch '{name}'{nearest(name, [prefix + o for o in options])}", file=file, where=where)


def _known(name: str, options: Iterable[str], what: str, file: str, where: str) -> None:
    if name not in options:
        raise TableError(f"unknown {what} '{name}'{nearest(name, options)}", file=file, where=where)


def _reasons(path: Path) -> dict[str, ReasonText]:
    table, file = checked_file(ReasonsFile, path)
    known = [member.value for kind in (Block, Hold, Exclusion, Notice) for member in kind]
    found: dict[str, ReasonText] = {}
    for row in table.reason:
        where = f'reason "{row.code}"'
        _known(row.code, known, "code", file, where)
        if row.code in found:
            raise TableError("stands there twice", file=file, where=where)
        found[row.code] = ReasonText(code=row.code, message=row.message, cite=row.cite, settled_by=row.settled_by)
    missing = [code for code in known if code not in found]
    if missing:
        raise TableError(f"no row for {', '.join(missing)}", file=file, where="reason")
    return found
