"""What other services leave in the record: the visit a line bills, why a stay began, messages, enrolments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from caretally.mapping import MappedPatient, map_patient
from caretally.tables import load_tables
from tests.mapping.patients import PRACTICE_TYPES, context, mapped, resources

CPT = "http://www.ama-assn.org/go/cpt"
CANON = "https://caretally.example/fhir"
SERVICE = {"coding": [{"system": f"{CANON}/CodeSystem/care-management-service", "code": "ccm"}]}


def with_(*more: dict[str, Any], name: str = "G02") -> MappedPatient:
    return mapped([*resources(name), *more])


def patient() -> dict[str, str]:
    return {"reference": "Patient/pat"}


def encounter(**fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "new",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": patient(),
        "period": {"start": "2025-01-10", "end": "2025-01-12"},
        **fields,
    }


def test_a_claim_line_names_the_encounter_that_it_bills() -> None:
    item = {
        "sequence": 1,
        "productOrService": {"coding": [{"system": CPT, "code": "99457"}]},
        "servicedDate": "2025-01-13",
        "encounter": [{"reference": "Encounter/time-1"}, {"reference": "https://other.example/x"}],
    }
    claim = {"resourceType": "Claim", "id": "rpm", "status": "active", "use": "claim", "patient": patient()}
    found = with_({**claim, "created": "2025-01-13", "item": [item]}).facts.claim_lines
    assert [line.encounters for line in found if line.reference == "Claim/rpm"] == [("Encounter/time-1",)]


def test_a_charge_bills_its_context_unless_that_is_an_episode() -> None:
    charge = {
        "resourceType": "ChargeItem",
        "status": "billed",
        "subject": patient(),
        "code": {"coding": [{"system": CPT, "code": "99457"}]},
        "occurrenceDateTime": "2025-01-13",
    }
    found = with_(
        {**charge, "id": "one", "context": {"reference": "Encounter/time-1"}},
        {**charge, "id": "two", "context": {"reference": "EpisodeOfCare/e"}},
    ).facts.claim_lines
    assert {line.reference: line.encounters for line in found} == {
        "ChargeItem/one": ("Encounter/time-1",),
        "ChargeItem/two": (),
    }


def test_a_stay_says_for_which_conditions_the_patient_was_admitted() -> None:
    stay = encounter(
        diagnosis=[{"condition": {"reference": "Condition/cond1"}}, {"condition": {"reference": "Procedure/p"}}],
        reasonReference=[{"reference": "Condition/cond2"}],
    )
    stay["class"]["code"] = "IMP"
    (found,) = with_(stay).facts.stays
    assert set(found.conditions) == {"Condition/cond1", "Condition/cond2"}


@pytest.mark.parametrize(("value", "discussed"), [(True, True), (False, False), (None, None)])
def test_a_visit_says_whether_care_management_was_discussed(value: bool | None, discussed: bool | None) -> None:
    url = f"{CANON}/StructureDefinition/care-management-discussed"
    visit = encounter(
        type=[{"coding": [{"system": CPT, "code": "99204"}]}],
        extension=[] if value is None else [{"url": url, "valueBoolean": value}],
    )
    found = with_(visit).facts.visits
    assert [v.discussed for v in found if v.reference == "Encounter/new"] == [discussed]


def message(sender: str, *recipients: str, **fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "id": "message",
        "status": "completed",
        "subject": patient(),
        "sender": {"reference": sender},
        "recipient": [{"reference": r} for r in recipients],
        "sent": "2025-01-13T12:00:00Z",
        **fields,
    }


@pytest.mark.parametrize(
    ("sender", "recipients", "fields", "shows"),
    [
        ("Practitioner/P1", ["Practitioner/P9"], {}, True),
        ("Practitioner/P1", ["Organization/OTHER"], {}, True),
        ("Practitioner/P1", ["Practitioner/P1"], {}, False),
        ("Practitioner/P1", ["Patient/pat"], {}, False),
        ("Patient/pat", ["Practitioner/P1"], {}, False),
        ("Practitioner/P1", ["Practitioner/P9"], {"status": "not-done"}, False),
        ("Practitioner/P1", ["Practitioner/P9"], {"sent": None}, False),
    ],
)
def test_a_message_between_practitioners_shows_coordination(
    sender: str, recipients: list[str], fields: dict[str, Any], shows: bool
) -> None:
    one = {k: v for k, v in message(sender, *recipients, **fields).items() if v is not None}
    assert bool(with_(one).facts.coordination) is shows


def test_a_message_with_an_unknown_status_is_an_issue_row() -> None:
    found = with_(message("Practitioner/P1", "Practitioner/P9", status="posted"))
    assert not found.facts.coordination
    assert [i.resource for i in found.issues if i.element == "Communication.status"] == ["Communication/message"]


EPISODE = {
    "resourceType": "EpisodeOfCare",
    "id": "e1",
    "status": "active",
    "type": [SERVICE],
    "patient": {"reference": "Patient/pat"},
    "managingOrganization": {"reference": "Organization/GRP1"},
    "careManager": {"reference": "Practitioner/P1"},
    "period": {"start": "2025-01-05"},
}


@pytest.mark.parametrize(("status", "kept"), [("active", 1), ("finished", 1), ("planned", 0), ("cancelled", 0)])
def test_an_enrolment_status_is_read_where_the_layer_is_used(status: str, kept: int) -> None:
    found = resources()
    own = [r for r in found if r["resourceType"] not in PRACTICE_TYPES]
    reading = replace(context(found), views=load_tables(mapping_layers=["enrolment-episodes"]).views)
    facts = map_patient("Patient/pat", [*own, {**EPISODE, "status": status}], reading).facts
    assert len(facts.enrolments) == kept
    for enrolment in facts.enrolments:
        assert enrolment.programmes == ("ccm",)
        assert (enrolment.organization, enrolment.practitioners) == ("Organization/GRP1", ("Practitioner/P1",))
        assert str(enrolment.start) == "2025-01-05"


def test_without_the_layer_an_episode_says_nothing() -> None:
    assert with_(EPISODE).facts.enrolments == ()
