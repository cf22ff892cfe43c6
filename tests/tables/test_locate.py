from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import caretally
from caretally.tables import locate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    locate._root.cache_clear()
    yield
    locate._root.cache_clear()


def test_a_checkout_has_its_data_at_the_root() -> None:
    root = Path(caretally.__file__).parents[2]
    assert locate.data_path("mappings", "services") == root / "mappings" / "services"
    assert locate.data_path("fixtures", "demo") == root / "fixtures" / "demo"


def test_a_wheel_has_its_data_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "caretally"
    (package / "_data" / "mappings").mkdir(parents=True)
    monkeypatch.setattr(locate, "files", lambda name: tmp_path / "site-packages" / name)
    assert locate.data_path("mappings") == package / "_data" / "mappings"
    assert locate.display_name(package / "_data" / "mappings" / "reasons.toml") == "mappings/reasons.toml"


def test_a_name_is_shown_as_the_user_knows_it(tmp_path: Path) -> None:
    assert locate.display_name(locate.data_path("mappings", "reasons.toml")) == "mappings/reasons.toml"
    assert locate.display_name(tmp_path / "mine.toml") == str(tmp_path / "mine.toml")
