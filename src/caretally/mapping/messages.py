"""Messages between practitioners about the patient, which show that care is coordinated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.clinical import CoordinationFact
from caretally.mapping.references import target_of

if TYPE_CHECKING:
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_PROVIDERS = frozenset({"Practitioner", "PractitionerRole", "Organization", "CareTeam", "HealthcareService"})
_STATUSES = frozenset(
    {"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"}
)


def messages(reading: Reading) -> tuple[CoordinationFact, ...]:
    """Build the messages from a practitioner or organization to another one; others are left alone."""
    return reading.facts("practitioner_message", lambda source, row: _message(reading, source, row))


def _message(reading: Reading, source: Source, row: Row) -> CoordinationFact | None:
    if row.status("status", _STATUSES) != "completed":
        return None
    senders, recipients = row.objects("sender"), row.objects("recipients")
    from_provider = any(target_of(r).type in _PROVIDERS for r in senders)
    sent_by = {target_of(r).key for r in senders}
    to_another = any(target_of(r).type in _PROVIDERS and target_of(r).key not in sent_by for r in recipients)
    stamp = row.stamp("sent", reading.context.zone) or row.stamp("received", reading.context.zone)
    if not (from_provider and to_another) or stamp is None:
        return None
    return CoordinationFact(reference=source.reference, version=source.version, moment=stamp.latest())
