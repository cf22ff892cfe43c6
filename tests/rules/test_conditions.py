"""The code of a condition on the claim: the record's own, else that of the month."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from caretally.facts.codes import ICD10CM, Coding
from caretally.rules.determine import determine
from tests.rules.builder import CaseBuilder

if TYPE_CHECKING:
    from caretally.facts.clinical import ConditionFact

SCLEROSIS = Coding("http://snomed.info/sct", "24700007")
"""Multiple sclerosis: G35 until 30 September 2025, then G35.D."""


def diagnoses(month: str, condition: dict[str, object]) -> list[str]:
    entries = [{"who": "N1", "role": "RN", "date": f"{month}-20", "min": 30}]
    conditions = [["I50.22", True, 12, True], ["E11.9", True, 12, True]]
    builder = CaseBuilder({"id": "T", "month": month, "entries": entries, "conditions": conditions})
    patient = builder.month()
    first: ConditionFact = patient.facts.conditions[0]
    changed = (replace(first, **condition), *patient.facts.conditions[1:])  # type: ignore[arg-type]
    month_of = replace(patient, facts=replace(patient.facts, conditions=changed))
    (found,) = (d for d in determine(month_of, builder.context()) if d.status == "billable")
    return [str(diagnosis.icd10cm) for diagnosis in found.evidence.diagnoses]


@pytest.mark.parametrize(
    ("month", "own", "wanted"),
    [
        ("2025-09", (SCLEROSIS,), "G35"),
        ("2025-10", (SCLEROSIS,), "G35.D"),
        ("2025-10", (SCLEROSIS, Coding(ICD10CM, "G35")), "G35"),
        ("2025-10", (Coding("http://snomed.info/sct", "111"),), "G35"),
    ],
)
def test_the_code_of_the_month_unless_the_record_has_its_own(month: str, own: tuple[Coding, ...], wanted: str) -> None:
    assert wanted in diagnoses(month, {"icd10cm": "G35", "codes": own})
