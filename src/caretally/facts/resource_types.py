"""Which FHIR resource types are read, and how each one names its patient (mappings/resources.toml)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One row of mappings/resources.toml."""

    name: str
    """``Encounter``."""
    patient_elements: tuple[str, ...] = ()
    """Elements that hold the reference to the patient (``subject``); empty for resources of the practice."""
    patient_search: str | None = None
    """Search parameter for the patient; None for resources of the practice."""
    date_search: str | None = None
    """Search parameter by which the resources of a month are found; None: they are looked for whatever their date."""
    found_by: tuple[str, ...] = ()
    """Further searches that find people, by the views of layers: ``code=system|&period={month}``."""
    required: bool = False
    """Whether a server that does not offer the type cannot be used at all."""
