"""The self-audit of the practice, dated; and the patients' paper added up."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.facts.practice import Attestation
from caretally.reports.audit import (
    PaperTally,
    requirement_lines,
    requirement_results,
    settle_line,
    tally_lines,
    unknown_attestations,
    wanting,
)
from caretally.tables import load_tables

MONTH, TODAY = ServiceMonth(2025, 3), date(2025, 3, 20)
REQUIREMENTS = load_tables().requirements
ASKED = [r.id for r in REQUIREMENTS if r.list in {"practice", "action"}]


def attested(
    name: str = "access-24-7", first: str = "2025-01-01", last: str | None = None, by: str | None = "Dr A"
) -> Attestation:
    return Attestation(
        name=name,
        held_from=date.fromisoformat(first),
        held_to=None if last is None else date.fromisoformat(last),
        by=by,
    )


@pytest.mark.parametrize(
    ("attestation", "state"),
    [
        (attested(), "held"),
        (attested(first="2025-03-01", last="2025-03-31"), "held"),
        (attested(by=None), "unsigned"),
        (attested(first="2025-03-02"), "part-of-month"),
        (attested(last="2025-03-30"), "part-of-month"),
        (attested(last="2025-02-28"), "lapsed"),
        (attested(first="2025-04-01"), "not-yet"),
        (attested(name="continuity-of-care"), "missing"),
    ],
)
def test_how_a_requirement_stands_in_a_month(attestation: Attestation, state: str) -> None:
    results = requirement_results(REQUIREMENTS, [attestation], MONTH, TODAY)
    found = next(r for r in results if r.requirement.id == "access-24-7")
    assert found.state == state
    assert (found in wanting(results)) is (state != "held")


@pytest.mark.parametrize(("last", "soon"), [("2025-05-19", True), ("2025-05-20", False), ("2025-03-19", False)])
def test_what_ends_within_sixty_days_is_told(last: str, soon: bool) -> None:
    results = requirement_results(REQUIREMENTS, [attested(last=last)], MONTH, TODAY)
    found = next(r for r in results if r.requirement.id == "access-24-7")
    assert found.ends_soon is soon


def test_the_six_requirements_are_asked_of_everybody_the_models_of_who_begins_them() -> None:
    nothing = requirement_results(REQUIREMENTS, [], MONTH, TODAY)
    assert [r.requirement.id for r in wanting(nothing)] == ASKED
    assert len([r for r in REQUIREMENTS if r.list == "practice"]) == 6
    assert len([r for r in REQUIREMENTS if r.list == "omh"]) == 4
    assert len([r for r in REQUIREMENTS if r.list == "eom"]) == 8
    begun = requirement_results(REQUIREMENTS, [attested("eom-navigation")], MONTH, TODAY)
    assert "eom-certified-technology" in {r.requirement.id for r in wanting(begun)}
    assert settle_line(begun) is not None
    lines = list(requirement_lines(nothing))
    assert any(line.startswith("Oncology Medical Home standards: not begun") for line in lines)


def test_nothing_is_said_where_everything_is_held() -> None:
    results = requirement_results(REQUIREMENTS, [attested(name) for name in ASKED], MONTH, TODAY)
    assert settle_line(results) is None
    assert "  access-24-7: held, from 2025-01-01 by Dr A; Patients reach" in "\n".join(requirement_lines(results))


def test_a_misspelt_name_is_told() -> None:
    found = unknown_attestations(REQUIREMENTS, [attested("acess-24-7"), attested("own-rule"), attested()])
    assert found == {"acess-24-7": "access-24-7", "own-rule": ""}


def item(name: str, state: str) -> dict[str, Any]:
    return {"item": name, "state": state, "found": "words", "evidence": []}


def answer(state: str, *notices: str) -> dict[str, Any]:
    return {
        "patient": "Patient/a",
        "billing_practitioner": "Practitioner/p",
        "status": "billable",
        "notices": [{"code": code} for code in notices],
        "pre_submission": [{"check": "timely-filing", "outcome": "failed"}],
        "paper": [
            {
                "programme": "ccm",
                "documentation": [item("need", state)],
                "care_plan": [item("problem-list", "found")],
                "required_actions": [item("care-plan", "found")],
            }
        ],
    }


def test_the_paper_is_added_up_and_what_is_not_found_is_listed() -> None:
    tally = PaperTally()
    for one in (answer("missing", "W-CARE-TEAM-LEAD", "I-SURPLUS"), answer("unstructured"), answer("found")):
        tally.add(one)
    document = tally.to_json()
    assert document["items"][0] == {
        "list": "documentation", "item": "need", "found": 1, "partly": 0, "unstructured": 1, "missing": 1
    }  # fmt: skip
    assert document["warnings"] == {"W-CARE-TEAM-LEAD": 1}
    assert document["likely_denials"] == {"timely-filing": 3}
    assert [len(p["not_found"]) for p in document["patients"]] == [1, 1]
    lines = list(tally_lines(tally))
    assert (
        "    why care management is needed (narrative): 1 found, 1 unstructured, a person has to read it, 1 missing"
        in lines
    )
    assert "  before the claim, timely-filing: 3 answers" in lines
