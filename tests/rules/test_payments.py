"""Coinsurance, who pays next, and the oncology model beside care management: information, never a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from caretally.facts.clinical import CoverageFact
from caretally.facts.codes import Coding
from caretally.facts.determination import Determination
from caretally.rules import determine
from tests.rules.builder import CaseBuilder, tables

SOPT = "https://nahdo.org/sopt"
CANCER = {"conditions": [["C34.11", True, 12, True], ["J44.9", True, 12, True]]}


def entry(minutes: int, month: str = "2025-03", **more: Any) -> dict[str, Any]:
    return {"role": "RN", "who": "N1", "date": f"{month}-20", "min": minutes, **more}


def decide(case: dict[str, Any], *coverages: CoverageFact, month: str = "2025-03", **switches: Any) -> Determination:
    builder = CaseBuilder({"id": "T", "month": month, "entries": [entry(20, month)], **case}, switches)
    asked = builder.month()
    if coverages:
        first = tuple(replace(c, order=1) for c in asked.facts.coverages)
        asked = replace(asked, facts=replace(asked.facts, coverages=(*first, *coverages)))
    (found,) = determine(asked, builder.context())
    return found


def medicaid(code: str = "211", **more: Any) -> CoverageFact:
    base = CoverageFact(reference="Coverage/medicaid", status="active", start=date(2024, 1, 1), end=None, order=2)
    return replace(base, type_codes=(Coding(SOPT, code),), **more)


def test_the_patient_owes_a_fifth_and_the_second_payer_is_named() -> None:
    found = decide({}, medicaid())
    assert found.total_amount == Decimal("60.49")
    assert found.patient_share is not None
    assert (found.patient_share.rate, found.patient_share.amount) == (Decimal("0.20"), Decimal("12.10"))
    assert found.patient_share.secondary == ("Coverage/medicaid",)
    assert decide({}).patient_share.secondary == ()  # type: ignore[union-attr]


def test_no_share_without_lines_or_without_a_known_rate() -> None:
    assert decide({"entries": [entry(19)]}).patient_share is None
    own = CoverageFact(
        reference="Coverage/aa", status="active", start=date(2024, 1, 1), end=None, order=0,
        type_codes=(Coding(SOPT, "111"),),
    )  # fmt: skip
    assert decide({}, own).trace.payer == "medicare-advantage"
    assert decide({}, own).patient_share is None


@pytest.mark.parametrize(
    ("coverages", "dual", "monthly", "episode"),
    [
        ((), False, "110.00", "660.00"),
        ((medicaid(),), True, "140.00", "840.00"),
        ((medicaid("14"),), True, "140.00", "840.00"),
        ((medicaid(end=date(2025, 2, 28)),), False, "110.00", "660.00"),
        ((medicaid(end=date(2025, 3, 1)),), True, "140.00", "840.00"),
        ((medicaid(start=date(2025, 3, 31)),), True, "140.00", "840.00"),
        ((medicaid(start=date(2025, 4, 1)),), False, "110.00", "660.00"),
        ((medicaid("5"),), False, "110.00", "660.00"),
    ],
)
def test_the_oncology_model_beside_care_management(
    coverages: tuple[CoverageFact, ...], dual: bool, monthly: str, episode: str
) -> None:
    model = decide(CANCER, *coverages).oncology
    assert model is not None
    assert (model.icd10cm, model.condition, model.months) == ("C34.11", "Condition/cond1", 6)
    assert (model.dual_eligible, model.monthly, model.episode) == (dual, Decimal(monthly), Decimal(episode))
    assert model.care_management == {"ccm": Decimal("60.49")}


def test_the_model_stands_beside_both_programmes() -> None:
    case = {**CANCER, "entries": [entry(20), entry(30, prog="pcm")], "pcm": {"cond": "C34"}}
    model = decide(case).oncology
    assert model is not None
    assert model.care_management == {"ccm": Decimal("60.49"), "pcm": Decimal("61.78")}


SEVEN = ["C50.911", "C91.10", "C18.9", "C34.11", "C83.30", "C90.00", "C61"]


@pytest.mark.parametrize("code", SEVEN)
def test_each_of_the_seven_cancers(code: str) -> None:
    assert decide({"conditions": [[code, True, 12, True], ["E11.9", True, 12, True]]}).oncology is not None


@pytest.mark.parametrize("code", ["C25.9", "D05.11", "Z85.3"])
def test_other_codes_are_none_of_them(code: str) -> None:
    conditions = [[code, True, 12, True], ["E11.9", True, 12, True], ["I50.22", True, 12, True]]
    assert decide({"conditions": conditions}).oncology is None


def test_a_cancer_that_ended_counts_for_nothing() -> None:
    conditions = [["C61", False, 12, True], ["E11.9", True, 12, True], ["I50.22", True, 12, True]]
    assert decide({"conditions": conditions}).oncology is None


@pytest.mark.parametrize(("month", "monthly"), [("2024-12", "70.00"), ("2025-01", "110.00")])
def test_the_amount_is_that_of_the_month(month: str, monthly: str) -> None:
    model = decide(CANCER, month=month).oncology
    assert model is not None
    assert model.monthly == Decimal(monthly)


def test_the_rows_are_dated_and_cited() -> None:
    payments = tables().services.payments
    assert payments.oncology_on(date(2030, 7, 1)) is None
    assert payments.oncology_on(date(2023, 6, 30)) is None
    assert all(row.source for row in payments.coinsurance)
    assert all(row.source for row in payments.oncology)


def test_the_output_says_what_the_amounts_rest_on() -> None:
    found = decide({**CANCER}, medicaid()).to_json()
    share, model = found["patient_share"], found["oncology"]
    assert share.pop("source").startswith("Social Security Act, section 1833(a)(1)")
    assert share == {"rate": "0.20", "amount": "12.10", "secondary": ["Coverage/medicaid"]}
    assert model.pop("source").startswith("ASCO guide, January 2025, Enhanced Oncology Model")
    assert model == {
        "condition": "Condition/cond1",
        "icd10cm": "C34.11",
        "dual_eligible": True,
        "monthly": "140.00",
        "episode": "840.00",
        "months": 6,
        "care_management": {"ccm": "60.49"},
    }


def test_a_month_without_any_code_has_no_amount_beside_the_model() -> None:
    model = decide({**CANCER, "entries": [entry(19)]}).oncology
    assert model is not None
    assert model.care_management == {}
