"""The folder or server that holds the claims, with its store, for what people decide and ask about them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints, is_address
from caretally.errors import UsageError
from caretally.store.opening import open_store
from caretally.sync.sinks.folder import REPORT
from caretally.sync.store_place import store_of
from caretally.tables import tables_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.cli.options import Settings
    from caretally.store.opening import Store
    from caretally.sync.writes import Sink
    from caretally.tables import Configuration, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder or server that holds the claims."""

    configuration: Configuration
    tables: Tables
    sink: Sink

    @property
    def tenant(self) -> str:
        """Return the practice's stable name."""
        return self.configuration.writeback.tenant


@contextmanager
def place_of(settings: Settings, where: str) -> Iterator[Place]:
    """Open the folder or server that holds the claims.

    Raises:
        UsageError: it is neither.
        ConfigurationError: its claims belong to another tenant.
    """
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    if not is_address(where) and not Path(where).expanduser().is_dir():
        raise UsageError(f"'{where}' is no folder and no web address; wanted is what apply wrote to")
    out, to = (None, where) if is_address(where) else (where, None)
    with endpoints(configuration, tables, source=where, out=out, to=to, write=True) as ends:
        if ends.sink is None:
            raise UsageError(f"'{where}' cannot be written to")
        check_tenant(ends.sink, configuration)
        yield Place(configuration=configuration, tables=tables, sink=ends.sink)


def check_tenant(sink: Sink, configuration: Configuration) -> None:
    """Refuse a configuration under whose name these claims were not written: it would find none of them.

    Raises:
        ConfigurationError: names both tenants.
    """
    location, binding = store_of(sink, named=configuration.store_url, tenant=configuration.writeback.tenant)
    if "://" in location or Path(location).is_file():
        open_store(location, binding=binding, opened_at=instant()).close()


@contextmanager
def store_at(place: Place) -> Iterator[Store]:
    """Open the store of a place, made where there is none."""
    location, binding = store_of(place.sink, named=place.configuration.store_url, tenant=place.tenant)
    with open_store(location, binding=binding, opened_at=instant()) as store:
        yield store


def instant() -> str:
    """Return the present moment in UTC, whole seconds, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def source_of(where: str) -> str:
    """Return where the last run into a folder read from; a server is its own source.

    Raises:
        UsageError: nobody knows.
    """
    if is_address(where):
        return where
    try:
        found = orjson.loads((Path(where).expanduser() / REPORT).read_bytes()).get("source")
    except (OSError, ValueError):
        found = None
    if not isinstance(found, str) or not (is_address(found) or Path(found).is_dir()):
        raise UsageError(f"{where} does not say where its evidence came from; name it with --source")
    return found
