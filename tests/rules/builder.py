"""Turn a compact golden case into facts directly, without FHIR: the rules are tested apart from the mapping."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from caretally.facts.calendar import ServiceMonth
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
from caretally.facts.patient_month import PatientFacts, PatientMonth
from caretally.facts.policy import PolicyBook, Switches
from caretally.facts.practice import Organization, Practice, Practitioner, RoleAssignment
from caretally.facts.time_entry import Performer, RoleClass, TimeEntry
from caretally.rules import RuleContext
from caretally.tables import Tables, load_tables

ROLES = {
    "MD": RoleClass.PRACTITIONER,
    "NP": RoleClass.PRACTITIONER,
    "RN": RoleClass.CLINICAL_STAFF,
    "LPN": RoleClass.CLINICAL_STAFF,
    "PharmD": RoleClass.CLINICAL_STAFF,
    "CHW": RoleClass.COMMUNITY_HEALTH_WORKER,
    "RECEPTION": RoleClass.NON_CLINICAL,
}
BASELINE: dict[str, Any] = {
    "tz": "America/New_York",
    "me": "P1",
    "program_start": "2024-11-01",
    "mdm": None,
    "conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, True]],
    "consent": {"at": "2024-11-01", "practitioner": "P1"},
    "visits": [{"code": "99214", "date": "2024-10-15"}],
}

DISCLOSURES = ("service", "cost-sharing", "one-practitioner", "may-stop")


@lru_cache
def tables() -> Tables:
    return load_tables()


def procedure(code: str) -> Coding:
    return Coding(CPT if code.isdigit() else HCPCS, code)


def day(text: str) -> date:
    return date.fromisoformat(text)


def moment(text: str, zone: ZoneInfo) -> Moment:
    return Moment(day=day(text)) if len(text) == 10 else Moment(instant=instant(text, zone))


def instant(text: str, zone: ZoneInfo) -> int:
    found = datetime.fromisoformat(text)
    return int((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp())


@dataclass
class CaseBuilder:
    """Facts of one compact case; the golden format of fixtures/golden/cases.jsonl."""

    case: dict[str, Any]
    switches: dict[str, Any] = field(default_factory=dict)
    people: dict[str, Practitioner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.case = {**BASELINE, **self.case}
        self.zone = ZoneInfo(self.case["tz"])

    def person(self, who: str, role: str, group: str = "GRP1") -> str:
        reference = f"Practitioner/{who}"
        if reference not in self.people:
            may_bill = ROLES[role] is RoleClass.PRACTITIONER
            self.people[reference] = Practitioner(
                reference=reference,
                npi=f"npi-{who}" if may_bill else None,
                role=ROLES[role],
                assignments=(
                    RoleAssignment(
                        reference=f"PractitionerRole/{who}", organization=f"Organization/{group}", role=ROLES[role]
                    ),
                ),
            )
        return reference

    def month(self, month: str | None = None, as_of: date | None = None) -> PatientMonth:
        service_month = ServiceMonth.parse(month or self.case["month"])
        following = service_month.plus(1)
        return PatientMonth(
            facts=self.facts(), service_month=service_month, as_of=as_of or date(following.year, following.month, 10)
        )

    def context(self) -> RuleContext:
        self.facts()
        switches = {"zone": self.case["tz"], "other_claims_known": "full", **self.switches}
        groups = {a.organization for p in self.people.values() for a in p.assignments}
        return RuleContext(
            tables=tables().services,
            terminology=tables().terminology,
            policies=PolicyBook(payers=tables().payers, practice=Switches(source="test", values=switches)),
            practice=Practice(
                practitioners=self.people,
                organizations={g: Organization(reference=g, tin=f"tin-{g}") for g in groups if g},
            ),
        )

    def facts(self) -> PatientFacts:
        case, me = self.case, self.case["me"]
        my_role = next((e["role"] for e in case["entries"] if e["who"] == me), "MD")
        self.person(me, my_role)
        programmes = ["ccm", *(name for name in ("pcm", "pin") if name in case)]
        return PatientFacts(
            patient=PatientFact(
                reference="Patient/pat",
                deceased=moment(case["deceased"], self.zone) if "deceased" in case else None,
            ),
            entries=tuple(self._entries()),
            conditions=tuple(self._condition(i, *row) for i, row in enumerate(case["conditions"], 1)),
            care_plans=tuple(self._plan(name) for name in programmes if case.get("plan", True)),
            consents=tuple(self._consents(programmes)),
            coverages=(
                CoverageFact(
                    reference="Coverage/cov",
                    version="1",
                    status="active",
                    start=date(2015, 3, 1),
                    end=day(case["coverage_end"]) if "coverage_end" in case else None,
                    type_codes=(Coding("https://nahdo.org/sopt", "121"),),
                ),
            ),
            visits=tuple(self._visit(i, v) for i, v in enumerate(case["visits"], 1)),
            stays=tuple(
                StayFact(
                    reference=f"Encounter/stay{i}",
                    start=moment(s["from"], self.zone),
                    end=moment(s["to"], self.zone) if s.get("to") else None,
                )
                for i, s in enumerate(case.get("stays", []), 1)
            ),
            hospices=(HospiceFact(reference="Encounter/hospice", start=day(case["hospice"]), end=None),)
            if case.get("hospice")
            else (),
            claim_lines=tuple(self._claim(i, c) for i, c in enumerate(case.get("other_claims", []), 1)),
        )

    def _condition(self, i: int, code: str, active: bool, months: int | None, risk: bool | None) -> ConditionFact:
        terminology = tables().terminology
        coding = Coding(ICD10CM, code)
        return ConditionFact(
            reference=f"Condition/cond{i}",
            version="1",
            icd10cm=code,
            codes=(coding,),
            group=terminology.map("condition-groups").target([coding]),
            listed_chronic=terminology.set("chronic-conditions").contains(coding),
            active_status=active,
            confirmed=True,
            onset=date(2022, 1, 10),
            abatement=None if active else date(2024, 6, 1),
            recorded=date(2022, 1, 10),
            expected_months=months,
            significant_risk=risk,
        )

    def _plan(self, programme: str) -> CarePlanFact:
        case, me = self.case, f"Practitioner/{self.case['me']}"
        numbered = list(enumerate(case["conditions"], 1))
        if programme in {"pcm", "pin"}:
            numbered = [(i, row) for i, row in numbered if row[0].startswith(case[programme]["cond"])]
        started = day(case["program_start"])
        month = ServiceMonth.parse(case["month"])
        elements = case.get("pcm_elements", ["frequent-medication-adjustment", "practitioner-coordination"])
        return CarePlanFact(
            reference=f"CarePlan/plan-{programme}",
            version="1",
            status="active",
            programmes=(programme,),
            start=started,
            end=None,
            created=started,
            updated=None,
            author=me,
            addresses=tuple(f"Condition/cond{i}" for i, _ in numbered),
            copies_given=(Moment(day=started),),
            decision_making=(DecisionMaking(level=case["mdm"], assessed=month.first_day, assessor=me),)
            if programme == "ccm" and case["mdm"]
            else (),
            elections=(Election(service_month=month, family="physician", by=me),)
            if case.get("elect_physician")
            else (),
            pcm_elements=tuple(PcmElement(element=e, attested=started, by=me) for e in elements)
            if programme == "pcm"
            else (),
        )

    def _consents(self, programmes: list[str]) -> list[ConsentFact]:
        given = self.case["consent"]
        if not given:
            return []
        return [
            ConsentFact(
                reference="Consent/consent",
                version="1",
                status="inactive" if given.get("revoked") else "active",
                given=moment(given["at"], self.zone),
                withdrawn=moment(given["revoked"], self.zone) if given.get("revoked") else None,
                practitioners=(self.person(given["practitioner"], "MD"),),
                organizations=("Organization/GRP1",),
                programmes=tuple(given.get("programmes", programmes)),
                mode=given.get("mode", "written"),
                explained=tuple(given.get("explained", DISCLOSURES)),
            )
        ]

    def _visit(self, i: int, visit: dict[str, Any]) -> VisitFact:
        group = visit.get("group", "GRP1")
        return VisitFact(
            reference=f"Encounter/visit{i}",
            version="1",
            moment=moment(visit["date"], self.zone),
            codes=(procedure(visit["code"]),),
            practitioners=(self.person(visit.get("by", self.case["me"]), "MD", group),),
            organization=f"Organization/{group}",
            interval=(instant(visit["start"], self.zone), instant(visit["end"], self.zone))
            if "start" in visit
            else None,
        )

    def _claim(self, i: int, claim: dict[str, Any]) -> ClaimLineFact:
        by = self.person(claim["by"], "MD", claim["group"])
        return ClaimLineFact(
            reference=f"Claim/other{i}",
            version="1",
            code=procedure(claim["code"]),
            service_date=day(claim["date"]),
            practitioners=(by,),
            npis=tuple(n for n in (self.people[by].npi,) if n),
            organization=f"Organization/{claim['group']}",
            diagnoses=tuple(claim.get("dx", ())),
        )

    def _entries(self) -> list[TimeEntry]:
        seen: dict[str, int] = {}
        entries = []
        for i, e in enumerate(self.case["entries"], 1):
            who = self.person(e["who"], e["role"], e.get("group", "GRP1"))
            reference = f"Encounter/time-{e.get('id', i)}"
            copy = seen.get(reference, 0)
            seen[reference] = copy + 1
            interval = None
            if "start" in e:
                interval = Interval(instant(e["start"], self.zone), instant(e["end"], self.zone))
            entries.append(
                TimeEntry(
                    reference=reference,
                    version="1",
                    status=e.get("status", "finished"),
                    performers=(Performer(reference=who, role=ROLES[e["role"]]),),
                    programme=e.get("prog", "ccm"),
                    activities=tuple(a for a in (e.get("act", "communication"),) if a),
                    procedure_codes=(procedure(e["sep"]),) if e.get("sep") else (),
                    seconds=interval.seconds if interval else e["min"] * 60,
                    interval=interval,
                    day=None if interval else day(e["date"]),
                    attending=f"Practitioner/{e['attending']}" if e.get("attending") else None,
                    distinct_from_visit=e.get("distinct", False),
                    copy_number=copy,
                )
            )
        return entries
