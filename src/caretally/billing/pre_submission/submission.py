"""What a check is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from caretally.billing.context import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.facts.clinical import ClaimLineFact, CoverageFact
    from caretally.facts.codes import Terminology
    from caretally.facts.determination import Determination, Line
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.policy import Policy, PolicyBook
    from caretally.facts.practice import Practice
    from caretally.facts.pre_submission import CheckEffect, Outcome
    from caretally.facts.services import Family, ServiceTables


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one check says; `effect` overrules the table's where a payer's switch does."""

    outcome: Outcome
    found: str
    evidence: tuple[str, ...] = ()
    effect: CheckEffect | None = None


def passed(found: str, *evidence: str) -> Said:
    """Return that nothing was found against the claim."""
    return Said(outcome="passed", found=found, evidence=evidence)


def failed(found: str, *evidence: str, effect: CheckEffect | None = None) -> Said:
    """Return that the claim would be denied."""
    return Said(outcome="failed", found=found, evidence=evidence, effect=effect)


def unknown(found: str, *evidence: str) -> Said:
    """Return that the record does not hold what the check needs."""
    return Said(outcome="unknown", found=found, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A claim that is about to be written, and everything that it may be denied for.

    Attributes:
        claim: as it would be written; None where the site keeps charges only or the month is still open.
        month: the facts, with other claims on file and the day that stands for today.
    """

    determination: Determination
    claim: dict[str, Any] | None
    month: PatientMonth
    tables: ServiceTables
    terminology: Terminology
    practice: Practice
    policies: PolicyBook

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Return the lines to be billed, or those that an open or held month would have."""
        return self.determination.lines or self.determination.projected

    @cached_property
    def policy(self) -> Policy:
        """Return the switches in force."""
        return policy_of(self.determination)

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Return the families that the lines belong to."""
        codes = {line.code for line in self.lines}
        return tuple(f for f in self.tables.families.values() if codes & {f.base, f.add_on})

    @cached_property
    def programmes(self) -> frozenset[str]:
        """Return the programmes that the lines belong to."""
        return frozenset(family.programme for family in self.families)

    @cached_property
    def coverage(self) -> CoverageFact | None:
        """Return the coverage that is billed."""
        named = self.determination.evidence.coverage
        return next((c for c in self.month.facts.coverages if c.reference == named), None)

    def on_file(self) -> Iterator[ClaimLineFact]:
        """Give the claim lines of the month that we did not write."""
        month = self.determination.service_month
        return (line for line in self.month.facts.claim_lines if month.contains(line.service_date))

    def mine(self, line: ClaimLineFact) -> bool:
        """Whether the rendering practitioner of a line on file is the one who bills."""
        me = self.determination.billing_practitioner
        if me is None:
            return False
        npi = self.practice.practitioner(me).npi
        first = line.practitioners[:1]
        return any(self.practice.same_practitioner(me, p) for p in first) or (
            npi is not None and line.npis[:1] == (npi,)
        )

    def my_group(self, line: ClaimLineFact) -> bool:
        """Whether a line on file is of the billing practitioner's group."""
        me = self.determination.billing_practitioner
        if me is None:
            return False
        groups = self.practice.groups_of(me)
        theirs = {self.practice.group_of_organization(line.organization)}
        theirs |= {group for p in line.practitioners for group in self.practice.groups_of(p)}
        return bool(groups & theirs)


def shown(lines: list[ClaimLineFact]) -> str:
    """Return lines on file in words."""
    return ", ".join(f"{line.code.code} on {line.service_date}" for line in lines)
