"""Parts of the tests of the run that these tests use too."""

from __future__ import annotations

from tests.sync.conftest import configuration, pull_request, run_values, store, tables

__all__ = ["configuration", "pull_request", "run_values", "store", "tables"]
