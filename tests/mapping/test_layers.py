"""The shipped layers: what comes out of each shape, and that what does not fit is refused or listed by name."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.facts.time_entry import RoleClass
from caretally.sync.mirroring.plan import Plan
from caretally.tables.layers import layer_names
from caretally.tables.locate import data_path
from tests.mapping.patients import Resource, changed, context, mapped, resources, tables

CANON = "https://caretally.example/fhir"
NOBODY: Any = None
"""Stands for the server of a plan that asks it for no capability."""
PATIENT = {"reference": "Patient/pat"}
DOCUMENT: Resource = {
    "resourceType": "DocumentReference",
    "id": "form",
    "status": "current",
    "docStatus": "final",
    "type": {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]},
    "category": [{"coding": [{"system": f"{CANON}/CodeSystem/consent-category", "code": "care-management"}]}],
    "subject": PATIENT,
    "date": "2024-11-05T09:00:00Z",
    "custodian": {"reference": "Organization/GRP1"},
    "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/1"}}],
    "context": {"period": {"start": "2024-11-02"}, "related": [{"reference": "Practitioner/P1"}]},
}
FORM: Resource = {
    "resourceType": "QuestionnaireResponse",
    "id": "answers",
    "questionnaire": f"{CANON}/Questionnaire/care-management-consent|2",
    "status": "completed",
    "subject": PATIENT,
    "authored": "2024-11-03T10:00:00-05:00",
    "item": [
        {"linkId": "consent-given", "answer": [{"valueBoolean": True}]},
        {"linkId": "consent-form", "answer": [{"valueCoding": {"code": "verbal"}}]},
        {"linkId": "practitioner", "answer": [{"valueReference": {"reference": "Practitioner/P1"}}]},
        {
            "linkId": "told",
            "item": [
                {"linkId": "explained", "answer": [{"valueCoding": {"code": c}} for c in ("service", "may-stop")]}
            ],
        },
    ],
}
ASSESSMENT: Resource = {
    "resourceType": "RiskAssessment",
    "id": "risk",
    "status": "final",
    "subject": PATIENT,
    "condition": {"reference": "Condition/cond1"},
    "occurrenceDateTime": "2024-12-20",
    "prediction": [
        {
            "outcome": {"coding": [{"system": f"{CANON}/CodeSystem/risk-outcome", "code": "hospitalization"}]},
            "qualitativeRisk": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/risk-probability", "code": "high"}]
            },
        }
    ],
}
FLAG: Resource = {
    "resourceType": "Flag",
    "id": "flag",
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/flag-detail",
            "valueReference": {"reference": "Condition/cond2"},
        }
    ],
    "status": "active",
    "code": {"coding": [{"system": f"{CANON}/CodeSystem/risk-level", "code": "significant"}]},
    "subject": PATIENT,
    "period": {"start": "2024-10-01"},
}


def altered(resource: Resource, path: str, value: Any) -> Resource:
    """A copy with the element at a path replaced, or removed where the value is None."""
    found = copy.deepcopy(resource)
    at: Any = found
    *before, last = path.split(".")
    for step in before:
        at = at[int(step)] if step.isdecimal() else at[step]
    if value is None:
        del at[last]
    elif last.isdecimal():
        at[int(last)] = value
    else:
        at[last] = value
    return found


def record(*added: Resource, without: str = "") -> list[Resource]:
    return [*(r for r in resources() if r["resourceType"] != without), *added]


def listed(found: Any, resource: Resource) -> set[str]:
    return {i.code for i in found.issues if i.resource == f"{resource['resourceType']}/{resource['id']}"}


def fate(found: Any, kind: str) -> dict[str, int]:
    return {key.partition(".")[2]: n for key, n in found.accounted.items() if key.startswith(f"{kind}.")}


def test_every_layer_is_described_and_every_description_has_its_layer() -> None:
    rows = tomllib.loads((data_path("mappings") / "layers.toml").read_text())["layer"]
    assert sorted(row["name"] for row in rows) == layer_names(data_path("mappings"))


def test_files_of_terminology_layers_are_named_after_what_they_hold() -> None:
    root = Path(data_path("mappings")) / "terminology"
    found = [path for path in root.glob("*/*.json") if f"/{path.stem}" not in path.read_text()]
    assert found == []


def test_a_layer_that_shows_who_is_in_care_says_how_a_server_finds_them() -> None:
    base = {view for group in tables().views.values() for view in group}
    for name in layer_names(data_path("mappings")):
        for views in tables(name).views.values():
            for view in views:
                if view.source not in {v.source for v in base} and view.name in {"time_entry", "consent", "enrolment"}:
                    assert view.found_by, view.source


def test_the_searches_of_layers_are_asked_with_the_days_of_the_months() -> None:
    kinds = {kind.name: kind for kind in tables("task-minutes", "consent-questionnaire").resource_types}
    wanted = {name: kinds[name] for name in ("Encounter", "CarePlan", "Consent", "Task", "QuestionnaireResponse")}
    plan = Plan(server=NOBODY, terminology=tables().terminology, types=wanted, months=[ServiceMonth(2025, 1)])
    found = {name: document["variants"] for name, document in plan.find() if "layer" in document}
    days = [("period", "ge2024-12-31"), ("period", "le2025-02-01")]
    code = ("code", f"{CANON}/CodeSystem/care-management-activity|")
    assert found["Task"] == [[code, *days, ("_elements", "for")], [code, *days], days]
    form = ("questionnaire", f"{CANON}/Questionnaire/care-management-consent")
    assert found["QuestionnaireResponse"] == [[form, ("_elements", "subject")], [form], []]
    assert [name for name, _ in plan.find() if name == "Observation"] == []


# -- consent as a document ------------------------------------------------------------------------------------------


def test_a_signed_document_is_a_written_consent() -> None:
    found = mapped(record(DOCUMENT, without="Consent"), "consent-document")
    (consent,) = found.facts.consents
    assert consent.given is not None
    assert (str(consent.given.day), consent.mode, consent.status) == ("2024-11-02", "written", "active")
    assert consent.practitioners == ("Practitioner/P1",)
    assert fate(found, "DocumentReference") == {"fact": 1}
    assert mapped(record(DOCUMENT, without="Consent")).facts.consents == ()


@pytest.mark.parametrize(
    ("path", "value", "code", "kept"),
    [
        ("status", "superseded", "consent-without-effect", "other"),
        ("status", "entered-in-error", "consent-without-effect", "other"),
        ("docStatus", "preliminary", "consent-without-effect", "other"),
        ("status", "signed", "unknown-status", "refused"),
        ("category", None, "consent-without-purpose", "other"),
        ("context.related.0.reference", "Practitioner?identifier=x|y", "consent-practitioner-unknown", "refused"),
    ],
)
def test_a_document_that_is_no_consent_is_listed(path: str, value: Any, code: str, kept: str) -> None:
    document = altered(DOCUMENT, path, value)
    found = mapped(record(document, without="Consent"), "consent-document")
    assert found.facts.consents == ()
    assert code in listed(found, document)
    assert fate(found, "DocumentReference") == {kept: 1}


def test_a_document_without_date_or_without_anybody_is_refused() -> None:
    undated = altered(altered(DOCUMENT, "date", None), "context.period", None)
    nobody = altered(altered(DOCUMENT, "custodian", None), "context.related", None)
    for document, code in ((undated, "undated-consent"), (nobody, "consent-names-nobody")):
        found = mapped(record(document, without="Consent"), "consent-document")
        assert (found.facts.consents, listed(found, document)) == ((), {code})
        assert fate(found, "DocumentReference") == {"refused": 1}


def test_a_document_for_the_practice_holds_for_the_group_and_one_without_its_pages_is_of_unknown_form() -> None:
    practice = mapped(record(altered(DOCUMENT, "context.related", None), without="Consent"), "consent-document")
    assert [(c.practitioners, c.organizations) for c in practice.facts.consents] == [((), ("Organization/GRP1",))]
    empty = mapped(record(altered(DOCUMENT, "content.0.attachment.url", None), without="Consent"), "consent-document")
    assert [c.mode for c in empty.facts.consents] == [None]


def test_another_document_is_counted_and_nothing_else() -> None:
    note = altered(altered(DOCUMENT, "type.coding.0.code", "34117-2"), "category", None)
    found = mapped(record(note), "consent-document")
    assert (fate(found, "DocumentReference"), listed(found, note)) == ({"other": 1}, set())


# -- consent as answers ---------------------------------------------------------------------------------------------


def test_the_answer_yes_is_a_consent() -> None:
    found = mapped(record(FORM, without="Consent"), "consent-questionnaire")
    (consent,) = found.facts.consents
    assert (consent.mode, consent.explained, consent.practitioners) == (
        "verbal",
        ("service", "may-stop"),
        ("Practitioner/P1",),
    )
    assert consent.given is not None
    assert consent.given.instant is not None
    dated = [*FORM["item"], {"linkId": "consent-date", "answer": [{"valueDate": "2024-10-30"}]}]
    (earlier,) = mapped(record({**FORM, "item": dated}, without="Consent"), "consent-questionnaire").facts.consents
    assert earlier.given is not None
    assert str(earlier.given.day) == "2024-10-30"


@pytest.mark.parametrize(
    ("path", "value", "code", "kept"),
    [
        ("status", "in-progress", "consent-without-effect", "other"),
        ("item.0.answer", None, "consent-not-answered", "refused"),
        ("item.0.answer.0", {"valueString": "yes"}, "consent-not-answered", "refused"),
        ("item.0.answer.0.valueBoolean", False, "consent-refused", "fact"),
        ("item.1.answer.0.valueCoding.code", "by-fax", "unknown-status", "refused"),
        ("item.2", {"linkId": "other"}, "consent-names-nobody", "refused"),
        ("authored", None, "undated-consent", "refused"),
    ],
)
def test_answers_that_are_no_consent_are_listed(path: str, value: Any, code: str, kept: str) -> None:
    form = altered(FORM, path, value)
    found = mapped(record(form, without="Consent"), "consent-questionnaire")
    assert found.facts.consents == ()
    assert code in listed(found, form)
    assert fate(found, "QuestionnaireResponse") == {kept: 1}


def test_another_form_is_no_consent() -> None:
    for other in (f"{CANON}/Questionnaire/care-management-consent-withdrawal", f"{CANON}/Questionnaire/phq-9"):
        found = mapped(record(altered(FORM, "questionnaire", other)), "consent-questionnaire")
        assert [c.reference for c in found.facts.consents] == ["Consent/consent"]
        assert fate(found, "QuestionnaireResponse") == {"other": 1}


def test_a_later_no_ends_what_was_given_before() -> None:
    no = altered(altered(FORM, "item.0.answer.0.valueBoolean", False), "authored", "2025-01-15T10:00:00-05:00")
    (consent,) = mapped(record(no), "consent-questionnaire").facts.consents
    assert consent.withdrawn is not None
    before = altered(no, "authored", "2024-10-01T10:00:00-05:00")
    other = altered(no, "item.2.answer.0.valueReference.reference", "Practitioner/N1")
    for harmless in (before, other):
        (consent,) = mapped(record(harmless), "consent-questionnaire").facts.consents
        assert consent.withdrawn is None


def test_a_consent_resource_that_denies_ends_what_was_given_before() -> None:
    (permit,) = (r for r in resources() if r["resourceType"] == "Consent")
    deny = altered(altered({**permit, "id": "no"}, "provision.type", "deny"), "dateTime", "2025-01-20")
    found = mapped(record(deny))
    assert [(c.reference, str(c.withdrawn and c.withdrawn.day)) for c in found.facts.consents] == [
        ("Consent/consent", "2025-01-20")
    ]
    assert listed(found, deny) == {"consent-refused"}


def test_a_consent_to_somebody_who_cannot_be_told_holds_for_nobody() -> None:
    """Found with this work: such a consent once counted as one that names nobody, and so held for everybody."""
    unknown = {"reference": "PractitionerRole/who"}
    found = mapped(changed("Consent", 0, lambda c: c["provision"]["actor"][0].update(reference=unknown)))
    assert found.facts.consents == ()
    assert {"consent-practitioner-unknown", "unresolvable-practitioner"} <= {i.code for i in found.issues}


# -- risk -----------------------------------------------------------------------------------------------------------


def test_an_assessment_states_the_risk_of_the_condition_it_names() -> None:
    found = mapped(record(ASSESSMENT), "risk-assessment")
    risks = {c.reference: [(r.reference, r.significant, str(r.start)) for r in c.risks] for c in found.facts.conditions}
    assert risks == {"Condition/cond1": [("RiskAssessment/risk", True, "2024-12-20")], "Condition/cond2": []}
    assert fate(found, "RiskAssessment") == {"fact": 1}
    low = altered(ASSESSMENT, "prediction.0.qualitativeRisk.coding.0.code", "low")
    by_basis = altered({**low, "basis": [{"reference": "Condition/cond2"}]}, "condition", None)
    stated = mapped(record(by_basis), "risk-assessment").facts.conditions
    assert [[r.significant for r in c.risks] for c in stated] == [[], [False]]


@pytest.mark.parametrize(
    ("path", "value", "code", "kept"),
    [
        ("status", "preliminary", "risk-without-effect", "other"),
        ("status", "done", "unknown-status", "refused"),
        ("condition", None, "risk-without-condition", "refused"),
        ("occurrenceDateTime", None, "undated-risk", "refused"),
        ("prediction.0.qualitativeRisk.coding.0.code", "moderate", "unknown-risk-level", "refused"),
        ("prediction.0.qualitativeRisk", None, "unknown-risk-level", "refused"),
        ("prediction.0.outcome", {"text": "Heart attack"}, "risk-of-something-else", "other"),
    ],
)
def test_an_assessment_that_says_nothing_about_risk_is_listed(path: str, value: Any, code: str, kept: str) -> None:
    assessment = altered(ASSESSMENT, path, value)
    found = mapped(record(assessment), "risk-assessment")
    assert [c.risks for c in found.facts.conditions] == [(), ()]
    assert code in listed(found, assessment)
    assert fate(found, "RiskAssessment") == {kept: 1}


def test_a_flag_states_the_risk_while_it_lasts() -> None:
    ended = altered({**FLAG, "period": {"start": "2024-10-01", "end": "2024-12-31"}}, "status", "inactive")
    for flag, end in ((FLAG, None), (ended, "2024-12-31")):
        (risk,) = next(
            c.risks for c in mapped(record(flag), "risk-flag").facts.conditions if c.reference == "Condition/cond2"
        )
        assert (risk.significant, str(risk.start), risk.end and str(risk.end)) == (True, "2024-10-01", end)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("extension", None, "risk-without-condition"),
        ("period", None, "undated-risk"),
        ("status", "inactive", "risk-without-effect"),
        ("code.coding.0.code", "grave", "unknown-risk-level"),
    ],
)
def test_a_flag_that_says_nothing_about_risk_is_listed(path: str, value: Any, code: str) -> None:
    flag = altered(FLAG, path, value)
    found = mapped(record(flag), "risk-flag")
    assert [c.risks for c in found.facts.conditions] == [(), ()]
    assert code in listed(found, flag)


def test_a_flag_of_something_else_is_counted() -> None:
    big_dog = altered(FLAG, "code.coding.0.system", "http://example.org/local")
    found = mapped(record(big_dog), "risk-flag")
    assert (fate(found, "Flag"), listed(found, big_dog)) == ({"other": 1}, set())


# -- minutes, roles, terminology ------------------------------------------------------------------------------------


def telephone(**changes: Any) -> Resource:
    call: Resource = {
        "resourceType": "Encounter",
        "id": "call",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
        "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "185317003"}]}],
        "subject": PATIENT,
        "participant": [{"individual": {"reference": "Practitioner/N1"}}],
        "period": {"start": "2025-01-21T09:00:00-05:00", "end": "2025-01-21T09:12:00-05:00"},
    }
    return {**call, **changes}


def test_a_telephone_encounter_is_a_call_where_the_layer_is_used() -> None:
    found = mapped(record(telephone()), "telephone-minutes")
    (entry,) = (e for e in found.facts.entries if e.reference == "Encounter/call")
    assert (entry.seconds, entry.activities, entry.invalid) == (720, ("communication",), None)
    assert "Encounter/call" not in {e.reference for e in mapped(record(telephone())).facts.entries}
    own = telephone(
        type=[
            {"coding": [{"system": "http://snomed.info/sct", "code": "185317003"}]},
            {"coding": [{"system": f"{CANON}/CodeSystem/care-management-activity", "code": "education"}]},
        ]
    )
    twice = [e for e in mapped(record(own), "telephone-minutes").facts.entries if e.reference == "Encounter/call"]
    assert [e.activities for e in twice] == [("education",)]


def test_a_telephone_encounter_without_end_is_refused() -> None:
    found = mapped(record(telephone(period={"start": "2025-01-21T09:00:00-05:00"})), "telephone-minutes")
    assert {i.code for i in found.issues if i.resource == "Encounter/call"} == {"entry-without-end"}


def test_roles_of_other_sources_are_known_where_their_layer_is_used() -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/practitioner-role", "code": "nurse"}
    found = changed("PractitionerRole", 1, lambda r: r.update(code=[{"coding": [coding]}]))
    assert context(found).practice.practitioner("Practitioner/N1").role is RoleClass.UNKNOWN
    assert context(found, "r4-examples").practice.practitioner("Practitioner/N1").role is RoleClass.CLINICAL_STAFF
    primary = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction", "code": "PCP"}
    found = changed("PractitionerRole", 0, lambda r: r.update(code=[{"coding": [primary]}], specialty=[]))
    assert context(found).practice.practitioner("Practitioner/P1").role is RoleClass.UNKNOWN
    assert context(found, "us-core", "synthea").practice.practitioner("Practitioner/P1").role is RoleClass.PRACTITIONER


def test_the_primary_care_physician_leads_a_us_core_team() -> None:
    primary = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction", "code": "PCP"}
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": PATIENT,
        "participant": [{"role": [{"coding": [primary]}], "member": {"reference": "Practitioner/P1"}}],
    }
    assert mapped(record(team), "us-core").facts.care_team_leads == ("Practitioner/P1",)
    assert mapped(record(team)).facts.care_team_leads == ()


def test_a_condition_in_snomed_alone_has_a_code_only_where_it_is_certain() -> None:
    def snomed(code: str) -> list[Resource]:
        def change(condition: Resource) -> None:
            condition["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": code}]}

        return changed("Condition", 0, change)

    for code, icd10cm, chronic in (
        ("239873007", "M17.9", True),
        ("127013003", None, False),  # diabetes of which type?
        ("254837009", None, True),  # cancer of the breast: sex and side decide the code
        ("160903007", None, False),  # full-time employment
    ):
        condition = mapped(snomed(code), "synthea").facts.conditions[0]
        assert (condition.icd10cm, condition.listed_chronic) == (icd10cm, chronic), code


def test_a_role_names_its_organization_by_identifier() -> None:
    """Synthea's roles do; without it nobody would belong to a group."""

    def change(role: Resource) -> None:
        organization = next(r for r in resources() if r["resourceType"] == "Organization" and r["id"] == "GRP1")
        role["organization"] = {"identifier": organization["identifier"][0]}

    practice = context(changed("PractitionerRole", 0, change)).practice
    assert practice.organization_of("Practitioner/P1") == "Organization/GRP1"
    unknown = {"identifier": {"system": "urn:x", "value": "1"}}
    lost = context(changed("PractitionerRole", 0, lambda r: r.update(organization=unknown))).practice
    assert lost.organization_of("Practitioner/P1") is None
