"""The shipped value sets and maps: every code of the golden data and of the guide resolves rightly."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import caretally
from caretally.facts.codes import CPT, HCPCS, ICD10CM, NUCC, SNOMED, Coding
from caretally.tables import data_path, load_tables
from caretally.tables.loading import CODE_MAPS, CODE_SETS

if TYPE_CHECKING:
    from types import ModuleType

    from caretally.facts.codes import Terminology

ROOT = Path(caretally.__file__).parents[2]
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACTIVITY = "https://caretally.example/fhir/CodeSystem/care-management-activity"
JOB = "https://hospital.example/fhir/CodeSystem/job"
STAFF = "https://caretally.example/fhir/CodeSystem/staff-role"
JANUARY = date(2025, 1, 15)
ROLES = ("role-practitioner", "role-clinical-staff", "role-community-health-worker", "role-non-clinical")


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return load_tables().terminology


@pytest.fixture(scope="module")
def golden() -> ModuleType:
    path = ROOT / "fixtures" / "golden" / "to_fhir.py"
    spec = importlib.util.spec_from_file_location("golden_to_fhir", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden_resources(golden: ModuleType) -> list[dict[str, Any]]:
    lines = (ROOT / "fixtures" / "golden" / "cases.jsonl").read_text().splitlines()
    built = [golden.Case(json.loads(line)).build() for line in lines]
    return [resource for case in built for group in case.values() for resource in group]


def procedure(code: str) -> Coding:
    return Coding(CPT if code.isdigit() else HCPCS, code)


def role_of(terminology: Terminology, coding: Coding) -> str | None:
    local = terminology.map("role-local").target([coding])
    if local is not None:
        return local
    return next((n.removeprefix("role-") for n in ROLES if terminology.set(n).contains(coding)), None)


def codings(concept: dict[str, Any]) -> list[Coding]:
    return [Coding(c["system"], c["code"]) for c in concept.get("coding", [])]


# -- the golden data ---------------------------------------------------------------------------------------------


def test_every_role_of_the_golden_data_is_known(
    terminology: Terminology, golden: ModuleType, golden_resources: list[dict[str, Any]]
) -> None:
    wanted = {
        golden.ROLES["MD"]: "practitioner",
        golden.ROLES["NP"]: "practitioner",
        golden.ROLES["RN"]: "clinical-staff",
        golden.ROLES["LPN"]: "clinical-staff",
        golden.ROLES["PharmD"]: "clinical-staff",
        "reception": "non-clinical",
    }
    found = {
        coding.code: role_of(terminology, coding)
        for resource in golden_resources
        if resource["resourceType"] == "PractitionerRole"
        for concept in resource["code"]
        for coding in codings(concept)
    }
    assert found
    assert found == {code: wanted[code] for code in found}
    for code, role in wanted.items():
        assert role_of(terminology, Coding(JOB if code == "reception" else NUCC, code)) == role


def test_every_condition_of_the_golden_data_is_chronic_or_acute(
    terminology: Terminology, golden_resources: list[dict[str, Any]]
) -> None:
    found = {
        coding
        for resource in golden_resources
        if resource["resourceType"] == "Condition"
        for coding in codings(resource["code"])
    }
    chronic, never = terminology.set("chronic-conditions"), terminology.set("never-chronic")
    assert {c.code for c in found if chronic.contains(c)} == {
        "E11.9",
        "E11.65",
        "I50.22",
        "C50.911",
        "C34.11",
        "J44.9",
        "N18.4",
    }
    assert {c.code for c in found if never.contains(c)} == {"J06.9"}
    assert all(chronic.contains(c) != never.contains(c) for c in found)


def test_every_entry_visit_and_claim_of_the_golden_data_is_understood(
    terminology: Terminology, golden_resources: list[dict[str, Any]]
) -> None:
    counted, separate = terminology.set("activities-counted"), terminology.set("separately-billed")
    for resource in golden_resources:
        if resource["resourceType"] != "Encounter":
            continue
        for coding in [c for concept in resource.get("type", []) for c in codings(concept)]:
            if coding.system == ACTIVITY:
                assert counted.contains(coding)
            elif coding.system in {CPT, HCPCS}:
                assert separate.contains(coding, JANUARY)
            else:
                assert terminology.set("hospice").contains(coding)
        kind = Coding(resource["class"]["system"], resource["class"]["code"])
        assert terminology.set("inpatient-class").contains(kind) == (kind.code == "IMP")


@pytest.mark.parametrize(
    ("code", "conflict"),
    [("90961", "esrd"), ("G0557", "apcm"), ("M0010", "meos"), ("99496", "tcm"), ("G0181", "cpo"), ("99484", "bhi")],
)
def test_conflicting_codes_are_found(terminology: Terminology, code: str, conflict: str) -> None:
    assert terminology.set(f"conflict-{conflict}").contains(procedure(code), JANUARY)


# -- services ----------------------------------------------------------------------------------------------------


def test_the_sets_of_the_rules_and_of_the_mapping_are_there(terminology: Terminology) -> None:
    assert all(terminology.set(name).rules for name in CODE_SETS)
    assert all(terminology.map(name).rows for name in CODE_MAPS)


@pytest.mark.parametrize("code", ["99441", "99442", "99443", "G2012"])
def test_telephone_codes_end_with_2024(terminology: Terminology, code: str) -> None:
    codes = terminology.set("separately-billed")
    assert codes.contains(procedure(code), date(2024, 12, 31))
    assert not codes.contains(procedure(code), date(2025, 1, 1))


@pytest.mark.parametrize("code", ["98008", "98012", "98015", "98016", "G0556", "G0558"])
def test_their_successors_begin_with_2025(terminology: Terminology, code: str) -> None:
    codes = terminology.set("separately-billed")
    assert not codes.contains(procedure(code), date(2024, 12, 31))
    assert codes.contains(procedure(code), date(2025, 1, 1))


GUIDE_LIST = {
    "telephone": ["98966", "98967", "98968", "G2251", "G2252", "G2010", "G2250"],
    "medication therapy": ["99605", "99606", "99607"],
    "digital": ["99421", "99422", "99423", "98970", "98971", "98972"],
    "prolonged": ["99358", "99359", "99417", "99418", "G2212", "G0316", "G0317", "G0318"],
    "anticoagulation": ["93792", "93793", "G0248", "G0249", "G0250"],
    "renal": [str(code) for code in range(90951, 90971)],
    "visits": ["99202", "99205", "99211", "99215", "99221", "99239", "99281", "99285", "99304", "99316", "99341"],
    "preventive": ["G0402", "G0438", "G0439", "99483", "99497", "99498"],
    "transition": ["99495", "99496"],
    "remote": ["99457", "99458", "99091", "98980", "98981"],
    "behavioral": ["99484", "99492", "99493", "99494", "G2214", "G0323"],
    "community and navigation": ["G0019", "G0022", "G0023", "G0024", "G0140", "G0146"],
    "oversight": ["G0181", "G0182", "99374", "99375", "99377", "99378", "99379", "99380"],
    "education": ["98960", "98961", "98962", "99366", "99367", "99368", "99071", "99078", "99080"],
    "between practitioners": ["99446", "99447", "99448", "99449", "99451", "99452"],
    "models": ["G0556", "G0557", "G0558", "M0010", "G0511"],
}


@pytest.mark.parametrize("group", GUIDE_LIST)
def test_what_has_a_code_of_its_own_is_on_the_list(terminology: Terminology, group: str) -> None:
    codes = terminology.set("separately-billed")
    missing = [code for code in GUIDE_LIST[group] if not codes.contains(procedure(code), JANUARY)]
    assert not missing


def test_our_own_codes_and_the_certifications_are_not(terminology: Terminology) -> None:
    codes = terminology.set("separately-billed")
    services = load_tables().services
    # Illness navigation goes beside the others with minutes of its own: its codes are on the list for them.
    ours = [code for code in services.own_codes() if services.programme_of_code(code) != "pin"]
    assert not [code for code in (*ours, "G0179", "G0180") if codes.contains(procedure(code))]
    assert not terminology.set("conflict-cpo").contains(procedure("G0180"))


def test_every_conflict_is_separately_billed(terminology: Terminology) -> None:
    separate = terminology.set("separately-billed")
    for name in ("esrd", "cpo", "apcm", "meos", "g0511", "bhi", "tcm"):
        for rule in terminology.set(f"conflict-{name}").rules:
            assert rule.code is not None
            day = rule.valid_to or rule.valid_from or JANUARY
            assert separate.contains(Coding(rule.system, rule.code), day), rule.code


def test_initiating_visits(terminology: Terminology) -> None:
    visits = terminology.set("initiating-visit")
    yes = ["G0402", "G0438", "G0439", "99202", "99205", "99212", "99215", "99341", "99345", "99350", "99495", "99496"]
    no = ["99211", "99201", "99281", "99221", "99304", "99343", "99441", "98012", "99421", "99490"]
    assert [code for code in yes if not visits.contains(procedure(code), JANUARY)] == []
    assert [code for code in no if visits.contains(procedure(code), JANUARY)] == []
    assert terminology.set("initiating-visit-tcm").contains(procedure("99496"))
    assert terminology.set("initiating-visit-telehealth").contains(Coding(CPT, "93"), JANUARY)
    assert not terminology.set("initiating-visit-telehealth").contains(procedure("99214"), JANUARY)


def test_same_day_visits(terminology: Terminology) -> None:
    codes = terminology.set("same-day-em")
    yes = {"99202", "99203", "99204", "99205", "99211", "99212", "99213", "99214", "99215"}
    assert {rule.code for rule in codes.rules} == yes


def test_a_snomed_wellness_visit_starts_a_programme(terminology: Terminology) -> None:
    group = terminology.map("visit-to-initiating").target([Coding(SNOMED, "456201000124103")])
    assert group is not None
    coding = Coding("https://caretally.example/fhir/CodeSystem/visit-group", group)
    assert terminology.set("initiating-visit").contains(coding, JANUARY)


# -- people ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "code", "role"),
    [
        (NUCC, "207Q00000X", "practitioner"),
        (NUCC, "208D00000X", "practitioner"),
        (NUCC, "204R00000X", "practitioner"),
        (NUCC, "363LF0000X", "practitioner"),
        (NUCC, "363AM0700X", "practitioner"),
        (NUCC, "364SP0808X", "practitioner"),
        (NUCC, "367A00000X", "practitioner"),
        (SNOMED, "453231000124104", "practitioner"),
        (SNOMED, "17561000", "practitioner"),
        (NUCC, "163WD0400X", "clinical-staff"),
        (NUCC, "164X00000X", "clinical-staff"),
        (NUCC, "1835P0018X", "clinical-staff"),
        (NUCC, "1041C0700X", "clinical-staff"),
        (NUCC, "133V00000X", "clinical-staff"),
        (STAFF, "certified-medical-assistant", "clinical-staff"),
        (NUCC, "172V00000X", "community-health-worker"),
        (NUCC, "171R00000X", "non-clinical"),
        (NUCC, "390200000X", "non-clinical"),
        (STAFF, "software-agent", "non-clinical"),
        # Never guessed: these stay unknown, and unknown never counts.
        (NUCC, "367500000X", None),
        (NUCC, "213E00000X", None),
        (NUCC, "103T00000X", None),
        (NUCC, "152W00000X", None),
        (NUCC, "376K00000X", None),
        (NUCC, "183700000X", None),
        (NUCC, "193200000X", None),
        (SNOMED, "22515006", None),
        ("urn:elsewhere", "207Q00000X", None),
    ],
)
def test_roles(terminology: Terminology, system: str, code: str, role: str | None) -> None:
    assert role_of(terminology, Coding(system, code)) == role


def test_nobody_has_two_roles(terminology: Terminology) -> None:
    for name in ROLES:
        for rule in terminology.set(name).rules:
            if rule.code is not None:
                coding = Coding(rule.system, rule.code)
                assert [n for n in ROLES if terminology.set(n).contains(coding)] == [name], coding


# -- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "E11.9",
        "E1165",
        "I10",
        "I25.10",
        "I48.91",
        "J44.1",
        "J45.909",
        "N18.6",
        "F03.90",
        "F32.A",
        "I69.351",
        "M06.9",
        "M81.0",
        "B20",
        "G35",
        "G35.D",
        "G20.A1",
        "G40.909",
        "K74.60",
        "C00.9",
        "C96.9",
        "C4A.9",
        "C7B.00",
        "D45",
        "D46.9",
        "D47.1",
        "D63.1",
        "E78.5",
        "E03.9",
        "E66.01",
    ],
)
def test_chronic(terminology: Terminology, code: str) -> None:
    assert terminology.set("chronic-conditions").contains(Coding(ICD10CM, code))
    assert not terminology.set("never-chronic").contains(Coding(ICD10CM, code))


@pytest.mark.parametrize(
    "code", ["R51.9", "R0602", "Z85.3", "Z00.00", "J06.9", "J18.9", "N39.0", "S72.001A", "V03.10XA"]
)
def test_never_chronic(terminology: Terminology, code: str) -> None:
    assert terminology.set("never-chronic").contains(Coding(ICD10CM, code))
    assert not terminology.set("chronic-conditions").contains(Coding(ICD10CM, code))


def test_a_group_joins_categories_of_one_disease_and_no_cancers(terminology: Terminology) -> None:
    groups = terminology.map("condition-groups")

    def group(code: str) -> str | None:
        return groups.target([Coding(ICD10CM, code)])

    assert group("E10.9") == group("E11.65") == group("E13.9") == "diabetes"
    assert group("I10") == group("I13.0") != group("I50.22")
    assert group("C50.911") is None
    assert groups.target([Coding(SNOMED, "44054006")]) == "diabetes"


def test_snomed_gives_an_icd_code_only_where_it_is_certain(terminology: Terminology) -> None:
    codes = terminology.map("snomed-to-icd10cm")
    assert codes.target([Coding(SNOMED, "44054006")], JANUARY) == "E11.9"
    assert codes.target([Coding(SNOMED, "24700007")], date(2025, 9, 30)) == "G35"
    assert codes.target([Coding(SNOMED, "24700007")], date(2025, 10, 1)) == "G35.D"
    assert codes.target([Coding(SNOMED, "254837009")], JANUARY) is None
    chronic = terminology.set("chronic-conditions")
    for rule, target in codes.rows:
        assert chronic.contains(Coding(ICD10CM, target)), target
        assert rule.code is not None
        assert chronic.contains(Coding(SNOMED, rule.code)), rule.code


def test_the_seven_cancers_of_the_model(terminology: Terminology) -> None:
    codes = terminology.set("eom-cancers")
    yes = ["C50.911", "C91.10", "C92.10", "C17.9", "C18.9", "C20", "C34.11", "C83.30", "C90.00", "C61"]
    no = ["C25.9", "C56.9", "C67.9", "C91.00", "C92.00", "C43.9"]
    assert all(codes.contains(Coding(ICD10CM, code)) for code in yes)
    assert not any(codes.contains(Coding(ICD10CM, code)) for code in no)


# -- all files ---------------------------------------------------------------------------------------------------


def test_every_row_names_its_source(terminology: Terminology) -> None:
    rules = [rule for found in terminology.sets.values() for rule in found.rules]
    rules += [rule for found in terminology.maps.values() for rule, _ in found.rows]
    assert not [rule for rule in rules if not rule.source]


def test_labels_are_short_and_our_own() -> None:
    for path in data_path("mappings", "terminology").glob("*.json"):
        for include in json.loads(path.read_text()).get("compose", {}).get("include", []):
            for concept in include.get("concept", []):
                if include["system"] in {CPT, HCPCS}:
                    assert len(concept["display"]) <= 65, concept
