from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.billing.professional_claim import Name
from caretally.errors import ConfigurationError
from caretally.reports.claim_lines import (
    COLUMNS,
    Row,
    claim_rows,
    lines_csv,
    lines_parquet,
    plain_cell,
    safe_cell,
)
from tests.billing.claim_samples import read
from tests.reports.test_claim_837p import CLAIMS

ROWS = [row for build in CLAIMS.values() for row in claim_rows([build()])]


def read_back(data: bytes) -> list[Row]:
    found = []
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        typed: Row = {}
        for column in COLUMNS:
            text = row[column.name]
            read_as: dict[str, Any] = {
                "text": plain_cell,
                "date": date.fromisoformat,
                "number": int,
                "money": Decimal,
            }
            typed[column.name] = read_as[column.kind](text) if text else None
        found.append(typed)
    return found


def test_a_row_is_a_line_of_a_claim() -> None:
    claim = read()
    rows = list(claim_rows([claim]))
    assert [(r["line"], r["code"], r["units"], r["charge"]) for r in rows] == [
        (1, "99490", 1, Decimal("85.00")),
        (2, "99439", 2, Decimal("121.00")),
    ]
    assert rows[0]["diagnoses"] == "E11.9 I50.22"
    assert rows[0]["status"] == "draft"
    assert rows[0]["claim_total"] == Decimal("206.00")
    assert list(rows[0]) == [column.name for column in COLUMNS]


def test_csv_read_back_is_what_was_written() -> None:
    assert read_back(lines_csv(ROWS)) == ROWS
    assert b"85.00" in lines_csv(ROWS)


def test_parquet_read_back_is_what_was_written_with_its_types() -> None:
    table = pq.read_table(io.BytesIO(lines_parquet(ROWS)))
    assert table.to_pylist() == ROWS
    assert str(table.schema.field("charge").type) == "decimal128(12, 2)"
    assert str(table.schema.field("service_date").type) == "date32[day]"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_a_cell_is_never_a_formula(start: str) -> None:
    claim = read()
    evil = f'{start}HYPERLINK("http://x","y")'
    claim = replace(claim, patient=replace(claim.patient, name=Name(family=evil, given=start)))
    data = lines_csv(claim_rows([claim]))
    cells = [cell for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert read_back(data)[0]["patient_family"] == evil


@pytest.mark.prove
@given(st.text(max_size=40))
def test_a_cell_is_safe_and_can_be_undone(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert plain_cell(cell) == text


def test_without_pyarrow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"caretally\[parquet\]"):
        lines_parquet(ROWS)
