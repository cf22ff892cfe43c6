from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from caretally.tables import check_tables, load_tables, show_code

if TYPE_CHECKING:
    from pathlib import Path

    from caretally.tables import Tables

DAY = date(2025, 3, 1)


def test_an_add_on_is_shown_with_its_ladder(tables: Tables) -> None:
    shown = show_code(tables, "99439", DAY)
    assert shown.row is not None
    assert shown.family is not None
    assert shown.programme is not None
    assert (shown.family.name, shown.programme.name, shown.is_add_on) == ("ccm-staff", "ccm", True)
    assert (shown.thresholds, shown.cap) == ((40, 60), 2)
    assert shown.amount_non_facility == Decimal("45.93")
    assert "initiating-visit" in shown.gates
    assert [c.name for c in shown.conflicts] == ["esrd", "cpo", "g0511", "apcm", "meos", "tcm"]
    assert [r.valid_from.year for r in shown.other_rows] == [2024, 2026]
    assert shown.rate_status == "confirmed"
    assert any("Coding Guidance" in source for source in shown.sources)


def test_a_base_code_is_earned_once(tables: Tables) -> None:
    shown = show_code(tables, "99487", DAY)
    assert (shown.thresholds, shown.cap, shown.is_add_on) == ((60,), 1, False)
    assert "decision-making" in shown.gates


def test_a_code_of_somebody_else_is_shown_with_its_value_sets(tables: Tables) -> None:
    shown = show_code(tables, "90961", DAY)
    assert shown.row is None
    assert shown.family is None
    assert shown.value_sets == ("conflict-esrd", "separately-billed")
    assert any("[F31]" in source for source in shown.sources)


def test_dates_matter(tables: Tables) -> None:
    assert show_code(tables, "99441", date(2024, 12, 31)).value_sets == ("separately-billed",)
    assert show_code(tables, "99441", date(2025, 1, 1)).value_sets == ()
    assert show_code(tables, "99490", date(2023, 6, 1)).row is None


def test_an_unknown_code_has_nothing(tables: Tables) -> None:
    shown = show_code(tables, "00000", DAY)
    assert (shown.row, shown.value_sets, shown.sources, shown.cap) == (None, (), (), None)


def test_the_check_counts_rows_and_warns(tables: Tables) -> None:
    report = check_tables(tables)
    assert report.counts["mappings/services/2025.toml"] == {"conversion_factor": 1, "code": 12}
    assert report.counts["mappings/payers/medicare.toml"] == {"payers": 1}
    assert report.totals["reason"] == len(tables.services.reasons)
    assert set(report.counts) == set(tables.files)
    assert any(w.startswith("2026: the rates of 10 codes come from secondary sources") for w in report.warnings)
    assert any(w.startswith("tables end on 2026-12-31") for w in report.warnings)
    assert report.version == tables.version


def test_a_missing_rate_is_a_warning_and_no_amount(folder: Path) -> None:
    path = folder / "services" / "2025.toml"
    lines = path.read_text().splitlines()
    start = lines.index('code = "99439"')
    kept = [line for n, line in enumerate(lines) if not (start < n < start + 5 and line.startswith("rvu_"))]
    at = kept.index('rate_status = "confirmed"', start)
    kept[at] = 'rate_status = "missing"'
    path.write_text("\n".join(kept) + "\n")
    spoilt = load_tables(root=folder)
    assert show_code(spoilt, "99439", DAY).amount_non_facility is None
    warnings = check_tables(spoilt).warnings
    assert "99439 from 2025-01-01: no non-facility and no facility rate; its amount stays open" in warnings
