"""Pairs of cases: one that shows a row of a table, and its neighbour that just does not.

Pairs written by hand stand in tests/rules/cases/*.toml:

    [[pair]]
    name = "nineteen minutes"
    rows = ["code R-TIME-MIN"]          # what the first case shows and the second does not
    with = { entries = [...] }          # keys of `tests.rules.deciding`
    without = {}
    policy = {}                         # switches of the first case, and of the second
    other_policy = {}                   # unless this says otherwise
    expect = { status = "billable", lines = [["99490", 1, "2025-03-20"]], codes = [...], lacks = [...] }
    other = { ... }                     # the same for the second case

A row that begins with ``switch`` names a value of a switch: the two answers must differ, and `expect` says how.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rules.coverage.observing import shown
from tests.rules.deciding import decide_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.determination import Determination

FOLDER = Path(__file__).parents[1] / "cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cases side by side."""

    name: str
    rows: tuple[str, ...]
    shows: Callable[[], set[str]]
    just_not: Callable[[], set[str]]
    effect: str | None = None
    """What the first case shows and the second does not, where that is not the name of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPair:
    """A pair as it stands in a file."""

    name: str
    rows: tuple[str, ...]
    case: dict[str, Any]
    neighbour: dict[str, Any]
    policy: dict[str, Any] = field(default_factory=dict)
    other_policy: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)

    def answers(self) -> tuple[tuple[Determination, ...], tuple[Determination, ...]]:
        """Return what both cases lead to."""
        return decide_all(self.case, self.policy), decide_all(self.neighbour, self.other_policy)

    def pair(self) -> Pair:
        """Return the pair as the coverage counts it."""
        return Pair(
            name=self.name,
            rows=self.rows,
            shows=lambda: shown(decide_all(self.case, self.policy)),
            just_not=lambda: shown(decide_all(self.neighbour, self.other_policy)),
        )


@lru_cache
def written() -> tuple[WrittenPair, ...]:
    """Return every pair of the files."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        defaults = table.get("defaults", {})
        for row in table.get("pair", []):
            policy = row.get("policy", {})
            found.append(
                WrittenPair(
                    name=row["name"],
                    rows=tuple(row["rows"]),
                    case={**defaults, **row.get("with", {})},
                    neighbour={**defaults, **row.get("without", {})},
                    policy=policy,
                    other_policy=row.get("other_policy", policy),
                    expect=row.get("expect", {}),
                    other=row.get("other", {}),
                )
            )
    return tuple(found)


@lru_cache
def programme_facts() -> dict[str, dict[str, Any]]:
    """Return, for each programme, facts under which all of its gates pass."""
    found: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "programmes.toml").read_text())["programme"]
    return found


@lru_cache
def elsewhere() -> tuple[dict[str, str], ...]:
    """Return the rows that tests of other rooms show: row, and the tests with and without."""
    rows = tomllib.loads((FOLDER / "elsewhere.toml").read_text()).get("row", [])
    return tuple(rows)


@lru_cache
def undeciding() -> dict[str, str]:
    """Return the value sets that no decision rests on, and what they are for."""
    found: dict[str, str] = tomllib.loads((FOLDER / "elsewhere.toml").read_text())["undeciding"]
    return found


@lru_cache
def never() -> dict[str, str]:
    """Return the rows that no facts can show, and why."""
    found: dict[str, str] = tomllib.loads((FOLDER / "elsewhere.toml").read_text())["never"]
    return found
