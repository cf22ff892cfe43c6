"""The shapes of the input contract, and the variants that are read as well."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import orjson
import pytest

from caretally.facts.codes import CPT, Coding
from caretally.facts.exact_json import loads
from caretally.facts.intervals import Interval
from caretally.facts.time_entry import RoleClass, TimeEntry
from caretally.mapping import MappedPatient, evaluate
from tests.mapping.patients import changed, mapped, resources


def entry_of(found: MappedPatient, reference: str = "Encounter/time-1") -> TimeEntry:
    return next(e for e in found.facts.entries if e.reference == reference)


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        ({"value": 1800, "system": "http://unitsofmeasure.org", "code": "s"}, 1800),
        ({"value": 0.5, "system": "http://unitsofmeasure.org", "code": "h"}, 1800),
        ({"value": 19.99, "system": "http://unitsofmeasure.org", "code": "min"}, 1199),
        ({"value": 20, "unit": "minutes"}, 1200),
    ],
)
def test_a_length_becomes_whole_seconds_never_rounded_up(length: dict[str, object], seconds: int) -> None:
    found = mapped(changed("Encounter", 1, lambda r: r.update(length=length)))
    assert entry_of(found).seconds == seconds


def test_of_length_and_period_the_smaller_counts_and_the_difference_is_told() -> None:
    period = {"start": "2025-01-13T09:00:00-05:00", "end": "2025-01-13T09:40:00-05:00"}
    found = mapped(changed("Encounter", 1, lambda r: r.update(period=period)))
    entry = entry_of(found)
    assert entry.seconds == 1800
    assert entry.interval is not None
    assert entry.interval.seconds == 1800
    assert "length-differs-from-period" in {i.code for i in found.issues}


def test_fractions_of_a_second_never_add_time() -> None:
    period = {"start": "2025-01-13T14:00:00.900Z", "end": "2025-01-13T14:20:00.100Z"}

    def change(resource: dict[str, object]) -> None:
        resource.pop("length")
        resource["period"] = period

    entry = entry_of(mapped(changed("Encounter", 1, change)))
    assert entry.seconds == 1199


def test_an_hour_that_the_clock_repeats_keeps_its_length() -> None:
    period = {"start": "2025-11-02T01:30:00-04:00", "end": "2025-11-02T01:15:00-05:00"}

    def change(resource: dict[str, object]) -> None:
        resource.pop("length")
        resource["period"] = period

    assert entry_of(mapped(changed("Encounter", 1, change))).seconds == 45 * 60


def test_a_stamp_without_offset_is_read_in_the_practice_zone_and_flagged() -> None:
    period = {"start": "2025-01-13T09:00:00", "end": "2025-01-13T09:30:00"}
    entry = entry_of(mapped(changed("Encounter", 1, lambda r: r.update(period=period))))
    assert entry.zone_assumed
    assert entry.interval == Interval(1736776800, 1736778600)


@pytest.mark.parametrize(
    "reference",
    [
        "Practitioner/N1",
        "https://ehr.example/fhir/Practitioner/N1",
        "Practitioner/N1/_history/3",
        "PractitionerRole/role-N1",
    ],
)
def test_a_performer_is_found_however_he_is_referred_to(reference: str) -> None:
    found = mapped(changed("Encounter", 1, lambda r: r.update(participant=[{"individual": {"reference": reference}}])))
    (performer,) = entry_of(found).performers
    assert (performer.reference, performer.role) == ("Practitioner/N1", RoleClass.CLINICAL_STAFF)


def test_an_attending_participant_names_who_bills_and_did_not_do_the_work() -> None:
    attending = {
        "type": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ATND"}]}
        ],
        "individual": {"reference": "Practitioner/P1"},
    }
    found = mapped(changed("Encounter", 1, lambda r: r["participant"].append(attending)))
    entry = entry_of(found)
    assert entry.attending == "Practitioner/P1"
    assert [p.reference for p in entry.performers] == ["Practitioner/N1"]


def test_the_golden_facts_of_the_month() -> None:
    facts = mapped(resources("G36")).facts
    (stay,) = facts.stays
    assert stay.start.instant == 1736089200
    (visit,) = facts.visits
    assert visit.codes == (Coding(CPT, "99214"),)
    (plan,) = facts.care_plans
    assert (plan.programmes, plan.start, plan.author) == (("ccm",), date(2024, 11, 1), "Practitioner/P1")
    assert plan.addresses == ("Condition/cond1", "Condition/cond2")
    assert plan.copies_given
    (consent,) = facts.consents
    assert (consent.mode, consent.practitioners, consent.programmes) == ("written", ("Practitioner/P1",), ("ccm",))
    assert [c.icd10cm for c in facts.conditions] == ["E11.9", "I50.22"]
    assert all(c.expected_months == 12 and c.significant_risk for c in facts.conditions)
    (coverage,) = facts.coverages
    assert coverage.payor == "Organization/payer"
    assert facts.patient.beneficiary_digest is not None


def test_roles_and_attestations_of_the_golden_cases() -> None:
    facts = mapped(resources("G15")).facts
    assert {p.role for e in facts.entries for p in e.performers} == {RoleClass.NON_CLINICAL, RoleClass.CLINICAL_STAFF}
    (plan,) = mapped(resources("G23")).facts.care_plans
    assert [(str(e.service_month), e.family) for e in plan.elections] == [("2025-04", "physician")]
    (plan,) = mapped(resources("G08")).facts.care_plans
    assert [d.level for d in plan.decision_making] == ["high"]
    plans = {p.programmes: p for p in mapped(resources("G31")).facts.care_plans}
    assert {e.element for e in plans["pcm",].pcm_elements} == {
        "frequent-medication-adjustment",
        "practitioner-coordination",
    }


def test_numbers_read_exactly_are_numbers() -> None:
    """The program reads fractions as Decimals: a length, a duration and a quantity with a point are no strangers."""
    given = loads(
        orjson.dumps(resources("G38")).replace(b'"value":30,', b'"value":30.5,').replace(b'"value":1}', b'"value":1.0}')
    )
    found = mapped(given)
    assert [e.seconds for e in found.facts.entries] == [1830]
    assert [line.code.code for line in found.facts.claim_lines] == ["G0557"]
    assert not found.issues
    view = {
        "resourceType": "ViewDefinition",
        "name": "v",
        "resource": "Observation",
        "status": "active",
        "select": [
            {
                "column": [
                    {"name": "typed", "path": "value.ofType(Quantity).value", "type": "decimal"},
                    {"name": "more", "path": "value.ofType(Quantity).value + 1"},
                    {"name": "low", "path": "value.ofType(Quantity).value.lowBoundary()"},
                    {"name": "large", "path": "value.ofType(Quantity).value > 1.25"},
                ]
            }
        ],
    }
    (row,) = evaluate(view, [{"resourceType": "Observation", "id": "o", "valueQuantity": {"value": Decimal("1.50")}}])
    assert (row["typed"], float(row["more"]), row["large"]) == (Decimal("1.50"), 2.5, True)
    assert float(row["low"]) == 1.495


def benefit(code: str, **more: object) -> dict[str, object]:
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": "eob",
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "patient": {"reference": "Patient/pat"},
        "created": "2025-02-20",
        "provider": {"reference": "Practitioner/P1"},
        "item": [
            {
                "sequence": 1,
                "productOrService": {"coding": [{"system": CPT, "code": code}]},
                "servicedDate": "2025-01-13",
            }
        ],
        **more,
    }


def test_an_explanation_of_benefit_proves_a_visit_and_is_no_claim_of_somebody_else() -> None:
    found = mapped(
        [
            *resources(),
            benefit("99213"),
        ]
    )
    assert found.facts.claim_lines == ()
    assert Coding(CPT, "99213") in {c for v in found.facts.visits for c in v.codes}
    # The payer's answer to our own claim must not block our own claim.
    assert mapped([*resources(), benefit("99490")]).facts.claim_lines == ()


def test_who_referred_or_supervised_did_not_render() -> None:
    given = resources("G37")
    claim = next(r for r in given if r["resourceType"] == "Claim")
    role = "http://terminology.hl7.org/CodeSystem/claimcareteamrole"
    claim["careTeam"] = [
        {
            "sequence": 1,
            "provider": {"reference": "Practitioner/N1"},
            "role": {"coding": [{"system": role, "code": "supervisor"}]},
        },
        {
            "sequence": 2,
            "provider": {"reference": "Practitioner/P1"},
            "role": {"coding": [{"system": role, "code": "primary"}]},
        },
    ]
    (line,) = mapped(given).facts.claim_lines
    assert line.practitioners == ("Practitioner/P1",)


@pytest.mark.parametrize("system", [None, "http://hl7.org/fhir/v3/ActCode", "https://ehr.example/class"])
def test_an_inpatient_class_is_believed_whatever_its_system(system: str | None) -> None:
    change = {"class": {"code": "IMP", **({"system": system} if system else {})}}
    given = resources("G36")
    next(r for r in given if r["id"] == "stay1").update(change)
    assert len(mapped(given).facts.stays) == 1


def test_attending_with_a_local_code_beside_it_did_not_do_the_work() -> None:
    attending = {
        "type": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ATND"},
                    {"system": "https://ehr.example/roles", "code": "17"},
                ]
            }
        ],
        "individual": {"reference": "Practitioner/P1"},
    }
    found = mapped(changed("Encounter", 1, lambda r: r["participant"].append(attending)))
    assert [p.reference for p in entry_of(found).performers] == ["Practitioner/N1"]
