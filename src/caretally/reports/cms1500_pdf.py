"""CMS-1500 forms as PDF: our own drawing of the boxes, with their numbers and short captions of our own.

It is for checking and for payers who take plain paper. A payer that reads the red form by machine wants the printed
form; the contents are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.reports.cms1500 import LINES_OF_A_FORM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caretally.reports.cms1500 import Cms1500

PAGE = (612.0, 792.0)
"""US Letter, in points; the origin is the lower left corner."""
LEFT, TOP, WIDTH, ROW = 36.0, 738.0, 540.0, 24.0
CAPTION_SIZE, TEXT_SIZE, SMALLEST = 4.6, 8.5, 3.5
_PAD = 2.5
_LINE_ROW = 26.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One box on the page: where it is, and the captions of its parts."""

    number: str
    caption: str
    x: float
    y: float
    width: float
    height: float
    parts: tuple[str, ...]
    """Keys of `Cms1500.boxes`, drawn from left to right."""


_HEAD: tuple[tuple[tuple[str, str, float, tuple[str, ...]], ...], ...] = (
    (("", "PAYER", 324, ("payer",)), ("1", "KIND OF COVERAGE", 108, ("1",)), ("1a", "INSURED'S ID", 108, ("1a",))),
    (
        ("2", "PATIENT'S NAME", 216, ("2",)),
        ("3", "BIRTH DATE, SEX", 108, ("3", "3 sex")),
        ("4", "INSURED'S NAME", 216, ("4",)),
    ),
    (
        ("5", "PATIENT'S STREET", 216, ("5 street",)),
        ("6", "RELATIONSHIP", 108, ("6",)),
        ("7", "INSURED'S STREET", 216, ("7 street",)),
    ),
    (
        ("5", "CITY, STATE", 216, ("5 city", "5 state")),
        ("10a", "WORK", 36, ("10a",)),
        ("10b", "AUTO", 36, ("10b",)),
        ("10c", "OTHER", 36, ("10c",)),
        ("7", "CITY, STATE", 216, ("7 city", "7 state")),
    ),
    (
        ("5", "ZIP, TELEPHONE", 216, ("5 zip", "5 phone")),
        ("11d", "OTHER PLAN", 108, ("11d",)),
        ("7", "ZIP, TELEPHONE", 216, ("7 zip", "7 phone")),
    ),
    (
        ("9", "OTHER INSURED'S NAME", 216, ("9",)),
        ("9a", "POLICY OR GROUP", 108, ("9a",)),
        ("9d", "OTHER PLAN'S NAME", 216, ("9d",)),
    ),
    (
        ("12", "PATIENT'S SIGNATURE", 162, ("12",)),
        ("13", "INSURED'S SIGNATURE", 162, ("13",)),
        ("11", "POLICY OR GROUP", 108, ("11",)),
        ("11a", "INSURED: BIRTH DATE, SEX", 108, ("11a", "11a sex")),
    ),
    (
        ("21", "ICD", 36, ("21 ICD",)),
        *((f"21 {x}", "", 63, (f"21 {x}",)) for x in "ABCDEF"),
        ("20", "LAB", 126, ("20",)),
    ),
    (
        ("21", "", 36, ()),
        *((f"21 {x}", "", 63, (f"21 {x}",)) for x in "GHIJKL"),
        ("22", "RESUBMISSION, ORIGINAL NUMBER", 126, ("22", "22 original")),
    ),
)
_COLUMNS: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("24A", "FROM", 62, ("A from",)),
    ("24A", "TO", 62, ("A to",)),
    ("24B", "PLACE", 28, ("B",)),
    ("24D", "CODE", 44, ("D",)),
    ("24D", "MODIFIERS", 62, ("D modifiers",)),
    ("24E", "POINTER", 40, ("E",)),
    ("24F", "CHARGES", 58, ("F",)),
    ("24G", "UNITS", 30, ("G",)),
    ("24I", "QUAL", 24, ("I",)),
    ("24J", "TAXONOMY", 68, ("J taxonomy",)),
    ("24J", "NPI", 62, ("J",)),
)
_FOOT: tuple[tuple[tuple[str, str, float, tuple[str, ...]], ...], ...] = (
    (
        ("25", "TAX NUMBER", 108, ("25", "25 type")),
        ("26", "ACCOUNT NUMBER", 144, ("26",)),
        ("27", "ASSIGNMENT", 72, ("27",)),
        ("28", "TOTAL", 108, ("28",)),
        ("29", "PAID", 108, ("29",)),
    ),
    (
        ("31", "PRACTITIONER'S SIGNATURE, DATE", 162, ("31", "31 date")),
        ("32", "PLACE OF SERVICE: NAME", 189, ("32",)),
        ("33", "BILLER: NAME", 189, ("33",)),
    ),
    (
        ("", "", 162, ()),
        ("32", "STREET", 189, ("32 street",)),
        ("33", "STREET", 189, ("33 street",)),
    ),
    (
        ("", "", 162, ()),
        ("32", "CITY, STATE, ZIP", 189, ("32 city", "32 state", "32 zip")),
        ("33", "CITY, STATE, ZIP", 189, ("33 city", "33 state", "33 zip")),
    ),
    (
        ("33", "BILLER: TELEPHONE", 162, ("33 phone",)),
        ("32a", "NPI", 189, ("32a",)),
        ("33a", "NPI", 94.5, ("33a",)),
        ("33b", "TAXONOMY", 94.5, ("33b",)),
    ),
)


def cells() -> tuple[Cell, ...]:
    """Return the boxes of a page beside the lines of box 24."""
    found: list[Cell] = []
    y = TOP
    for row in _HEAD:
        y -= ROW
        found += _row(row, y, ROW)
    y -= _LINE_ROW * LINES_OF_A_FORM + 6
    for row in _FOOT:
        y -= ROW
        found += _row(row, y, ROW)
    return tuple(found)


def line_cells(place: int) -> tuple[Cell, ...]:
    """Return the columns of a row of box 24, counted from 0."""
    y = TOP - ROW * len(_HEAD) - _LINE_ROW * (place + 1) - 3
    return tuple(_row(_COLUMNS, y, _LINE_ROW))


def _row(row: Sequence[tuple[str, str, float, tuple[str, ...]]], y: float, height: float) -> Iterator[Cell]:
    x = LEFT
    for number, caption, width, parts in row:
        if number or caption:
            yield Cell(number, caption, x, y, width, height, parts)
        x += width


def cms1500_pdf(forms: Sequence[Cms1500]) -> bytes:
    """Return a PDF with one page for each form, more where a claim has more than six lines.

    The bytes depend on the forms only: no time and no random id stands in them.
    """
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 -- a third of a second that only this format pays

    canvas = Canvas("", pagesize=PAGE, invariant=1, pageCompression=1)
    canvas.setTitle("CMS-1500 claim forms")
    canvas.setProducer("Caretally")
    for form in forms:
        starts = range(0, max(len(form.lines), 1), LINES_OF_A_FORM)
        for page, start in enumerate(starts, 1):
            _page(canvas, form, start, page, len(starts))
            canvas.showPage()
    return bytes(canvas.getpdfdata())


def _page(canvas: Any, form: Cms1500, start: int, page: int, pages: int) -> None:
    _mark(canvas, form)
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawString(LEFT, TOP + 18, "HEALTH INSURANCE CLAIM")
    canvas.setFont("Helvetica", 6)
    head = f"boxes of form CMS-1500 (02/12), drawn by Caretally; page {page} of {pages}; {form.claim}"
    canvas.drawString(LEFT, TOP + 8, head)
    last = page == pages
    for cell in cells():
        boxes = form.boxes if last or cell.number not in {"28", "29"} else {cell.parts[0]: "CONTINUED"}
        _draw(canvas, cell, boxes)
    for place in range(LINES_OF_A_FORM):
        number = start + place
        row = form.lines[number] if number < len(form.lines) else {}
        for cell in line_cells(place):
            _draw(canvas, cell, row)


def _mark(canvas: Any, form: Cms1500) -> None:
    if not form.mark:
        return
    canvas.saveState()
    canvas.setFillGray(0.88)
    canvas.setFont("Helvetica-Bold", 44)
    canvas.translate(PAGE[0] / 2, PAGE[1] / 2)
    canvas.rotate(35)
    canvas.drawCentredString(0, 0, form.mark)
    canvas.restoreState()


def _draw(canvas: Any, cell: Cell, texts: dict[str, str]) -> None:
    canvas.setLineWidth(0.4)
    canvas.rect(cell.x, cell.y, cell.width, cell.height)
    canvas.setFont("Helvetica", CAPTION_SIZE)
    caption = " ".join(filter(None, (cell.number, cell.caption)))
    canvas.drawString(cell.x + _PAD, cell.y + cell.height - CAPTION_SIZE - 1.2, caption)
    found = [text for part in cell.parts if (text := texts.get(part))]
    x = cell.x + _PAD
    room = cell.width - 2 * _PAD
    gaps = 6.0 * (len(found) - 1)
    size = _size(canvas, found, room - gaps)
    canvas.setFont("Courier", size)
    for text in found:
        canvas.drawString(x, cell.y + 5, text)
        x += canvas.stringWidth(text, "Courier", size) + 6.0


def _size(canvas: Any, texts: Sequence[str], room: float) -> float:
    """Return the size at which texts fit beside each other: what does not fit is made smaller, never cut."""
    size = TEXT_SIZE
    while size > SMALLEST and sum(canvas.stringWidth(text, "Courier", size) for text in texts) > room:
        size -= 0.25
    return size
