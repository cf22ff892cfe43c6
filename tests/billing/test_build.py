from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.billing import BillingError, desired
from caretally.billing.content import content, digest, is_edited
from caretally.billing.validate import model_of, validate
from caretally.facts.calendar import ServiceMonth
from caretally.facts.determination import Diagnosis
from caretally.facts.exact_json import canonical, dumps
from caretally.facts.practice import Organization, Site
from tests.billing.samples import (
    AUTOMATIC,
    CONTEXT,
    PRACTICE,
    billable,
    billed_lines,
    determined,
    evidence,
    held,
    line,
    not_billable,
    row,
)

TWO = (line("99490", 13), line("99439", 20, units=2, charge="121.00"))


def built(**more: Any) -> tuple[dict[str, Any], tuple[dict[str, Any], ...], dict[str, Any]]:
    found = desired(billable(*TWO, **more), CONTEXT)
    assert found.claim is not None
    assert found.provenance is not None
    return found.claim, found.charge_items, found.provenance


def test_importing_the_room_does_not_import_the_models() -> None:
    code = (
        "import sys, caretally.billing; print(any(m.startswith('fhir') for m in sys.modules));"
        "from caretally.billing.validate import model_of; model_of('Claim');"
        "print('fhir.resources.R4B.claim' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_amounts_keep_their_zeros_on_the_wire() -> None:
    claim, charges, _ = built()
    wire = dumps(claim)
    assert b'"net":{"value":85.00,"currency":"USD"}' in wire
    assert b'"unitPrice":{"value":60.50,"currency":"USD"}' in wire
    assert b'"total":{"value":206.00,"currency":"USD"}' in wire
    assert b'"priceOverride":{"value":121.00,"currency":"USD"}' in dumps(charges[1])


def test_what_we_emit_is_what_the_model_read() -> None:
    claim, charges, provenance = built()
    for resource in (claim, *charges, provenance):
        model = model_of(resource["resourceType"]).model_validate(resource)
        assert canonical(as_plain(model.model_dump())) == canonical(resource)


def as_plain(value: Any) -> Any:
    """The dump of the library, with its dates and decimals as JSON has them."""
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return value


def test_the_claim_has_what_a_claim_form_asks_for() -> None:
    claim, _, _ = built()
    assert claim["status"] == "draft"
    assert claim["use"] == "claim"
    assert claim["type"]["coding"][0]["code"] == "professional"
    assert claim["priority"]["coding"][0]["code"] == "normal"
    assert claim["billablePeriod"] == {"start": "2025-01-01", "end": "2025-01-31"}
    assert claim["created"] == "2025-02-10"
    assert claim["provider"] == {"reference": "Practitioner/P1"}
    assert claim["insurance"] == [{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/cov"}}]
    assert [d["diagnosisCodeableConcept"]["coding"][0]["code"] for d in claim["diagnosis"]] == ["E11.9", "I50.22"]
    rendering, billing = claim["careTeam"]
    assert rendering["provider"] == {"reference": "Practitioner/P1"}
    assert rendering["role"]["coding"][0]["code"] == "rendering"
    assert rendering["qualification"]["coding"][0]["code"] == "207RH0003X"
    assert billing["provider"] == {"reference": "Organization/GRP1"}
    assert billing["role"]["coding"][0]["code"] == "billing"
    first, second = claim["item"]
    assert first["servicedDate"] == "2025-01-13"
    assert first["diagnosisSequence"] == [1, 2]
    assert first["careTeamSequence"] == [1]
    assert first["locationCodeableConcept"]["coding"][0]["code"] == "11"
    assert second["quantity"] == {"value": 2}
    assert len(claim["identifier"][1]["value"]) <= 20


NPI, TIN = "http://hl7.org/fhir/sid/us-npi", "urn:oid:2.16.840.1.113883.4.4"
KNOWN = replace(
    PRACTICE,
    practitioners={"Practitioner/P1": replace(PRACTICE.practitioners["Practitioner/P1"], npi="1999901014")},
    organizations={"Organization/GRP1": Organization(reference="Organization/GRP1", npi="1999900016", tin="129990001")},
)


def test_the_claim_itself_says_who_renders_and_who_bills() -> None:
    claim = desired(billable(), replace(CONTEXT, practice=KNOWN)).claim
    assert claim is not None
    assert claim["provider"]["identifier"] == {"system": NPI, "value": "1999901014"}
    rendering, billing = claim["careTeam"]
    assert rendering["provider"]["identifier"] == {"system": NPI, "value": "1999901014"}
    assert billing["provider"]["identifier"] == {"system": NPI, "value": "1999900016"}
    assert "qualification" not in billing
    (tin,) = [e["valueIdentifier"] for e in claim["extension"] if e["url"].endswith("billing-provider-tin")]
    assert tin == {"system": TIN, "value": "129990001"}
    (frequency,) = [e["valueCode"] for e in claim["extension"] if e["url"].endswith("claim-frequency")]
    assert frequency == "1"


def test_what_the_site_says_of_the_biller_wins_over_its_organization() -> None:
    site = Site(
        name="main", organization="Organization/GRP1", npi="1999900024", tin="12-9990002", taxonomy="261QM1300X"
    )
    practice = replace(KNOWN, sites=(site,))
    claim = desired(billable(), replace(CONTEXT, practice=practice, provider="organization")).claim
    assert claim is not None
    assert claim["provider"]["identifier"]["value"] == "1999900024"
    billing = claim["careTeam"][1]
    assert billing["provider"]["identifier"]["value"] == "1999900024"
    assert billing["qualification"]["coding"][0]["code"] == "261QM1300X"
    assert [e["valueIdentifier"]["value"] for e in claim["extension"] if "valueIdentifier" in e] == ["129990002"]


def test_who_pays_after_the_first_payer_stands_behind_it() -> None:
    month = billable()
    behind = replace(month.evidence, other_coverages=("Coverage/medigap", "Coverage/cov"))
    claim = desired(replace(month, evidence=behind), CONTEXT).claim
    assert claim is not None
    assert claim["insurance"] == [
        {"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/cov"}},
        {"sequence": 2, "focal": False, "coverage": {"reference": "Coverage/medigap"}},
    ]


def test_charges_say_what_the_claim_says() -> None:
    claim, charges, _ = built()
    assert billed_lines([claim]) == billed_lines(charges) == determined(billable(*TWO))
    for charge in charges:
        assert charge["status"] == "planned"
        assert charge["subject"] == {"reference": "Patient/pat"}
        assert charge["performer"][0]["actor"] == {"reference": "Practitioner/P1"}
        assert charge["performingOrganization"] == {"reference": "Organization/GRP1"}
        assert [r["coding"][0]["code"] for r in charge["reason"]] == ["E11.9", "I50.22"]
        assert charge["definitionCanonical"][0].endswith(f"/{charge['code']['coding'][0]['code']}|2025")
        assert "text" not in charge["code"]


def test_a_charge_rests_on_the_time_worked_by_its_date() -> None:
    rows = [row("Encounter/a", 5), row("Encounter/x", 6, excluded="X-ROLE"), row("Encounter/b", 20)]
    first, second = desired(billable(*TWO, rows=rows), CONTEXT).charge_items
    named = [[r["reference"] for r in charge["supportingInformation"]] for charge in (first, second)]
    gates = ["Consent/consent", "CarePlan/plan", "Encounter/visit1"]
    assert named == [[*gates, "Encounter/a"], [*gates, "Encounter/a", "Encounter/b"]]
    assert first["context"] == {"reference": "Encounter/a"}
    assert "context" not in second
    assert "service" not in first


def test_provenance_names_exact_versions_and_the_tables() -> None:
    claim, charges, provenance = built()
    targets = [t["reference"] for t in provenance["target"]]
    assert targets == [f"{r['resourceType']}/{r['id']}" for r in (*charges, claim)]
    whats = [entity["what"] for entity in provenance["entity"]]
    assert whats[0]["reference"] == "Consent/consent/_history/3"
    assert whats[0]["identifier"]["value"] == "Consent/consent/_history/3"
    assert whats[1]["reference"] == "CarePlan/plan"
    assert whats[1]["identifier"]["value"] == "ab" * 32
    assert {"reference": "Coverage/cov"} in whats
    assert "Encounter/e13/_history/1" in [what.get("reference") for what in whats]
    assert whats[-1]["identifier"]["value"] == "tables-1"
    assert provenance["recorded"] == "2025-02-10T09:00:00Z"
    assert provenance["agent"][0]["who"]["identifier"]["value"] == "caretally 0.1.0"


def test_released_at_once_where_the_practice_says_so() -> None:
    found = desired(billable(), AUTOMATIC)
    assert found.claim is not None
    assert found.claim["status"] == "active"
    assert found.charge_items[0]["status"] == "billable"


def test_without_a_charge_no_amount_is_invented() -> None:
    found = desired(billable(line("99490", 13, charge=None), line("99439", 20)), CONTEXT)
    assert found.claim is not None
    assert "net" not in found.claim["item"][0]
    assert "unitPrice" not in found.claim["item"][0]
    assert found.claim["item"][1]["net"]["value"] == Decimal("85.00")
    assert "total" not in found.claim
    assert "priceOverride" not in found.charge_items[0]


def test_a_unit_price_is_never_rounded() -> None:
    found = desired(billable(line("99490", 13, units=3, charge="100.00")), CONTEXT)
    assert found.claim is not None
    assert "unitPrice" not in found.claim["item"][0]
    assert found.claim["item"][0]["net"]["value"] == Decimal("100.00")


@pytest.mark.parametrize(
    ("resources", "claim", "charges"), [("both", True, 1), ("claims", True, 0), ("charges", False, 1)]
)
def test_sites_choose_which_resources_are_kept(resources: Any, claim: bool, charges: int) -> None:
    found = desired(billable(), replace(CONTEXT, resources=resources))
    assert (found.claim is not None, len(found.charge_items)) == (claim, charges)
    assert found.provenance is not None
    assert len(found.provenance["target"]) == claim + charges


def test_the_organization_can_stand_as_provider() -> None:
    context = replace(CONTEXT, provider="organization", insurer="Organization/payer")
    found = desired(billable(), context)
    assert found.claim is not None
    assert found.claim["provider"] == {"reference": "Organization/GRP1"}
    assert found.claim["insurer"] == {"reference": "Organization/payer"}
    with pytest.raises(BillingError, match=r"Claim\.provider"):
        desired(billable(organization=None), context)


def test_a_month_span_has_one_line_a_code() -> None:
    lines = (line("99490", 13), line("99439", 20), line("99439", 27))
    found = desired(billable(*lines, policy={"service_date_form": "month_span"}), CONTEXT)
    assert found.claim is not None
    assert [(i["quantity"]["value"], i["net"]["value"]) for i in found.claim["item"]] == [
        (1, Decimal("85.00")),
        (2, Decimal("170.00")),
    ]
    assert found.claim["item"][1]["servicedPeriod"] == {"start": "2025-01-01", "end": "2025-01-31"}
    assert len(found.charge_items) == 3


def test_diagnoses_stand_once_in_order_and_no_more_than_twelve() -> None:
    codes = ["C50.911", "E11.9", "C50.911", *(f"I{n}.9" for n in range(10, 25)), None]
    diagnoses = tuple(Diagnosis(reference=f"Condition/{n}", icd10cm=code) for n, code in enumerate(codes))
    found = desired(billable(evidence=replace(evidence(()), diagnoses=diagnoses)), CONTEXT)
    assert found.claim is not None
    listed = [d["diagnosisCodeableConcept"]["coding"][0]["code"] for d in found.claim["diagnosis"]]
    assert listed[:3] == ["C50.911", "E11.9", "I10.9"]
    assert len(listed) == 12
    assert found.claim["item"][0]["diagnosisSequence"] == [1, 2, 3, 4]


def test_the_base_code_stands_before_its_add_on_of_the_same_day() -> None:
    found = desired(billable(line("99439", 13), line("99490", 13)), CONTEXT)
    assert found.claim is not None
    assert [i["productOrService"]["coding"][0]["code"] for i in found.claim["item"]] == ["99490", "99439"]


@pytest.mark.parametrize("determination", [not_billable(), held(), held("R-MONTH-OPEN")])
def test_nothing_is_wanted_unless_billable(determination: Any) -> None:
    assert desired(determination, CONTEXT).resources == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"evidence": replace(evidence(()), coverage=None)}, r"Claim\.insurance\[0\]\.coverage"),
        ({"evidence": replace(evidence(()), diagnoses=())}, r"Claim\.diagnosis"),
        ({"billing_practitioner": None}, r"Claim\.provider"),
        ({"lines": ()}, "lines"),
        ({"lines": (line("99490", 13), line("99490", 13))}, r"lines\[1\]: 99490 stands twice"),
        ({"lines": (line("99490", 13, units=0),)}, "0 units"),
        ({"lines": (line("99490", 13, charge="NaN"),)}, "no amount"),
        ({"service_month": ServiceMonth(2025, 2)}, "outside 2025-02"),
        ({"patient": "Group/g"}, r"Claim\.patient: refers to Group"),
        ({"billing_practitioner": "Device/d"}, r"Claim\.(provider|careTeam)"),
        ({"place_of_service": ""}, r"Claim\.item\[0\]\.locationCodeableConcept"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], where: str) -> None:
    with pytest.raises(BillingError, match=where):
        desired(billable(**change), replace(CONTEXT, resources="claims"))


def test_an_error_names_the_element_and_not_the_value() -> None:
    claim, _, _ = built()
    claim["item"][1]["quantity"]["value"] = "SECRET"
    with pytest.raises(BillingError, match=r"Claim\.item\[1\]\.quantity\.value") as error:
        validate(claim)
    assert "SECRET" not in str(error.value)


def test_no_patient_data_in_notes_and_ids() -> None:
    claim, charges, provenance = built()
    for resource in (claim, *charges, provenance):
        assert "pat" not in resource["id"].split("-", 1)[0]
        assert all(note["text"].startswith("Caretally ledger sha256:") for note in resource.get("note", ()))
        assert not {"text", "display"} & set(resource)


def test_a_taxonomy_that_is_not_known_is_left_out() -> None:
    found = desired(billable(), replace(CONTEXT, practice=replace(PRACTICE, practitioners={})))
    assert found.claim is not None
    assert "qualification" not in found.claim["careTeam"][0]


@given(st.permutations(TWO))
def test_the_order_of_lines_means_nothing(lines: tuple[Any, ...]) -> None:
    rows = [row("Encounter/a", 5), row("Encounter/b", 20)]
    assert desired(billable(*lines, rows=rows), CONTEXT) == desired(billable(*TWO, rows=rows), CONTEXT)


def test_the_digest_on_a_resource_is_that_of_its_content() -> None:
    claim, charges, _ = built()
    assert not any(is_edited(resource) for resource in (claim, *charges))
    assert "status" not in content(claim)
    assert is_edited({**claim, "patient": {"reference": "Patient/other"}})


def test_the_meaning_of_content_stays_what_it_is() -> None:
    """Another digest would make every resource on file look edited; then `_DIGEST_VERSION` has to go up as well."""
    resource = {
        "resourceType": "Claim",
        "status": "draft",
        "created": "2025-02-10",
        "patient": {"reference": "Patient/pat", "display": "somebody"},
        "total": {"value": Decimal("85.00"), "currency": "USD"},
    }
    assert digest(resource) == "1:210c1f85bc80c4af7eef7c3a69f74c408c2fd5ecc92ddd0bb4596111852e327e"
