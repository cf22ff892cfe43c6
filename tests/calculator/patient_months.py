"""Random patient-months, one for each seed: a month that would be billed, and then whatever can happen to it.

Plain `random`, so that a hundred thousand of them take minutes. A month begins sound; up to three mishaps out of a long
list then befall it, while the work itself is always logged the way people log it: overlapping, twice, over midnight,
by the wrong person, without times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from caretally.facts.calendar import ServiceMonth, start_of_day, years_before
from caretally.facts.clinical import (
    CarePlanFact,
    ClaimLineFact,
    ConditionFact,
    ConsentFact,
    CoverageFact,
    DecisionMaking,
    Election,
    HospiceFact,
    PatientFact,
    PcmElement,
    StayFact,
    VisitFact,
)
from caretally.facts.codes import CPT, HCPCS, ICD10CM, Coding
from caretally.facts.intervals import Interval
from caretally.facts.moment import Moment
from caretally.facts.patient_month import DoubleBooking, PatientFacts, PatientMonth
from caretally.facts.policy import PolicyBook, Switches
from caretally.facts.practice import Organization, Practice, Practitioner, RoleAssignment, Site
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.rules import RuleContext
from caretally.tables import Tables, load_tables
from tests.calculator import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

ZONES = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Los_Angeles", "Pacific/Honolulu")
PRACTITIONER, STAFF = RoleClass.PRACTITIONER, RoleClass.CLINICAL_STAFF
P1, P2, P3 = "Practitioner/P1", "Practitioner/P2", "Practitioner/P3"
PEOPLE: dict[str, tuple[RoleClass, str, str | None]] = {
    P1: (PRACTITIONER, "GRP1", "207RH0003X"),
    P2: (PRACTITIONER, "GRP1", "207RH0003X"),
    P3: (PRACTITIONER, "GRP2", "207R00000X"),
    "Practitioner/P4": (PRACTITIONER, "GRP1", "207RC0000X"),
    "Practitioner/N1": (STAFF, "GRP1", "163W00000X"),
    "Practitioner/N2": (STAFF, "GRP1", None),
    "Practitioner/N3": (STAFF, "VENDOR", None),
    "Practitioner/R1": (STAFF, "GRP1", "183500000X"),
    "Practitioner/C1": (RoleClass.COMMUNITY_HEALTH_WORKER, "GRP1", None),
    "Practitioner/F1": (RoleClass.NON_CLINICAL, "GRP1", None),
    "Practitioner/U1": (RoleClass.UNKNOWN, "GRP1", None),
}
WORKERS = (P1, P2, P3, "Practitioner/P4", *(f"Practitioner/{x}" for x in ("N1", "N2", "N3", "R1", "C1", "F1", "U1")))
WORKER_WEIGHTS = (22, 6, 2, 2, 40, 10, 4, 4, 4, 3, 2)
ACTIVITIES = (*sorted(numbers.COUNTED_ACTIVITIES),) * 4 + (
    *("prior-authorization", "unsuccessful-contact", "scheduling", "billing", "enrolment", "travel"),
    *("training", "time-logging", "something-new"),
)
SEPARATE = (
    *("93792", "98012", "99442", "G2012", "99496", "99484", "99457", "99470", "G0511", "99421", "90960"),
    "G0556",
)
NEUTRAL = ("G0179", "G0180", "99490", "36415")
ILLNESSES = ("E11.9", "E11.65", "I50.22", "C50.911", "N18.4", "J44.9", "I10", "F03.90", "M06.9", "C34.11", "E10.9")
OTHERS = ("R53.83", "Z85.3", "K59.00", "L20.9", "H92.01", "J06.9")
CONFLICTING = {
    "esrd": ("90961", "90970"),
    "cpo": ("G0181", "99375"),
    "apcm": ("G0557",),
    "meos": ("M0010",),
    "g0511": ("G0511",),
    "bhi": ("99484", "G2214"),
    "tcm": ("99495", "99496"),
    "consult": ("99452",),
    "pin": ("G0023",),
    "surgery": ("36561", "44140"),
    "certification": ("G0179",),
}
OWN = ("99490", "99439", "99487", "99491", "99426", "99424", "99489")
SWITCHES: dict[str, tuple[Any, ...]] = {
    "dos": ("with_last", "month_end", "last_entry"),
    "rounding": ("floor_entry", "floor_total"),
    "caps": ({"99439": 1, "99427": 3}, {"99489": 1, "99437": 4}, {"99425": 1}),
    "physician_time": ("roll_up", "separate"),
    "ccm_vs_cccm": ("highest_allowed", "never_complex"),
    "cccm_requires_plan_revision": (True,),
    "same_day_em": ("exclude_whole_day", "overlap_only"),
    "consent_form": ("noridian",),
    "consent_max_age_months": (1, 6, 12),
    "consent_per_programme": (False,),
    "consent_after_visit": (True,),
    "revocation_effective": ("immediate",),
    "initiating_visit.performer": ("same_npi",),
    "initiating_visit.lookback_years": (2, 3),
    "initiating_visit.accept_tcm": (False,),
    "initiating_visit.accept_telehealth": (False,),
    "condition_grouping": ("mapped_group",),
    "assume_risk_for_listed": (True,),
    "other_practitioner_time": ("physician",),
    "close_grace_days": (0, 10),
    "conflict_scope.esrd": ("same_group",),
    "conflict_scope.cpo": ("same_group",),
    "conflict_scope.apcm": ("same_practitioner",),
    "conflict_scope.meos": ("same_practitioner",),
    "tcm_concurrency": ("block",),
    "pcm_bhi": ("allow",),
    "pcm_multi_requires_exacerbation": (True,),
    "hospice": ("block", "warn"),
    "chw_is_clinical_staff": (True,),
    "count_activities.prior_authorization": (True,),
    "count_activities.unsuccessful_contact": (True,),
    "other_claims_known": ("full",),
    "service_date_form": ("month_span",),
    "correction": ("frequency", "reopening"),
    "max_entry_minutes": (60,),
}


@lru_cache
def tables() -> Tables:
    return load_tables()


@lru_cache
def zone_named(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache
def procedure(code: str) -> Coding:
    return Coding(CPT if code.isdigit() else HCPCS, code)


@lru_cache
def icd(code: str) -> tuple[Coding, str | None, bool]:
    coding = Coding(ICD10CM, code)
    known = tables().terminology
    return coding, known.map("condition-groups").target([coding]), known.set("chronic-conditions").contains(coding)


@dataclass
class Draft:
    """A patient-month in the making."""

    random: Random
    month: ServiceMonth
    zone: ZoneInfo
    switches: dict[str, Any]
    started: date
    owners: dict[str, str]
    """Programme to the practitioner who bills it."""
    entries: list[TimeEntry] = field(default_factory=list)
    conditions: list[ConditionFact] = field(default_factory=list)
    plans: list[CarePlanFact] = field(default_factory=list)
    consents: list[ConsentFact] = field(default_factory=list)
    coverages: list[CoverageFact] = field(default_factory=list)
    visits: list[VisitFact] = field(default_factory=list)
    stays: list[StayFact] = field(default_factory=list)
    hospices: list[HospiceFact] = field(default_factory=list)
    claims: list[ClaimLineFact] = field(default_factory=list)
    leads: tuple[str, ...] = ()
    patient: PatientFact = PatientFact(reference="Patient/pat")  # noqa: RUF009 -- frozen
    as_of: date = date.max
    duplicate_of: tuple[str, ...] = ()
    bookings: list[DoubleBooking] = field(default_factory=list)
    roles: dict[str, RoleClass] = field(default_factory=dict)
    place_of_service: str = "11"
    kind: Any = "office"
    default_practitioner: str | None = None

    # .. draws

    def day(self) -> date:
        return self.month.first_day + timedelta(days=self.random.randrange(self.month.last_day.day))

    def around(self) -> date:
        """A date in the month, or near its edges, or before or after it."""
        first, last = self.month.first_day, self.month.last_day
        return self.random.choice(
            (
                self.day(),
                self.day(),
                first,
                last,
                first - timedelta(days=1),
                last + timedelta(days=1),
                first - timedelta(days=40),
                last + timedelta(days=20),
            )
        )

    def at(self, day: date, second: int | None = None) -> int:
        if second is None:
            second = self.random.randrange(7 * 3600, 20 * 3600)
        return start_of_day(day, self.zone) + second

    def moment(self, day: date) -> Moment:
        return Moment(day=day) if self.random.random() < 0.6 else Moment(instant=self.at(day))

    def number(self, kind: str, count: int) -> str:
        return f"{kind}/{count + 1}"


def generate(seed: int) -> tuple[PatientMonth, RuleContext]:
    """The patient-month of a seed, and the practice and policy it is judged in."""
    random = Random(seed)  # noqa: S311 -- no secret
    draft = _sound(random)
    _work(draft)
    for mishap in random.choices(KINDS, WEIGHTS, k=random.choices((0, 1, 2, 3, 4), weights=(24, 30, 24, 15, 7))[0]):
        mishap(draft)
    _shuffle(draft)
    return _finished(draft)


# -- a sound month ---------------------------------------------------------------------------------------------------


def _sound(random: Random) -> Draft:
    year = random.choice((2024, 2025, 2025, 2026))
    number = random.choice((1, 2, 3, 3, 11, 11, 12, random.randint(1, 12)))
    month = ServiceMonth(year, number)
    zone = zone_named(random.choice(ZONES))
    switches: dict[str, Any] = {}
    if random.random() < 0.8:
        for name in random.sample(tuple(SWITCHES), k=random.choice((1, 1, 2, 3, 6))):
            switches[name] = random.choice(SWITCHES[name])
    switches["zone"] = zone.key
    age = random.choice((20, 60, 90, 200, 400, 800))
    started = month.first_day - timedelta(days=age + random.randrange(20))
    programmes = random.choices((("ccm",), ("pcm",), ("ccm", "pcm")), weights=(50, 28, 22))[0]
    owners = {p: P1 for p in programmes}
    if len(programmes) == 2 and random.random() < 0.5:
        owners["pcm"] = random.choice((P2, P3))
    draft = Draft(random=random, month=month, zone=zone, switches=switches, started=started, owners=owners)
    _illnesses(draft)
    for programme, who in owners.items():
        _plan(draft, programme, who)
    _consents(draft)
    draft.coverages.append(
        CoverageFact(
            reference="Coverage/1",
            status="active",
            start=random.choice((None, date(2015, 3, 1))),
            end=None,
            type_codes=(Coding("https://nahdo.org/sopt", random.choice(("121", "121", "121", "111", "9"))),),
            order=random.choice((None, 1)),
        )
    )
    for who in sorted(set(owners.values())):
        _initiating(draft, who)
    draft.as_of = month.last_day + timedelta(days=random.choice((11, 20, 40)))
    draft.place_of_service = random.choices(("11", "19", "22", "12"), weights=(80, 8, 8, 4))[0]
    return draft


def _illnesses(draft: Draft) -> None:
    random = draft.random
    for code in random.sample(ILLNESSES, k=random.choice((2, 2, 3, 4))):
        _condition(draft, code, months=12 if random.random() < 0.7 else None, risk=True)
    if random.random() < 0.2:
        _condition(draft, random.choice(OTHERS), months=1, risk=random.choice((None, False)))


def _condition(draft: Draft, code: str | None, *, months: int | None, risk: bool | None, **more: Any) -> ConditionFact:
    coding, group, listed = icd(code) if code else (Coding("http://snomed.info/sct", "84114007"), "heart-failure", True)
    found = ConditionFact(
        **{
            "reference": draft.number("Condition", len(draft.conditions)),
            "icd10cm": code,
            "codes": (coding,),
            "group": group,
            "listed_chronic": listed,
            "active_status": True,
            "confirmed": True,
            "onset": date(2021, 5, 4),
            "abatement": None,
            "recorded": date(2021, 5, 4),
            "expected_months": months,
            "significant_risk": risk,
            **more,
        }
    )
    draft.conditions.append(found)
    return found


def _plan(draft: Draft, programme: str, author: str | None, **more: Any) -> None:
    random, month = draft.random, draft.month
    decisions = []
    if programme == "ccm" and random.random() < 0.4:
        for _ in range(random.choice((1, 1, 1, 2))):
            assessed = random.choice((draft.day(), draft.day(), month.first_day, month.last_day, draft.around()))
            level = random.choice(("moderate", "high", "high", "low", "straightforward"))
            decisions.append(DecisionMaking(level=level, assessed=assessed, assessor=author))
    elections = []
    if random.random() < 0.12:
        elected = random.choice((month, month, month.plus(-1)))
        elections.append(Election(service_month=elected, family="physician", by=author))
    elements: tuple[str, ...] = ()
    if programme == "pcm":
        elements = (
            random.choice(("frequent-medication-adjustment", "comorbidity-complexity")),
            "practitioner-coordination",
        )
    addressed = tuple(c.reference for c in draft.conditions)
    if programme == "pcm":
        addressed = addressed[:1]
    if random.random() < 0.15:
        addressed = ()
    draft.plans.append(
        CarePlanFact(
            **{
                "reference": draft.number("CarePlan", len(draft.plans)),
                "status": "active",
                "programmes": (programme,),
                "start": draft.started,
                "end": None,
                "created": random.choice((None, draft.started)),
                "updated": random.choice((None, None, draft.day())),
                "author": author,
                "addresses": addressed,
                "copies_given": (Moment(day=draft.started),),
                "decision_making": tuple(decisions),
                "elections": tuple(elections),
                "pcm_elements": tuple(PcmElement(element=e, attested=draft.started, by=author) for e in elements),
                **more,
            }
        )
    )


def _consents(draft: Draft) -> None:
    random = draft.random
    for programme, who in draft.owners.items():
        _consent(draft, who, draft.started, (programme,) if random.random() < 0.7 else ())


def _consent(draft: Draft, who: str | None, given: date, programmes: tuple[str, ...], **more: Any) -> None:
    random = draft.random
    draft.consents.append(
        ConsentFact(
            **{
                "reference": draft.number("Consent", len(draft.consents)),
                "status": "active",
                "given": draft.moment(given),
                "withdrawn": None,
                "practitioners": (who,) if who else (),
                "organizations": ("Organization/GRP1",),
                "programmes": programmes,
                "mode": random.choice(("written", "written", "verbal", None)),
                **more,
            }
        )
    )


def _initiating(draft: Draft, who: str) -> None:
    random = draft.random
    back = random.choice((0, 1, 30, 200, 360))
    _visit(
        draft, random.choice(("99214", "99203", "G0439", "99348", "99213")), draft.started - timedelta(days=back), who
    )


def _visit(draft: Draft, code: str, day: date, who: str, *marks: str, timed: bool = False) -> None:
    interval = None
    moment = Moment(day=day)
    if timed:
        begin = draft.at(day)
        interval = (begin, begin + draft.random.choice((15, 30, 60)) * 60)
        moment = Moment(instant=begin)
    draft.visits.append(
        VisitFact(
            reference=draft.number("Encounter/visit", len(draft.visits)),
            moment=moment,
            codes=(procedure(code), *(procedure(mark) for mark in marks)),
            practitioners=(who,),
            organization=f"Organization/{PEOPLE[who][1]}",
            interval=interval,
        )
    )


# -- the work --------------------------------------------------------------------------------------------------------


def _work(draft: Draft) -> None:
    for programme in draft.owners:
        if draft.random.random() < 0.45:
            _tidy_work(draft, programme)
        else:
            _untidy_work(draft, programme)


def _tidy_work(draft: Draft, programme: str) -> None:
    """Entries that add up to a threshold, or to a second less or more."""
    random = draft.random
    total = random.choice((20, 30, 40, 60, 60, 80, 90, 120, 150, 400)) * 60 + random.choice((-1, 0, 0, 0, 1, 300))
    who = random.choice(("Practitioner/N1", "Practitioner/N1", draft.owners[programme], ""))
    parts = random.choice((1, 2, 3, 4))
    edges = sorted({0, total, *(random.randrange(1, total) for _ in range(parts - 1))})
    for a, b in zip(edges, edges[1:], strict=False):
        worker = who or random.choice(("Practitioner/N1", draft.owners[programme]))
        if random.random() < 0.2:
            _entry(draft, worker, programme, day=draft.day(), seconds=b - a)
        else:
            begin = draft.at(draft.day())
            _entry(draft, worker, programme, interval=Interval(begin, begin + b - a))


def _untidy_work(draft: Draft, programme: str) -> None:
    random = draft.random
    for _ in range(random.choice((1, 2, 3, 4, 5, 6, 8))):
        who = random.choices(WORKERS, weights=WORKER_WEIGHTS)[0]
        seconds = random.choice((5, 10, 12, 15, 20, 25, 30, 45, 60)) * 60 + random.choice((0, 0, 0, -1, 1, 30))
        if random.random() < 0.13:
            _entry(draft, who, programme, day=draft.day(), seconds=seconds)
            continue
        begin = _begin(draft, seconds)
        _entry(draft, who, programme, interval=Interval(begin, begin + seconds))


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


def _entry(draft: Draft, who: str, programme: str, **more: Any) -> None:
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
        _again(draft, draft.entries[-1])


def _again(draft: Draft, entry: TimeEntry) -> None:
    """The same work once more: as a second copy of one resource, or as another resource."""
    if draft.random.random() < 0.4:
        changed: dict[str, Any] = {"copy_number": 1}
    else:
        changed = {"reference": draft.number("Encounter/time", len(draft.entries))}
    draft.entries.append(_replace(entry, **changed))


def _replace(fact: Any, **changed: Any) -> Any:
    names = (name for cls in type(fact).__mro__ for name in getattr(cls, "__slots__", ()))
    return type(fact)(**{name: changed.get(name, getattr(fact, name)) for name in names})


# -- what can happen -------------------------------------------------------------------------------------------------


def _no_consent(draft: Draft) -> None:
    draft.consents.clear()


def _change_a_consent(draft: Draft, **changed: Any) -> None:
    if draft.consents:
        place = draft.random.randrange(len(draft.consents))
        draft.consents[place] = _replace(draft.consents[place], **changed)


def _withdrawn(draft: Draft) -> None:
    when = draft.random.choice((draft.day(), draft.day(), draft.day(), draft.around()))
    if draft.random.random() < 0.6:
        draft.switches["revocation_effective"] = "immediate"
    _change_a_consent(draft, status=draft.random.choice(("inactive", "active")), withdrawn=draft.moment(when))


def _withdrawn_some_day(draft: Draft) -> None:
    _change_a_consent(draft, status="inactive")


def _consent_in_month(draft: Draft) -> None:
    _change_a_consent(draft, given=draft.moment(draft.random.choice((draft.day(), draft.around()))))
    if draft.random.random() < 0.5:
        draft.plans = [_replace(p, start=draft.day()) for p in draft.plans]


def _consent_of_another(draft: Draft) -> None:
    _change_a_consent(draft, practitioners=(draft.random.choice((P1, P2, P3)),))


def _consent_of_the_group(draft: Draft) -> None:
    _change_a_consent(
        draft,
        practitioners=(),
        organizations=draft.random.choice((("Organization/GRP1",), ("Organization/GRP2",), ())),
    )


def _consent_of_another_programme(draft: Draft) -> None:
    _change_a_consent(draft, programmes=(draft.random.choice(("ccm", "pcm")),))


def _another_consent(draft: Draft) -> None:
    random = draft.random
    when = random.choice((draft.around(), draft.day(), draft.started + timedelta(days=10)))
    _consent(draft, random.choice((P1, P1, P2, P3, None)), when, random.choice(((), ("ccm",), ("pcm",))))
    if random.random() < 0.3:
        draft.consents[-1] = _replace(draft.consents[-1], status="inactive", withdrawn=draft.moment(draft.around()))


def _gone_elsewhere(draft: Draft) -> None:
    random = draft.random
    when = random.choice((draft.around(), draft.started + timedelta(days=15)))
    withdrawn = draft.moment(draft.around()) if random.random() < 0.2 else None
    _consent(
        draft,
        P3,
        when,
        random.choice(((), ("ccm",), ("pcm",))),
        organizations=("Organization/GRP2",),
        withdrawn=withdrawn,
    )


def _no_visit(draft: Draft) -> None:
    draft.visits.clear()


def _late_visit(draft: Draft) -> None:
    draft.visits.clear()
    when = draft.random.choice((draft.day(), draft.around(), draft.started + timedelta(days=5)))
    _visit(draft, "99214", when, draft.random.choice((P1, P1, P2, P3)))


def _old_visit(draft: Draft) -> None:
    draft.visits.clear()
    edge = years_before(draft.started, draft.random.choice((1, 1, 1, 2)))
    _visit(draft, "99213", edge + timedelta(days=draft.random.choice((-1, 0, 1))), P1)


def _odd_visit(draft: Draft) -> None:
    random = draft.random
    draft.visits.clear()
    code, *marks = random.choice((("99211",), ("99496",), ("99214", "95"), ("99283",), ("98006",), ("99203", "GT")))
    _visit(draft, code, draft.started - timedelta(days=random.randrange(1, 90)), random.choice((P1, P2)), *marks)


def _date_of(draft: Draft, entry: TimeEntry) -> date:
    if entry.interval is None:
        assert entry.day is not None
        return entry.day
    return datetime.fromtimestamp(entry.interval.start, tz=draft.zone).date()


def _visit_in_month(draft: Draft) -> None:
    random = draft.random
    visited = random.choice((P1, P1, P1, P2, P3))
    own = [e for e in draft.entries if any(p.reference == visited for p in e.performers)]
    days = [_date_of(draft, e) for e in (own if own and random.random() < 0.7 else draft.entries)]
    code = random.choice(("99214", "99213", "99202", "99211", "99348", "99495"))
    _visit(draft, code, random.choice((*days, *days, draft.day())), visited, timed=random.random() < 0.5)
    timed = [e.interval for e in draft.entries if e.interval is not None]
    if timed and random.random() < 0.4:
        near = random.choice(timed)
        begin = near.start + random.randrange(-600, 600)
        draft.visits[-1] = _replace(
            draft.visits[-1], moment=Moment(instant=begin), interval=(begin, begin + random.choice((300, 900, 1800)))
        )


def _odd_condition(draft: Draft) -> None:
    random = draft.random
    if not draft.conditions:
        return
    place = random.randrange(len(draft.conditions))
    changed: dict[str, Any] = random.choice(
        (
            {"active_status": False},
            {"active_status": False, "abatement": draft.around()},
            {"abatement": draft.around()},
            {"confirmed": False},
            {"onset": draft.around()},
            {"onset": None, "recorded": draft.around()},
            {"expected_months": 1},
            {"expected_months": 3},
            {"expected_months": 6},
            {"expected_months": 11},
            {"expected_months": 1, "until_death": True},
            {"expected_months": None},
            {"significant_risk": False},
            {"significant_risk": None},
            {"listed_chronic": False},
            {"listed_chronic": False, "expected_months": None},
            {"listed_chronic": False, "expected_months": None, "until_death": True},
            {"icd10cm": None, "codes": (Coding("http://snomed.info/sct", "84114007"),), "group": "heart-failure"},
            {
                "icd10cm": None,
                "codes": (Coding("http://snomed.info/sct", "1"),),
                "group": None,
                "listed_chronic": False,
            },
        )
    )
    draft.conditions[place] = _replace(draft.conditions[place], **changed)


def _all_conditions(draft: Draft) -> None:
    changed: dict[str, Any] = draft.random.choice(
        (
            {"significant_risk": None},
            {"significant_risk": False},
            {"expected_months": 6},
            {"expected_months": 2},
            {"active_status": False},
            {"listed_chronic": False},
            {"icd10cm": None, "group": None},
        )
    )
    if changed == {"icd10cm": None, "group": None}:
        draft.conditions = [
            _replace(c, **changed, codes=(Coding("http://snomed.info/sct", str(84114007 + i)),))
            for i, c in enumerate(draft.conditions)
        ]
        return
    draft.conditions = [_replace(c, **changed) for c in draft.conditions]


def _few_conditions(draft: Draft) -> None:
    draft.conditions = draft.conditions[: draft.random.choice((0, 1, 1, 1))]


def _one_disease(draft: Draft) -> None:
    draft.conditions.clear()
    for code in draft.random.choice((("E11.9", "E11.65"), ("E11.9", "E10.9"), ("E11.9", "R53.83"), ("I10", "Z85.3"))):
        _condition(draft, code, months=12, risk=True)


def _no_plan(draft: Draft) -> None:
    if draft.plans:
        draft.plans.pop(draft.random.randrange(len(draft.plans)))


def _odd_plan(draft: Draft) -> None:
    random = draft.random
    if not draft.plans:
        return
    place = random.randrange(len(draft.plans))
    changed: dict[str, Any] = random.choice(
        (
            {"status": "draft"},
            {"status": "on-hold"},
            {"status": "revoked"},
            {"status": "completed", "end": draft.around()},
            {"status": "revoked", "end": draft.around()},
            {"status": "entered-in-error"},
            {"end": draft.around()},
            {"start": draft.around()},
            {"start": None},
            {"created": draft.around()},
            {"updated": draft.around()},
            {"author": random.choice((P1, P2, P3))},
            {"author": "Practitioner/N1"},
            {"author": None},
            {"author": None, "care_team_lead": random.choice((P1, P2))},
            {"addresses": ()},
            {"addresses": ("Condition/1",)},
            {"addresses": ("Condition/9",)},
            {"pcm_elements": ()},
            {"pcm_elements": draft.plans[place].pcm_elements[:1]},
            {"pcm_elements": draft.plans[place].pcm_elements[1:]},
            {"programmes": ("ccm", "pcm")},
        )
    )
    draft.plans[place] = _replace(draft.plans[place], **changed)


def _late_elements(draft: Draft) -> None:
    draft.plans = [
        _replace(p, pcm_elements=tuple(_replace(e, attested=draft.around()) for e in p.pcm_elements))
        for p in draft.plans
    ]


def _another_plan(draft: Draft) -> None:
    random = draft.random
    programme = random.choice(("ccm", "pcm"))
    _plan(draft, programme, random.choice((P1, P2, P3)), start=random.choice((draft.around(), draft.started)))
    if random.random() < 0.5:
        place = random.randrange(len(draft.plans) - 1) if len(draft.plans) > 1 else 0
        draft.plans[place] = _replace(draft.plans[place], end=draft.day())


def _renewed_plan(draft: Draft) -> None:
    if draft.plans:
        first = draft.plans[0]
        ended = draft.random.choice((draft.month.first_day - timedelta(days=10), draft.day()))
        draft.plans[0] = _replace(first, status="completed", end=ended)
        draft.plans.append(
            _replace(first, reference=draft.number("CarePlan", len(draft.plans)), start=ended + timedelta(days=1))
        )


def _claim(draft: Draft, code: str, who: str, day: date, **more: Any) -> None:
    draft.claims.append(
        ClaimLineFact(
            **{
                "reference": draft.number("Claim", len(draft.claims)),
                "code": procedure(code),
                "service_date": day,
                "practitioners": (who,),
                "npis": (f"npi-{who}",),
                "organization": f"Organization/{PEOPLE[who][1]}",
                "is_charge": draft.random.random() < 0.2,
                **more,
            }
        )
    )


def _own_claim(draft: Draft) -> None:
    when = draft.random.choice((draft.day(), draft.around(), draft.month.first_day - timedelta(days=60)))
    _claim(draft, draft.random.choice(OWN), P1, when)


def _started_already(draft: Draft) -> None:
    draft.visits.clear()
    edge = years_before(draft.month.first_day, 1)
    when = draft.random.choice(
        (draft.month.first_day - timedelta(days=20), edge, edge - timedelta(days=1), edge + timedelta(days=1))
    )
    _claim(draft, draft.random.choice(OWN), P1, when)


def _other_claim(draft: Draft) -> None:
    random = draft.random
    diagnoses = tuple(c.icd10cm for c in draft.conditions if c.icd10cm)
    chosen = random.choice(((), diagnoses[:1], diagnoses[:1], diagnoses[1:2], ("M17.0",)))
    when = random.choice((draft.day(), draft.day(), draft.around()))
    code = random.choice(OWN)
    if "pcm" in draft.owners and random.random() < 0.6:
        code = random.choice(("99426", "99424"))
        chosen = chosen or ("M17.0",)
        if random.random() < 0.4:
            draft.switches["pcm_multi_requires_exacerbation"] = True
    _claim(draft, code, random.choice((P2, P3)), when, diagnoses=chosen)


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
    _claim(draft, random.choice(CONFLICTING[name]), who, when, diagnoses=diagnoses)
    if random.random() < 0.1:
        draft.claims[-1] = _replace(draft.claims[-1], practitioners=())


def _stay(draft: Draft) -> None:
    random = draft.random
    begin = random.choice((draft.around(), draft.day()))
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
    draft.switches["hospice"] = draft.random.choice(("hold", "block", "block", "warn"))
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
    first = draft.coverages[0]
    what = random.choice((0, 1, 1, 1, 2, 3, 4, 4, 5))
    if what == 0:
        draft.coverages.clear()
    elif what == 1:
        draft.coverages[0] = _replace(first, end=random.choice((draft.day(), draft.day(), draft.around())))
    elif what == 2:
        draft.coverages[0] = _replace(first, start=random.choice((draft.day(), draft.around())))
    elif what == 3:
        draft.coverages[0] = _replace(first, status="cancelled")
    elif what == 4:
        ended = draft.day()
        draft.coverages[0] = _replace(first, end=ended)
        gap = random.choice((1, 1, 4))
        types = (Coding("https://nahdo.org/sopt", random.choice(("121", "111", "5"))),)
        begun = ended + timedelta(days=gap)
        draft.coverages.append(_replace(first, reference="Coverage/2", start=begun, end=None, type_codes=types))
    else:
        types = (Coding("https://nahdo.org/sopt", random.choice(("111", "121", "5"))),)
        draft.coverages.append(
            _replace(first, reference="Coverage/2", order=random.choice((None, 2)), type_codes=types)
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
        _replace(
            e,
            performers=tuple(_replace(p, role=draft.roles.get(p.reference, p.role)) for p in e.performers),
        )
        for e in draft.entries
    ]


def _attending(draft: Draft) -> None:
    random = draft.random
    draft.entries = [
        _replace(e, attending=random.choice((P1, P1, P2, P3))) if random.random() < 0.5 else e for e in draft.entries
    ]


def _nobody(draft: Draft) -> None:
    """Neither consent nor plan names anybody: the team's lead or the site's default is left."""
    draft.consents.clear()
    draft.plans = [_replace(p, author=None) for p in draft.plans]
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
        day = (
            entry.day or datetime.fromtimestamp(entry.interval.start, tz=draft.zone).date()
            if entry.interval
            else entry.day
        )
        draft.entries[place] = _replace(entry, invalid="entry-too-long", interval=None, day=day)


def _twice(draft: Draft) -> None:
    if draft.entries:
        _again(draft, draft.random.choice(draft.entries))


def _dated_work(draft: Draft) -> None:
    draft.entries = [
        _replace(e, interval=None, day=datetime.fromtimestamp(e.interval.start, tz=draft.zone).date())
        if e.interval and draft.random.random() < 0.5
        else e
        for e in draft.entries
    ]


def _practitioner_only(draft: Draft) -> None:
    draft.entries = [
        _replace(
            e, performers=(Performer(reference=P1, role=PRACTITIONER, group="tin:tin-GRP1", specialty=PEOPLE[P1][2]),)
        )
        for e in draft.entries
    ]


def _elect(draft: Draft) -> None:
    draft.plans = [
        _replace(p, elections=(Election(service_month=draft.month, family="physician", by=p.author),))
        for p in draft.plans
    ]


MISHAPS: dict[Callable[[Draft], None], int] = {
    _no_consent: 10,
    _withdrawn: 34,
    _withdrawn_some_day: 8,
    _consent_in_month: 26,
    _consent_of_another: 10,
    _consent_of_the_group: 10,
    _consent_of_another_programme: 8,
    _another_consent: 16,
    _gone_elsewhere: 12,
    _no_visit: 6,
    _late_visit: 24,
    _old_visit: 8,
    _odd_visit: 8,
    _started_already: 10,
    _visit_in_month: 42,
    _odd_condition: 30,
    _all_conditions: 30,
    _few_conditions: 8,
    _one_disease: 8,
    _no_plan: 6,
    _odd_plan: 30,
    _late_elements: 6,
    _another_plan: 12,
    _renewed_plan: 8,
    _own_claim: 22,
    _other_claim: 34,
    _conflict: 130,
    _stay: 30,
    _hospice: 32,
    _death: 24,
    _coverage: 40,
    _double_booked: 14,
    _two_records: 8,
    _open_month: 20,
    _site: 12,
    _institution: 8,
    _biller: 12,
    _attending: 10,
    _nobody: 10,
    _no_work: 6,
    _invalid_entry: 12,
    _twice: 8,
    _dated_work: 10,
    _practitioner_only: 24,
    _elect: 16,
}
"""What can happen, and how often beside the others."""
KINDS, WEIGHTS = tuple(MISHAPS), tuple(MISHAPS.values())


# -- putting it together ---------------------------------------------------------------------------------------------


def _shuffle(draft: Draft) -> None:
    for facts in (draft.entries, draft.conditions, draft.plans, draft.consents, draft.visits, draft.claims):
        draft.random.shuffle(facts)  # type: ignore[arg-type]


def _finished(draft: Draft) -> tuple[PatientMonth, RuleContext]:
    facts = PatientFacts(
        patient=draft.patient,
        entries=tuple(draft.entries),
        conditions=tuple(draft.conditions),
        care_plans=tuple(draft.plans),
        consents=tuple(draft.consents),
        coverages=tuple(draft.coverages),
        visits=tuple(draft.visits),
        stays=tuple(draft.stays),
        hospices=tuple(draft.hospices),
        claim_lines=tuple(draft.claims),
        care_team_leads=draft.leads,
    )
    month = PatientMonth(
        facts=facts,
        service_month=draft.month,
        as_of=draft.as_of,
        double_bookings=tuple(draft.bookings),
        duplicate_of=draft.duplicate_of,
    )
    practice = Practice(
        practitioners={
            who: Practitioner(
                reference=who,
                npi=f"npi-{who}" if role is PRACTITIONER else None,
                role=draft.roles.get(who, role),
                assignments=(
                    RoleAssignment(
                        reference=who.replace("Practitioner/", "PractitionerRole/"),
                        organization=f"Organization/{group}",
                        role=draft.roles.get(who, role),
                        taxonomy=specialty,
                    ),
                ),
            )
            for who, (role, group, specialty) in PEOPLE.items()
        },
        organizations={
            f"Organization/{g}": Organization(reference=f"Organization/{g}", tin=f"tin-{g}")
            for g in ("GRP1", "GRP2", "VENDOR")
        },
        sites=(
            Site(
                name="main",
                place_of_service=draft.place_of_service,
                kind=draft.kind,
                default_practitioner=draft.default_practitioner,
            ),
        ),
    )
    context = RuleContext(
        tables=tables().services,
        terminology=tables().terminology,
        policies=PolicyBook(payers=tables().payers, practice=Switches(source="random", values=draft.switches)),
        practice=practice,
    )
    return month, context
