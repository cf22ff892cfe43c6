from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from caretally.billing import ClaimReader, ProfessionalClaim, check_claim, check_month
from caretally.billing.claim_checks import CHECKS
from caretally.billing.content import CLAIM_FREQUENCY, with_extension
from caretally.facts.claim_check import CheckOutcome
from caretally.facts.practice import PostalAddress
from tests.billing.claim_samples import (
    FACILITY,
    POLICIES,
    PRACTICE,
    RESOURCES,
    SITE,
    TABLES,
    claim_resource,
    ids,
    read,
    resources,
)
from tests.billing.samples import CONTEXT, billable, line, not_billable

CHECK = TABLES.claim_checks


def checked(claim: ProfessionalClaim) -> CheckOutcome:
    return check_claim(claim, CHECK)


def test_the_catalogue_and_the_code_name_the_same_checks() -> None:
    assert [rule.id for rule in CHECK.rules] == list(CHECKS)


def test_a_whole_claim_passes_everything() -> None:
    outcome = checked(read())
    assert ids(outcome) == []
    assert outcome.passed == len(CHECKS)


def _patient(**more: Any) -> Callable[[], ProfessionalClaim]:
    def build() -> ProfessionalClaim:
        parties = resources()
        parties["Patient/pat"] |= more
        return read(parties=parties)

    return build


def _coverage(**more: Any) -> Callable[[], ProfessionalClaim]:
    def build() -> ProfessionalClaim:
        parties = resources()
        parties["Coverage/cov"] |= more
        return read(parties=parties)

    return build


def _without(*references: str) -> Callable[[], ProfessionalClaim]:
    return lambda: read(parties={key: value for key, value in RESOURCES.items() if key not in references})


def _claim(change: Callable[[dict[str, Any]], object]) -> Callable[[], ProfessionalClaim]:
    def build() -> ProfessionalClaim:
        claim = claim_resource()
        change(claim)
        return read(claim)

    return build


def _site(**more: Any) -> Callable[[], ProfessionalClaim]:
    return lambda: read(site=replace(SITE, **more))


def _npi(place: int, value: str | None) -> Callable[[], ProfessionalClaim]:
    def change(claim: dict[str, Any]) -> None:
        if value is None:
            del claim["careTeam"][place]["provider"]["identifier"]
        else:
            claim["careTeam"][place]["provider"]["identifier"]["value"] = value

    return _claim(change)


def _item(number: int, **more: Any) -> Callable[[], ProfessionalClaim]:
    return _claim(lambda claim: claim["item"][number].update(more))


def _concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}


BOX = PostalAddress(lines=("P.O. Box 12",), city="Albany", state="NY", postal_code="122070001")
BROKEN: list[tuple[str, Callable[[], ProfessionalClaim], list[str]]] = [
    ("rendering NPI with a wrong check digit", _npi(0, "1999901015"), ["K-NPI-RENDERING"]),
    ("an NPI of Synthea", _npi(0, "9999901012"), ["K-NPI-RENDERING"]),
    ("no rendering NPI", _npi(0, None), ["K-NPI-RENDERING"]),
    ("no billing NPI", _npi(1, None), ["K-NPI-BILLING"]),
    ("no tax number", _claim(lambda c: c.update(extension=c["extension"][:2])), []),
    ("no billing taxonomy", _claim(lambda c: c["careTeam"][1].pop("qualification")), ["K-TAXONOMY-BILLING"]),
    ("no rendering taxonomy", _claim(lambda c: c["careTeam"][0].pop("qualification")), ["K-TAXONOMY-RENDERING"]),
    ("organization not at hand", _without("Organization/GRP1"), ["K-BILLING-NAME"]),
    ("no billing address", _site(address=None), ["K-BILLING-ADDRESS"]),
    ("short billing ZIP", _site(address=replace(SITE.address or BOX, postal_code="12207")), ["K-BILLING-ZIP"]),
    ("billing address is a box", _site(address=BOX), ["K-BILLING-STREET"]),
    ("practitioner not at hand", _without("Practitioner/P1"), ["K-RENDERING-NAME"]),
    ("nobody said whether it accepts assignment", _site(accepts_assignment=None), ["K-ASSIGNMENT"]),
    ("no signatures", _site(signatures_on_file=False), ["K-SIGNATURES"]),
    ("no patient name", _patient(name=[]), ["K-PATIENT-NAME"]),
    ("half a name", _patient(name=[{"family": "Ash"}]), ["K-PATIENT-NAME"]),
    ("a birth year", _patient(birthDate="1948"), ["K-PATIENT-BIRTH-DATE"]),
    ("no sex", _patient(gender=None), ["K-PATIENT-SEX"]),
    ("no address", _patient(address=[]), ["K-PATIENT-ADDRESS"]),
    ("an address abroad", _patient(address=[{"line": ["1 Rue"], "city": "Paris", "country": "FR", "state": "Ile",
                                             "postalCode": "75001"}]), ["K-PATIENT-ADDRESS"]),
    ("no member number", _coverage(subscriberId=None), ["K-MEMBER-ID"]),
    ("an old Medicare number", _coverage(subscriberId="123456789A"), ["K-MBI"]),
    ("an MBI with a letter that none has", _coverage(subscriberId="1SG4TE5MK73"), ["K-MBI"]),
    ("insured through an unknown spouse", _coverage(relationship={"coding": [{"code": "spouse"}]}), ["K-SUBSCRIBER"]),
    ("payer not at hand", _without("Organization/payer"), ["K-PAYER-NAME"]),
    ("no coverage at hand", _without("Coverage/cov"),
     ["K-MEMBER-ID", "K-SUBSCRIBER", "K-PAYER-NAME", "K-PAYER-ID"]),
    ("pays second", _coverage(order=2), ["K-NOT-PRIMARY"]),
    ("another payer behind", _claim(lambda c: c["insurance"].append({"sequence": 2, "focal": False})),
     ["K-OTHER-PAYER"]),
    ("an institutional claim", _claim(lambda c: c["type"]["coding"][0].update(code="institutional")),
     ["K-PROFESSIONAL"]),
    ("a SNOMED code", _claim(lambda c: c["diagnosis"][0].update(diagnosisCodeableConcept=_concept("44054006"))),
     ["K-DX-SHAPE"]),
    ("one diagnosis for CCM", _claim(lambda c: (c["diagnosis"].pop(), c["item"][0].update(diagnosisSequence=[1]),
                                                c["item"][1].update(diagnosisSequence=[1]))), ["K-DX-COUNT"]),
    ("a pointer to nothing", _item(0, diagnosisSequence=[1, 7]), ["K-DX-POINTER"]),
    ("no pointer", _item(1, diagnosisSequence=[]), ["K-DX-POINTER"]),
    ("five pointers", _item(1, diagnosisSequence=[1, 2, 1, 2, 1]), ["K-DX-POINTER"]),
    ("the second first", _item(1, diagnosisSequence=[2, 1]), ["K-DX-POINTER"]),
    ("place of service 99", _item(0, locationCodeableConcept=_concept("99")), ["K-POS"]),
    ("a date of the next month", _item(1, servicedDate="2025-02-01"), ["K-SERVICE-DATE"]),
    ("no date", _item(1, servicedDate=None), ["K-SERVICE-DATE"]),
    ("a code of four places", _item(0, productOrService=_concept("9949")), ["K-CODE", "K-ADDON"]),
    ("five modifiers", _item(0, modifier=[_concept("25")] * 5), ["K-CODE"]),
    ("half a unit", _item(0, quantity={"value": 0}), ["K-UNITS"]),
    ("no charge", _item(0, net=None), ["K-CHARGE", "K-SUM"]),
    ("another total", _claim(lambda c: c["total"].update(value=1)), ["K-SUM"]),
    ("an add-on alone", _claim(lambda c: (c["item"].pop(0), c["total"].update(c["item"][0]["net"]))), ["K-ADDON"]),
    ("a long account number", _claim(lambda c: c["identifier"][1].update(value="C" * 21)), ["K-ACCOUNT"]),
    ("a replacement of nothing", lambda: read(with_extension(claim_resource(), CLAIM_FREQUENCY, valueCode="7")),
     ["K-CONTROL-NUMBER"]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "wanted"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_named_and_nothing_else(build: Callable[[], ProfessionalClaim], wanted: list[str]) -> None:
    assert ids(checked(build())) == wanted


def test_a_claim_without_a_tax_number_anywhere_is_named() -> None:
    claim = claim_resource(practice=replace(PRACTICE, sites=(replace(SITE, tin=None),)))
    assert ids(checked(read(claim, site=replace(SITE, tin=None)))) == ["K-TIN"]
    assert ids(checked(read(claim, site=replace(SITE, tin="12-345")))) == ["K-TIN"]


def test_a_payer_without_identifier_stops_only_the_837p() -> None:
    parties = resources()
    parties["Coverage/cov"]["type"]["coding"][0] = {"system": "https://nahdo.org/sopt", "code": "111"}
    outcome = checked(read(parties=parties))
    assert ids(outcome) == ["K-PAYER-ID"]
    assert not outcome.stops_release
    assert [c.id for c in outcome.stopping("837p")] == ["K-PAYER-ID"]
    assert outcome.stopping("cms1500") == outcome.stopping("csv") == ()
    nobody = checked(_without("Patient/pat", "Practitioner/P1")())
    assert len(nobody.stopping("837p")) > 1
    assert nobody.stopping("csv") == ()
    assert [c.id for c in checked(_item(0, net=None)()).stopping("parquet")] == ["K-CHARGE"]
    parties["Organization/payer"]["identifier"] = [{"system": "urn:oid:2.16.840.1.113883.6.300", "value": "12345"}]
    assert ids(checked(read(parties=parties))) == []


def test_a_payer_that_no_policy_knows_never_gets_the_default_payers_identifier() -> None:
    parties = resources()
    parties["Coverage/cov"]["type"]["coding"][0]["code"] = "9999"
    claim = read(parties=parties)
    assert (claim.payer.identifier, claim.payer.form.filing_indicator) == (None, None)
    assert ids(checked(claim)) == ["K-PAYER-ID"]


def test_a_subscriber_who_is_known_may_insure_a_patient() -> None:
    parties = resources()
    parties["Coverage/cov"] |= {
        "relationship": {"coding": [{"code": "spouse"}]},
        "subscriber": {"reference": "RelatedPerson/spouse"},
    }
    claim = read(parties=parties)
    assert ids(checked(claim)) == []
    assert claim.subscriber.name.given == "Bruno"
    assert claim.patient.name.given == "Alma"


def test_a_payer_behind_is_named_whether_it_is_known_or_not() -> None:
    claim = claim_resource()
    claim["insurance"].append({"sequence": 2, "focal": False, "coverage": {"reference": "Coverage/medigap"}})
    known = read(claim)
    assert [other.complete for other in known.others] == [True]
    assert [check.found for check in checked(known).failed] == ["a further payer"]
    unknown = read(claim, {key: value for key, value in RESOURCES.items() if not key.endswith("/medigap")})
    assert [other.complete for other in unknown.others] == [False]
    assert [check.found for check in checked(unknown).failed] == ["a further payer that is not wholly known"]


def test_results_name_who_can_mend_what_and_hold_no_patient_data() -> None:
    claim = _coverage(subscriberId="123456789A")()
    outcome = checked(claim)
    (failed,) = outcome.to_json()["failed"]
    assert failed["who"] == "registration"
    assert failed["stops"] == "release"
    assert "123456789A" not in str(failed)
    assert "Ash" not in repr(claim)
    assert "1948" not in repr(claim)
    assert "123456789A" not in repr(claim)


def test_a_month_is_checked_only_where_a_claim_is_made() -> None:
    reader = ClaimReader(policies=POLICIES, practice=PRACTICE)
    context = replace(CONTEXT, practice=PRACTICE)
    found = check_month(billable(line("99490", 13)), context, reader, RESOURCES.get, CHECK)
    assert found is not None
    assert ids(found) == []
    assert check_month(not_billable(), context, reader, RESOURCES.get, CHECK) is None
    charges = replace(context, resources="charges")
    assert check_month(billable(line("99490", 13)), charges, reader, RESOURCES.get, CHECK) is None


def test_hostile_resources_only_read_as_missing() -> None:
    hostile: list[Any] = [5, "x", None, [], {}, [5], [{"coding": 5}], {"reference": 7}, [[["x"]]]]
    for key, resource in RESOURCES.items():
        for element in resource:
            for value in hostile:
                parties = {**RESOURCES, key: {**resource, element: value}}
                assert checked(read(parties=parties)).passed > len(CHECKS) - 9


def test_a_facility_is_where_the_services_are_rendered() -> None:
    assert read(site=replace(SITE, facility=FACILITY)).facility == FACILITY
