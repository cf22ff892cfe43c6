"""Which coverage pays for a month: in force, in the right order, a plan before the contractor (rules 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import CoverageFact
    from caretally.facts.patient_month import PatientFacts
    from caretally.facts.policy import PolicyBook

LAST = 99
"""Order of a coverage that does not say in which order it pays."""


def in_force(coverage: CoverageFact, first_day: date, last_day: date) -> bool:
    """Whether a coverage is in force on any day of a span; one that ends before it begins never is."""
    counts = coverage.status == "active" or (coverage.status == "cancelled" and coverage.end is not None)
    start, end = coverage.start, coverage.end
    if not counts or (start is not None and end is not None and end < start):
        return False
    return (start is None or start <= last_day) and (end is None or end >= first_day)


def paying(facts: PatientFacts, policies: PolicyBook, first_day: date, last_day: date) -> tuple[CoverageFact, ...]:
    """Return the coverages in force in a span of days, the one that pays first at the head.

    A payer that stands in another one's place (Medicare Advantage instead of Medicare) is billed although the other
    is on file as well. Of two in the same place the one with a known payer comes first, then by reference.
    """
    found = [c for c in facts.coverages if in_force(c, first_day, last_day)]
    payers = {c.reference: policies.payer_of(c) for c in found}
    replaced = {name for payer in payers.values() if payer is not None for name in payer.instead_of}

    def place(coverage: CoverageFact) -> tuple[bool, int, bool, str]:
        payer = payers[coverage.reference]
        return (payer is not None and payer.name in replaced, _order(coverage), payer is None, coverage.reference)

    return tuple(sorted(found, key=place))


def rivals(ranked: tuple[CoverageFact, ...], policies: PolicyBook) -> tuple[CoverageFact, ...]:
    """Return the coverages that claim the place of the first one, or that it displaces."""
    if not ranked:
        return ()
    first, payer = ranked[0], policies.payer_of(ranked[0])
    displaced = set(payer.instead_of) if payer is not None else set()

    def claims(other: CoverageFact) -> bool:
        overlaps = (first.end is None or other.start is None or other.start <= first.end) and (
            other.end is None or first.start is None or other.end >= first.start
        )
        theirs = policies.payer_of(other)
        return overlaps and (_order(other) == _order(first) or (theirs is not None and theirs.name in displaced))

    return tuple(other for other in ranked[1:] if claims(other))


def _order(coverage: CoverageFact) -> int:
    return coverage.order if coverage.order is not None else LAST
