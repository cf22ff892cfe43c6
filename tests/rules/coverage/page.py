"""The rows of all tables, the pairs that show them, and the page that says so (docs/reference/coverage.md)."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from caretally.facts.policy import Policy
from tests.rules import test_reasons
from tests.rules.builder import tables
from tests.rules.coverage import generated, reading, terminology
from tests.rules.coverage.pairs import Pair, WrittenPair, elsewhere, never, undeciding, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "coverage.md"
KINDS = {
    "code": "Reason, exclusion, hold and notice codes (mappings/reasons.toml)",
    "programme": "Programmes (mappings/services/programmes.toml)",
    "gate": "Gates of each programme, failed and passed",
    "family": "Families (mappings/services/programmes.toml)",
    "service": "Codes by year (mappings/services/YEAR.toml)",
    "conversion factor": "Conversion factors by date",
    "locality": "Localities by date (mappings/services/localities.toml)",
    "place of service": "Places of service with a meaning of their own",
    "conflict": "Conflicting services (mappings/services/conflicts.toml)",
    "switch": "Switches of a payer's policy, each value",
    "terminology": "Rows of value sets and maps that decide (mappings/terminology)",
}
_MOST_NAMED = 2
"""Pairs named for a row; that there are more is said, how many would change with every case."""


def rows() -> list[str]:
    """Return every row that must be shown."""
    return [row for row in all_rows() if row not in never()]


def all_rows() -> list[str]:
    """Return every row of every table."""
    services = tables().services
    found = [f"code {code}" for code in services.reasons]
    found += [f"programme {name}" for name in services.programmes]
    found += [
        f"gate {programme.name} {gate} {way}"
        for programme in services.programmes.values()
        for gate in programme.gates
        for way in ("failed", "passed")
    ]
    found += [f"family {name}" for name in services.families]
    found += [f"service {row.code} {row.valid_from.year}" for row in services.codes]
    found += [
        f"conversion factor {f.valid_from}{' qualifying' if f.qualifying_apm else ''}"
        for f in services.conversion_factors
    ]
    found += [f"locality {row.code} {row.valid_from}" for row in services.localities]
    found += [f"place of service {place} blocked" for place in sorted(services.blocked_places)]
    found += [f"place of service {p} facility" for p in sorted(services.facility_places - services.blocked_places)]
    found += [f"conflict {conflict.name}" for conflict in services.conflicts]
    found += [f"switch {name}" for name in switches(Policy)]
    return list(dict.fromkeys([*found, *terminology.rows()]))


def switches(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    """Return every switch with each of its values; one without a list of values stands for itself."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from switches(annotation, f"{prefix}{name}.")
        elif annotation is bool:
            yield from (f"{prefix}{name} = {value}" for value in ("true", "false"))
        elif get_args(annotation) and all(isinstance(value, str) for value in get_args(annotation)):
            yield from (f"{prefix}{name} = {value}" for value in get_args(annotation))
        else:
            yield f"{prefix}{name}"


def all_pairs() -> list[Pair]:
    """Return every pair: written by hand, and following from the tables."""
    by_code: Counter[str] = Counter()
    found = [pair.pair() for pair in written()]
    for row in test_reasons.PAIRS:
        by_code[row.code] += 1
        policy = row.switches or {}
        found.append(
            WrittenPair(
                name=f"{row.code} {by_code[row.code]}",
                rows=(f"code {row.code}",),
                case=row.case,
                neighbour=row.neighbour,
                policy=policy,
                other_policy=policy if row.other_switches is None else row.other_switches,
            ).pair()
        )
    return [*found, *generated.pairs(), *terminology.pairs(), *reading.pairs()]


@lru_cache
def decided() -> tuple[tuple[Pair, set[str], set[str]], ...]:
    """Return every pair with what its two cases show, each decided once."""
    return tuple((pair, pair.shows(), pair.just_not()) for pair in all_pairs())


def missing_rows(pair: Pair, difference: set[str]) -> set[str]:
    """Return what a pair claims to show and does not."""
    if pair.effect is not None:
        return set() if pair.effect in difference else {pair.effect}
    return {row for row in pair.rows if not row.startswith("switch ")} - difference


@lru_cache
def shown_by() -> Mapping[str, list[str]]:
    """Return, for each row, the names of the pairs that show it."""
    known = {*rows(), *never()}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for pair, _, _ in decided():
        for row in pair.rows:
            found[row].append(pair.name)
    # A pair shows what it names, and also every other row that only its first case shows.
    for pair, first, second in decided():
        passed = {row for row in second - first if row.startswith("gate ") and row.endswith(" passed")}
        for row in sorted((((first - second) | passed) & known) - set(pair.rows)):
            found[row].append(pair.name)
    for told in elsewhere():
        found[told["row"]].append(f"{told['with']}; not: {told['without']}")
    return found


def absent_tests() -> list[str]:
    """Return the tests of other rooms that are named and do not exist."""
    return [
        test
        for row in elsewhere()
        for test in (row["with"], row["without"])
        if test.partition("[")[0] not in _tests(test)
    ]


@lru_cache
def _tests_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(f"{path}::{node.name}" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _tests(test: str) -> frozenset[str]:
    return _tests_of(test.partition("::")[0])


def kind_of(row: str) -> str:
    """Return the table that a row belongs to."""
    return next(kind for kind in KINDS if row.startswith(kind + " "))


def page() -> str:
    """Return the text of the page."""
    by_row, everything = shown_by(), rows()
    totals = Counter(kind_of(row) for row in everything)
    pairs = len(decided())
    lines = [
        "# What the cases cover",
        "",
        "Written by `scripts/make_coverage.py`; a test compares it with the tables and refuses a row without cases.",
        "For every row of every table there is a pair of cases that are decided in each run of the tests: one shows",
        "the row, its neighbour just does not. Pairs written by hand stand in `tests/rules/cases`; the others follow",
        "from the tables.",
        "",
        f"{len(everything):,} rows, {pairs:,} pairs.",
        "",
        "| Table | Rows |",
        "| --- | ---: |",
        *(f"| {title} | {totals[kind]:,} |" for kind, title in KINDS.items()),
        "",
    ]
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", "| Row | Shown by, and just not |", "| --- | --- |"]
        for row in everything:
            if kind_of(row) == kind:
                names = by_row.get(row, [])
                more = " and more" if len(names) > _MOST_NAMED else ""
                said = "; ".join(names[:_MOST_NAMED]) + more
                lines.append(f"| {_cell(row.removeprefix(kind + ' '))} | {_cell(said)} |")
        lines.append("")
    lines += ["## Value sets on which no decision about a month rests", "", "| Set | What it is for |", "| --- | --- |"]
    lines += [f"| {name} | {why} |" for name, why in undeciding().items()]
    lines += ["", "## What cannot be shown", "", "| Row | Why |", "| --- | --- |"]
    lines += [f"| {row} | {why} |" for row, why in never().items()]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
