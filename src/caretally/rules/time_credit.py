"""Counting seconds: each second of each entry is counted once or excluded with one reason (rules 3).

An entry is cut into pieces at local midnights and at the edges of every span in which time does not count. A
piece that two exclusions fit takes the first in the order of `facts.reasons.Exclusion`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from caretally.facts.calendar import end_of_day, local_date
from caretally.facts.determination import LedgerRow
from caretally.facts.intervals import Interval
from caretally.facts.reasons import EXCLUSION_ORDER, Exclusion
from caretally.facts.time_entry import RoleClass
from caretally.rules.coverages import in_force
from caretally.rules.duplicates import DONE_STATUSES, duplicates, happened, possible_duplicates
from caretally.rules.ledger import by_precedence, floored, once, own_time, timeline
from caretally.rules.roles import INCIDENT_TO, is_contracted, pool_of
from caretally.rules.windows import Shadow, after, stay, whole_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caretally.facts.codes import Coding
    from caretally.facts.time_entry import TimeEntry
    from caretally.rules.context import AttributedEntry, Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """The ledger of one practitioner's month, and what to tell about it."""

    rows: tuple[LedgerRow, ...] = ()
    no_interval: tuple[str, ...] = ()
    possible_duplicates: tuple[str, ...] = ()
    unknown_roles: tuple[str, ...] = ()
    other_codes: tuple[str, ...] = ()
    zone_assumed: tuple[str, ...] = ()
    contracted: tuple[str, ...] = ()
    """Entries with counted time of staff of another organization, incident-to not attested."""
    whole_minutes: bool = False
    """Whether each entry is floored to whole minutes (rounding = floor_entry)."""

    def counted(self, programme: str) -> tuple[LedgerRow, ...]:
        """Return the counted rows of a programme in the order in which time is laid out (rules 2)."""
        return tuple(row for row in self.rows if row.programme == programme and row.excluded is None)

    def practitioner_rows(self, programme: str) -> tuple[LedgerRow, ...]:
        """Return the practitioner's own time, each second once, also where staff worked at the same time."""
        rows = (r for r in self.rows if r.programme == programme)
        return own_time(rows, staff=False, whole_minutes=self.whole_minutes)

    def staff_rows(self, programme: str) -> tuple[LedgerRow, ...]:
        """Return the staff's own time, each second once."""
        rows = (r for r in self.rows if r.programme == programme)
        return own_time(rows, staff=True, whole_minutes=self.whole_minutes)


@dataclass(slots=True)
class _Piece:
    """A part of an entry within one local date."""

    entry: TimeEntry
    programme: str
    day: date
    seconds: int
    interval: Interval | None
    marks: dict[Exclusion, str] = field(default_factory=dict)
    practitioner: bool = False
    staff: bool = False


def credit(case: Case, spans: Mapping[str, Mapping[Exclusion, tuple[Shadow, ...]]]) -> Credit:
    """Judge every second of a practitioner's entries.

    Args:
        case: the practitioner's view.
        spans: for each programme, the spans of consent and initiating visit that exclude time.
    """
    ledger = _Ledger(case, spans)
    return ledger.close()


class _Ledger:
    def __init__(self, case: Case, spans: Mapping[str, Mapping[Exclusion, tuple[Shadow, ...]]]) -> None:
        self.case = case
        self.duplicates = duplicates(case)
        self.no_interval: set[str] = set()
        self.other_codes: set[str] = set()
        self.general = _general_spans(case)
        self.spans = spans
        self.shadows = self._separate_shadows()
        self.pieces = [p for a in case.entries for p in self._cut(a)]

    def close(self) -> Credit:
        for piece in self.pieces:
            self._mark(piece)
        rows = [row for piece in self.pieces for row in self._rows(piece)]
        rows = sorted(once(by_precedence(rows), self.case.context.tables.exclusive), key=timeline)
        if self.case.policy.rounding == "floor_entry":
            rows = floored(rows)
        entries = [a.entry for a in self.case.entries]
        return Credit(
            rows=tuple(sorted(rows, key=timeline)),
            no_interval=tuple(sorted(self.no_interval)),
            possible_duplicates=possible_duplicates(self.case),
            unknown_roles=tuple(
                sorted({e.reference for e in entries if all(p.role is RoleClass.UNKNOWN for p in e.performers)})
            ),
            other_codes=tuple(sorted(self.other_codes)),
            zone_assumed=tuple(sorted({e.reference for e in entries if e.zone_assumed})),
            contracted=self._contracted(rows),
            whole_minutes=self.case.policy.rounding == "floor_entry",
        )

    def _contracted(self, rows: Iterable[LedgerRow]) -> tuple[str, ...]:
        if self.case.attested(INCIDENT_TO):
            return ()
        counted = {row.entry for row in rows if row.excluded is None and row.staff_time}
        return tuple(
            sorted(
                {
                    a.entry.reference
                    for a in self.case.entries
                    if a.entry.reference in counted
                    and any(
                        is_contracted(self.case, p) and p.role is not RoleClass.PRACTITIONER for p in a.entry.performers
                    )
                }
            )
        )

    # -- cutting -------------------------------------------------------------------------------------------

    def _cut(self, attributed: AttributedEntry) -> list[_Piece]:
        """Cut an entry at local midnights and at the edges of every span that excludes time."""
        entry, programme = attributed.entry, attributed.programme
        if entry.interval is None:
            assert entry.day is not None  # noqa: S101 -- enrolment files no entry without any time
            return [_Piece(entry, programme, entry.day, entry.seconds, None)]
        edges = {entry.interval.start, entry.interval.end}
        for span in self._all_spans(programme):
            edges |= {at for at in (span.start, span.end) if entry.interval.start < at < entry.interval.end}
        zone, at = self.case.zone, entry.interval.start
        while (midnight := end_of_day(local_date(at, zone), zone)) < entry.interval.end:
            edges.add(midnight)
            at = midnight
        ordered = sorted(edges)
        pieces = [_Piece(entry, programme, local_date(a, zone), b - a, Interval(a, b)) for a, b in pairwise(ordered)]
        # A refused entry can have logged other seconds than its span: it stays whole, so that the ledger balances.
        if entry.seconds != entry.interval.seconds:
            return [_Piece(entry, programme, local_date(entry.interval.start, zone), entry.seconds, None)]
        return pieces

    def _all_spans(self, programme: str) -> list[Interval]:
        found = [s.interval for _, shadows in self.general for s in shadows]
        found += [s.interval for shadows in self.spans.get(programme, {}).values() for s in shadows]
        found += [interval for interval, _ in self._foreign(programme)]
        return found

    def _foreign(self, programme: str) -> list[tuple[Interval, str]]:
        """Return the spans of other services, with their codes: a code of the programme itself says what work is for.

        An entry with a code lies in its own span; there X-SEPARATE-CODE comes first.
        """
        return [(interval, code) for interval, code in self.shadows if not self._own_code(code, programme)]

    def _own_code(self, code: str, programme: str) -> bool:
        """Whether a code is one of the programme's ladders, or of one that it excludes: it says what work is for."""
        tables = self.case.context.tables
        theirs = tables.programme_of_code(code)
        return theirs is not None and tables.exclusive(programme, theirs)

    def _separate_shadows(self) -> list[tuple[Interval, str]]:
        """Return the spans of separately billed services, visits and coded entries, once for each of their codes.

        One of the codes may be the programme's own, and the next one another service.
        """
        found: list[tuple[Interval, str]] = []
        codes = self.case.context.terminology.set("separately-billed")
        for visit in self.case.facts.visits:
            day = visit.moment.date_in(self.case.zone)
            if visit.interval is not None:
                span = Interval(*visit.interval)
                found += [(span, coding.code) for coding in visit.codes if codes.contains(coding, day)]
        for entry in self.case.facts.entries:
            if entry.interval is None or not happened(entry):
                continue
            separate = [coding for coding in entry.procedure_codes if self._billed_separately(entry, coding)]
            found += [(entry.interval, coding.code) for coding in separate]
        return found

    # -- judging -------------------------------------------------------------------------------------------

    def _mark(self, piece: _Piece) -> None:
        entry, marks = piece.entry, piece.marks
        if entry.status not in DONE_STATUSES:
            marks[Exclusion.STATUS] = entry.status
        if (entry.reference, entry.copy_number) in self.duplicates:
            marks[Exclusion.DUPLICATE] = self.duplicates[entry.reference, entry.copy_number]
        if entry.invalid:
            marks[Exclusion.INVALID] = entry.invalid
        if not self.case.service_month.contains(piece.day):
            marks[Exclusion.OUTSIDE_MONTH] = str(piece.day)[:7]
        self._mark_role(piece)
        self._mark_activity(piece)
        self._mark_code(piece)
        for exclusion, shadows in self.spans.get(piece.programme, {}).items():
            self._mark_span(piece, exclusion, shadows)
        for exclusion, shadows in self.general:
            self._mark_span(piece, exclusion, shadows)
        self._mark_visit_day(piece)
        if piece.interval is not None:
            for interval, code in self._foreign(piece.programme):
                if interval.intersection(piece.interval):
                    marks.setdefault(Exclusion.OVERLAP_SEPARATE_CODE, code)

    def _mark_role(self, piece: _Piece) -> None:
        kinds = [pool_of(self.case, piece.programme, p) for p in piece.entry.performers]
        piece.practitioner, piece.staff = "practitioner" in kinds, "staff" in kinds
        if not (piece.practitioner or piece.staff):
            roles = sorted({p.role.value for p in piece.entry.performers}) or [RoleClass.UNKNOWN.value]
            piece.marks[Exclusion.ROLE] = ", ".join(roles)

    def _mark_activity(self, piece: _Piece) -> None:
        counted, switch = self._activity_counts, self.case.policy.count_activities
        for activity in piece.entry.activities:
            if not counted(activity) and not getattr(switch, activity.replace("-", "_"), False):
                piece.marks[Exclusion.ACTIVITY] = activity
                return

    def _activity_counts(self, activity: str) -> bool:
        return any(rule.code == activity for rule in self.case.context.terminology.set("activities-counted").rules)

    def _mark_code(self, piece: _Piece) -> None:
        case = self.case
        codes = case.context.terminology.set("separately-billed")
        for coding in piece.entry.procedure_codes:
            if self._own_code(coding.code, piece.programme):
                continue
            if self._billed_separately(piece.entry, coding):
                piece.marks.setdefault(Exclusion.SEPARATE_CODE, coding.code)
            elif coding.code not in case.context.tables.own_codes():
                self.other_codes.add(f"{piece.entry.reference} {coding.code}")
        for line in case.facts.claim_lines:
            # The entry's Encounter was billed as another service (rules 3.3).
            linked = piece.entry.reference in line.encounters and not self._own_code(line.code.code, piece.programme)
            if linked and codes.contains(line.code, line.service_date):
                piece.marks.setdefault(Exclusion.SEPARATE_CODE, line.code.code)

    def _billed_separately(self, entry: TimeEntry, coding: Coding) -> bool:
        codes = self.case.context.terminology.set("separately-billed")
        return any(codes.contains(coding, day) for day in self._dates(entry))

    def _dates(self, entry: TimeEntry) -> tuple[date, date]:
        """Return the first and the last local date of an entry: a service over midnight is one, and so is its code."""
        if entry.interval is None:
            assert entry.day is not None  # noqa: S101 -- enrolment files no entry without any time
            return entry.day, entry.day
        zone = self.case.zone
        return local_date(entry.interval.start, zone), local_date(entry.interval.end - 1, zone)

    def _mark_span(self, piece: _Piece, exclusion: Exclusion, shadows: Iterable[Shadow]) -> None:
        for shadow in shadows:
            if piece.interval is None:
                lies_in = shadow.covers_day(piece.day)
            else:
                lies_in = shadow.interval.intersection(piece.interval) is not None
            if lies_in:
                piece.marks.setdefault(exclusion, shadow.detail)

    def _mark_visit_day(self, piece: _Piece) -> None:
        """Exclude time on the date of an office visit (rules 3.4, D8)."""
        policy = self.case.policy.same_day_em
        strict = policy == "exclude_whole_day"
        if policy == "overlap_only" or (piece.entry.distinct_from_visit and not strict):
            return
        codes = self.case.context.terminology.set("same-day-em")
        for visit in self.case.facts.visits:
            if visit.moment.date_in(self.case.zone) != piece.day or codes.first(visit.codes, piece.day) is None:
                continue
            if strict:
                if self.case.in_my_group(visit.practitioners, visit.organization):
                    piece.marks.setdefault(Exclusion.SAME_DAY_EM, visit.reference)
                continue
            own = [
                p
                for p in piece.entry.performers
                if p.role is RoleClass.PRACTITIONER
                and any(self.case.context.practice.same_practitioner(p.reference, v) for v in visit.practitioners)
            ]
            pools = {p: pool_of(self.case, piece.programme, p) for p in piece.entry.performers if p not in own}
            others = {pool for pool in pools.values() if pool is not None}
            if own and not others:
                piece.marks.setdefault(Exclusion.SAME_DAY_EM, visit.reference)
            elif own:
                piece.practitioner, piece.staff = "practitioner" in others, "staff" in others

    # -- ledger rows ---------------------------------------------------------------------------------------

    def _rows(self, piece: _Piece) -> list[LedgerRow]:
        first = next((x for x in EXCLUSION_ORDER if x in piece.marks), None)
        entry = piece.entry
        if first is None and piece.interval is None:
            self.no_interval.add(entry.reference)
        return [
            LedgerRow(
                entry=entry.reference,
                version=entry.version,
                programme=piece.programme,
                day=piece.day,
                seconds=piece.seconds,
                start=piece.interval.start if piece.interval else None,
                end=piece.interval.end if piece.interval else None,
                performers=tuple(p.reference for p in entry.performers),
                practitioner_time=piece.practitioner,
                staff_time=piece.staff,
                excluded=None if first is None else first.value,
                detail="" if first is None else piece.marks[first],
            )
        ]


def _general_spans(case: Case) -> list[tuple[Exclusion, tuple[Shadow, ...]]]:
    """Return the spans that hold for every programme: death, end of coverage, inpatient stays."""
    found: list[tuple[Exclusion, tuple[Shadow, ...]]] = []
    deceased = case.facts.patient.deceased
    if deceased is not None:
        found.append((Exclusion.AFTER_DEATH, (after(deceased, case.zone),)))
    uncovered = _uncovered_days(case)
    if uncovered:
        found.append((Exclusion.AFTER_COVERAGE, tuple(whole_day(day, case.zone) for day in uncovered)))
    stays = tuple(stay(s, case.zone) for s in case.facts.stays)
    if stays:
        found.append((Exclusion.INPATIENT, stays))
    return found


def _uncovered_days(case: Case) -> list[date]:
    """Return the days after the last coverage of the month has ended; none while the coverage gate fails."""
    if case.coverage is None or case.coverage.end is None:
        return []
    ends = [c.end for c in case.facts.coverages if in_force(c, date.min, case.last_day)]
    if any(end is None for end in ends):
        return []
    last = max(end for end in ends if end is not None)
    return [day for n in range(1, case.last_day.day + 1) if (day := case.first_day.replace(day=n)) > last]
