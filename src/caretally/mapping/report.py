"""Collects the issue rows of one patient (or of the practice) while its resources are read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from caretally.facts.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.issue import Severity
    from caretally.mapping.copies import Source
    from caretally.mapping.values import Refusal


@dataclass(slots=True)
class Report:
    """Issue rows in the order in which they were found."""

    patient: str | None = None
    found: list[Issue] = field(default_factory=list)

    def note(
        self, source: Source, element: str, code: str, found: str, wanted: str, severity: Severity = "warning"
    ) -> None:
        """Add a finding about one resource."""
        self.found.append(Issue(source.reference, element, code, found, wanted, severity, self.patient))

    def refuse(self, source: Source, refusal: Refusal, severity: Severity = "error") -> None:
        """Add the row of a refused value."""
        self.note(source, refusal.element, refusal.code, refusal.found, refusal.wanted, severity)

    def take(self, issues: Iterable[Issue]) -> None:
        """Add rows that were found without knowing the patient."""
        self.found.extend(replace(issue, patient=self.patient) for issue in issues)

    def rows(self) -> tuple[Issue, ...]:
        """Return every row once; the same finding from two views is one finding."""
        return tuple(dict.fromkeys(self.found))
