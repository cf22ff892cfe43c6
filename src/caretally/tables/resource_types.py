"""Which resource types are read (mappings/resources.toml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from caretally.errors import TableError
from caretally.facts.resource_types import ResourceType
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, checked, form, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from caretally.mapping import CompiledView


class ResourceRow(Strict):
    """One resource type."""

    name: Annotated[str, form(r"^[A-Z][A-Za-z]+$", "a FHIR resource type such as Encounter")]
    patient_elements: list[str] = Field(default_factory=list)
    patient_search: str | None = None
    date_search: str | None = None
    required: bool = False
    on_demand: bool = False

    @model_validator(mode="after")
    def _patient(self) -> ResourceRow:
        if self.patient_search is not None and not self.patient_elements:
            raise ValueError("patient_search without patient_elements; name the element that holds the patient")
        if self.patient_elements and self.patient_search is None:
            raise ValueError("patient_elements without patient_search; name the search parameter")
        return self


class ResourcesFile(Strict):
    """mappings/resources.toml."""

    resource: Annotated[list[ResourceRow], Field(min_length=1)]


def read_resource_types(path: Path, views: Iterable[CompiledView]) -> tuple[ResourceType, ...]:
    """Read and check the resource types that are to be read.

    Args:
        path: mappings/resources.toml.
        views: all views that are loaded; a row marked ``on_demand`` counts only when one of them reads its type.

    Raises:
        TableError: naming row and key; or a view reads a type that has no row and would never be pulled.
    """
    file = display_name(path)
    loaded = list(views)
    wanted = {view.resource: view for view in loaded}
    found: dict[str, ResourceType] = {}
    left_out: set[str] = set()
    for row in checked(ResourcesFile, read_toml(path), path).resource:
        if row.name in found or row.name in left_out:
            raise TableError("stands there twice", file=file, where=f'resource "{row.name}"')
        if row.on_demand and row.name not in wanted:
            left_out.add(row.name)
            continue
        found[row.name] = ResourceType(
            name=row.name,
            patient_elements=tuple(row.patient_elements),
            patient_search=row.patient_search,
            date_search=row.date_search,
            found_by=tuple(dict.fromkeys(s for view in loaded if view.resource == row.name for s in view.found_by)),
            required=row.required,
        )
    for name, view in wanted.items():
        if name not in found:
            raise TableError(f"no [[resource]] for {name}, which {view.source} reads; add one", file=file)
    return tuple(found.values())
