"""The patient's paper: medications, allergies and goals, by whether and how they are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.record import AllergyFact, GoalFact, MedicationFact, PlanActivity
from caretally.mapping.stamps import read_stamp
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_MEDICATION_STATUSES = frozenset(
    {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"}
)
_MEDICATIONS_IN_USE = frozenset({"active", "on-hold", "unknown"})
_WRONG = "entered-in-error"
_REFUTED = frozenset({"refuted", _WRONG})
_LIFECYCLE = frozenset(
    {
        *("proposed", "planned", "accepted", "active", "on-hold", "completed", "cancelled", "rejected"),
        _WRONG,
    }
)


def medications(reading: Reading) -> tuple[MedicationFact, ...]:
    """Build the medication list; what was entered in error or must not be given is no medication."""

    def build(source: Source, row: Row) -> MedicationFact | None:
        status = row.status("status", _MEDICATION_STATUSES)
        if status in {_WRONG, "draft"} or row.flag("not_to_be_given"):
            return None
        return MedicationFact(
            reference=source.reference,
            version=source.version,
            active=status in _MEDICATIONS_IN_USE,
            recorded=reading.day(row, "recorded"),
        )

    return reading.facts("medication", build)


def allergies(reading: Reading) -> tuple[AllergyFact, ...]:
    """Build the allergies, and the statements that none is known."""
    none_known = reading.context.terminology.set("no-known-allergy")

    def build(source: Source, row: Row) -> AllergyFact | None:
        if _REFUTED & set(row.texts("verification")):
            return None
        clinical = row.texts("clinical")
        return AllergyFact(
            reference=source.reference,
            version=source.version,
            active=not clinical or "active" in clinical,
            none_known=none_known.first(row.codings("codings")) is not None,
            recorded=reading.day(row, "recorded"),
        )

    return reading.facts("allergy", build)


def goals(reading: Reading) -> tuple[GoalFact, ...]:
    """Build the goals that are meant: proposed, rejected and cancelled ones are none."""

    def build(source: Source, row: Row) -> GoalFact | None:
        if row.status("status", _LIFECYCLE) in {"proposed", "cancelled", "rejected", _WRONG}:
            return None
        return GoalFact(
            reference=source.reference,
            version=source.version,
            measurable=row.flag("measurable"),
            outcome=row.flag("outcome"),
            social=row.flag("social"),
        )

    return reading.facts("goal", build)


def plan_activities(reading: Reading) -> dict[str, list[PlanActivity]]:
    """Build the activities of every care plan, by its reference."""
    found: dict[str, list[PlanActivity]] = {}
    for source, row in reading.rows("care_plan_activity"):
        try:
            found.setdefault(source.reference, []).append(_activity(reading, row))
        except Refusal as refusal:
            reading.report.refuse(source, refusal)
    return found


def _activity(reading: Reading, row: Row) -> PlanActivity:
    ends = [
        reading.day(row, "period_end", latest=True) or reading.day(row, "period_start", latest=True),
        reading.day(row, "bounds_end", latest=True),
    ]
    events = (read_stamp(text, reading.context.zone) for text in row.texts("events"))
    ends += [stamp.last_day for stamp in events if stamp is not None]
    days = [day for day in ends if day is not None]
    return PlanActivity(
        element=row.text("element"),
        target=reading.reference(row, "target"),
        coded=row.flag("coded"),
        outcome=row.flag("outcome"),
        reasons=reading.references(row, "reasons"),
        scheduled=row.flag("scheduled"),
        review_on=max(days, default=None),
    )
