"""The two patterns that the HHS OIG audit of 2021 found paid, replayed: 0 doubles and 0 overlapping services.

The audit named 38,447 claims paid more than once for one beneficiary and month, and 10,882 claims paid with overlapping
services (2017 and 2018). Thousands of months that would be billed are decided alone, then with one of the patterns.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from caretally.facts.intervals import Interval
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.rules import determine
from tests.calculator import numbers
from tests.calculator.cast import P1, P2, P3, procedure
from tests.calculator.draft import Draft, make_claim, make_consent, make_plan, make_visit
from tests.calculator.draft import replace as changed
from tests.calculator.patient_months import finished, sound
from tests.calculator.work import log_work

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.determination import Determination
    from caretally.facts.patient_month import PatientMonth

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) // 5 if PROVING else 1500
INCLUDED = ("90961", "G0181", "99375", "G0557", "M0010", "G0511")
"""Services that include care management, each for a month in which its code is valid."""


# -- a service billed twice for one beneficiary and month -------------------------------------------------------------


def own_claim_on_file(draft: Draft) -> None:
    make_claim(draft, draft.random.choice(sorted(numbers.CODES_OF[programme(draft)])), biller(draft), draft.day())


def own_claim_by_npi_only(draft: Draft) -> None:
    own_claim_on_file(draft)
    draft.claims[-1] = changed(draft.claims[-1], practitioners=())


def claim_of_another_clinician(draft: Draft) -> None:
    who = P3 if biller(draft) != P3 else P2
    same = tuple(c.icd10cm for c in draft.conditions if c.icd10cm)
    make_claim(draft, draft.random.choice(("99490", "99487", "99491", "99426")), who, draft.day(), diagnoses=same)


def colleague_works_too(draft: Draft) -> None:
    mine, theirs = biller(draft), P2 if biller(draft) != P2 else P1
    name = programme(draft)
    make_consent(draft, theirs, draft.started, (name,))
    make_plan(draft, name, theirs)
    make_visit(draft, "99214", draft.started, theirs)
    copies = [changed(e, reference=e.reference + "-too", attending=theirs) for e in draft.entries]
    draft.entries = [changed(e, attending=mine) for e in draft.entries] + copies


def every_entry_twice(draft: Draft) -> None:
    again = [changed(e, copy_number=1) for e in draft.entries]
    draft.entries += again


def every_event_logged_again(draft: Draft) -> None:
    timed = [e for e in draft.entries if e.interval is not None]
    draft.entries += [changed(e, reference=e.reference + "-again") for e in timed]


def both_programmes(draft: Draft) -> None:
    """The same work logged for CCM and for PCM of one practitioner."""
    name = programme(draft)
    other = "pcm" if name == "ccm" else "ccm"
    make_consent(draft, biller(draft), draft.started, (other,))
    make_plan(draft, other, biller(draft))
    draft.entries += [changed(e, reference=e.reference + "-too", programme=other) for e in draft.entries]


def two_records_of_one_person(draft: Draft) -> None:
    draft.duplicate_of = ("Patient/other",)


# -- overlapping services ---------------------------------------------------------------------------------------------


def service_that_includes_it(draft: Draft) -> None:
    valid = [code for code in INCLUDED if code != "G0557" or draft.month.year > 2024]
    valid = [code for code in valid if code != "G0511" or str(draft.month) < "2025-10"]
    make_claim(draft, draft.random.choice(valid), biller(draft), draft.day())


def service_of_the_practice(draft: Draft) -> None:
    code = draft.random.choice(("G0557", "M0010")) if draft.month.year > 2024 else "M0010"
    make_claim(draft, code, P2 if biller(draft) != P3 else P3, draft.day())


def work_billed_as_something_else(draft: Draft) -> None:
    draft.entries = [
        changed(e, procedure_codes=(procedure("99484" if i % 2 else "98966"),)) for i, e in enumerate(draft.entries)
    ]


def work_inside_another_service(draft: Draft) -> None:
    for entry in [e for e in draft.entries if e.interval is not None]:
        assert entry.interval is not None
        start, end = entry.interval.start, entry.interval.end
        draft.entries.append(
            TimeEntry(
                reference=entry.reference + "-service",
                version="1",
                status="finished",
                performers=(Performer(reference="Practitioner/N2", role=RoleClass.CLINICAL_STAFF),),
                programme=entry.programme,
                activities=("education",),
                procedure_codes=(procedure("93792"),),
                seconds=end - start,
                interval=Interval(start, end),
            )
        )


DOUBLED = (
    *(own_claim_on_file, own_claim_by_npi_only, claim_of_another_clinician, colleague_works_too, every_entry_twice),
    *(every_event_logged_again, both_programmes, two_records_of_one_person),
)
OVERLAPPING = (
    *(service_that_includes_it, service_of_the_practice, work_billed_as_something_else, work_inside_another_service),
)


def programme(draft: Draft) -> str:
    return next(iter(draft.owners))


def biller(draft: Draft) -> str:
    return draft.owners[programme(draft)]


def month_of(seed: int, pattern: Callable[[Draft], None] | None) -> tuple[PatientMonth, tuple[Determination, ...]]:
    """A sound month under the payer's defaults, with its work and, where asked, a pattern on top."""
    random = Random(seed)  # noqa: S311 -- no secret
    draft = sound(random)
    draft.switches = {"zone": draft.zone.key}
    name = programme(draft)
    draft.owners = {name: draft.owners[name]}
    draft.plans = [p for p in draft.plans if p.programmes == (name,)]
    draft.consents = [c for c in draft.consents if not c.programmes or c.programmes == (name,)]
    log_work(draft)
    if pattern is not None:
        pattern(draft)
    month, context = finished(draft)
    return month, determine(month, context)


def paid_twice(month: PatientMonth, found: tuple[Determination, ...]) -> int:
    """Claims for care management beyond the one that a beneficiary-month allows: ours, and those on file."""
    ours = [{line.code for line in d.lines} for d in found if d.lines]
    chronic = sum(1 for codes in ours if codes & numbers.CODES_OF["ccm"])
    theirs = [x for x in month.facts.claim_lines if month.service_month.contains(x.service_date)]
    chronic_on_file = sum(1 for x in theirs if x.code.code in numbers.CODES_OF["ccm"])
    doubled = max(0, chronic + chronic_on_file - max(1, chronic_on_file))
    for d in found:
        npis = {f"npi-{d.billing_practitioner}"}
        own = {x.code.code for x in theirs if npis & set(x.npis)}
        doubled += bool(d.lines) and bool(own & (numbers.CODES_OF["ccm"] | numbers.CODES_OF["pcm"]))
        families = {name for name, row in numbers.LADDERS.items() if {line.code for line in d.lines} & {row[2], row[4]}}
        doubled += max(0, len(families) - 1)
    return doubled + (len(ours) if month.duplicate_of else 0)


def overlapping(month: PatientMonth, found: tuple[Determination, ...]) -> int:
    """Billed answers beside a service of ours that includes them, or with a counted second inside another service."""
    included = {x.code.code for x in month.facts.claim_lines if month.service_month.contains(x.service_date)}
    services = [
        e.interval
        for e in month.facts.entries
        if e.interval is not None and any(c.code in numbers.SEPARATE for c in e.procedure_codes)
    ]
    wrong = 0
    for d in found:
        if not d.lines:
            continue
        counted = [
            Interval(r.start, r.end)
            for r in d.trace.ledger
            if r.excluded is None and r.start is not None and r.end is not None
        ]
        wrong += bool(included & set(INCLUDED))
        wrong += any(a.intersection(b) for a in counted for b in services)
    return wrong


@pytest.mark.prove
@pytest.mark.parametrize(
    ("patterns", "count"),
    [(DOUBLED, paid_twice), (OVERLAPPING, overlapping)],
    ids=["billed-twice", "overlapping-services"],
)
def test_the_audited_pattern_is_never_billed(
    patterns: tuple[Callable[[Draft], None], ...],
    count: Callable[[PatientMonth, tuple[Determination, ...]], int],
    record_property: Callable[[str, object], None],
) -> None:
    wrong, seed, tried = 0, 0, Counter[str]()
    while sum(tried.values()) < MONTHS:
        seed += 1
        _, alone = month_of(seed, None)
        if not any(d.lines for d in alone):
            continue
        pattern = patterns[seed % len(patterns)]
        month, found = month_of(seed, pattern)
        tried[pattern.__name__] += 1
        wrong += count(month, found)
        if pattern in {every_entry_twice, every_event_logged_again}:
            # Work on file twice is billed as if it were there once.
            assert [line for d in found for line in d.lines] == [line for d in alone for line in d.lines]
    record_property("cases", sum(tried.values()))
    assert wrong == 0
    assert min(tried[pattern.__name__] for pattern in patterns) > MONTHS // len(patterns) // 3


def test_the_counts_see_what_the_audit_saw() -> None:
    """The two counts are not blind: fed with what would be paid without the rules, they find it."""
    month, found = month_of(*first_billed(own_claim_on_file))
    _, alone = month_of(first_billed(own_claim_on_file)[0], None)
    assert paid_twice(month, alone) > 0
    assert paid_twice(month, found) == 0
    month, found = month_of(*first_billed(service_that_includes_it))
    _, alone = month_of(first_billed(service_that_includes_it)[0], None)
    assert overlapping(month, alone) > 0
    assert overlapping(month, found) == 0
    assert paid_twice(replace(month, duplicate_of=("Patient/other",)), alone) > 0


def first_billed(pattern: Callable[[Draft], None]) -> tuple[int, Callable[[Draft], None]]:
    return next(n for n in range(1000) if any(d.lines for d in month_of(n, None)[1])), pattern
