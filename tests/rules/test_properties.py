"""What must hold for every patient-month, whatever befalls it.

A patient-month is drawn by its seed (tests/calculator/patient_months.py), which is fast and rich; what is done to it is
drawn beside it and shrinks. What a seed comes to is kept, so that a long proof decides each month once and its variants
one by one.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caretally.facts.calendar import local_date
from caretally.facts.intervals import Interval
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.rules import determine
from tests.calculator import numbers
from tests.calculator.patient_months import generate
from tests.rules.recompute import agrees

if TYPE_CHECKING:
    from caretally.facts.determination import Determination
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.policy import Policy
    from caretally.rules import RuleContext

pytestmark = pytest.mark.prove
SEEDS = 10_000 if os.environ.get("CARETALLY_PROVE") else 2_000
seeds = st.integers(0, SEEDS - 1)
"""Months that are decided once and varied many times."""
other_seeds = st.integers(SEEDS, 2**31)
choices = st.integers(0, 2**16)
ORDERED = ("entries", "conditions", "care_plans", "consents", "coverages", "visits", "stays", "hospices", "claim_lines")
CONFLICTS = {
    *("R-CCM-PCM-SAME-PRACTITIONER", "R-SEVERAL-PRACTITIONERS", "R-PCM-SAME-CONDITION", "R-COVERAGE"),
    *("R-COVERAGE-CHANGED", "R-ENROLLED-ELSEWHERE", "R-ATTRIBUTION", "R-CONSENT-PRACTITIONER"),
}
"""What other facts may bring up when something is added, and lift when something is taken away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one practitioner's month came to."""

    status: str
    family: str | None
    lines: tuple[tuple[str, int, str], ...]
    reasons: frozenset[str]
    counted: tuple[tuple[str, int], ...]
    excluded: tuple[tuple[str, int], ...]
    days: tuple[str, ...]
    """Dates with counted time of the billed programme."""

    @property
    def units(self) -> int:
        return sum(units for _, units, _ in self.lines)


def outcome(found: Determination) -> Outcome:
    excluded: Counter[str] = Counter()
    for row in found.trace.ledger:
        if row.excluded is not None:
            excluded[row.excluded] += row.seconds
    programme = numbers.LADDERS[found.family][0] if found.family else None
    return Outcome(
        status=found.status,
        family=found.family,
        lines=tuple((x.code, x.units, x.service_date.isoformat()) for x in found.lines),
        reasons=frozenset(reason.code for reason in found.reasons),
        counted=tuple(sorted((name, n) for name, n in found.counted_seconds.items() if n)),
        excluded=tuple(sorted((+excluded).items())),
        days=tuple(
            sorted({r.day.isoformat() for r in found.trace.ledger if r.excluded is None and r.programme == programme})
        ),
    )


def outcomes(month: PatientMonth, context: RuleContext) -> dict[str | None, Outcome]:
    return {d.billing_practitioner: outcome(d) for d in determine(month, context)}


@cache
def as_drawn(seed: int) -> dict[str | None, Outcome]:
    return outcomes(*generate(seed))


@cache
def words_of(seed: int) -> int:
    """A digest of everything that the answers to a seed say."""
    return said(determine(*generate(seed)))


def said(found: tuple[Determination, ...]) -> int:
    return hash(orjson.dumps([d.to_json() for d in found], option=orjson.OPT_SORT_KEYS))


def with_facts(month: PatientMonth, **facts: Any) -> PatientMonth:
    return replace(month, facts=replace(month.facts, **facts))


def policy_of(context: RuleContext, found: Determination, month: PatientMonth) -> Policy:
    site = context.practice.site_of(found.billing_practitioner or "")
    named = {c.reference: c for c in month.facts.coverages}
    return context.policies.effective(named.get(found.evidence.coverage or ""), site).policy


@given(seeds, choices)
def test_the_order_of_facts_means_nothing(seed: int, choice: int) -> None:
    month, context = generate(seed)
    random = Random(choice)  # noqa: S311 -- no secret
    shuffled = {name: tuple(random.sample(facts, len(facts))) for name in ORDERED if (facts := _facts(month, name))}
    assert said(determine(with_facts(month, **shuffled), context)) == words_of(seed)


def _facts(month: PatientMonth, name: str) -> tuple[Any, ...]:
    return tuple(getattr(month.facts, name))


@given(other_seeds)
def test_what_holds_for_every_answer(seed: int) -> None:
    """Four properties of the same answers: to decide a month takes longer than to look at what came out."""
    month, context = generate(seed)
    found = determine(month, context)
    counted_and_excluded_make_what_was_logged(found, month, context)
    lines_keep_the_limits(found, month, context)
    codes_that_exclude_each_other_never_meet(found, month)
    for d in found:
        # From what `explain --json` prints, and nothing else.
        agrees(d.to_json())


Answers = tuple["Determination", ...]


def counted_and_excluded_make_what_was_logged(found: Answers, month: PatientMonth, context: RuleContext) -> None:
    zone = context.policies.effective(None, context.practice.sites[0]).policy.time_zone
    start, end = month.service_month.bounds(zone)
    touching = 0
    for entry in month.facts.entries:
        if entry.interval is not None:
            touching += entry.seconds if entry.interval.intersection(Interval(start, end)) else 0
        elif entry.day is not None and month.service_month.contains(entry.day):
            touching += entry.seconds
    assert sum(d.logged_seconds for d in found) == touching
    for d in found:
        counted = sum(r.seconds for r in d.trace.ledger if r.excluded is None)
        assert counted == sum(d.counted_seconds.values())
        assert counted + sum(x["seconds"] for x in d.excluded()) == d.logged_seconds
        assert all(r.seconds > 0 for r in d.trace.ledger if r.start is not None)


def lines_keep_the_limits(found: Answers, month: PatientMonth, context: RuleContext) -> None:
    """One family for a practitioner, units within the caps, dates inside the month, thresholds truly reached."""
    for d in found:
        assert bool(d.lines) == (d.status == "billable")
        assert bool(d.reasons) == (d.status != "billable")
        lines = d.lines or d.projected
        if not lines:
            continue
        programme, _, base, minutes, add_on, step, cap = numbers.LADDERS[d.family or ""]
        units: Counter[str] = Counter()
        for line in lines:
            assert month.service_month.contains(line.service_date)
            units[line.code] += line.units
        assert set(units) <= {base, add_on}
        assert units[base] == 1
        assert units[add_on] <= policy_of(context, d, month).caps.get(add_on, cap)
        assert d.counted_seconds[programme] >= (minutes + units[add_on] * step) * 60
        assert len({(line.code, line.service_date) for line in lines}) == len(lines)
        assert d.evidence.consent is not None
        assert d.evidence.care_plan is not None
        assert d.evidence.coverage is not None


def codes_that_exclude_each_other_never_meet(found: Answers, month: PatientMonth) -> None:
    """Over all practitioners of a patient-month, with what is on file."""
    chronic: set[str | None] = set()
    for d in found:
        billed = {line.code for line in d.lines}
        families = {name for name, row in numbers.LADDERS.items() if billed & {row[2], row[4]}}
        assert len(families) <= 1
        if billed & numbers.CODES_OF["ccm"]:
            chronic.add(d.billing_practitioner)
    assert len(chronic) <= 1
    on_file = {x.code.code for x in month.facts.claim_lines if month.service_month.contains(x.service_date)}
    assert not (chronic and on_file & numbers.CODES_OF["ccm"])


@given(other_seeds)
def test_without_consent_there_is_no_line(seed: int) -> None:
    month, context = generate(seed)
    found = determine(with_facts(month, consents=()), context)
    assert all(not d.lines and not d.projected for d in found)


@given(seeds, choices)
def test_taking_a_consent_away_adds_no_line(seed: int, choice: int) -> None:
    month, context = generate(seed)
    consents = sorted(month.facts.consents, key=lambda c: c.reference)
    assume(consents)
    gone = consents[choice % len(consents)]
    before = as_drawn(seed)
    after = outcomes(with_facts(month, consents=tuple(c for c in consents if c is not gone)), context)
    for who, now in after.items():
        was = before.get(who)
        # A hold asks a person, perhaps about a programme that has no consent any more; the answer may have been yes.
        if now.lines and was is not None and was.status == "not-billable":
            # It had named somebody else, or the other programme; or an older start of the programme went with it.
            lifted = CONFLICTS | {"R-INIT-VISIT-MISSING", "R-TIME-MIN"}
            # A nurse's plan is that of the only one consented to (rules 4.2): of nobody, while there are two.
            lifted |= {"R-CAREPLAN-MISSING"} if who not in gone.practitioners else set()
            assert was.reasons & lifted
            assert was.reasons & CONFLICTS or gone.given is not None


@given(seeds, choices, st.floats(0, 1))
def test_an_entry_cut_in_two_changes_nothing(seed: int, choice: int, where: float) -> None:
    month, context = generate(seed)
    assume(context.policies.practice.values.get("rounding") != "floor_entry")
    zone = context.policies.effective(None, context.practice.sites[0]).policy.time_zone
    entries = sorted(month.facts.entries, key=lambda e: (e.reference, e.copy_number))
    copied = {e.reference for e in entries if e.copy_number}
    # A claim line names one of the halves only.
    copied |= {reference for line in month.facts.claim_lines for reference in line.encounters}
    # Two records with the same people, start and end are one event; a half of one of them would be another.
    events = Counter(_event(e) for e in entries)
    whole = [
        e
        for e in entries
        if e.interval is not None
        and e.interval.seconds > 1
        and e.reference not in copied
        and events[_event(e)] == 1
        # Whose minutes they are is asked of the date on which an entry begins.
        and local_date(e.interval.start, zone) == local_date(e.interval.end - 1, zone)
    ]
    assume(whole)
    chosen = whole[choice % len(whole)]
    assert chosen.interval is not None
    cut = chosen.interval.start + 1 + int(where * (chosen.interval.seconds - 2))
    halves = (
        _part(chosen, Interval(chosen.interval.start, cut), ""),
        _part(chosen, Interval(cut, chosen.interval.end), "b"),
    )
    assume(not any(events[_event(half)] for half in halves))
    bookings = month.double_bookings + tuple(
        replace(b, entry=b.entry + "b") for b in month.double_bookings if b.entry == chosen.reference
    )
    again = replace(
        with_facts(month, entries=(*(e for e in entries if e is not chosen), *halves)), double_bookings=bookings
    )
    assert outcomes(again, context) == as_drawn(seed)


def _event(entry: TimeEntry) -> tuple[object, ...]:
    return tuple(sorted(p.reference for p in entry.performers)), entry.interval


def _part(entry: TimeEntry, interval: Interval, suffix: str) -> TimeEntry:
    return replace(entry, reference=entry.reference + suffix, interval=interval, seconds=interval.seconds)


@given(seeds, choices, st.integers(1, 90))
def test_more_countable_time_never_removes_a_line(seed: int, choice: int, minutes: int) -> None:
    before = as_drawn(seed)
    billed = sorted(who for who, was in before.items() if who is not None and was.lines)
    assume(billed)
    who = billed[choice % len(billed)]
    was = before[who]
    month, context = generate(seed)
    day = was.days[choice % len(was.days)]
    more = TimeEntry(
        reference="Encounter/more",
        version="1",
        status="finished",
        performers=(Performer(reference="Practitioner/N1", role=RoleClass.CLINICAL_STAFF, group="tin:tin-GRP1"),),
        programme=numbers.LADDERS[was.family or ""][0],
        activities=("education",),
        procedure_codes=(),
        seconds=minutes * 60,
        day=type(month.as_of).fromisoformat(day),
        attending=who,
    )
    now = outcomes(with_facts(month, entries=(*month.facts.entries, more)), context)[who]
    if not now.lines:
        assert now.reasons & CONFLICTS
    elif now.family == was.family:
        assert now.units >= was.units
    else:
        # Staff time or length of time leads to another family; it is the practice's time that is billed either way.
        assert now.units >= 1
