"""The checks of a claim (mappings/claim-checks.toml), and what of the service tables they look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from caretally.errors import TableError
from caretally.facts.claim_check import PAYER_FORMATS, ClaimCheckRule, ClaimCheckTables, ExportFormat
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, checked, form, read_toml

if TYPE_CHECKING:
    from pathlib import Path

    from caretally.facts.services import ServiceTables

_Text = Annotated[str, Field(min_length=1)]


class CheckRow(Strict):
    """One check."""

    id: Annotated[str, form(r"^K-[A-Z0-9]+(-[A-Z0-9]+)*$", "an id such as K-NPI-BILLING")]
    message: _Text
    wanted: _Text
    who: Literal["biller", "registration", "integration"]
    fix: _Text
    stops: Literal["release", "export", "nothing"]
    formats: list[ExportFormat] = Field(default_factory=lambda: list(PAYER_FORMATS))
    cite: _Text


class ChecksFile(Strict):
    """mappings/claim-checks.toml."""

    check: Annotated[list[CheckRow], Field(min_length=1)]


def read_claim_checks(path: Path, services: ServiceTables) -> ClaimCheckTables:
    """Read and check the catalogue of claim checks.

    Raises:
        TableError: naming row and key; or a row stands there twice.
    """
    rules: dict[str, ClaimCheckRule] = {}
    for row in checked(ChecksFile, read_toml(path), path).check:
        if row.id in rules:
            raise TableError("stands there twice", file=display_name(path), where=f'check "{row.id}"')
        rules[row.id] = ClaimCheckRule(**{**row.model_dump(), "formats": tuple(row.formats)})
    families = services.families.values()
    bases: dict[str, set[str]] = {}
    needed: dict[str, int] = {}
    for family in families:
        conditions = services.programmes[family.programme].conditions_needed
        for code in (family.base, family.add_on):
            if code is not None:
                needed[code] = max(conditions, needed.get(code, 0))
        if family.add_on is not None:
            bases.setdefault(family.add_on, set()).add(family.base)
    return ClaimCheckTables(
        rules=tuple(rules.values()),
        bases={code: frozenset(found) for code, found in bases.items()},
        diagnoses_needed=needed,
    )
