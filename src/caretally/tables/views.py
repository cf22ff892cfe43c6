"""The ViewDefinitions of mappings/views, compiled, with the layers of a site or vendor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from caretally.errors import TableError
from caretally.mapping import CompiledView, compile_view
from caretally.tables.locate import display_name
from caretally.tables.reading import nearest, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def view_files(folder: Path, layers: Sequence[str]) -> list[Path]:
    """Return the views of the base and of each layer, in this order.

    Args:
        folder: mappings/views.
        layers: names of subfolders, or paths of folders elsewhere.

    Raises:
        TableError: there is no base, or no such layer.
    """
    found = sorted(folder.glob("*.json"))
    if not found:
        raise TableError("holds no ViewDefinition", file=display_name(folder))
    for layer in layers:
        found += sorted(_layer(folder, layer).glob("*.json"))
    return found


def _layer(folder: Path, name: str) -> Path:
    inside = folder / name
    if inside.is_dir():
        return inside
    outside = Path(name)
    if outside.is_dir():
        return outside
    known = [path.name for path in folder.iterdir() if path.is_dir()]
    raise TableError(
        f"no mapping layer '{name}'{nearest(name, known)}; or give the path of a folder", file=display_name(folder)
    )


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
