"""What can happen to a month, and how often: the enrolment, other claims, the patient, the practice, the work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.calendar import years_before
from caretally.facts.clinical import Election, HospiceFact, PatientFact, StayFact
from caretally.facts.codes import Coding
from caretally.facts.moment import Moment
from caretally.facts.patient_month import DoubleBooking
from caretally.facts.time_entry import Performer, RoleClass
from tests.calculator import mishaps_of_enrolment as enrolment
from tests.calculator.cast import CONFLICTING, OWN, P1, P2, P3, PEOPLE, PRACTITIONER
from tests.calculator.draft import date_of, make_claim, make_consent, make_plan, make_visit, replace
from tests.calculator.work import again, log_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.calculator.draft import Draft


def _own_claim(draft: Draft) -> None:
    when = draft.random.choice((draft.day(), draft.around(), draft.month.first_day - timedelta(days=60)))
    make_claim(draft, draft.random.choice(OWN), P1, when)


def _started_already(draft: Draft) -> None:
    draft.visits.clear()
    edge = years_before(draft.month.first_day, 1)
    when = draft.random.choice(
        (draft.month.first_day - timedelta(days=20), edge, edge - timedelta(days=1), edge + timedelta(days=1))
    )
    make_claim(draft, draft.random.choice(OWN), P1, when)


def _other_claim(draft: Draft) -> None:
    random = draft.random
    diagnoses = tuple(c.icd10cm for c in draft.conditions if c.icd10cm)
    chosen = random.choice(((), diagnoses[:1], diagnoses[:1], diagnoses[1:2], ("M17.0",)))
    when = random.choice((draft.day(), draft.day(), draft.around()))
    code = random.choice(OWN)
    if "pcm" in draft.owners and random.random() < 0.7:
        code = random.choice(("99426", "99424"))
        chosen = random.choice((diagnoses[:1], ("M17.0",), ("M17.0",)))
        if random.random() < 0.7:
            draft.switches["pcm_multi_requires_exacerbation"] = True
    make_claim(draft, code, random.choice((P2, P3)), when, diagnoses=chosen)


def _conflict(draft: Draft) -> None:
    random = draft.random
    name = random.choice(tuple(CONFLICTING))
    if name in {"bhi", "consult", "pin"}:
        name = name if "pcm" in draft.owners else random.choice(("cpo", "tcm", "surgery", "apcm"))
    if name == "tcm" and random.random() < 0.8:
        draft.switches["tcm_concurrency"] = "block"
    when = random.choice((draft.day(), draft.day(), draft.day(), draft.around()))
    who = random.choice((*draft.owners.values(), *draft.owners.values(), P1, P2, P3))
    diagnoses: tuple[str, ...] = ()
    if random.random() < 0.85:
        diagnoses = tuple(c.icd10cm for c in draft.conditions if c.icd10cm and random.random() < 0.8)
    make_claim(draft, random.choice(CONFLICTING[name]), who, when, diagnoses=diagnoses)
    if random.random() < 0.1:
        draft.claims[-1] = replace(draft.claims[-1], practitioners=())


def _same_disease(draft: Draft) -> None:
    """A service of the practitioner that stands in the way only for the disease that PCM rests on."""
    if "pcm" not in draft.owners:
        _conflict(draft)
        return
    diagnoses = tuple(c.icd10cm for c in draft.conditions[: draft.random.choice((1, 1, 1, 2))] if c.icd10cm)
    code = draft.random.choice((*CONFLICTING["consult"], *CONFLICTING["pin"]))
    make_claim(draft, code, draft.owners["pcm"], draft.day(), diagnoses=draft.random.choice((diagnoses, diagnoses, ())))


def _colleague_too(draft: Draft) -> None:
    """A colleague is consented to, has a plan and works, too: only one of them may bill."""
    programme = draft.random.choice(tuple(draft.owners))
    make_consent(draft, P2, draft.started, (programme,))
    make_plan(draft, programme, P2)
    make_visit(draft, "99214", draft.started, P2)
    draft.entries = [replace(e, attending=e.attending or draft.owners[programme]) for e in draft.entries]
    for who in (draft.owners[programme], P2):
        for _ in range(2):
            log_entry(draft, "Practitioner/N1", programme, day=draft.day(), seconds=1200, attending=who)


def new_coverage(draft: Draft) -> str:
    return draft.number("Coverage", len(draft.coverages))


def _payer_changed(draft: Draft) -> None:
    """The coverage changes between two dates of service."""
    if not draft.coverages:
        return
    ended = draft.month.first_day + timedelta(days=draft.random.randrange(8, 20))
    types = (Coding("https://nahdo.org/sopt", draft.random.choice(("121", "111", "5"))),)
    draft.coverages[0] = replace(draft.coverages[0], end=ended)
    begun = ended + timedelta(days=1)
    draft.coverages.append(
        replace(draft.coverages[0], reference=new_coverage(draft), start=begun, end=None, type_codes=types)
    )
    programme = draft.random.choice(tuple(draft.owners))
    for day in (draft.month.first_day, ended, begun, draft.month.last_day):
        log_entry(draft, "Practitioner/N1", programme, day=day, seconds=1800)


def _billed_otherwise(draft: Draft) -> None:
    """A claim line names the Encounter of an entry: the work was billed as another service."""
    if draft.entries:
        code = draft.random.choice(("98966", "98012", "99442", "G0179", "99484"))
        encounters = (draft.random.choice(draft.entries).reference,)
        make_claim(draft, code, P1, draft.busy_day(), encounters=encounters)


def _stay(draft: Draft) -> None:
    random = draft.random
    begin = random.choice((draft.around(), draft.busy_day(), draft.busy_day() - timedelta(days=1)))
    end = begin + timedelta(days=random.choice((0, 0, 1, 3, 9)))
    timed = random.random() < 0.5
    start = Moment(instant=draft.at(begin, random.randrange(8 * 3600, 12 * 3600))) if timed else Moment(day=begin)
    stop: Moment | None = draft.moment(end)
    if stop is not None and stop.instant is not None:
        stop = Moment(instant=draft.at(end, random.randrange(13 * 3600, 19 * 3600)))
    if random.random() < 0.1:
        stop = None
    draft.stays.append(StayFact(reference=draft.number("Encounter/stay", len(draft.stays)), start=start, end=stop))


def _hospice(draft: Draft) -> None:
    begin = draft.random.choice((draft.day(), draft.around()))
    end = draft.random.choice((None, begin + timedelta(days=15)))
    draft.switches["hospice"] = draft.random.choice(("hold", "hold", "block", "block", "warn"))
    draft.hospices.append(HospiceFact(reference="Encounter/hospice", start=begin, end=end))


def _death(draft: Draft) -> None:
    if draft.random.random() < 0.1:
        draft.patient = PatientFact(reference="Patient/pat", deceased_undated=True)
    else:
        before = draft.month.first_day - timedelta(days=draft.random.randrange(1, 40))
        when = draft.random.choice((draft.day(), draft.around(), before))
        draft.patient = PatientFact(reference="Patient/pat", deceased=draft.moment(when))


def _coverage(draft: Draft) -> None:
    random = draft.random
    if not draft.coverages:
        return
    first = draft.coverages[0]
    what = random.choice((0, 1, 1, 1, 2, 3, 4, 4, 5))
    if what == 0:
        draft.coverages.clear()
    elif what == 1:
        draft.coverages[0] = replace(
            first, end=random.choice((draft.busy_day() - timedelta(days=1), draft.day(), draft.around()))
        )
    elif what == 2:
        draft.coverages[0] = replace(first, start=random.choice((draft.day(), draft.around())))
    elif what == 3:
        draft.coverages[0] = replace(first, status="cancelled")
    elif what == 4:
        ended = draft.day()
        draft.coverages[0] = replace(first, end=ended)
        gap = random.choice((1, 1, 4))
        types = (Coding("https://nahdo.org/sopt", random.choice(("121", "111", "5"))),)
        begun = ended + timedelta(days=gap)
        draft.coverages.append(replace(first, reference=new_coverage(draft), start=begun, end=None, type_codes=types))
    else:
        types = (Coding("https://nahdo.org/sopt", random.choice(("111", "121", "5"))),)
        draft.coverages.append(
            replace(first, reference=new_coverage(draft), order=random.choice((None, 2)), type_codes=types)
        )


def _double_booked(draft: Draft) -> None:
    staff = [e for e in draft.entries if e.interval is not None]
    if staff:
        entry = draft.random.choice(staff)
        draft.bookings.append(
            DoubleBooking(
                performer=entry.performers[0].reference,
                entry=entry.reference,
                other_entry="Encounter/elsewhere",
                seconds=min(600, entry.seconds),
            )
        )


def _two_records(draft: Draft) -> None:
    draft.duplicate_of = ("Patient/other",)


def _open_month(draft: Draft) -> None:
    draft.as_of = draft.month.last_day + timedelta(days=draft.random.choice((-10, 0, 1, 2, 3, 4, 5, 10, 11)))


def _site(draft: Draft) -> None:
    draft.place_of_service = draft.random.choice(("21", "31", "32", "13"))


def _institution(draft: Draft) -> None:
    draft.kind = draft.random.choice(
        ("rural-health-clinic", "federally-qualified-health-center", "hospital-department")
    )


def _biller(draft: Draft) -> None:
    draft.roles[P1] = draft.random.choice((RoleClass.UNKNOWN, RoleClass.CLINICAL_STAFF))
    draft.entries = [
        replace(
            e,
            performers=tuple(replace(p, role=draft.roles.get(p.reference, p.role)) for p in e.performers),
        )
        for e in draft.entries
    ]


def _attending(draft: Draft) -> None:
    random = draft.random
    draft.entries = [
        replace(e, attending=random.choice((P1, P1, P2, P3))) if random.random() < 0.5 else e for e in draft.entries
    ]


def _nobody(draft: Draft) -> None:
    """Neither consent nor plan names anybody: the team's lead or the site's default is left."""
    draft.consents.clear()
    draft.plans = [replace(p, author=None) for p in draft.plans]
    if draft.random.random() < 0.5:
        draft.plans.clear()
    draft.leads = draft.random.choice(((), (P1,), (P2,)))
    draft.default_practitioner = draft.random.choice((None, P1, P2))


def _no_work(draft: Draft) -> None:
    draft.entries.clear()


def _invalid_entry(draft: Draft) -> None:
    if draft.entries:
        place = draft.random.randrange(len(draft.entries))
        entry = draft.entries[place]
        day = date_of(draft, entry)
        draft.entries[place] = replace(entry, invalid="entry-too-long", interval=None, day=day)


def _twice(draft: Draft) -> None:
    if draft.entries:
        again(draft, draft.random.choice(draft.entries))


def _dated_work(draft: Draft) -> None:
    draft.entries = [
        replace(e, interval=None, day=date_of(draft, e)) if e.interval and draft.random.random() < 0.5 else e
        for e in draft.entries
    ]


def _practitioner_only(draft: Draft) -> None:
    draft.entries = [
        replace(
            e, performers=(Performer(reference=P1, role=PRACTITIONER, group="tin:tin-GRP1", specialty=PEOPLE[P1][2]),)
        )
        for e in draft.entries
    ]


def _elect(draft: Draft) -> None:
    draft.plans = [
        replace(p, elections=(Election(service_month=draft.month, family="physician", by=p.author),))
        for p in draft.plans
    ]


MISHAPS: dict[Callable[[Draft], None], int] = {
    enrolment.no_consent: 10,
    enrolment.withdrawn: 34,
    enrolment.withdrawn_some_day: 8,
    enrolment.consent_in_month: 36,
    enrolment.consent_of_another: 10,
    enrolment.consent_of_the_group: 10,
    enrolment.consent_of_another_programme: 8,
    enrolment.another_consent: 16,
    enrolment.gone_elsewhere: 26,
    enrolment.no_visit: 6,
    enrolment.late_visit: 44,
    enrolment.old_visit: 8,
    enrolment.odd_visit: 8,
    _started_already: 10,
    enrolment.visit_in_month: 100,
    enrolment.odd_condition: 30,
    enrolment.all_conditions: 60,
    enrolment.few_conditions: 8,
    enrolment.one_disease: 8,
    enrolment.no_plan: 6,
    enrolment.odd_plan: 30,
    enrolment.late_elements: 6,
    enrolment.another_plan: 12,
    enrolment.renewed_plan: 8,
    _own_claim: 22,
    _other_claim: 76,
    _conflict: 130,
    _same_disease: 60,
    _billed_otherwise: 14,
    _colleague_too: 40,
    _payer_changed: 34,
    _stay: 30,
    _hospice: 44,
    _death: 24,
    _coverage: 48,
    _double_booked: 26,
    _two_records: 8,
    _open_month: 20,
    _site: 20,
    _institution: 10,
    _biller: 12,
    _attending: 10,
    _nobody: 10,
    _no_work: 6,
    _invalid_entry: 12,
    _twice: 8,
    _dated_work: 10,
    _practitioner_only: 46,
    _elect: 30,
}
"""What can happen, and how often beside the others."""
KINDS, WEIGHTS = tuple(MISHAPS), tuple(MISHAPS.values())
