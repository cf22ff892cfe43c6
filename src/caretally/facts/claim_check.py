"""The checks that a claim passes before it is sent: what each looks at, what a failed one stops, who can mend it.

The checks are data (mappings/claim-checks.toml); what they look at is code, found by the id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Stops = Literal["release", "export", "nothing"]
"""What a failed check stops: the release without a person and every export; exports only; nothing (advice)."""
Mender = Literal["biller", "registration", "integration"]
"""Who can mend it: billing office, patient registration, whoever runs the interface and its configuration."""


ExportFormat = Literal["cms1500", "837p", "csv", "parquet"]
PAYER_FORMATS: tuple[ExportFormat, ...] = ("cms1500", "837p")
"""Formats that a payer gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheckRule:
    """One row of the catalogue."""

    id: str
    message: str
    """What is wrong when it fails, for a biller."""
    wanted: str
    who: Mender
    fix: str
    stops: Stops
    formats: tuple[ExportFormat, ...] = PAYER_FORMATS
    """Formats of an export that it concerns. A table of what is on file lacks nothing that a payer wants."""
    cite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCheck:
    """A check that a claim did not pass. Holds no patient data: what was found is told by its shape only."""

    rule: ClaimCheckRule
    found: str
    where: str
    """Element, for example ``Coverage/cov subscriberId``."""

    @property
    def id(self) -> str:
        """Return the id of the check."""
        return self.rule.id

    def stops_export(self, form: str) -> bool:
        """Whether a claim is left out of an export of a format."""
        return self.rule.stops != "nothing" and form in self.rule.formats

    def to_json(self) -> dict[str, Any]:
        """Return the failed check as it stands in `claim_checks` of the output contract."""
        rule = self.rule
        return {
            "code": rule.id,
            "message": rule.message,
            "found": self.found,
            "wanted": rule.wanted,
            "where": self.where,
            "who": rule.who,
            "fix": rule.fix,
            "stops": rule.stops,
            "formats": list(rule.formats),
            "cite": rule.cite,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What the checks of one claim found."""

    passed: int
    failed: tuple[FailedCheck, ...] = ()

    @property
    def stops_release(self) -> bool:
        """Whether the claim must not be released without a person."""
        return any(check.rule.stops == "release" for check in self.failed)

    def stopping(self, form: str) -> tuple[FailedCheck, ...]:
        """Return the failed checks for which a claim is left out of an export."""
        return tuple(check for check in self.failed if check.stops_export(form))

    def to_json(self) -> dict[str, Any]:
        """Return ``claim_checks`` of the output contract."""
        return {"passed": self.passed, "failed": [check.to_json() for check in self.failed]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheckTables:
    """What the checks look up."""

    rules: tuple[ClaimCheckRule, ...] = ()
    bases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Add-on code to the base codes of which one must stand on the same claim."""
    diagnoses_needed: Mapping[str, int] = field(default_factory=dict)
    """Service code to the number of diagnoses that its programme rests on."""
