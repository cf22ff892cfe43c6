"""Visits, inpatient stays, emergency visits and hospice services: what other Encounters say about the month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.clinical import HospiceFact, StayFact, VisitFact
from caretally.facts.codes import Coding
from caretally.facts.record import EmergencyFact
from caretally.mapping.time_entries import ENTRY_STATUSES
from caretally.mapping.values import Refusal, as_coding, is_procedure

if TYPE_CHECKING:
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.stamps import Stamp
    from caretally.mapping.values import Row

_HAPPENED = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})
_VIRTUAL = "VR"


@dataclass(slots=True)
class Encounters:
    """What Encounters became."""

    visits: list[VisitFact]
    stays: list[StayFact]
    hospices: list[HospiceFact]
    emergencies: list[EmergencyFact]


def encounters(reading: Reading, time_entries: frozenset[str]) -> Encounters:
    """Build visits, stays and hospice facts; an Encounter that is a time entry is not also a visit."""
    found = Encounters([], [], [], [])
    for view in ("encounter", "visit"):
        for source, row in reading.rows(view):
            if source.reference in time_entries:
                continue
            try:
                if _add(reading, source, row, found):
                    reading.used.add(source.reference)
            except Refusal as refusal:
                reading.report.refuse(source, refusal)
                reading.refused.add(source.reference)
    return found


def _add(reading: Reading, source: Source, row: Row, found: Encounters) -> bool:
    terminology, zone = reading.context.terminology, reading.context.zone
    codings = row.codings("codings")
    procedures = _with_groups(reading, codings)
    stay = [c for o in row.objects("class") if (c := as_coding(o)) is not None] if row.has("class") else []
    # The class counts by its code: senders give old or no systems, and a stay that is missed would be billed.
    inpatient_codes = {rule.code for rule in terminology.set("inpatient-class").rules}
    inpatient = row.has("class") and any(str(o.get("code")) in inpatient_codes for o in row.objects("class"))
    hospice = terminology.set("hospice").first(codings) is not None
    emergency = _is_emergency(reading, row, codings)
    if not (procedures or inpatient or hospice or emergency):
        return False
    status = row.status("status", ENTRY_STATUSES)
    if status not in _HAPPENED:
        return False
    start, end = row.stamp("start", zone), row.stamp("end", zone)
    if start is None:
        raise Refusal(f"{source.type}.period.start", "encounter-without-date", "no start", "when it began")
    if inpatient:
        found.stays.append(
            StayFact(
                reference=source.reference,
                version=source.version,
                start=start.earliest(),
                end=end.latest() if end else None,
                conditions=_conditions(reading, row),
            )
        )
    if hospice:
        found.hospices.append(
            HospiceFact(
                reference=source.reference,
                version=source.version,
                start=start.first_day,
                end=end.last_day if end else None,
            )
        )
    if emergency:
        found.emergencies.append(EmergencyFact(reference=source.reference, version=source.version, day=start.first_day))
    if procedures and status == "finished" and start.names_a_day:
        virtual = tuple(c for c in stay if c.code == _VIRTUAL)
        found.visits.append(_visit(reading, source, row, (*procedures, *virtual), start, end))
    return True


def _conditions(reading: Reading, row: Row) -> tuple[str, ...]:
    """Return the conditions for which a patient was admitted."""
    if not row.has("reasons"):
        return ()
    return tuple(key for key in reading.references(row, "reasons") if key.startswith("Condition/"))


def _is_emergency(reading: Reading, row: Row, codings: tuple[Coding, ...]) -> bool:
    """Whether an Encounter was in an emergency department: by its class, as for stays by code alone, or its type."""
    terminology = reading.context.terminology
    codes = {rule.code for rule in terminology.set("emergency-class").rules}
    by_class = row.has("class") and any(str(o.get("code")) in codes for o in row.objects("class"))
    return by_class or terminology.set("emergency-visit").first(codings) is not None


def _visit(
    reading: Reading, source: Source, row: Row, codes: tuple[Coding, ...], start: Stamp, end: Stamp | None
) -> VisitFact:
    timed = start.instant is not None and end is not None and end.instant is not None and end.instant > start.instant
    return VisitFact(
        reference=source.reference,
        version=source.version,
        moment=start.earliest(),
        codes=codes,
        practitioners=reading.practitioners(row, "practitioners", source),
        organization=next((reading.context.organization(o) for o in row.objects("organization")), None),
        discussed=row.known_flag("discussed") if row.has("discussed") else None,
        interval=(start.instant, end.instant_up or end.instant)
        if timed and end is not None and start.instant is not None and end.instant is not None
        else None,
    )


def _with_groups(reading: Reading, codings: tuple[Coding, ...]) -> tuple[Coding, ...]:
    """Return the CPT and HCPCS codings, and the group that the site's map gives to a visit type without one."""
    procedures = tuple(c for c in codings if is_procedure(c))
    group = reading.context.terminology.map("visit-to-initiating").target(codings)
    return procedures if group is None else (*procedures, Coding(VISIT_GROUP, group))


VISIT_GROUP = "https://caretally.example/fhir/CodeSystem/visit-group"
