"""CARETALLY_SERVER__BASE_URL and its like: environment variables as one more layer of the configuration.

Two underscores separate table and key; the names are those of the file in capitals. The text is read as the key
wants it: a number, true or false, a list with commas.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from caretally.errors import ConfigurationError
from caretally.facts.policy import Policy
from caretally.tables.reading import annotation_at, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "CARETALLY_"
SEPARATOR = "__"


def environment_layer(
    environment: Mapping[str, str], model: type[BaseModel], merged: Mapping[str, Any]
) -> dict[tuple[str, ...], tuple[str, Any]]:
    """Return the settings found in the environment.

    Args:
        environment: all variables; those without the prefix, or without two underscores, are not ours.
        model: the configuration.
        merged: what the file says, for names of sites and payers as they are spelt there.

    Returns:
        Path of the setting to (name of the variable, value).

    Raises:
        ConfigurationError: a variable names a section that does not exist.
    """
    found: dict[tuple[str, ...], tuple[str, Any]] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or SEPARATOR not in variable:
            continue
        parts = _spelt(variable.removeprefix(PREFIX).split(SEPARATOR), merged)
        if parts[0] not in model.model_fields:
            hint = nearest(parts[0], model.model_fields)
            raise ConfigurationError(f"environment {variable}: unknown table '{parts[0]}'{hint}")
        found[parts] = (variable, coerced(model, parts, environment[variable]))
    return found


def _spelt(parts: Sequence[str], merged: Mapping[str, Any]) -> tuple[str, ...]:
    here: Any = merged
    spelt: list[str] = []
    for part in parts:
        known = list(here) if isinstance(here, dict) else []
        name = next((k for k in known if _plain(k) == _plain(part)), part.lower())
        spelt.append(name)
        here = here.get(name) if isinstance(here, dict) else None
    return tuple(spelt)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def coerced(model: type[BaseModel], path: Sequence[str], text: str) -> Any:
    """Read a text as the setting wants it; a text that does not fit is returned as it is, for the check to refuse."""
    if "policy" in path:
        model, path = Policy, path[path.index("policy") + 1 :]
    annotation = annotation_at(model, path)
    if annotation is None or annotation is Any:
        return text
    if get_origin(annotation) is list:
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        return TypeAdapter(annotation).validate_strings(text)
    except ValidationError:
        return text
