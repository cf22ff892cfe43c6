"""What people decide: the kinds of decisions, and one decision as it is kept, dated, with who and why.

A decision is never changed or deleted. It is undone by a later one: the latest that concerns a matter counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class DecisionKind(StrEnum):
    """What a person can decide."""

    APPROVE = "approve"
    """Release a draft, or agree to a proposed correction."""
    HOLD = "hold"
    """Bill nothing of a patient-month until it is released."""
    RELEASE = "release"
    """End a person's hold."""
    ELECT_PHYSICIAN = "elect-physician"
    """Bill the practitioner's own family in a month, or (value ``staff``) not."""
    CHOOSE_PROGRAMME = "choose-programme"
    """Which of two programmes a practitioner bills, where both could be."""
    ATTEST = "attest"
    """A fact that the record does not hold; see `AttestedFact`."""
    OVERRIDE = "override"
    """Go on in spite of a hold that asks a person to look."""
    SAME_PERSON = "same-person"
    """Two Patient records are one person; `resource` is the one that stands."""
    DIFFERENT_PEOPLE = "different-people"
    """Two Patient records with the same identifier are two people."""
    LOCK_MONTH = "lock-month"
    """Neither change nor propose anything in a month."""
    UNLOCK_MONTH = "unlock-month"
    MARK = "mark"
    """How far a released claim has come: sent, accepted, denied, paid."""
    SETTLE_DENIAL = "settle-denial"
    """A denial was dealt with, and how."""
    WITHDRAW = "withdraw"
    """An earlier decision no longer counts; `resource` names it, ``Decision/id``."""


class AttestedFact(StrEnum):
    """What a person may attest, because no EHR records it (design 4)."""

    RISK = "risk"
    """Significant risk of a Condition: yes or no."""
    DECISION_MAKING = "mdm"
    """Level of medical decision making in the month."""
    PCM_ELEMENT = "pcm-element"
    """A PCM element, by its code."""
    COPY_GIVEN = "copy-given"
    """The patient or caregiver was given the care plan."""
    NEED = "need"
    """The care plan's text tells why the patient needs the service: a person has read it."""
    DISTINCT_TIME = "distinct-time"
    """An entry was distinct from the visit of its day: yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision of a person; never changed, only followed by a later one.

    Attributes:
        kind: one of `DecisionKind`.
        patient: ``Patient/id``; empty for what concerns everybody (a locked month).
        service_month: ``2025-01``; None where it concerns every month.
        practitioner: ``Practitioner/id``; None where it concerns every billing practitioner.
        resource: what it is about, for example ``Claim/cm-…`` or ``Condition/c1``.
        who: as the person named themselves.
        at: instant in UTC, ISO 8601.
        why: the person's words; may be empty.
        document: further values, by kind (reference, "Decisions").
    """

    id: str
    kind: str
    patient: str
    service_month: str | None
    practitioner: str | None
    resource: str | None
    who: str
    at: str
    why: str = field(repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @property
    def name(self) -> str:
        """Return ``Decision/id``."""
        return f"Decision/{self.id}"

    def value(self, key: str) -> str:
        """Return a text of the document; empty when it is absent."""
        found = self.document.get(key)
        return found if isinstance(found, str) else ""

    def concerns(self, service_month: str, practitioner: str | None) -> bool:
        """Whether it speaks about a month and billing practitioner; what it leaves open concerns every one."""
        return self.service_month in {None, service_month} and self.practitioner in {None, practitioner}

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "patient": self.patient or None,
            "service_month": self.service_month,
            "practitioner": self.practitioner,
            "resource": self.resource,
            "who": self.who,
            "at": self.at,
            "why": self.why,
            "document": dict(self.document),
        }


def in_force(decisions: Iterable[DecisionRecord]) -> tuple[DecisionRecord, ...]:
    """Return the decisions that were not withdrawn, oldest first.

    A withdrawal can be withdrawn itself: from the newest back, each one counts unless a later one took it back.
    """
    ordered = sorted(decisions, key=lambda one: (one.at, one.id))
    taken_back: set[str] = set()
    kept: list[DecisionRecord] = []
    for one in reversed(ordered):
        if one.name in taken_back:
            continue
        if one.kind == DecisionKind.WITHDRAW and one.resource is not None:
            taken_back.add(one.resource)
            continue
        kept.append(one)
    return tuple(reversed(kept))


def latest(
    decisions: Iterable[DecisionRecord], kinds: Iterable[str], service_month: str, practitioner: str | None
) -> DecisionRecord | None:
    """Return the last decision of some kinds about a month and practitioner; None when there is none.

    Args:
        decisions: in force, oldest first.
        kinds: of `DecisionKind`.
        service_month: ``2025-01``.
        practitioner: billing practitioner.
    """
    wanted = set(kinds)
    found = [one for one in decisions if one.kind in wanted and one.concerns(service_month, practitioner)]
    return found[-1] if found else None
