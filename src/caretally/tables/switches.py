"""What each switch of a payer's policy does (mappings/switches.toml)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, Field

from caretally.errors import TableError
from caretally.facts.policy import Policy
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, checked, nearest, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Text = Annotated[str, Field(min_length=1)]


class SwitchRow(Strict):
    """One switch."""

    name: Text
    effect: Text
    wanted: Text | None = None
    """What a value looks like, for a switch whose values cannot be listed."""
    values: dict[str, Text] = Field(default_factory=dict)
    source: Text


class SwitchesFile(Strict):
    """mappings/switches.toml."""

    switch: Annotated[list[SwitchRow], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchText:
    """What a switch does."""

    name: str
    effect: str
    values: Mapping[str, str]
    """Each value with its effect; empty where values cannot be listed."""
    wanted: str
    """What a value looks like."""
    default: str
    source: str


def read_switches(path: Path) -> dict[str, SwitchText]:
    """Read the words for all switches, and hold them against the policy.

    Raises:
        TableError: a switch or value without words, or words for one that does not exist.
    """
    file = display_name(path)
    known = {name: (options, default) for name, options, default in policy_switches(Policy)}
    found: dict[str, SwitchText] = {}
    for row in checked(SwitchesFile, read_toml(path), path).switch:
        where = f'switch "{row.name}"'
        if row.name not in known:
            raise TableError(f"no such switch{nearest(row.name, known)}", file=file, where=where)
        if row.name in found:
            raise TableError("stands there twice", file=file, where=where)
        options, default = known[row.name]
        for value in row.values:
            if value not in options:
                raise TableError(f"has no value '{value}'{nearest(value, options)}", file=file, where=where)
        lacking = [value for value in options if value not in row.values]
        if lacking:
            raise TableError(f"no words for its value {', '.join(lacking)}", file=file, where=where)
        if not options and row.wanted is None:
            raise TableError("wanted is missing; say what a value looks like", file=file, where=where)
        found[row.name] = SwitchText(
            name=row.name,
            effect=row.effect,
            values=row.values,
            wanted=row.wanted or ", ".join(options),
            default=default,
            source=row.source,
        )
    missing = [name for name in known if name not in found]
    if missing:
        raise TableError(f"no row for {', '.join(missing)}; a switch must be described", file=file, where="switch")
    return found


def policy_switches(model: type[BaseModel], prefix: str = "") -> Iterable[tuple[str, tuple[str, ...], str]]:
    """Yield every switch with the values that it can have, where they can be listed, and its default as a text."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from policy_switches(annotation, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        options = ("true", "false") if annotation is bool else tuple(v for v in get_args(annotation) if type(v) is str)
        shown = str(default).lower() if isinstance(default, bool) else "none" if default in (None, {}) else str(default)
        yield f"{prefix}{name}", options, shown
