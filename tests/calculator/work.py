"""The work of a month, logged the way people log it: tidily up to a threshold, or not tidily at all."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from caretally.facts.intervals import Interval
from caretally.facts.time_entry import Performer, TimeEntry
from tests.calculator.cast import ACTIVITIES, NEUTRAL, PEOPLE, SEPARATE, WORKER_WEIGHTS, WORKERS, procedure
from tests.calculator.draft import replace

if TYPE_CHECKING:
    from caretally.facts.codes import Coding
    from tests.calculator.draft import Draft


def log_work(draft: Draft) -> None:
    for programme in draft.owners:
        if draft.random.random() < 0.45:
            _tidy_work(draft, programme)
        else:
            _untidy_work(draft, programme)


def _tidy_work(draft: Draft, programme: str) -> None:
    """Entries that add up to a threshold, or to a second less or more."""
    random = draft.random
    total = random.choice((20, 30, 40, 60, 60, 80, 90, 120, 150, 400)) * 60 + random.choice((-1, 0, 0, 0, 1, 300))
    who = random.choice(("Practitioner/N1", "Practitioner/N1", *[draft.owners[programme]] * 2, ""))
    parts = random.choice((1, 2, 3, 4))
    edges = sorted({0, total, *(random.randrange(1, total) for _ in range(parts - 1))})
    for a, b in pairwise(edges):
        worker = who or random.choice(("Practitioner/N1", draft.owners[programme]))
        if random.random() < 0.2:
            log_entry(draft, worker, programme, day=draft.day(), seconds=b - a)
        else:
            begin = draft.at(draft.day())
            log_entry(draft, worker, programme, interval=Interval(begin, begin + b - a))


def _untidy_work(draft: Draft, programme: str) -> None:
    random = draft.random
    for _ in range(random.choice((1, 2, 3, 4, 5, 6, 8))):
        who = random.choices(WORKERS, weights=WORKER_WEIGHTS)[0]
        seconds = random.choice((5, 10, 12, 15, 20, 25, 30, 45, 60)) * 60 + random.choice((0, 0, 0, -1, 1, 30))
        if random.random() < 0.13:
            log_entry(draft, who, programme, day=draft.day(), seconds=seconds)
            continue
        begin = _begin(draft, seconds)
        log_entry(draft, who, programme, interval=Interval(begin, begin + seconds))


def _begin(draft: Draft, seconds: int) -> int:
    random, month = draft.random, draft.month
    timed = [e.interval for e in draft.entries if e.interval is not None]
    draw = random.random()
    if timed and draw < 0.25:
        near = random.choice(timed)
        return random.choice((near.start, near.start + random.randrange(-900, 900), near.end))
    if draw < 0.35:
        return draft.at(draft.day() + timedelta(days=1), -random.randrange(1, seconds + 1))
    if draw < 0.40:
        return draft.at(month.first_day, -random.randrange(1, seconds + 60))
    if draw < 0.45:
        return draft.at(month.last_day + timedelta(days=1), -random.randrange(1, seconds + 60))
    if draw < 0.50:
        # Both nights on which the clocks of most States change fall into these weeks.
        sunday = [d for d in range(1, 15) if date(month.year, month.month, d).weekday() == 6]
        return draft.at(date(month.year, month.month, random.choice(sunday)), random.randrange(0, 3 * 3600))
    return draft.at(draft.day())


def log_entry(draft: Draft, who: str, programme: str, **more: Any) -> None:
    random = draft.random
    role, group, specialty = PEOPLE[who]
    performers = [Performer(reference=who, role=role, group=f"tin:tin-{group}", specialty=specialty)]
    if random.random() < 0.05:
        other = random.choice(WORKERS)
        if other != who:
            role, group, specialty = PEOPLE[other]
            performers.append(Performer(reference=other, role=role, group=f"tin:tin-{group}", specialty=specialty))
    activities: tuple[str, ...] = (random.choice(ACTIVITIES),)
    if random.random() < 0.05:
        activities = random.choice(((), ("care-plan", "education"), ("care-plan", "scheduling")))
    codes: tuple[Coding, ...] = ()
    if random.random() < 0.06:
        codes = (procedure(random.choice(SEPARATE)),)
    elif random.random() < 0.03:
        codes = (procedure(random.choice(NEUTRAL)),)
    interval: Interval | None = more.pop("interval", None)
    draft.entries.append(
        TimeEntry(
            **{
                "reference": draft.number("Encounter/time", len(draft.entries)),
                "version": "1",
                "status": random.choices(
                    ("finished", "cancelled", "entered-in-error", "planned", "in-progress"), weights=(96, 1, 1, 1, 1)
                )[0],
                "performers": tuple(performers),
                "programme": None if random.random() < 0.06 else programme,
                "activities": activities,
                "procedure_codes": codes,
                "seconds": interval.seconds if interval else more.pop("seconds"),
                "interval": interval,
                "attending": None,
                "distinct_from_visit": random.random() < 0.1,
                **more,
            }
        )
    )
    if random.random() < 0.05:
        again(draft, draft.entries[-1])


def again(draft: Draft, entry: TimeEntry) -> None:
    """The same work once more: as a second copy of one resource, or as another resource."""
    if draft.random.random() < 0.4:
        changed: dict[str, Any] = {"copy_number": 1}
    else:
        changed = {"reference": draft.number("Encounter/time", len(draft.entries))}
    draft.entries.append(replace(entry, **changed))
