"""Layers of a mapping: what a vendor's or a site's shapes need beside the base, by the name of the layer.

A shipped layer is a subfolder of mappings/views, of mappings/terminology, or of both. A layer elsewhere is one folder
that holds ViewDefinitions, ValueSets and ConceptMaps side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caretally.errors import TableError
from caretally.tables.locate import display_name
from caretally.tables.reading import nearest, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The files of one layer.

    Attributes:
        views: ViewDefinitions.
        terminology: ValueSets and ConceptMaps, which add to what was loaded before under the same names.
    """

    views: tuple[Path, ...] = ()
    terminology: tuple[Path, ...] = ()


def layer_names(root: Path) -> list[str]:
    """Return the names of the shipped layers; ``root`` is laid out like mappings/."""
    folders = (path for part in ("views", "terminology") for path in (root / part).glob("*") if path.is_dir())
    return sorted({folder.name for folder in folders})


def layers_reading(root: Path, resource_type: str) -> list[str]:
    """Return the shipped layers with a view of a resource type."""
    folder = root / "views"
    views = (path for name in layer_names(root) for path in (folder / name).glob("*.json"))
    return sorted({path.parent.name for path in views if read_json(path).get("resource") == resource_type})


def read_layers(root: Path, names: Sequence[str]) -> list[Layer]:
    """Return the layers in the order in which they were named; the same one twice counts once.

    Args:
        root: a folder laid out like mappings/.
        names: of shipped layers, or paths of folders elsewhere.

    Raises:
        TableError: there is no such layer, or a folder holds none of the three kinds of files.
    """
    shipped = layer_names(root)
    return [_shipped(root, name) if name in shipped else _elsewhere(name, shipped) for name in dict.fromkeys(names)]


def _shipped(root: Path, name: str) -> Layer:
    return Layer(
        views=tuple(sorted((root / "views" / name).glob("*.json"))),
        terminology=tuple(sorted((root / "terminology" / name).glob("*.json"))),
    )


def _elsewhere(name: str, shipped: Sequence[str]) -> Layer:
    folder = Path(name)
    if not folder.is_dir():
        raise TableError(
            f"no mapping layer '{name}'{nearest(name, shipped)}; or give the path of a folder", file="[mapping] use"
        )
    files = sorted(folder.glob("*.json"))
    views = tuple(path for path in files if read_json(path).get("resourceType") == "ViewDefinition")
    if not files:
        raise TableError("holds no ViewDefinition, ValueSet or ConceptMap", file=display_name(folder))
    return Layer(views=views, terminology=tuple(path for path in files if path not in views))
