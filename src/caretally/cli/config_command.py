"""``caretally config show``: file, profile, environment and flags put together, each value with where it came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rich.table import Table

from caretally.cli.configuration import read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caretally.cli.options import Settings

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*(?=@)")
_HIDDEN = "***"


def show_configuration(settings: Settings) -> None:
    """Show the configuration in force.

    Raises:
        ConfigurationError: it is wrong; names file, table and key.
    """
    configuration = read_configuration(settings)
    rows = {
        name: (masked(value), configuration.origins.get(name, "default"))
        for name, value in flat_values(configuration.model_dump(mode="json", by_alias=True))
    }
    rows |= {f"server.{key}": (_HIDDEN, secret.origin) for key, secret in configuration.secrets.items()}
    settings.output.document(
        {name: {"value": value, "origin": origin} for name, (value, origin) in sorted(rows.items())}
    )
    table = Table("Setting", "Value", "Set by", box=None, pad_edge=False)
    for name, (value, origin) in sorted(rows.items()):
        table.add_row(name, "none" if value is None else _shown(value), origin)
    settings.output.table(table)


def flat_values(values: Mapping[str, Any], below: str = "") -> Iterator[tuple[str, Any]]:
    """Give every setting by its dotted name; empty tables are settings too."""
    for key, value in values.items():
        name = f"{below}{key}"
        if isinstance(value, dict) and value:
            yield from flat_values(value, f"{name}.")
        else:
            yield name, value


def masked(value: Any) -> Any:
    """Hide the password of an address, wherever it stands."""
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{_HIDDEN}", value)
    return [masked(item) for item in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value == {} else str(value)
