"""What people decided, as a run reads it: in force, by the beneficiary that each decision is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from caretally.facts.decision import DecisionKind, DecisionRecord, in_force, latest
from caretally.store.decisions import decisions_about

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.facts.calendar import ServiceMonth
    from caretally.store.opening import Store

_ABOUT_FACTS = frozenset(
    {
        DecisionKind.HOLD,
        DecisionKind.RELEASE,
        DecisionKind.ELECT_PHYSICIAN,
        DecisionKind.CHOOSE_PROGRAMME,
        DecisionKind.ATTEST,
        DecisionKind.OVERRIDE,
        DecisionKind.SAME_PERSON,
        DecisionKind.DIFFERENT_PEOPLE,
    }
)


@dataclass(slots=True, kw_only=True)
class PeoplesDecisions:
    """The decisions that concern a month.

    Attributes:
        month: the month in question.
        decisions: in force, oldest first.
        all: also those that were withdrawn since.
        joined: for each Patient record that was joined to another one, which; a decision about a record is one
            about the beneficiary.
    """

    month: ServiceMonth
    decisions: tuple[DecisionRecord, ...] = ()
    all: tuple[DecisionRecord, ...] = ()
    joined: Mapping[str, str] = field(default_factory=dict)
    _by_patient: dict[str, list[DecisionRecord]] | None = None

    @classmethod
    def read(cls, store: Store | None, month: ServiceMonth) -> Self:
        """Read what a store keeps; nothing where there is none."""
        found = [] if store is None else decisions_about(store, str(month))
        return cls(month=month, decisions=in_force(found), all=tuple(found))

    def of(self, patient: str) -> tuple[DecisionRecord, ...]:
        """Return what was decided about a beneficiary's facts, oldest first."""
        if self._by_patient is None:
            self._by_patient = {}
            for one in self.decisions:
                if one.kind in _ABOUT_FACTS:
                    self._by_patient.setdefault(self.joined.get(one.patient, one.patient), []).append(one)
        return tuple(self._by_patient.get(patient, ()))

    @property
    def same_person(self) -> list[tuple[str, str]]:
        """Return pairs of records that a person said are one: the one that stands first."""
        settled: dict[frozenset[str], DecisionRecord] = {}
        for one in self.decisions:
            if one.kind in {DecisionKind.SAME_PERSON, DecisionKind.DIFFERENT_PEOPLE} and one.resource:
                settled[frozenset((one.resource, one.value("other")))] = one
        return [
            (str(one.resource), one.value("other")) for one in settled.values() if one.kind == DecisionKind.SAME_PERSON
        ]

    def are_different(self, one: str, other: str) -> bool:
        """Whether a person said last that two records are two people."""
        pair = {one, other}
        about = [
            d
            for d in self.decisions
            if d.kind in {DecisionKind.SAME_PERSON, DecisionKind.DIFFERENT_PEOPLE}
            and {d.resource, d.value("other")} == pair
        ]
        return bool(about) and about[-1].kind == DecisionKind.DIFFERENT_PEOPLE

    @property
    def lock(self) -> DecisionRecord | None:
        """Return the decision that locks the month; None where it is open."""
        last = latest(self.decisions, {DecisionKind.LOCK_MONTH, DecisionKind.UNLOCK_MONTH}, str(self.month), None)
        return last if last is not None and last.kind == DecisionKind.LOCK_MONTH else None
