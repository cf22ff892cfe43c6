from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.cli.running import DEMO, inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = DEMO / "caretally.toml"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A state directory and a working folder of its own for each test, and no settings from outside."""
    (tmp_path / "state").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("CARETALLY_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def demo_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the demo, made once; never written to."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        done = inside("demo", "--out", folder / "out", "--quiet")
    assert done.code == 0, done.err
    return folder / "out"


@pytest.fixture
def results(demo_once: Path, tmp_path: Path) -> Path:
    """A copy of the results of the demo."""
    copy: Path = shutil.copytree(demo_once, tmp_path / "results")
    return copy


@pytest.fixture
def practice(tmp_path: Path) -> Path:
    """A copy of the demonstration practice, to be spoilt."""
    copy: Path = shutil.copytree(DEMO, tmp_path / "practice")
    return copy
