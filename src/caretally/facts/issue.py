"""Issue rows: every resource or fact that was refused, with where, what was found and what was wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True, order=True)
class Issue:
    """One refused resource or fact. ``found`` never holds names, free text or other identifying data."""

    resource: str
    """Reference such as ``Encounter/e1``, or file and line where the resource could not be read at all."""
    element: str
    """FHIRPath-like element path, for example ``Encounter.length``; empty for the whole resource."""
    code: str
    """Stable kebab-case name of the finding, for example ``entry-too-long``."""
    found: str
    wanted: str
    severity: Severity = "error"
    patient: str | None = None
    """Reference of the patient that the finding concerns, when known."""

    def to_json(self) -> dict[str, str | None]:
        """Return the row of issues.ndjson."""
        return {
            "resource": self.resource,
            "element": self.element,
            "code": self.code,
            "severity": self.severity,
            "found": self.found,
            "wanted": self.wanted,
            "patient": self.patient,
        }
