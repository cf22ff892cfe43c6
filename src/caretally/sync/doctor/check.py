"""One check, what it found, and the list that a doctor's visit becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Verdict = Literal["ok", "warning", "failed", "not-checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found.

    Attributes:
        name: stable, for example ``search-by-patient``.
        verdict: ``failed``: nothing, or something wrong, would be decided; ``warning``: it works, with a loss that
            `means` names; ``not-checked``: something that it needs failed before.
        found: without patient data.
        means: for billing; empty when all is well.
        fix: who can do what; empty when all is well.
    """

    name: str
    verdict: Verdict
    found: str
    means: str = ""
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "found": self.found,
            "means": self.means,
            "fix": self.fix,
        }


@dataclass(slots=True)
class Findings:
    """The results so far, in the order of the checks."""

    results: list[CheckResult] = field(default_factory=list)

    def ok(self, name: str, found: str) -> None:
        """Note that all is well."""
        self.results.append(CheckResult(name=name, verdict="ok", found=found))

    def warn(self, name: str, found: str, *, means: str, fix: str) -> None:
        """Note a loss."""
        self.results.append(CheckResult(name=name, verdict="warning", found=found, means=means, fix=fix))

    def fail(self, name: str, found: str, *, means: str, fix: str) -> None:
        """Note something without which nothing can be done."""
        self.results.append(CheckResult(name=name, verdict="failed", found=found, means=means, fix=fix))

    def skip(self, name: str, because: str) -> None:
        """Note that a check could not be made."""
        self.results.append(CheckResult(name=name, verdict="not-checked", found=because))

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def count(self, verdict: Verdict) -> int:
        """Count the results of one verdict."""
        return sum(result.verdict == verdict for result in self.results)
