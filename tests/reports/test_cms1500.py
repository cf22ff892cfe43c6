from __future__ import annotations

from collections import Counter
from dataclasses import replace
from io import BytesIO
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from caretally.billing.professional_claim import Name
from caretally.facts.plain_text import plain_text
from caretally.reports.cms1500 import LETTERS, Cms1500, cms1500, money
from caretally.reports.cms1500_pdf import CAPTION_SIZE, PAGE, Cell, cells, cms1500_pdf, line_cells
from tests.billing.claim_samples import FACILITY, SITE, read
from tests.reports.test_claim_837p import CLAIMS

form = cms1500


@pytest.mark.parametrize("name", CLAIMS)
def test_each_box_says_what_the_claim_says(name: str) -> None:
    claim = CLAIMS[name]()
    boxes = form(claim).boxes
    assert boxes["1a"] == claim.member_id
    assert boxes["3"] == "05 11 1948"
    assert boxes.get("31 date") == ("02 10 2025" if claim.signatures_on_file else None)
    assert boxes["26"] == claim.account_number
    assert boxes["25"] == claim.billing.tin
    assert boxes["33a"] == claim.billing.npi
    assert boxes["28"] == money(claim.total)
    assert [boxes[f"21 {LETTERS[n]}"] for n in range(len(claim.diagnoses))] == [
        code.replace(".", "") for code in claim.diagnoses
    ]
    assert boxes.get("22") == (None if claim.frequency == "1" else claim.frequency)
    assert boxes.get("22 original") == claim.original_number
    assert ("12" in boxes) is claim.signatures_on_file
    for row, line in zip(form(claim).lines, claim.lines, strict=True):
        assert row["D"] == line.code
        assert row["F"] == money(line.charge)
        assert row["G"] == str(line.units)
        assert row["E"] == "".join(LETTERS[x - 1] for x in line.pointers)
        assert row["A from"] == f"{line.start:%m %d %Y}"
        assert row["A to"] == f"{line.end:%m %d %Y}"
        assert row["J"] == claim.rendering.npi


def test_medicare_wants_the_insured_left_empty_when_it_pays_first() -> None:
    boxes = form(read()).boxes
    assert (boxes["1"], boxes["11"]) == ("MEDICARE", "NONE")
    assert not {"4", "7 street", "11a", "13"} & boxes.keys()
    through = form(CLAIMS["spouse"]()).boxes
    assert through["4"] == "ASH, BRUNO"
    assert through["11"] == "G-77"
    assert through["11a"] == "02 01 1946"


def test_a_second_payer_stands_in_9() -> None:
    boxes = form(CLAIMS["second payer"]()).boxes
    assert (boxes["9"], boxes["9a"], boxes["9d"], boxes["11d"]) == ("ASH, ALMA, R", "PLAN G", "EXAMPLE MEDIGAP", "YES")
    assert not {"9", "9a", "9d"} & form(read()).boxes.keys()


def test_a_facility_stands_in_32_and_the_biller_in_33() -> None:
    boxes = form(read(site=replace(SITE, facility=FACILITY))).boxes
    assert (boxes["32"], boxes["32a"], boxes["32 city"]) == ("RIVER CLINIC", "1999900024", "TROY")
    assert (boxes["33"], boxes["33 city"]) == ("EXAMPLE ONCOLOGY", "ALBANY")


def test_a_draft_is_marked_and_a_released_claim_is_not() -> None:
    assert form(read()).mark == "DRAFT - NOT RELEASED"
    assert form(replace(read(), state="released")).mark == ""
    assert "DRAFT" in PdfReader(BytesIO(cms1500_pdf([form(read())]))).pages[0].extract_text()


def test_boxes_stand_in_their_order() -> None:
    numbers = [int("".join(c for c in box.split()[0] if c.isdigit()) or 0) for box in form(read()).boxes]
    assert numbers == sorted(numbers)


def placed_texts(page: Any) -> list[tuple[float, float, float, str]]:
    found: list[tuple[float, float, float, str]] = []

    def visit(text: str, _: Any, matrix: Any, __: Any, size: float) -> None:
        if text.strip():
            found.append((matrix[4], matrix[5], size, text.strip()))

    page.extract_text(visitor_text=visit)
    return found


def in_cell(cell: Cell, texts: list[tuple[float, float, float, str]]) -> str:
    """The texts of a box without its caption, from left to right."""
    inside = [
        (x, text)
        for x, y, size, text in texts
        if cell.x <= x < cell.x + cell.width and cell.y <= y < cell.y + cell.height and size != CAPTION_SIZE
    ]
    return " ".join(text for _, text in sorted(inside))


def check_pages(wanted: Cms1500, pages: list[Any]) -> None:
    printed: Counter[str] = Counter()
    for number, page in enumerate(pages):
        texts = placed_texts(page)
        last = number == len(pages) - 1
        for cell in cells():
            said = " ".join(text for part in cell.parts if (text := wanted.boxes.get(part)))
            if cell.number in {"28", "29"} and not last:
                said = "CONTINUED"
            assert in_cell(cell, texts) == said, cell
            printed.update(part for part in cell.parts if part in wanted.boxes)
        for place in range(6):
            rows = wanted.lines[number * 6 :]
            row = rows[place] if place < len(rows) else {}
            for cell in line_cells(place):
                assert in_cell(cell, texts) == " ".join(t for part in cell.parts if (t := row.get(part))), cell
    assert set(printed) == set(wanted.boxes), "a box that no cell shows"


def test_the_pdf_says_box_by_box_what_the_json_says() -> None:
    claims = [CLAIMS[name]() for name in CLAIMS]
    forms = [form(replace(claim, state="released")) for claim in claims]
    pages = PdfReader(BytesIO(cms1500_pdf(forms))).pages
    assert len(pages) == len(forms)
    for wanted, page in zip(forms, pages, strict=True):
        check_pages(wanted, [page])


def test_a_seventh_line_goes_on_a_second_page_and_the_total_with_it() -> None:
    claim = replace(read(), state="released")
    many = replace(claim, lines=claim.lines * 4, diagnoses=(*claim.diagnoses, *("I10",) * 10))
    wanted = form(many)
    assert len(wanted.lines) == 8
    pages = list(PdfReader(BytesIO(cms1500_pdf([wanted]))).pages)
    assert len(pages) == 2
    check_pages(wanted, pages)


@settings(max_examples=10)
@given(st.text(max_size=80), st.text(max_size=80))
def test_names_of_any_length_and_script_stand_whole_in_their_box(family: str, given_name: str) -> None:
    claim = replace(read(), state="released")
    claim = replace(claim, patient=replace(claim.patient, name=Name(family=f"X{family}", given=f"Y{given_name}")))
    wanted = form(claim)
    assert wanted.boxes["2"].startswith(plain_text(f"X{family}"))
    text = PdfReader(BytesIO(cms1500_pdf([wanted]))).pages[0].extract_text()
    assert wanted.boxes["2"] in text


def test_no_two_boxes_overlap_and_all_lie_on_the_page() -> None:
    found = [*cells(), *(cell for place in range(6) for cell in line_cells(place))]
    for cell in found:
        assert cell.x > 0
        assert cell.x + cell.width < PAGE[0]
        assert cell.y > 0
        assert cell.y + cell.height < PAGE[1]
    for one, other in combinations(found, 2):
        apart = (
            one.x + one.width <= other.x + 0.01
            or other.x + other.width <= one.x + 0.01
            or one.y + one.height <= other.y + 0.01
            or other.y + other.height <= one.y + 0.01
        )
        assert apart, (one, other)


def test_the_same_forms_give_the_same_bytes() -> None:
    forms = [form(read())]
    assert cms1500_pdf(forms) == cms1500_pdf(forms)
