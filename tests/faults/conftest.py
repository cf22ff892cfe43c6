"""Parts of the tests of the run that these tests use too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.command import Commands, lanes
from tests.sync.conftest import configuration, pull_request, run_values, store, tables

__all__ = ["command_lanes", "configuration", "pull_request", "run_values", "store", "tables"]


@pytest.fixture(scope="session")
def command_lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Commands]]:
    """The command line, twice side by side."""
    with lanes(tmp_path_factory.mktemp("commands"), 2) as found:
        yield found
