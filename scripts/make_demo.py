#!/usr/bin/env python3
"""Write the demonstration practice: a small, wholly invented oncology practice in two months of 2025.

    python scripts/make_demo.py [FOLDER]        FOLDER is fixtures/demo by default

The output is the same on every machine and every day; a test writes it again and compares. Every patient shows one
thing that decides a month, named in `PATIENTS`. Nobody in it exists: names begin with "Demo-", and the practice
and provider numbers are valid in shape only.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CANONICAL = "https://caretally.example/fhir"
EXTENSION = CANONICAL + "/StructureDefinition/"
SERVICE = CANONICAL + "/CodeSystem/care-management-service"
ACTIVITY = CANONICAL + "/CodeSystem/care-management-activity"
CPT = "http://www.ama-assn.org/go/cpt"
ICD10CM, NUCC = "http://hl7.org/fhir/sid/icd-10-cm", "http://nucc.org/provider-taxonomy"
NPI, TIN = "http://hl7.org/fhir/sid/us-npi", "urn:oid:2.16.840.1.113883.4.4"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
OFFSET = "-05:00"  # January and February in New York: no change of clocks in between

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """One person of a practice; `taxonomy` None: not a clinical role."""

    key: str
    family: str
    given: str
    organization: str
    taxonomy: str | None
    bills: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One logged piece of work: local start, minutes and seconds; `open_end`: somebody forgot to stop the clock."""

    who: str
    start: str
    minutes: int
    seconds: int = 0
    programme: str = "ccm"
    activity: str = "communication"
    status: str = "finished"
    billed_as: str | None = None
    open_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient and what the record says; the defaults are a sound enrolment since November 2024."""

    key: str
    shows: str
    given: str
    born: str
    conditions: tuple[str, ...]
    entries: tuple[Entry, ...]
    practitioner: str = "dr-alvarez"
    start: str = "2024-11-04"
    consent: str | None = "2024-11-04"
    visits: tuple[tuple[str, str], ...] = (("99214", "2024-10-21"),)
    programmes: tuple[str, ...] = ("ccm",)
    focus: str | None = None
    """Condition that PCM is for."""
    decision_making: tuple[str, str] | None = None
    """Level and date."""
    review_by: str = "2025-05-04"
    """Day by which the plan is to be reviewed."""
    stay: tuple[str, str] | None = None
    other_claim: tuple[str, str, str] | None = None
    """Code, date and practitioner of a claim that somebody else has on file."""


NOT_SHARED = frozenset({"hazel"})
"""Patients whose plan nobody has sent to other providers."""
ALLERGIES_NOT_RECORDED = frozenset({"juniper"})

STAFF = (
    Staff(
        key="dr-alvarez",
        family="Demo-Alvarez",
        given="Ines",
        organization="demo-oncology",
        taxonomy="207RH0003X",
        bills=True,
    ),
    Staff(
        key="np-brook",
        family="Demo-Brook",
        given="Omar",
        organization="demo-oncology",
        taxonomy="363L00000X",
        bills=True,
    ),
    Staff(key="rn-carver", family="Demo-Carver", given="Lena", organization="demo-oncology", taxonomy="163W00000X"),
    Staff(key="lpn-dahl", family="Demo-Dahl", given="Ruth", organization="demo-oncology", taxonomy="164W00000X"),
    Staff(key="rph-ellis", family="Demo-Ellis", given="Paul", organization="demo-oncology", taxonomy="183500000X"),
    Staff(key="desk-frost", family="Demo-Frost", given="Nora", organization="demo-oncology", taxonomy=None),
    Staff(
        key="dr-gray",
        family="Demo-Gray",
        given="Hugo",
        organization="demo-family-practice",
        taxonomy="207Q00000X",
        bills=True,
    ),
)

PATIENTS = (
    Patient(
        key="ash",
        shows="staff and physician minutes make one ladder: base code and two add-ons",
        given="Alma",
        born="1948-05-11",
        conditions=("C50.911", "I50.22"),
        entries=(
            Entry(who="rn-carver", start="2025-01-06T09:00:00", minutes=30, activity="care-plan"),
            Entry(who="dr-alvarez", start="2025-01-14T12:00:00", minutes=20, activity="coordination"),
            Entry(who="lpn-dahl", start="2025-01-27T15:00:00", minutes=12, activity="medication"),
            Entry(who="rn-carver", start="2025-02-05T09:00:00", minutes=22, activity="symptom-management"),
        ),
    ),
    Patient(
        key="birch",
        shows="January is the practitioner's own work only; February has a nurse in it",
        given="Bruno",
        born="1944-09-30",
        conditions=("C61", "E11.9"),
        practitioner="np-brook",
        entries=(
            Entry(who="np-brook", start="2025-01-09T17:00:00", minutes=18),
            Entry(who="np-brook", start="2025-01-23T17:00:00", minutes=16, activity="medication"),
            Entry(who="np-brook", start="2025-02-06T17:00:00", minutes=12),
            Entry(who="lpn-dahl", start="2025-02-13T10:00:00", minutes=10, activity="education"),
        ),
    ),
    Patient(
        key="cedar",
        shows="documented complexity in January makes it complex; February falls back",
        given="Clara",
        born="1951-02-17",
        conditions=("C34.11", "J44.9"),
        decision_making=("moderate", "2025-01-10"),
        entries=(
            Entry(who="rn-carver", start="2025-01-07T13:00:00", minutes=45, activity="care-plan"),
            Entry(who="rn-carver", start="2025-01-16T13:00:00", minutes=30, activity="coordination"),
            Entry(who="lpn-dahl", start="2025-01-28T09:00:00", minutes=20, activity="symptom-management"),
            Entry(who="rn-carver", start="2025-02-11T13:00:00", minutes=45, activity="coordination"),
        ),
    ),
    Patient(
        key="dogwood",
        shows="principal care of one high-risk disease",
        given="Dora",
        born="1956-12-02",
        conditions=("C50.911",),
        programmes=("pcm",),
        focus="C50.911",
        entries=(
            Entry(who="rn-carver", start="2025-01-08T10:00:00", minutes=20, programme="pcm", activity="care-plan"),
            Entry(who="rph-ellis", start="2025-01-22T14:00:00", minutes=15, programme="pcm", activity="medication"),
            Entry(who="rn-carver", start="2025-02-04T10:00:00", minutes=40, programme="pcm", activity="coordination"),
            Entry(who="rph-ellis", start="2025-02-18T14:00:00", minutes=25, programme="pcm", activity="medication"),
        ),
    ),
    Patient(
        key="elder",
        shows="19 min 59 s is not 20 minutes",
        given="Emil",
        born="1939-07-23",
        conditions=("C18.9", "N18.4"),
        entries=(
            Entry(who="rn-carver", start="2025-01-10T09:00:00", minutes=10),
            Entry(who="rn-carver", start="2025-01-24T09:00:00", minutes=9, seconds=59),
            Entry(who="rn-carver", start="2025-02-07T09:00:00", minutes=12),
            Entry(who="rn-carver", start="2025-02-21T09:00:00", minutes=10),
        ),
    ),
    Patient(
        key="fir",
        shows="no consent in January; given on 10 February, and only the minutes after it count",
        given="Flora",
        born="1947-03-08",
        conditions=("C56.9", "E11.9"),
        start="2024-12-02",
        consent="2025-02-10T10:30:00",
        entries=(
            Entry(who="lpn-dahl", start="2025-01-13T11:00:00", minutes=25),
            Entry(who="lpn-dahl", start="2025-02-05T11:00:00", minutes=12),
            Entry(who="lpn-dahl", start="2025-02-17T11:00:00", minutes=23, activity="education"),
        ),
    ),
    Patient(
        key="ginkgo",
        shows="no initiating visit in the year before the start: a nurse visit is not one",
        given="Georg",
        born="1943-11-19",
        conditions=("C67.9", "J44.9"),
        start="2024-12-10",
        consent="2024-12-10",
        visits=(("99214", "2023-10-02"), ("99211", "2024-12-03")),
        entries=(
            Entry(who="rn-carver", start="2025-01-15T10:00:00", minutes=30),
            Entry(who="rn-carver", start="2025-02-12T10:00:00", minutes=24),
        ),
    ),
    Patient(
        key="hazel",
        shows="minutes of the front desk never count",
        given="Helen",
        born="1950-06-27",
        conditions=("C50.912", "I50.22"),
        entries=(
            Entry(who="desk-frost", start="2025-01-17T10:00:00", minutes=15),
            Entry(who="rn-carver", start="2025-01-21T09:00:00", minutes=18),
            Entry(who="rn-carver", start="2025-02-19T09:00:00", minutes=21),
        ),
    ),
    Patient(
        key="ironwood",
        shows="the family practice billed the same service in January",
        given="Ivan",
        born="1945-01-14",
        conditions=("C61", "J44.9"),
        other_claim=("99490", "2025-01-20", "dr-gray"),
        review_by="2025-02-14",
        entries=(
            Entry(who="rn-carver", start="2025-01-29T10:00:00", minutes=28, activity="coordination"),
            Entry(who="rn-carver", start="2025-02-26T10:00:00", minutes=28, activity="coordination"),
        ),
    ),
    Patient(
        key="juniper",
        shows="minutes during a hospital stay do not count; in February a clock was never stopped",
        given="June",
        born="1942-08-05",
        conditions=("C25.9", "E11.9"),
        stay=("2025-01-05T16:00:00", "2025-01-12T11:00:00"),
        entries=(
            Entry(who="rn-carver", start="2025-01-08T14:00:00", minutes=15, activity="transition"),
            Entry(who="rn-carver", start="2025-01-30T09:00:00", minutes=21, activity="transition"),
            Entry(who="lpn-dahl", start="2025-02-20T13:00:00", minutes=12),
            Entry(who="lpn-dahl", start="2025-02-27T13:00:00", minutes=0, open_end=True),
        ),
    ),
    Patient(
        key="katsura",
        shows="both programmes reach a base code in February: one may be billed, a person decides",
        given="Karl",
        born="1953-04-20",
        conditions=("C34.11", "I50.22"),
        programmes=("ccm", "pcm"),
        focus="C34.11",
        entries=(
            Entry(who="rn-carver", start="2025-01-31T09:00:00", minutes=25),
            Entry(who="rn-carver", start="2025-02-14T09:00:00", minutes=25),
            Entry(who="rph-ellis", start="2025-02-24T14:00:00", minutes=30, programme="pcm", activity="medication"),
        ),
    ),
    Patient(
        key="linden",
        shows="one call with two people counts once; an entry made in error and a separately billed call not at all",
        given="Lydia",
        born="1949-10-03",
        conditions=("C83.30", "E11.9"),
        entries=(
            Entry(who="rn-carver", start="2025-01-16T12:00:00", minutes=15, activity="coordination"),
            Entry(who="dr-alvarez", start="2025-01-16T12:05:00", minutes=15, activity="coordination"),
            Entry(who="rn-carver", start="2025-01-22T09:00:00", minutes=15, status="entered-in-error"),
            Entry(who="dr-alvarez", start="2025-02-10T16:00:00", minutes=25, billed_as="98012"),
            Entry(who="rn-carver", start="2025-02-25T09:00:00", minutes=20, activity="education"),
        ),
    ),
)


def luhn_npi(body: str) -> str:
    """Return nine digits with the check digit of a National Provider Identifier (Luhn with the prefix 80840)."""
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
        for place, digit in enumerate(reversed("80840" + body))
    )
    return body + str(-total % 10)


def concept(system: str, code: str) -> Resource:
    """Return a CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code}]}


def reference(kind: str, key: str) -> Resource:
    """Return a Reference."""
    return {"reference": f"{kind}/{key}"}


def instant(local: str) -> str:
    """Return a local date as it is, a local time with the practice's offset."""
    return local + OFFSET if "T" in local else local


def practice() -> list[Resource]:
    """Return the organizations, the staff and their roles."""
    out = [
        organization("demo-oncology", "Demo Oncology Associates", "199990001", "12-9990001"),
        organization("demo-family-practice", "Demo Family Practice", "199990002", "12-9990002"),
        {"resourceType": "Organization", "id": "demo-payer", "active": True, "name": "Medicare Part B"},
    ]
    for number, staff in enumerate(STAFF, 101):
        person: Resource = {"resourceType": "Practitioner", "id": staff.key, "active": True}
        if staff.bills:
            person["identifier"] = [{"system": NPI, "value": luhn_npi(f"199990{number}")}]
        person["name"] = [{"family": staff.family, "given": [staff.given]}]
        code = (
            concept(NUCC, staff.taxonomy)
            if staff.taxonomy
            else {**concept("https://demo.example/fhir/CodeSystem/job", "reception"), "text": "Reception"}
        )
        role: Resource = {"resourceType": "PractitionerRole", "id": f"role-{staff.key}", "active": True}
        role |= {"practitioner": reference("Practitioner", staff.key), "code": [code]}
        role["organization"] = reference("Organization", staff.organization)
        if staff.bills:
            role["specialty"] = [code]
        out += [person, role]
    return out


def organization(key: str, name: str, npi_body: str, tin: str) -> Resource:
    """Return a practice."""
    return {
        "resourceType": "Organization",
        "id": key,
        "active": True,
        "name": name,
        "identifier": [{"system": NPI, "value": luhn_npi(npi_body)}, {"system": TIN, "value": tin}],
        "address": [{"line": ["1 Example Street"], "city": "Albany", "state": "NY", "postalCode": "12207"}],
    }


def patient_resources(number: int, patient: Patient) -> list[Resource]:
    """Return everything on file for one patient."""
    key, subject = patient.key, reference("Patient", f"demo-{patient.key}")
    out: list[Resource] = [
        {
            "resourceType": "Patient",
            "id": f"demo-{key}",
            "active": True,
            "identifier": [
                {
                    "type": concept(TERMINOLOGY + "v2-0203", "MR"),
                    "system": "https://demo.example/mrn",
                    "value": f"DEMO-{number:04d}",
                }
            ],
            "name": [{"family": f"Demo-{key.title()}", "given": [patient.given]}],
            "gender": "male" if patient.given in {"Bruno", "Emil", "Georg", "Ivan", "Karl"} else "female",
            "birthDate": patient.born,
            "address": [{"line": [f"{number} Sample Road"], "city": "Albany", "state": "NY", "postalCode": "12207"}],
        },
        {
            "resourceType": "Coverage",
            "id": f"{key}-coverage",
            "status": "active",
            "type": concept("https://nahdo.org/sopt", "121"),
            "subscriberId": f"1DM0AA0AA{number:02d}",
            "beneficiary": subject,
            "relationship": concept(TERMINOLOGY + "subscriber-relationship", "self"),
            "period": {"start": "2020-01-01"},
            "payor": [reference("Organization", "demo-payer")],
        },
    ]
    out += [condition(patient, place, code, subject) for place, code in enumerate(patient.conditions, 1)]
    for programme in patient.programmes:
        out += care_plan(patient, programme, subject)
    out += recorded_data(patient, subject)
    out += consent(patient, subject)
    out += visits_and_stay(patient, subject)
    out += [time_entry(patient, place, entry, subject) for place, entry in enumerate(patient.entries, 1)]
    if patient.other_claim:
        out.append(other_claim(patient, subject))
    return out


def condition(patient: Patient, place: int, code: str, subject: Resource) -> Resource:
    """Return one chronic diagnosis with its documented duration and risk."""
    months = {"value": 12, "unit": "months", "system": "http://unitsofmeasure.org", "code": "mo"}
    return {
        "resourceType": "Condition",
        "id": f"{patient.key}-condition-{place}",
        "extension": [
            {"url": EXTENSION + "expected-duration", "valueDuration": months},
            {"url": EXTENSION + "significant-risk", "valueBoolean": True},
        ],
        "clinicalStatus": concept(TERMINOLOGY + "condition-clinical", "active"),
        "verificationStatus": concept(TERMINOLOGY + "condition-ver-status", "confirmed"),
        "category": [concept(TERMINOLOGY + "condition-category", "problem-list-item")],
        "code": concept(ICD10CM, code),
        "subject": subject,
        "onsetDateTime": "2023-04-12",
        "recordedDate": "2023-04-12",
    }


def care_plan(patient: Patient, programme: str, subject: Resource) -> list[Resource]:
    """Return the plan of one programme with its goal, and the copy given to the patient."""
    key, addressed = patient.key, patient.conditions
    if programme == "pcm":
        addressed = (patient.focus or patient.conditions[0],)
    addresses = [reference("Condition", f"{key}-condition-{patient.conditions.index(code) + 1}") for code in addressed]
    author = reference("Practitioner", patient.practitioner)
    elements = (
        "expected-outcome",
        "symptom-management",
        "planned-intervention",
        "medication-management",
        "community-services",
        "review-schedule",
    )
    goal: Resource = {
        "resourceType": "Goal",
        "id": f"{key}-goal-{programme}",
        "lifecycleStatus": "active",
        "description": {"text": "No unplanned admission"},
        "subject": subject,
        "startDate": patient.start,
        "target": [{"measure": {"text": "unplanned admissions"}, "detailInteger": 0, "dueDate": "2025-12-31"}],
        "addresses": addresses,
    }
    plan: Resource = {
        "resourceType": "CarePlan",
        "id": f"{key}-plan-{programme}",
        "status": "active",
        "intent": "plan",
        "category": [
            concept("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan"),
            concept(SERVICE, programme),
        ],
        "subject": subject,
        "period": {"start": patient.start},
        "created": patient.start,
        "author": author,
        "addresses": addresses,
        "goal": [reference("Goal", goal["id"])],
        "careTeam": [reference("CareTeam", f"{key}-team")],
        "note": [{"text": "Why care management is needed: see the visit that started it."}],
        "activity": [
            {"detail": {"status": "in-progress", "code": concept(CANONICAL + "/CodeSystem/care-plan-element", element)}}
            for element in elements
        ],
    }
    plan["activity"][-1]["detail"]["scheduledPeriod"] = {"start": patient.start, "end": patient.review_by}
    extensions = plan_extensions(patient, programme, author)
    if extensions:
        plan["extension"] = extensions
    copy: Resource = {
        "resourceType": "Communication",
        "id": f"{key}-copy-{programme}",
        "status": "completed",
        "category": [concept(ACTIVITY, "care-plan-copy")],
        "subject": subject,
        "about": [reference("CarePlan", plan["id"])],
        "sent": patient.start + "T12:00:00" + OFFSET,
        "recipient": [subject],
    }
    if key in NOT_SHARED:
        return [goal, plan, copy]
    share: Resource = {
        **copy,
        "id": f"{key}-share-{programme}",
        "category": [concept(ACTIVITY, "coordination")],
        "recipient": [reference("Organization", "demo-family-practice")],
    }
    return [goal, plan, copy, share]


def recorded_data(patient: Patient, subject: Resource) -> list[Resource]:
    """Return the care team with its lead, the medication list and the allergies."""
    key = patient.key
    team: Resource = {
        "resourceType": "CareTeam",
        "id": f"{key}-team",
        "status": "active",
        "subject": subject,
        "participant": [
            {
                "role": [concept(CANONICAL + "/CodeSystem/care-team-role", "lead")],
                "member": reference("Practitioner", patient.practitioner),
            }
        ],
    }
    medication: Resource = {
        "resourceType": "MedicationRequest",
        "id": f"{key}-medication",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "a medicine of the demonstration"},
        "subject": subject,
        "authoredOn": patient.start,
    }
    allergy: Resource = {
        "resourceType": "AllergyIntolerance",
        "id": f"{key}-allergy",
        "clinicalStatus": concept(TERMINOLOGY + "allergyintolerance-clinical", "active"),
        "code": concept("http://snomed.info/sct", "716186003"),
        "patient": subject,
        "recordedDate": patient.start,
    }
    return [team, medication] if key in ALLERGIES_NOT_RECORDED else [team, medication, allergy]


def plan_extensions(patient: Patient, programme: str, author: Resource) -> list[Resource]:
    """Return what the practitioner attested on the plan: decision making, or the elements of principal care."""
    if programme == "pcm":
        return [
            {
                "url": EXTENSION + "pcm-element",
                "extension": [
                    {"url": "element", "valueCode": element},
                    {"url": "attested", "valueDate": patient.start},
                    {"url": "by", "valueReference": author},
                ],
            }
            for element in ("frequent-medication-adjustment", "practitioner-coordination")
        ]
    if patient.decision_making is None:
        return []
    level, assessed = patient.decision_making
    return [
        {
            "url": EXTENSION + "medical-decision-making",
            "extension": [
                {"url": "level", "valueCode": level},
                {"url": "assessed", "valueDate": assessed},
                {"url": "assessor", "valueReference": author},
            ],
        }
    ]


def consent(patient: Patient, subject: Resource) -> list[Resource]:
    """Return the consent to care management; nothing where none was given."""
    if patient.consent is None:
        return []
    given = instant(patient.consent)
    return [
        {
            "resourceType": "Consent",
            "id": f"{patient.key}-consent",
            "extension": [
                {"url": EXTENSION + "consent-mode", "valueCode": "written"},
                *(
                    {"url": EXTENSION + "consent-element-explained", "valueCode": element}
                    for element in ("service", "cost-sharing", "one-practitioner", "may-stop")
                ),
            ],
            "status": "active",
            "scope": concept(TERMINOLOGY + "consentscope", "treatment"),
            "category": [
                concept("http://loinc.org", "59284-0"),
                concept(CANONICAL + "/CodeSystem/consent-category", "care-management"),
            ],
            "patient": subject,
            "dateTime": given,
            "performer": [subject],
            "organization": [reference("Organization", "demo-oncology")],
            "policyRule": concept(ACT_CODE, "OPTIN"),
            "provision": {
                "type": "permit",
                "period": {"start": given},
                "actor": [
                    {
                        "role": concept(PARTICIPATION, "PPRF"),
                        "reference": reference("Practitioner", patient.practitioner),
                    }
                ],
                "code": [concept(SERVICE, programme) for programme in patient.programmes],
            },
        }
    ]


def visits_and_stay(patient: Patient, subject: Resource) -> list[Resource]:
    """Return the office visits and the hospital stay."""
    out: list[Resource] = [
        {
            "resourceType": "Encounter",
            "id": f"{patient.key}-visit-{place}",
            "status": "finished",
            "class": {"system": ACT_CODE, "code": "AMB"},
            "type": [concept(CPT, code)],
            "subject": subject,
            "participant": [{"individual": reference("Practitioner", patient.practitioner)}],
            "period": {"start": day, "end": day},
            "serviceProvider": reference("Organization", "demo-oncology"),
        }
        for place, (code, day) in enumerate(patient.visits, 1)
    ]
    if patient.stay:
        admitted, discharged = patient.stay
        out.append(
            {
                "resourceType": "Encounter",
                "id": f"{patient.key}-stay",
                "status": "finished",
                "class": {"system": ACT_CODE, "code": "IMP"},
                "subject": subject,
                "period": {"start": instant(admitted), "end": instant(discharged)},
            }
        )
    return out


def time_entry(patient: Patient, place: int, entry: Entry, subject: Resource) -> Resource:
    """Return one logged piece of care-management work."""
    types = [concept(ACTIVITY, entry.activity)]
    if entry.billed_as:
        types.append(concept(CPT, entry.billed_as))
    period = {"start": instant(entry.start)}
    if not entry.open_end:
        end = datetime.fromisoformat(entry.start) + timedelta(minutes=entry.minutes, seconds=entry.seconds)
        period["end"] = instant(end.isoformat())
    return {
        "resourceType": "Encounter",
        "id": f"{patient.key}-time-{place}",
        "status": entry.status,
        "class": {"system": ACT_CODE, "code": "VR"},
        "type": types,
        "serviceType": concept(SERVICE, entry.programme),
        "subject": subject,
        "participant": [{"type": [concept(PARTICIPATION, "PPRF")], "individual": reference("Practitioner", entry.who)}],
        "period": period,
        "serviceProvider": reference("Organization", "demo-oncology"),
    }


def other_claim(patient: Patient, subject: Resource) -> Resource:
    """Return a claim that another practice has on file."""
    assert patient.other_claim is not None  # noqa: S101 -- asked by the caller
    code, day, practitioner = patient.other_claim
    return {
        "resourceType": "Claim",
        "id": f"{patient.key}-other-claim",
        "status": "active",
        "type": concept(TERMINOLOGY + "claim-type", "professional"),
        "use": "claim",
        "patient": subject,
        "created": day,
        "provider": reference("Practitioner", practitioner),
        "priority": concept(TERMINOLOGY + "processpriority", "normal"),
        "insurance": [
            {"sequence": 1, "focal": True, "coverage": reference("Coverage", f"{patient.key}-coverage")},
        ],
        "item": [
            {"sequence": 1, "productOrService": concept(CPT, code), "servicedDate": day, "quantity": {"value": 1}},
        ],
    }


def write(folder: Path) -> None:
    """Write one NDJSON file for each resource type; other files of the folder are left alone."""
    by_type: dict[str, list[Resource]] = {}
    for resource in practice():
        by_type.setdefault(resource["resourceType"], []).append(resource)
    for number, patient in enumerate(PATIENTS, 1):
        for resource in patient_resources(number, patient):
            by_type.setdefault(resource["resourceType"], []).append(resource)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, resources in sorted(by_type.items()):
        lines = "".join(json.dumps(resource, separators=(",", ":")) + "\n" for resource in resources)
        (folder / f"{kind}.ndjson").write_text(lines, encoding="utf-8")
    print(f"{sum(map(len, by_type.values()))} resources for {len(PATIENTS)} patients in {folder}")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "fixtures" / "demo")
