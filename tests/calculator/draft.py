"""A patient-month in the making, and how each kind of fact is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from caretally.facts.calendar import ServiceMonth, start_of_day
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
from caretally.facts.codes import Coding
from caretally.facts.moment import Moment
from tests.calculator.cast import DISCLOSURES, PEOPLE, icd, procedure

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from caretally.facts.patient_month import DoubleBooking
    from caretally.facts.practice import Attestation
    from caretally.facts.time_entry import RoleClass, TimeEntry


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
    attestations: tuple[Attestation, ...] = ()

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

    def busy_day(self) -> date:
        """A date on which somebody worked, or any date of the month."""
        days = [date_of(self, e) for e in self.entries]
        return self.random.choice([d for d in days if self.month.contains(d)] or [self.day()])

    def moment(self, day: date) -> Moment:
        return Moment(day=day) if self.random.random() < 0.6 else Moment(instant=self.at(day))

    def number(self, kind: str, count: int) -> str:
        return f"{kind}/{count + 1}"


def replace(fact: Any, **changed: Any) -> Any:
    names = (name for cls in type(fact).__mro__ for name in getattr(cls, "__slots__", ()))
    return type(fact)(**{name: changed.get(name, getattr(fact, name)) for name in names})


def make_condition(
    draft: Draft, code: str | None, *, months: int | None, risk: bool | None, **more: Any
) -> ConditionFact:
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


def make_plan(draft: Draft, programme: str, author: str | None, **more: Any) -> None:
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


def make_consent(draft: Draft, who: str | None, given: date, programmes: tuple[str, ...], **more: Any) -> None:
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
                "explained": random.choice((DISCLOSURES, DISCLOSURES, DISCLOSURES[1:], ())),
                "mode": random.choice(("written", "written", "verbal", None)),
                **more,
            }
        )
    )


def make_visit(draft: Draft, code: str, day: date, who: str, *marks: str, timed: bool = False) -> None:
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


def make_claim(draft: Draft, code: str, who: str, day: date, **more: Any) -> None:
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


def date_of(draft: Draft, entry: TimeEntry) -> date:
    if entry.interval is None:
        assert entry.day is not None
        return entry.day
    return datetime.fromtimestamp(entry.interval.start, tz=draft.zone).date()
