"""Enrolment in care management as a system records it: who manages the patient, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.clinical import EnrolmentFact

if TYPE_CHECKING:
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_STATUSES = frozenset({"planned", "waitlist", "active", "onhold", "finished", "cancelled", "entered-in-error"})
_HELD = frozenset({"active", "onhold", "finished"})


def enrolments(reading: Reading) -> tuple[EnrolmentFact, ...]:
    """Build the enrolments; without a mapping layer that reads them there are none."""
    return reading.facts("enrolment", lambda source, row: _enrolment(reading, source, row))


def _enrolment(reading: Reading, source: Source, row: Row) -> EnrolmentFact | None:
    if row.status("status", _STATUSES) not in _HELD:
        return None
    programme_map = reading.context.terminology.map("programme")
    programmes = {t for c in row.codings("programme_codings") if (t := programme_map.target([c])) is not None}
    return EnrolmentFact(
        reference=source.reference,
        version=source.version,
        programmes=tuple(sorted(programmes)),
        start=reading.day(row, "start"),
        end=reading.day(row, "end", latest=True),
        practitioners=reading.practitioners(row, "managers", source),
        organization=next((reading.context.organization(o) for o in row.objects("organization")), None),
    )
