from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from caretally.tables import data_path, load_tables

if TYPE_CHECKING:
    from pathlib import Path

    from caretally.tables import Tables


@pytest.fixture(scope="session")
def tables() -> Tables:
    return load_tables()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of mappings/ that a test may spoil."""
    copy = tmp_path / "mappings"
    shutil.copytree(data_path("mappings"), copy)
    return copy
