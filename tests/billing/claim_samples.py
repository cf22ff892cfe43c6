"""One claim with everybody whom it names, complete enough for a payer; tests break single parts of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from caretally.billing import BillingContext, ClaimReader, ProfessionalClaim, desired
from caretally.facts.claim_check import CheckOutcome
from caretally.facts.determination import Determination
from caretally.facts.practice import (
    Facility,
    Organization,
    PostalAddress,
    Practice,
    Practitioner,
    RoleAssignment,
    Site,
)
from caretally.facts.time_entry import RoleClass
from caretally.tables import Configuration, load_tables, policy_book
from tests.billing.samples import CONTEXT, billable, line

TABLES = load_tables()
NPI, TIN = "http://hl7.org/fhir/sid/us-npi", "urn:oid:2.16.840.1.113883.4.4"
SITE = Site(
    name="main",
    organization="Organization/GRP1",
    taxonomy="207RX0202X",
    phone="5185550100",
    tin="12-9990001",
    address=PostalAddress(lines=("1 Example Street",), city="Albany", state="NY", postal_code="122070001"),
    accepts_assignment=True,
    signatures_on_file=True,
)
FACILITY = Facility(
    name="River Clinic",
    npi="1999900024",
    address=PostalAddress(lines=("9 River Road",), city="Troy", state="NY", postal_code="121800002"),
)
PRACTICE = Practice(
    practitioners={
        "Practitioner/P1": Practitioner(
            reference="Practitioner/P1",
            npi="1999901014",
            role=RoleClass.PRACTITIONER,
            assignments=(
                RoleAssignment(
                    reference="PractitionerRole/r1",
                    organization="Organization/GRP1",
                    role=RoleClass.PRACTITIONER,
                    taxonomy="207RH0003X",
                ),
            ),
        )
    },
    organizations={"Organization/GRP1": Organization(reference="Organization/GRP1", npi="1999900016")},
    sites=(SITE,),
)
RESOURCES: dict[str, dict[str, Any]] = {
    "Patient/pat": {
        "resourceType": "Patient",
        "id": "pat",
        "name": [{"family": "Ash", "given": ["Alma", "Ruth"]}],
        "gender": "female",
        "birthDate": "1948-05-11",
        "telecom": [{"system": "phone", "value": "(518) 555-0177"}],
        "address": [{"line": ["1 Sample Road"], "city": "Albany", "state": "NY", "postalCode": "12207"}],
    },
    "Coverage/cov": {
        "resourceType": "Coverage",
        "id": "cov",
        "status": "active",
        "type": {"coding": [{"system": "https://nahdo.org/sopt", "code": "121"}]},
        "subscriberId": "1EG4-TE5-MK73",
        "beneficiary": {"reference": "Patient/pat"},
        "relationship": {"coding": [{"code": "self"}]},
        "payor": [{"reference": "Organization/payer"}],
    },
    "Coverage/medigap": {
        "resourceType": "Coverage",
        "id": "medigap",
        "status": "active",
        "order": 2,
        "type": {"coding": [{"system": "https://nahdo.org/sopt", "code": "5"}]},
        "subscriberId": "XYZ123",
        "beneficiary": {"reference": "Patient/pat"},
        "relationship": {"coding": [{"code": "self"}]},
        "class": [{"type": {"coding": [{"code": "group"}]}, "value": "PLAN G"}],
        "payor": [{"reference": "Organization/medigap"}],
    },
    "Organization/medigap": {
        "resourceType": "Organization",
        "id": "medigap",
        "name": "Example Medigap",
        "identifier": [{"type": {"coding": [{"code": "NIIP"}]}, "value": "GAP01"}],
    },
    "Organization/payer": {"resourceType": "Organization", "id": "payer", "name": "Medicare Part B"},
    "Organization/GRP1": {"resourceType": "Organization", "id": "GRP1", "name": "Example Oncology"},
    "Practitioner/P1": {
        "resourceType": "Practitioner",
        "id": "P1",
        "name": [{"family": "Alvarez", "given": ["Ines"]}],
    },
    "RelatedPerson/spouse": {
        "resourceType": "RelatedPerson",
        "id": "spouse",
        "name": [{"family": "Ash", "given": ["Bruno"]}],
        "gender": "male",
        "birthDate": "1946-02-01",
        "address": [{"line": ["1 Sample Road"], "city": "Albany", "state": "NY", "postalCode": "12207"}],
    },
}
CONFIGURATION = Configuration.model_validate({"payer": {"medicare": {"claim": {"payer_id": "PAYER1"}}}})
POLICIES = policy_book(TABLES, CONFIGURATION)
TWO = (line("99490", 13), line("99439", 20, units=2, charge="121.00"))


def claim_resource(month: Determination | None = None, practice: Practice = PRACTICE, **more: Any) -> dict[str, Any]:
    context: BillingContext = replace(CONTEXT, practice=practice, **more)
    claim = desired(month or billable(*TWO), context).claim
    assert claim is not None
    return copy.deepcopy(claim)


def resources() -> dict[str, dict[str, Any]]:
    return copy.deepcopy(RESOURCES)


def read(
    claim: dict[str, Any] | None = None,
    parties: dict[str, dict[str, Any]] | None = None,
    *,
    site: Site = SITE,
) -> ProfessionalClaim:
    reader = ClaimReader(POLICIES, replace(PRACTICE, sites=(site,)))
    return reader.read(claim or claim_resource(), (parties or RESOURCES).get)


def ids(outcome: CheckOutcome) -> list[str]:
    return [check.id for check in outcome.failed]


DAY = date(2025, 1, 13)
PRICE = Decimal("85.00")
