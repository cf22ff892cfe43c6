"""Parts that the tests of the run share: real tables, real stores, small practices made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.store import runs
from caretally.store.opening import Store, temporary_store
from caretally.sync.pulling import Narrowing, PullRequest, types_to_read
from caretally.tables import load_configuration, load_tables, policy_book

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caretally.tables import Configuration, Tables

NOW = datetime(2025, 2, 10, 9, 0, tzinfo=UTC)
AS_OF = date(2025, 2, 10)
JANUARY = ServiceMonth(2025, 1)


@pytest.fixture(scope="session")
def tables() -> Tables:
    return load_tables()


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    return load_configuration(None, environment={}, overrides={}, profile=None)


@pytest.fixture
def store() -> Iterator[Store]:
    with temporary_store(opened_at="2025-02-10T09:00:00Z") as opened:
        runs.begin_run(
            opened, run_id="run", command="apply", service_month="2025-01", as_of="2025-02-10", started_at="2025"
        )
        runs.begin_pull(opened, pull_id="pull", run_id="run", source="test", service_month="2025-01", started_at="2025")
        yield opened


@pytest.fixture
def pull_request(tables: Tables) -> Callable[..., PullRequest]:
    def make(**narrowing: tuple[str, ...]) -> PullRequest:
        return PullRequest(
            month=JANUARY,
            zone=ZoneInfo("America/New_York"),
            narrowing=Narrowing.of(**narrowing),
            resource_types=types_to_read(tables),
            progress=lambda _stage, _done, _total: None,
        )

    return make


@pytest.fixture
def run_values(tables: Tables, configuration: Configuration) -> dict[str, Any]:
    """What every RunRequest of a test has in common."""
    return {
        "month": JANUARY,
        "as_of": AS_OF,
        "now": lambda: NOW,
        "tables": tables,
        "configuration": configuration,
        "policies": policy_book(tables, configuration, {"zone": "America/New_York", "other_claims_known": "full"}),
        "software_version": "test",
    }
