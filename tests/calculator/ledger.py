"""The ledger of seconds of one practitioner: every second of every entry counts or has one exclusion.

Written from the billing rules alone (parts 3 and 13), in the plainest way: cut each entry wherever anything changes,
ask of each piece, in the order of part 13, what speaks against it, then lay the pieces over each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date, start_of_day
from caretally.facts.time_entry import RoleClass
from tests.calculator import numbers

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.clinical import StayFact, VisitFact
    from caretally.facts.policy import Policy
    from caretally.facts.practice import Practice
    from caretally.facts.time_entry import Performer, TimeEntry

FOREVER = 10**12
DONE = {"finished", "completed"}


@dataclass
class Windows:
    """From when and until when the seconds of one programme count; None: no such limit."""

    consent_spans: list[tuple[int, int]] | None = None
    """Instants under a consent; None: consent excludes nothing."""
    init_from: int | None = None
    death: int | None = None
    coverage_end: int | None = None


@dataclass
class Piece:
    entry: str
    programme: str | None
    day: date
    seconds: int
    start: int | None = None
    staff: bool = False
    physician: bool = False
    excluded: str = ""


@dataclass
class Surroundings:
    """What the pieces of all entries are held against."""

    me: str
    my_groups: frozenset[str]
    my_specialty: str | None
    zone: ZoneInfo
    month: ServiceMonth
    policy: Policy
    practice: Practice
    visits: tuple[VisitFact, ...]
    stays: tuple[StayFact, ...]
    separate_spans: list[tuple[int, int]]
    linked: frozenset[str] = frozenset()
    """Entries whose Encounter a claim line bills as something else."""
    incident_to: bool = False
    """Whether the practice vouches for staff of others."""
    windows: dict[str | None, Windows] = field(default_factory=dict)


def separate_code(entry_or_visit_codes: tuple[object, ...], on: date) -> str | None:
    for coding in entry_or_visit_codes:
        code = coding.code  # type: ignore[attr-defined]
        if code in numbers.SEPARATE:
            first, last = numbers.SEPARATE[code]
            if first <= on <= last:
                return str(code)
    return None


def coded_service(entry: TimeEntry, zone: ZoneInfo) -> str | None:
    """The code under which an entry was billed as something else, valid when it began or when it ended."""
    if entry.interval is None:
        assert entry.day is not None
        return separate_code(entry.procedure_codes, entry.day)
    first, last = (local_date(at, zone) for at in (entry.interval.start, entry.interval.end - 1))
    return separate_code(entry.procedure_codes, first) or separate_code(entry.procedure_codes, last)


def in_order(entries: tuple[TimeEntry, ...]) -> list[TimeEntry]:
    return sorted(entries, key=lambda e: (e.reference, e.copy_number))


def happened(entry: TimeEntry) -> bool:
    return entry.status in DONE and entry.copy_number == 0 and entry.invalid is None


def wholly_wrong(entries: list[TimeEntry], programmes: dict[int, str | None]) -> dict[int, str]:
    """What is wrong with a whole entry, by its place in the list (rules 3.5, 13).

    The same people, start and end are one event, whoever it was logged for; CCM and PCM are two ladders, and both
    count what was logged for both.
    """
    wrong: dict[int, str] = {}
    seen: set[tuple[str | None, tuple[str, ...], int, int]] = set()
    for i, entry in enumerate(entries):
        if not happened(entry):
            broken = "X-DUPLICATE" if entry.copy_number > 0 else "X-INVALID"
            wrong[i] = broken if entry.status in DONE else "X-STATUS"
        elif entry.interval is not None and entry.performers:
            people = tuple(sorted(p.reference for p in entry.performers))
            if i not in programmes:
                continue
            event = (programmes[i], people, entry.interval.start, entry.interval.end)
            if event in seen:
                wrong[i] = "X-DUPLICATE"
            seen.add(event)
    return wrong


def touches(entry: TimeEntry, month: ServiceMonth, zone: ZoneInfo) -> bool:
    if entry.interval is None:
        return entry.day is not None and month.contains(entry.day)
    first, after = month.bounds(zone)
    return entry.interval.start < after and entry.interval.end > first


def contribution(performer: Performer, around: Surroundings) -> str:
    """`staff`, `physician`, or the exclusion of what one person did (rules 3.1, 13)."""
    policy, practice = around.policy, around.practice
    groups = practice.groups_of(performer.reference) or {performer.group} - {None}
    foreign = bool(groups and around.my_groups and not groups & around.my_groups)
    if performer.role is RoleClass.PRACTITIONER:
        if practice.same_practitioner(performer.reference, around.me):
            return "physician"
        alike = performer.specialty is not None and performer.specialty == around.my_specialty
        if policy.other_practitioner_time == "physician" and alike and groups & around.my_groups:
            return "physician"
        return "X-ROLE" if foreign else "staff"
    works = performer.role is RoleClass.CLINICAL_STAFF or (
        performer.role is RoleClass.COMMUNITY_HEALTH_WORKER and policy.chw_is_clinical_staff
    )
    if policy.contracted_staff == "attested" and foreign and not around.incident_to:
        return "X-ROLE"
    return "staff" if works else "X-ROLE"


def same_day(performer: Performer, entry: TimeEntry, on: date, around: Surroundings) -> bool:
    """Whether a visit of that date takes this person's time (rules 3.4)."""
    policy, practice = around.policy, around.practice
    visits = [v for v in around.visits if any(c.code in numbers.OFFICE_VISITS for c in v.codes)]
    visits = [v for v in visits if v.moment.date_in(around.zone) == on]
    if policy.same_day_em == "overlap_only":
        return False
    if policy.same_day_em == "exclude_whole_day":
        groups = {practice.group_of_organization(v.organization) for v in visits}
        groups |= {group for v in visits for who in v.practitioners for group in practice.groups_of(who)}
        return bool(groups & around.my_groups)
    if performer.role is not RoleClass.PRACTITIONER or entry.distinct_from_visit:
        return False
    return any(practice.same_practitioner(performer.reference, who) for v in visits for who in v.practitioners)


def activity_counts(entry: TimeEntry, policy: Policy) -> bool:
    """Every activity of the entry counts, by itself or by its switch."""
    switches = policy.count_activities
    return all(
        activity in numbers.COUNTED_ACTIVITIES or getattr(switches, activity.replace("-", "_"), False) is True
        for activity in entry.activities
    )


def within(spans: list[tuple[int, int]], at: int) -> bool:
    return any(first <= at < after for first, after in spans)


def judge(
    entry: TimeEntry, at: int, on: date, dated_only: bool, windows: Windows, around: Surroundings
) -> tuple[str, bool, bool]:
    """(exclusion or "", staff time, physician time) of the second `at`; a dated entry is judged by its date."""
    kinds = [(p, contribution(p, around)) for p in entry.performers]
    working = [(p, k) for p, k in kinds if k != "X-ROLE"]
    left = [(p, k) for p, k in working if not same_day(p, entry, on, around)]
    # A dated entry cannot be cut: it counts when any second of its date would.
    first = start_of_day(on, around.zone) if dated_only else at
    last = start_of_day(on + timedelta(days=1), around.zone) - 1 if dated_only else at
    found = (
        (not working, "X-ROLE"),
        (not activity_counts(entry, around.policy), "X-ACTIVITY"),
        (coded_service(entry, around.zone) is not None or entry.reference in around.linked, "X-SEPARATE-CODE"),
        *outside_windows(first, last, windows),
        (any(inpatient(stay, first, last, around.zone) for stay in around.stays), "X-INPATIENT"),
        (not left, "X-SAME-DAY-EM"),
        (not dated_only and within(around.separate_spans, at), "X-OVERLAP-SEPARATE-CODE"),
    )
    excluded = next((code for wrong, code in found if wrong), "")
    return excluded, any(k == "staff" for _, k in left), any(k == "physician" for _, k in left)


def outside_windows(first: int, last: int, windows: Windows) -> list[tuple[bool, str]]:
    spans = windows.consent_spans
    unconsented = spans is not None and not any(a <= last and first < b for a, b in spans)
    too_early = unconsented and spans is not None and not any(a <= last for a, _ in spans)
    return [
        (too_early, "X-BEFORE-CONSENT"),
        (unconsented, "X-AFTER-REVOCATION"),
        (windows.init_from is not None and last < windows.init_from, "X-BEFORE-INIT"),
        (windows.death is not None and first >= windows.death, "X-AFTER-DEATH"),
        (windows.coverage_end is not None and first >= windows.coverage_end, "X-AFTER-COVERAGE"),
    ]


def inpatient(stay: StayFact, first: int, last: int, zone: ZoneInfo) -> bool:
    """Between admission and discharge; with dates only, to the day before discharge (rules 3.7)."""
    discharged = FOREVER if stay.end is None else stay.end.earliest(zone)
    return stay.start.earliest(zone) <= first and last < discharged


def cuts(entry: TimeEntry, windows: Windows, around: Surroundings) -> list[int]:
    """Every instant inside the entry at which anything could change."""
    assert entry.interval is not None
    start, end = entry.interval.start, entry.interval.end
    points = set(around.month.bounds(around.zone))
    day = local_date(start, around.zone) + timedelta(days=1)
    while start_of_day(day, around.zone) < end:
        points.add(start_of_day(day, around.zone))
        day += timedelta(days=1)
    for a, b in [*(windows.consent_spans or []), *around.separate_spans]:
        points |= {a, b}
    points |= {x for x in (windows.init_from, windows.death, windows.coverage_end) if x is not None}
    for stay in around.stays:
        points.add(stay.start.earliest(around.zone))
        if stay.end is not None:
            points.add(stay.end.earliest(around.zone))
    return [start, *sorted(p for p in points if start < p < end), end]


def pieces_of(entry: TimeEntry, programme: str | None, wrong: str | None, around: Surroundings) -> list[Piece]:
    windows = around.windows.get(programme, Windows())
    found: list[Piece] = []
    if entry.interval is None:
        assert entry.day is not None
        if not entry.seconds:
            return []
        excluded, staff, physician = (
            (wrong, False, False) if wrong else judge(entry, 0, entry.day, True, windows, around)
        )
        return [
            Piece(
                entry=entry.reference,
                programme=programme,
                day=entry.day,
                seconds=entry.seconds,
                staff=staff,
                physician=physician,
                excluded=excluded or "",
            )
        ]
    points = cuts(entry, windows, around)
    first, after = around.month.bounds(around.zone)
    for a, b in pairwise(points):
        on = local_date(a, around.zone)
        staff = physician = False
        if wrong:
            excluded = wrong
        elif not first <= a < after:
            excluded = "X-OUTSIDE-MONTH"
        else:
            excluded, staff, physician = judge(entry, a, on, False, windows, around)
        found.append(
            Piece(
                entry=entry.reference,
                programme=programme,
                day=on,
                seconds=b - a,
                start=a,
                staff=staff,
                physician=physician,
                excluded=excluded,
            )
        )
    return found


def lay_over(pieces: list[Piece], everything: list[Piece]) -> list[Piece]:
    """Count each second of a programme once: for the entry that began first, staff before practitioner (rules 3.5)."""
    begun: dict[str, int] = {}
    for p in everything:
        if p.start is not None:
            begun[p.entry] = min(p.start, begun.get(p.entry, p.start))
    result: list[Piece] = []
    taken: dict[str | None, list[tuple[int, int]]] = {}
    for p in sorted(pieces, key=lambda p: (begun.get(p.entry, 0), not p.staff, p.entry, p.start or 0)):
        if p.excluded or p.start is None:
            result.append(p)
            continue
        spans = taken.setdefault(p.programme, [])
        end = p.start + p.seconds
        free = gaps(spans, p.start, end)
        for first, after in free:
            result.append(part_of(p, first, after, ""))
        for first, after in gaps(free, p.start, end):
            result.append(part_of(p, first, after, "X-OVERLAP"))
        spans += free
    return result


def part_of(p: Piece, start: int, end: int, excluded: str) -> Piece:
    return Piece(p.entry, p.programme, p.day, end - start, start, p.staff, p.physician, excluded)


def gaps(spans: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """What of start to end is in none of the spans."""
    found = []
    for first, after in sorted(spans):
        if first > start:
            found.append((start, min(first, end)))
        start = max(start, after)
        if start >= end:
            return found
    return [*found, (start, end)]


def floor_entries(pieces: list[Piece]) -> list[Piece]:
    """Cut each entry's counted seconds down to whole minutes, from its end."""
    totals: dict[tuple[str, str | None], int] = {}
    for p in pieces:
        if not p.excluded:
            totals[p.entry, p.programme] = totals.get((p.entry, p.programme), 0) + p.seconds
    rest = {key: total % 60 for key, total in totals.items()}
    result: list[Piece] = []
    for p in sorted(pieces, key=lambda p: (p.day, p.start or 0), reverse=True):
        key = (p.entry, p.programme)
        cut = 0 if p.excluded else min(p.seconds, rest.get(key, 0))
        if cut:
            rest[key] -= cut
            kept = p.seconds - cut
            result.append(
                Piece(
                    entry=p.entry,
                    programme=p.programme,
                    day=p.day,
                    seconds=cut,
                    start=None if p.start is None else p.start + kept,
                    excluded="X-ROUNDING",
                )
            )
            p.seconds = kept
        if p.seconds:
            result.append(p)
    return result
