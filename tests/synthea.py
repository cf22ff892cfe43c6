"""Synthea's patients, and what a practice would add to them: consent, plan, coverage, risk and time, in many shapes.

`ADDED` says for each patient in which shapes, and which codes follow, worked out by hand from the minutes:
20 minutes of staff are 99490, each further 20 one 99439, of which two at most are paid.
"""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.mapping.patients import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Resource = dict[str, Any]
ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "fixtures" / "synthea" / "patients.ndjson.xz"
LAYERS = (
    *("us-core", "synthea", "consent-document", "consent-questionnaire", "risk-assessment", "risk-flag"),
    *("task-minutes", "observation-minutes", "procedure-minutes", "telephone-minutes"),
)
CONFIGURATION = (
    '[policy]\nzone = "America/New_York"\nother_claims_known = "full"\n[mapping]\nuse = ' + json.dumps(LAYERS) + "\n"
)
PRACTICE = ("Organization", "Location", "Practitioner", "PractitionerRole")
CANON = "https://caretally.example/fhir"
SNOMED = "http://snomed.info/sct"
CHRONIC = frozenset(
    {
        *("55822004", "431856006", "433144002", "64859006", "414545008", "59621000", "203082005", "124171000119105"),
        *("239873007", "239872002", "302870006", "44054006", "49436004", "84757009"),
    }
)
"""What of these patients is chronic and has one ICD-10-CM code; by hand. Gout has a code and is not on the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What is added to one patient.

    Attributes:
        patient: the beginning of the id.
        consent: ``resource``, ``document``, ``form``, or one that is none: ``superseded``, ``refused``.
        risk: ``assessment``, ``flag``, ``low`` or empty.
        entries: shape and minutes of each piece of work, all on one day.
        codes: code and units of the claim; empty where `reason` says why there is none.
    """

    patient: str
    consent: str
    risk: str
    entries: tuple[tuple[str, int], ...]
    codes: tuple[tuple[str, int], ...] = ()
    reason: str = ""


ADDED = (
    Added(
        patient="069b5064", consent="resource", risk="assessment", entries=(("encounter", 20),), codes=(("99490", 1),)
    ),
    Added(
        patient="07a1968c",
        consent="document",
        risk="assessment",
        entries=(("task", 25), ("observation", 15)),
        codes=(("99490", 1), ("99439", 1)),
    ),
    Added(
        patient="2c7f251b",
        consent="form",
        risk="flag",
        entries=(("procedure", 30), ("telephone", 30)),
        codes=(("99490", 1), ("99439", 2)),
    ),
    Added(
        patient="347ceebf",
        consent="resource",
        risk="assessment",
        entries=(("encounter", 59), ("task", 40)),
        codes=(("99490", 1), ("99439", 2)),
    ),
    Added(
        patient="faf10091",
        consent="document",
        risk="flag",
        entries=(("telephone", 19), ("procedure", 21)),
        codes=(("99490", 1), ("99439", 1)),
    ),
    Added(patient="3f6021df", consent="form", risk="flag", entries=(("task", 19),), reason="R-TIME-MIN"),
    Added(patient="7353e17f", consent="refused", risk="flag", entries=(("encounter", 30),), reason="R-CONSENT-MISSING"),
    Added(
        patient="7f7a886b",
        consent="superseded",
        risk="assessment",
        entries=(("observation", 45),),
        reason="R-CONSENT-MISSING",
    ),
    Added(patient="79590754", consent="form", risk="", entries=(("task", 30),), reason="R-RISK-UNKNOWN"),
    Added(patient="8c85983a", consent="resource", risk="low", entries=(("encounter", 30),), reason="R-COND-RISK"),
    Added(patient="1e621f4c", consent="resource", risk="flag", entries=(("encounter", 30),), reason="R-COND-COUNT"),
    Added(patient="39a59f42", consent="document", risk="", entries=(("procedure", 30),), reason="R-COND-COUNT"),
)


@lru_cache
def sample() -> tuple[bytes, ...]:
    """Every line of the sample."""
    return tuple(lzma.decompress(SAMPLE.read_bytes()).splitlines())


def patients(resources: Iterable[Resource]) -> list[str]:
    return sorted(r["id"] for r in resources if r["resourceType"] == "Patient")


def about(resource: Resource) -> str | None:
    """The id of the patient whom a resource of Synthea is about."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    for name in ("subject", "patient"):
        reference = resource.get(name, {}).get("reference", "")
        if reference.startswith("Patient/"):
            return str(reference.partition("/")[2])
    return None


def write(folder: Path, resources: Iterable[Resource]) -> None:
    """Write a folder in the layout of a Bulk Data export."""
    rows: dict[str, list[str]] = defaultdict(list)
    for resource in resources:
        rows[resource["resourceType"]].append(json.dumps(resource))
    folder.mkdir(parents=True, exist_ok=True)
    for kind, lines in rows.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def practice(prefix: str) -> list[Resource]:
    """A physician and a nurse of one group, and the payer."""
    numbers = script()
    found: list[Resource] = [
        {
            "resourceType": "Organization",
            "id": f"{prefix}group",
            "name": "Practice",
            "identifier": [
                {"system": "http://hl7.org/fhir/sid/us-npi", "value": numbers.npi(f"{prefix}group")},
                {"system": "urn:oid:2.16.840.1.113883.4.4", "value": numbers.tin(f"{prefix}group")},
            ],
            "address": [{"line": ["1 Main St"], "city": "Albany", "state": "NY", "postalCode": "12207"}],
        },
        {"resourceType": "Organization", "id": f"{prefix}payer", "name": "Medicare Part B"},
    ]
    for name, taxonomy in (("md", "207R00000X"), ("rn", "163W00000X")):
        npi = [{"system": "http://hl7.org/fhir/sid/us-npi", "value": numbers.npi(prefix + name)}]
        found += [
            {
                "resourceType": "Practitioner",
                "id": prefix + name,
                "name": [{"family": name, "given": ["Test"]}],
                "identifier": npi,
            },
            {
                "resourceType": "PractitionerRole",
                "id": f"{prefix}role-{name}",
                "practitioner": {"reference": f"Practitioner/{prefix}{name}"},
                "organization": {"reference": f"Organization/{prefix}group"},
                "code": [coded("http://nucc.org/provider-taxonomy", taxonomy)],
            },
        ]
    return found


def chosen(resources: Iterable[Resource]) -> dict[str, str]:
    """The full id of each patient of `ADDED`."""
    ids = patients(resources)
    return {row.patient: next(i for i in ids if i.startswith(row.patient)) for row in ADDED}


def additions(resources: list[Resource], prefix: str = "syn-") -> list[Resource]:
    """What `ADDED` says, about the patients among the resources; the first day of work is 6 January 2025."""
    conditions: dict[str, dict[str, str]] = defaultdict(dict)
    for resource in resources:
        if resource["resourceType"] == "Condition":
            code = resource["code"]["coding"][0]["code"]
            if code in CHRONIC:
                conditions[str(about(resource))].setdefault(code, f"Condition/{resource['id']}")
    found = practice(prefix)
    ids = patients(resources)
    for number, row in enumerate(ADDED):
        patient = next((i for i in ids if i.startswith(row.patient)), None)
        if patient is not None:
            found += _Record(row, patient, prefix, number, list(conditions[patient].values())).build()
    return found


def day_of(number: int) -> str:
    return f"2025-01-{6 + number:02}"


class _Record:
    """The additions to one patient."""

    def __init__(self, row: Added, patient: str, prefix: str, number: int, conditions: list[str]) -> None:
        self.row, self.number, self.conditions = row, number, conditions
        self.own = f"{prefix}{row.patient}-"
        self.patient = {"reference": f"Patient/{patient}"}
        self.doctor = {"reference": f"Practitioner/{prefix}md"}
        self.nurse = {"reference": f"Practitioner/{prefix}rn"}
        self.group = {"reference": f"Organization/{prefix}group"}
        self.payer = {"reference": f"Organization/{prefix}payer"}

    def build(self) -> list[Resource]:
        return [
            *self._enrolment(),
            self._consent(),
            *self._risks(),
            *(self._entry(n, *entry) for n, entry in enumerate(self.row.entries)),
        ]

    def _resource(self, kind: str, name: str, **elements: Any) -> Resource:
        return {"resourceType": kind, "id": self.own + name, **elements}

    def _enrolment(self) -> Iterator[Resource]:
        yield self._resource(
            "Coverage",
            "coverage",
            status="active",
            beneficiary=self.patient,
            subscriberId=script().mbi(self.own),
            type=coded("https://nahdo.org/sopt", "121"),
            payor=[self.payer],
            relationship=coded("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self"),
            period={"start": "2015-03-01"},
        )
        yield self._resource(
            "Encounter",
            "visit",
            status="finished",
            subject=self.patient,
            type=[coded("http://www.ama-assn.org/go/cpt", "99214")],
            period={"start": "2024-10-15", "end": "2024-10-15"},
            participant=[{"individual": self.doctor}],
            serviceProvider=self.group,
            **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
        )
        goal = self._resource(
            "Goal",
            "goal",
            lifecycleStatus="active",
            subject=self.patient,
            description={"text": "Fewer unplanned admissions"},
            target=[{"measure": {"text": "admissions"}, "detailInteger": 0, "dueDate": "2026-12-31"}],
        )
        elements = (
            *("expected-outcome", "symptom-management", "planned-intervention", "medication-management"),
            *("community-services", "review-schedule"),
        )
        plan = self._resource(
            "CarePlan",
            "plan",
            status="active",
            intent="plan",
            subject=self.patient,
            category=[
                coded("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan"),
                coded(f"{CANON}/CodeSystem/care-management-service", "ccm"),
            ],
            period={"start": "2024-10-20"},
            created="2024-10-20",
            author=self.doctor,
            addresses=[{"reference": reference} for reference in self.conditions],
            goal=[{"reference": f"Goal/{self.own}goal"}],
            activity=[
                {"detail": {"status": "in-progress", "code": coded(f"{CANON}/CodeSystem/care-plan-element", element)}}
                for element in elements
            ],
        )
        copy = self._resource(
            "Communication",
            "copy",
            status="completed",
            subject=self.patient,
            about=[{"reference": f"CarePlan/{self.own}plan"}],
            recipient=[self.patient],
            sent="2024-10-20T12:00:00-04:00",
        )
        yield from (goal, plan, copy)

    def _consent(self) -> Resource:
        category = coded(f"{CANON}/CodeSystem/consent-category", "care-management")
        if self.row.consent == "resource":
            return self._resource(
                "Consent",
                "consent",
                status="active",
                scope=coded("http://terminology.hl7.org/CodeSystem/consentscope", "treatment"),
                category=[category],
                patient=self.patient,
                dateTime="2024-10-20",
                organization=[self.group],
                policyRule=coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
                provision={
                    "type": "permit",
                    "actor": [{"role": coded(SNOMED, "17561000"), "reference": self.doctor}],
                },
            )
        if self.row.consent in {"document", "superseded"}:
            return self._resource(
                "DocumentReference",
                "form",
                status="superseded" if self.row.consent == "superseded" else "current",
                type=coded("http://loinc.org", "59284-0"),
                category=[category],
                subject=self.patient,
                date="2024-10-21T08:00:00-04:00",
                content=[{"attachment": {"contentType": "application/pdf", "url": "https://files.example/1"}}],
                context={"period": {"start": "2024-10-20"}, "related": [self.doctor]},
            )
        answers: list[tuple[str, Resource]] = [
            ("consent-given", {"valueBoolean": self.row.consent == "form"}),
            ("consent-form", {"valueCoding": {"code": "verbal"}}),
            ("practitioner", {"valueReference": self.doctor}),
        ]
        return self._resource(
            "QuestionnaireResponse",
            "answers",
            questionnaire=f"{CANON}/Questionnaire/care-management-consent",
            status="completed",
            subject=self.patient,
            authored="2024-10-20T15:00:00-04:00",
            item=[{"linkId": name, "answer": [answer]} for name, answer in answers],
        )

    def _risks(self) -> Iterator[Resource]:
        for number, condition in enumerate(self.conditions):
            if self.row.risk == "flag":
                yield self._resource(
                    "Flag",
                    f"flag-{number}",
                    status="active",
                    code=coded(f"{CANON}/CodeSystem/risk-level", "significant"),
                    subject=self.patient,
                    period={"start": "2024-10-20"},
                    extension=[
                        {
                            "url": "http://hl7.org/fhir/StructureDefinition/flag-detail",
                            "valueReference": {"reference": condition},
                        }
                    ],
                )
            elif self.row.risk:
                level = "low" if self.row.risk == "low" else "high"
                yield self._resource(
                    "RiskAssessment",
                    f"risk-{number}",
                    status="final",
                    subject=self.patient,
                    condition={"reference": condition},
                    occurrenceDateTime="2024-10-20T10:00:00-04:00",
                    prediction=[
                        {
                            "outcome": coded(f"{CANON}/CodeSystem/risk-outcome", "acute-exacerbation"),
                            "qualitativeRisk": coded("http://terminology.hl7.org/CodeSystem/risk-probability", level),
                        }
                    ],
                )

    def _entry(self, number: int, shape: str, minutes: int) -> Resource:
        day, hour = day_of(self.number), 9 + 2 * number
        activity = coded(f"{CANON}/CodeSystem/care-management-activity", "communication")
        hours, rest = divmod(minutes, 60)
        period = {"start": f"{day}T{hour:02}:00:00-05:00", "end": f"{day}T{hour + hours:02}:{rest:02}:00-05:00"}
        name = f"work-{number}"
        if shape == "task":
            return self._resource(
                "Task",
                name,
                status="completed",
                intent="order",
                code=activity,
                executionPeriod=period,
                owner=self.nurse,
                **{"for": self.patient},
            )
        if shape == "observation":
            return self._resource(
                "Observation",
                name,
                status="final",
                code=coded("http://loinc.org", "73980-5"),
                category=[activity],
                subject=self.patient,
                effectiveDateTime=period["start"],
                valueQuantity={
                    "value": minutes,
                    "unit": "min",
                    "system": "http://unitsofmeasure.org",
                    "code": "min",
                },
                performer=[self.nurse],
            )
        if shape == "procedure":
            return self._resource(
                "Procedure",
                name,
                status="completed",
                code=activity,
                subject=self.patient,
                performedPeriod=period,
                performer=[{"actor": self.nurse}],
            )
        kind = coded(SNOMED, "185317003") if shape == "telephone" else activity
        return self._resource(
            "Encounter",
            name,
            status="finished",
            type=[kind],
            subject=self.patient,
            period=period,
            participant=[{"individual": self.nurse}],
            serviceProvider=self.group,
            **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"}},
        )
