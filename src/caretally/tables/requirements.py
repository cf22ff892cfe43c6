"""Reading mappings/practice-requirements.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from caretally.errors import TableError
from caretally.facts.requirements import PracticeRequirement
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, checked, form, read_toml
from caretally.tables.service_rows import Text  # noqa: TC001 -- pydantic reads the annotations

if TYPE_CHECKING:
    from pathlib import Path


class RequirementRow(Strict):
    """One requirement."""

    id: Annotated[str, form(r"^[a-z0-9-]{1,40}$", "a short name of small letters, digits and dashes")]
    list: Literal["practice", "action", "omh", "eom", "rules"]
    title: Text
    source: Text


class RequirementsFile(Strict):
    """mappings/practice-requirements.toml."""

    requirement: Annotated[list[RequirementRow], Field(min_length=1)]


def read_requirements(path: Path) -> tuple[PracticeRequirement, ...]:
    """Read and check what a practice vouches for.

    Raises:
        TableError: naming file, row and key.
    """
    file = display_name(path)
    found: dict[str, PracticeRequirement] = {}
    for row in checked(RequirementsFile, read_toml(path), path).requirement:
        if row.id in found:
            raise TableError("stands there twice", file=file, where=f'requirement "{row.id}"')
        found[row.id] = PracticeRequirement(id=row.id, list=row.list, title=row.title, source=row.source)
    return tuple(found.values())
