"""What stands before a claim, what the patient owes, the model beside it and the paper, in words."""

from __future__ import annotations

from typing import Any

import pytest

from caretally.reports.before_the_claim import (
    checks_in_short,
    denial_lines,
    filing_words,
    oncology_lines,
    share_lines,
)
from caretally.reports.paper import paper_lines


def check(outcome: str, effect: str = "block", **more: Any) -> dict[str, Any]:
    return {
        "check": "right-payer", "title": "The right payer", "outcome": outcome, "effect": effect, "found": "words",
        "carc": ["CO-24"], "rarc": ["M86"], "evidence": ["Coverage/c"], **more,
    }  # fmt: skip


def test_a_failed_check_names_the_payers_codes_and_what_it_means() -> None:
    answer = {"pre_submission": [check("passed"), check("unknown"), check("failed"), check("failed", "warn")]}
    assert list(denial_lines(answer)) == [
        "right-payer: passed; words",
        "right-payer: cannot tell; words",
        "right-payer: FAILED, holds the claim; words",
        "    The right payer; a payer answers CO-24, M86",
        "    evidence: Coverage/c",
        "right-payer: FAILED, a warning; words",
        "    The right payer; a payer answers CO-24, M86",
        "    evidence: Coverage/c",
    ]
    assert checks_in_short(answer) == [
        "held before the claim: The right payer: words (CO-24, M86)",
        "warning before the claim: The right payer: words (CO-24, M86)",
        "cannot tell before the claim: right-payer",
    ]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (1, "1 day left to file, until 2026-01-13"),
        (0, "0 days left to file, until 2026-01-13"),
        (-2, "filing ended on 2026-01-13, 2 days ago"),
    ],
)
def test_the_countdown_of_filing(left: int, words: str) -> None:
    filing = {"last_day": "2026-01-13", "days_left": left}
    assert filing_words(filing) == words
    assert list(denial_lines({"filing": filing})) == [words]


def test_the_patients_part_and_who_pays_next() -> None:
    share = {"rate": "0.20", "amount": "12.10", "secondary": ["Coverage/two"], "source": "the Act"}
    assert list(share_lines({"patient_share": share})) == [
        "coinsurance 20 %: $12.10, when the deductible is met",
        "payer 2: Coverage/two",
        "source: the Act",
    ]
    assert list(share_lines({"patient_share": None})) == list(share_lines({})) == []


def test_the_model_beside_care_management() -> None:
    model = {
        "condition": "Condition/c", "icd10cm": "C61", "dual_eligible": True, "monthly": "140.00", "episode": "840.00",
        "months": 6, "care_management": {"ccm": "60.49", "pcm": None}, "source": "the guide",
    }  # fmt: skip
    lines = list(oncology_lines({"oncology": model}))
    assert (
        "the model pays $140.00 a month for a dual-eligible beneficiary, $840.00 for an episode of 6 months" in lines[1]
    )
    assert lines[2:4] == ["CCM in this month: $60.49", "PCM in this month: no rate"]
    assert "care management reaches no code in this month" in list(
        oncology_lines({"oncology": {**model, "care_management": {}}})
    )


def paper(programme: str, state: str) -> dict[str, Any]:
    row = {"item": "care-plan", "state": state, "found": "words", "evidence": ["CarePlan/p"]}
    return {"programme": programme, "documentation": [row], "care_plan": [], "required_actions": [row]}


def test_the_paper_names_the_resource_and_the_source() -> None:
    assert list(paper_lines({"paper": [paper("ccm", "unstructured")]}, "documentation")) == [
        "care plan with measurable goals: unstructured, a person has to read it; words",
        "    evidence: CarePlan/p",
        "source: ASCO guide, January 2025, Documentation",
    ]
    two = list(paper_lines({"paper": [paper("ccm", "found"), paper("pcm", "missing")]}, "required_actions"))
    assert two[0] == "CCM  care plan established and shared: found; words"
    assert two[2] == "PCM  care plan established and shared: MISSING; words"
    assert list(paper_lines({}, "documentation")) == []
