"""What an institutional claim of a month would hold: by the dates of the general code and of the individual ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from caretally.facts.practice import Site
from caretally.facts.services import Institutional
from caretally.rules.enrolment import cases
from caretally.rules.institutional import institutional_lines
from tests.rules.builder import CaseBuilder

BOTH, GENERAL = "G0511 or the codes of the ladder, never both", "G0511 once for the month"
LADDER, NONE = "the codes of the ladder", "no code of that date is known"
KIND = "rural-health-clinic"


def lines(kind: str = KIND, /, **dates: date | None) -> str:
    """What March 2025 is billed with at a site of a kind, where the table has one row with these dates."""
    undated: dict[str, Any] = {"individual_codes_from": None, "general_code_from": None, "general_code_to": None}
    row = Institutional(kind=KIND, general_code="G0511", **(undated | dates))
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": []})
    context = builder.context()
    practice = replace(context.practice, sites=(Site(name="clinic", kind=kind),))  # type: ignore[arg-type]
    tables = replace(context.tables, institutional=(row,))
    (case,) = cases(builder.month(), replace(context, tables=tables, practice=practice))
    return institutional_lines(case)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ({}, BOTH),
        ({"general_code_from": date(2025, 3, 31)}, BOTH),
        ({"general_code_from": date(2025, 4, 1)}, LADDER),
        ({"general_code_to": date(2025, 3, 1)}, BOTH),
        ({"general_code_to": date(2025, 2, 28)}, LADDER),
        ({"individual_codes_from": date(2025, 3, 31)}, BOTH),
        ({"individual_codes_from": date(2025, 4, 1)}, GENERAL),
        ({"individual_codes_from": date(2025, 4, 1), "general_code_to": date(2025, 2, 28)}, NONE),
    ],
)
def test_a_code_that_holds_on_any_day_of_the_month_can_be_billed(dates: dict[str, date], said: str) -> None:
    assert lines(**dates) == said


def test_a_kind_of_site_without_a_row_bills_the_codes_of_the_ladder() -> None:
    assert lines("hospital-department") == LADDER
