"""Tables that a practice could write: what their columns allow and no row of ours uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from caretally.rules import determine
from tests.rules.deciding import codes, question

if TYPE_CHECKING:
    from caretally.facts.determination import Determination
    from caretally.rules import RuleContext

PCM: dict[str, Any] = {
    "conditions": [["C50.911", True, 12, True]],
    "pcm": {"cond": "C50"},
    "entries": [{"who": "N1", "role": "RN", "date": "2025-03-20", "min": 60, "prog": "pcm"}],
}


def decided(context: RuleContext, case: dict[str, Any], **tables: Any) -> Determination:
    month, _ = question(case, {})
    (found,) = determine(month, replace(context, tables=replace(context.tables, **tables)))
    return found


def with_conflict(case: dict[str, Any], name: str, **columns: Any) -> Determination:
    """Decide a case where one row of the conflict table says something else."""
    _, context = question(case, {})
    rows = tuple(replace(row, **columns) if row.name == name else row for row in context.tables.conflicts)
    return decided(context, case, conflicts=rows)


def stranger(code: str, **more: Any) -> dict[str, Any]:
    return {"other_claims": [{"code": code, "by": "P9", "group": "OTHER", "date": "2025-03-10", **more}]}


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"other": "warn"}, "billable"),
        ({"other": "block"}, "not-billable"),
        ({"other": "hold"}, "not-billable"),
        ({"other": "nothing"}, "billable"),
        ({"scope": "any", "scope_switch": None, "other": "nothing"}, "not-billable"),
    ],
)
def test_what_a_strangers_service_does_is_a_column(columns: dict[str, Any], status: str) -> None:
    found = with_conflict(stranger("90961"), "esrd", **columns)
    assert found.status == status
    assert ("R-CONFLICT-ESRD" in codes(found)) is (status == "not-billable")
    assert ("W-OTHER-PRACTITIONER-CLAIM" in codes(found)) is (columns["other"] == "warn")
    for one in found.reasons:
        assert one.message.endswith("(90961 on 2025-03-10 by Practitioner/P9)")


@pytest.mark.parametrize(("diagnosis", "warns"), [("C50.912", True), ("E11.9", False)])
def test_a_strangers_service_for_one_disease_stands_aside_for_another(diagnosis: str, warns: bool) -> None:
    found = with_conflict({**PCM, **stranger("99447", dx=[diagnosis])}, "interprofessional-consult", other="warn")
    assert ("W-OTHER-PRACTITIONER-CLAIM" in codes(found)) is warns


def families(case: dict[str, Any], programme: str, *names: str, **columns: Any) -> Determination:
    """Decide a case where a programme has these families only, with other columns."""
    _, context = question(case, {})
    tables = context.tables
    rows = {name: replace(row, **columns) if name in names else row for name, row in tables.families.items()}
    programmes = {**tables.programmes, programme: replace(tables.programmes[programme], families=names)}
    return decided(context, case, families=rows, programmes=programmes)


def test_a_family_without_further_units_stops_at_its_base() -> None:
    found = families(PCM, "pcm", "pcm-staff", add_on=None, add_on_minutes=None, add_on_cap=None)
    assert [(line.code, line.units) for line in found.lines] == [("99426", 1)]
    assert found.surplus_seconds == 1800
    (family,) = found.trace.ground["programmes"]["pcm"]["families"]
    assert (family["add_on"], family["add_on_seconds"], family["add_on_cap"]) == (None, None, 0)


def test_a_programme_whose_families_were_not_tried_says_what_was_counted() -> None:
    month, context = question(PCM, {"physician_time": "roll_up"})
    pcm = replace(context.tables.programmes["pcm"], families=("pcm-physician",))
    tables = replace(context.tables, programmes={**context.tables.programmes, "pcm": pcm})
    (found,) = determine(month, replace(context, tables=tables))
    assert found.status == "not-billable"
    assert [one.message.rpartition(" (")[2] for one in found.reasons] == ["60 min counted)"]


def test_a_complex_family_alone_has_no_other_to_compare_with() -> None:
    case = {"mdm": "high", "entries": [{"who": "N1", "role": "RN", "date": "2025-03-20", "min": 60}]}
    found = families(case, "ccm", "cccm-staff")
    assert [line.code for line in found.lines] == ["99487"]
    assert "I-ALT-AMOUNT" not in codes(found)
