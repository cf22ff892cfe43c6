"""Reasons, payers, resource types, and what holds for every file of mappings/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import caretally
from caretally.facts.policy import Policy
from caretally.facts.reasons import Block, Exclusion, Hold, Notice
from caretally.tables import data_path, load_tables

ROOT = Path(caretally.__file__).parents[2]
TABLES = load_tables()
FILES = sorted(p for p in data_path("mappings").rglob("*") if p.suffix in {".toml", ".json"} and "views" not in p.parts)
CODES = [member.value for kind in (Block, Hold, Exclusion, Notice) for member in kind]


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert set(TABLES.services.reasons) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_reason_is_one_plain_sentence_with_a_citation(code: str) -> None:
    row = TABLES.services.reasons[code]
    assert row.message[0].isupper()
    assert not row.message.endswith(".")
    assert ". " not in row.message
    assert 20 <= len(row.message) <= 160
    assert row.cite


def known_ids() -> set[str]:
    text = (ROOT / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
    known: set[str] = set()
    for row in re.findall(r"^\| ([FD]\d.*?) \|", text, re.MULTILINE):
        ids = re.findall(r"([FD])(\d+)", row)
        numbers = [int(number) for _, number in ids]
        span = range(numbers[0], numbers[-1] + 1) if " to " in row else numbers
        known |= {f"{ids[0][0]}{number}" for number in span}
    return known


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_id_of_a_source_or_point_resolves(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = set(re.findall(r"\[(F\d+)\]", text))
    for places in re.findall(r"(?:points? |# )(D\d+(?:, D\d+)*)", text):
        used |= set(places.split(", "))
    assert used <= known_ids()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_are_plain_text_with_a_final_newline(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert "\t" not in text
    assert "\r" not in text


def test_medicare_states_every_default() -> None:
    medicare = TABLES.payers["medicare"]
    text = data_path("mappings", "payers", "medicare.toml").read_text(encoding="utf-8")
    stated = {name.split(".")[0] for name in medicare.switches.values}
    assert set(Policy.model_fields) - stated == {"caps", "consent_max_age_months"}
    assert "[policy.caps]" in text
    assert "# consent_max_age_months" in text
    default = Policy().model_dump()
    for name, value in medicare.switches.values.items():
        here = default
        *tables, key = name.split(".")
        for table in tables:
            here = here[table]
        assert here[key] == value, name


def test_examples_match_nobody_by_accident() -> None:
    for name in ("commercial-example", "medicaid-example", "noridian-strict"):
        match = TABLES.payers[name].match
        assert not match.coverage_types
        assert not match.payors
        assert all(i.startswith("https://caretally.example/") for i in match.payor_identifiers)
    for payer in TABLES.payers.values():
        assert payer.sources


def test_resource_types() -> None:
    types = {t.name: t for t in TABLES.resource_types}
    assert {n for n, t in types.items() if t.required} == {
        "Patient",
        "Encounter",
        "Condition",
        "CarePlan",
        "Consent",
        "Coverage",
        "Practitioner",
    }
    assert {n for n, t in types.items() if not t.patient_elements} == {
        "Provenance",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "ChargeItemDefinition",
    }
    assert types["Coverage"].patient_elements == ("beneficiary",)
    assert types["Consent"].patient_elements == ("patient",)
    assert types["Claim"].patient_elements == types["ExplanationOfBenefit"].patient_elements == ("patient",)
    assert "Observation" not in types
    assert "Observation" in {t.name for t in load_tables(mapping_layers=["observation-minutes"]).resource_types}
