"""The ViewDefinitions of mappings/views and of the layers of a mapping, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.errors import TableError
from caretally.mapping import CompiledView, compile_view
from caretally.tables.locate import display_name
from caretally.tables.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def base_views(folder: Path) -> list[Path]:
    """Return the views that are always read.

    Args:
        folder: mappings/views.

    Raises:
        TableError: there are none.
    """
    found = sorted(folder.glob("*.json"))
    if not found:
        raise TableError("holds no ViewDefinition", file=display_name(folder))
    return found


def read_views(paths: Sequence[Path]) -> Mapping[str, tuple[CompiledView, ...]]:
    """Compile views and group them by their name; later files of one name add rows, they replace nothing.

    Raises:
        TableError: a view is wrong or has no name.
    """
    views: dict[str, tuple[CompiledView, ...]] = {}
    for path in paths:
        file = display_name(path)
        view = compile_view(read_json(path), source=file)
        if not view.name:
            raise TableError("is missing; the name says which facts the rows become", file=file, where="name")
        views[view.name] = (*views.get(view.name, ()), view)
    return views
