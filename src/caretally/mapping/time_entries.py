"""Logged work: Encounters (or what a site's views give instead) become time entries, sound or refused by name.

A refused entry keeps its seconds where they are known and carries the issue's code, so that the ledger of the month
still adds up to what was logged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from caretally.facts.calendar import local_date
from caretally.facts.intervals import Interval
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.mapping.durations import WEEK_SECONDS, unit_of, whole_seconds
from caretally.mapping.values import Refusal, Row, is_procedure, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from caretally.facts.issue import Severity
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.references import Person

T = TypeVar("T")
Otherwise = TypeVar("Otherwise")
ENTRY_STATUSES = frozenset(
    {
        *("planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error"),
        # Entries of a site's own views come from Task, Observation or Procedure and keep their statuses.
        *("completed", "final", "amended", "corrected", "preliminary", "registered", "unknown"),
        *("draft", "requested", "received", "accepted", "rejected", "ready", "failed", "on-hold", "stopped"),
        *("preparation", "not-done"),
    }
)
_DONE = {"final": "finished", "amended": "finished", "corrected": "finished"}
_ENCOUNTER_STATUSES = frozenset(
    {"planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error", "unknown"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """When, and how long."""

    seconds: int
    interval: Interval | None = None
    day: date | None = None
    zone_assumed: bool = False
    invalid: str | None = None


def time_entries(reading: Reading, care_team_roles: Mapping[str, RoleClass]) -> tuple[TimeEntry, ...]:
    """Build the time entries of a patient.

    Args:
        reading: the patient's resources.
        care_team_roles: roles that CareTeams give to people whose own resources say nothing.
    """
    builder = _Builder(reading, care_team_roles)
    found: list[TimeEntry] = []
    for source in reading.sources:
        for row in reading.context.index.rows("time_entry", source, reading.report):
            if row is None:
                reading.refused.add(source.reference)
                continue
            entry = builder.entry(source, row)
            if entry is None:
                reading.refused.add(source.reference)
                continue
            (reading.refused if entry.invalid else reading.used).add(source.reference)
            found += [replace(entry, copy_number=n) for n in range(source.copies)]
    return tuple(found)


class _Builder:
    def __init__(self, reading: Reading, care_team_roles: Mapping[str, RoleClass]) -> None:
        self.reading = reading
        self.context = reading.context
        self.care_team_roles = care_team_roles

    def entry(self, source: Source, row: Row) -> TimeEntry | None:
        """Return the entry of a row; None where not even its date can be read."""
        problems: list[str] = []
        try:
            span = self._span(source, row)
        except Refusal as refusal:
            self.reading.report.refuse(source, refusal)
            return None
        if span.invalid:
            problems.append(span.invalid)
        if source.conflicting:
            problems.append("conflicting-copies")
        status = self._status(source, row, problems)
        performers = self._sound(lambda: self._performers(source, row), source, problems, ())
        attending = self._sound(lambda: self.reading.practitioners(row, "attending", source), source, problems, ())
        codings = self._sound(lambda: row.codings("codings"), source, problems, ())
        activities = self._sound(lambda: self._activities(row), source, problems, ())
        self._unknown_activities(source, activities)
        return TimeEntry(
            reference=source.reference,
            version=source.version,
            status=status,
            performers=performers,
            programme=self._sound(lambda: self._programme(row), source, problems, None),
            activities=tuple(dict.fromkeys(activities)),
            procedure_codes=tuple(c for c in codings if is_procedure(c)),
            seconds=span.seconds,
            interval=span.interval,
            day=span.day,
            attending=next(iter(attending), None),
            distinct_from_visit=self._sound(lambda: row.flag("distinct_from_visit"), source, problems, False),
            zone_assumed=span.zone_assumed,
            invalid=next(iter(problems), None),
        )

    # -- when and how long -----------------------------------------------------------------------------------

    def _span(self, source: Source, row: Row) -> _Span:
        """Read date and length; the smaller of `length` and `period` counts where both are given (design 4)."""
        zone = self.context.zone
        start, end = row.stamp("start", zone), row.stamp("end", zone)
        length = self._length(source, row)
        if start is None:
            raise Refusal(f"{source.type}.period.start", "entry-without-date", "no start", "the date of the work")
        if not start.names_a_day:
            wanted = "a date of day precision: a month or a year cannot be billed"
            raise Refusal(f"{source.type}.period.start", "imprecise-date", "a month or a year", wanted)
        assumed = start.zone_assumed or (end is not None and end.zone_assumed)
        if assumed:
            self._note(source, "period", "zone-assumed", "a time without offset", "a time with its offset", "warning")
        if start.instant is None or start.instant_up is None:
            return self._dated(source, start.first_day, end is not None and end.last_day, length)
        if end is not None and end.instant is not None:
            return self._timed(source, start.instant_up, end.instant, length, assumed=assumed)
        if length is None:
            raise Refusal(
                f"{source.type}.period.end", "entry-without-end", "no end and no length", "an end or a length"
            )
        return self._checked(
            source,
            _Span(seconds=length, interval=_from(start.instant_up, length), day=start.first_day, zone_assumed=assumed),
        )

    def _dated(self, source: Source, day: date, last_day: date | bool, length: int | None) -> _Span:
        """An entry with a date only: valid with a length, and only where it does not span several dates."""
        if length is None:
            wanted = "a length, or a start and an end with times"
            raise Refusal(f"{source.type}.length", "entry-without-length", "a date without length", wanted)
        if not isinstance(last_day, bool) and last_day != day:
            self._note(source, "period", "entry-over-days", "a period of several dates", "one date, or times", "error")
            return _Span(seconds=_plausible(length), day=day, invalid="entry-over-days")
        return self._checked(source, _Span(seconds=length, day=day))

    def _timed(self, source: Source, start: int, end: int, length: int | None, *, assumed: bool) -> _Span:
        period = end - start
        if period <= 0:
            code = "entry-ends-before-start" if period < 0 else "entry-without-seconds"
            self._note(source, "period", code, f"{period} seconds", "an end after the start", "error")
            known = _plausible(length) if length is not None and length > 0 else 0
            return _Span(seconds=known, day=_day(start, self), zone_assumed=assumed, invalid=code)
        seconds = period
        if length is not None and length != period:
            self._note(
                source,
                "length",
                "length-differs-from-period",
                f"{length} seconds in a period of {period}",
                "the same; the smaller was taken",
                "warning",
            )
            seconds = min(length, period)
        return self._checked(source, _Span(seconds=seconds, interval=_from(start, seconds), zone_assumed=assumed))

    def _checked(self, source: Source, span: _Span) -> _Span:
        """Refuse what is no plausible length; the seconds stay for the ledger."""
        longest = self.context.max_entry_minutes * 60
        if span.seconds <= 0:
            code, wanted = "entry-without-seconds", "a length above zero"
        elif span.seconds > longest:
            code, wanted = "entry-too-long", f"at most {longest} seconds (max_entry_minutes)"
        else:
            return span if span.interval is None else replace(span, day=None)
        self._note(source, "length", code, f"{span.seconds} seconds", wanted, "error")
        day = span.day or (_day(span.interval.start, self) if span.interval else None)
        return _Span(seconds=_plausible(span.seconds), day=day, zone_assumed=span.zone_assumed, invalid=code)

    def _length(self, source: Source, row: Row) -> int | None:
        value = row.number("length_value")
        if value is None:
            return None
        if row.text("length_comparator") is not None:
            wanted = "an exact length"
            raise Refusal(f"{source.type}.length.comparator", "inexact-length", "a comparator", wanted)
        unit, guessed = unit_of(row.text("length_code"), row.text("length_system"), row.text("length_unit"))
        if unit is None:
            wanted = "a UCUM duration in s, min, h or d"
            raise Refusal(f"{source.type}.length.code", "unknown-unit", "no unit of time", wanted)
        if guessed:
            self._note(source, "length", "unit-without-code", "a unit without UCUM code", "code and system", "warning")
        return whole_seconds(value, unit)

    # -- who and what ----------------------------------------------------------------------------------------

    def _status(self, source: Source, row: Row, problems: list[str]) -> str:
        known = _ENCOUNTER_STATUSES if source.type == "Encounter" else ENTRY_STATUSES
        try:
            status = row.status("status", known)
        except Refusal as refusal:
            self.reading.report.refuse(source, refusal)
            problems.append(refusal.code)
            return "unknown"
        return _DONE.get(status, status)

    def _performers(self, source: Source, row: Row) -> tuple[Performer, ...]:
        people = self.context.people(row.objects("performers"), source)
        if not people:
            people = self.context.people(row.objects("attending"), source)
        organization = next((self.context.organization(o) for o in row.objects("organization")), None)
        found: list[Performer] = []
        for person in people:
            if person.reference is None or not person.known:
                self._unresolvable(source, person)
            performer = self._performer(person, organization)
            if performer is not None and performer.reference not in {p.reference for p in found}:
                found.append(performer)
        if not people:
            self._note(source, "participant", "unresolvable-performer", "nobody", "a practitioner on file", "error")
        return tuple(found)

    def _unresolvable(self, source: Source, person: Person) -> None:
        found = person.problem or f"{person.reference}, who is not on file"
        self._note(source, "participant", "unresolvable-performer", found, "a practitioner who is on file", "error")

    def _performer(self, person: Person, organization: str | None) -> Performer | None:
        if person.reference is None:
            return None
        practice = self.context.practice
        practitioner = practice.practitioner(person.reference)
        assignment = person.assignment or next(
            (a for a in practitioner.assignments if organization is not None and a.organization == organization), None
        )
        role = assignment.role if assignment is not None else practitioner.role
        if role is RoleClass.UNKNOWN:
            role = practitioner.role
        if role is RoleClass.UNKNOWN:
            role = self.care_team_roles.get(person.reference, role)
        works_for = assignment.organization if assignment is not None else practice.organization_of(person.reference)
        return Performer(
            reference=person.reference,
            role=role,
            group=practice.group_of_organization(works_for),
            specialty=assignment.taxonomy if assignment is not None else practitioner.taxonomy,
        )

    def _programme(self, row: Row) -> str | None:
        return self.context.terminology.map("programme").target(row.codings("programme_codings"))

    def _activities(self, row: Row) -> tuple[str, ...]:
        """Return our activity codes, and those that the map gives for a site's own; one that it does not know stays."""
        local = row.codings("activity_codings")
        known = self.context.terminology.map("activity-local")
        mapped = tuple(t for c in local if (t := known.target([c])) is not None)
        return (*row.texts("activities"), *(mapped or (c.code for c in local)))

    def _unknown_activities(self, source: Source, activities: Iterable[str]) -> None:
        terminology = self.context.terminology
        known = {
            rule.code
            for name in ("activities-counted", "activities-not-counted")
            for rule in terminology.set(name).rules
        }
        for activity in activities:
            if activity not in known:
                wanted = "a code of care-management-activity; its time does not count"
                self._note(source, "type", "unknown-activity", shown(activity), wanted, "warning")

    def _sound(self, read: Callable[[], T], source: Source, problems: list[str], otherwise: Otherwise) -> T | Otherwise:
        try:
            return read()
        except Refusal as refusal:
            self.reading.report.refuse(source, refusal)
            problems.append(refusal.code)
            return otherwise

    def _note(self, source: Source, element: str, code: str, found: str, wanted: str, severity: Severity) -> None:
        self.reading.report.note(source, f"{source.type}.{element}", code, found, wanted, severity)


def _from(start: int, seconds: int) -> Interval | None:
    return Interval(start, start + seconds) if seconds > 0 else None


def _day(instant: int, builder: _Builder) -> date:
    return local_date(instant, builder.context.zone)


def _plausible(seconds: int) -> int:
    """Return refused seconds for the ledger; what is beyond a week is a slip, and nothing was logged by it."""
    return seconds if 0 < seconds <= WEEK_SECONDS else 0
