"""A packet as PDF; the same packet gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

    from caretally.reports.packet import Packet, Part

_MARGIN = 50
_FRAME = 6
"""Padding that the page template gives on each side."""


def packet_pdf(packet: Packet) -> bytes:
    """Return a packet as PDF, Letter size."""
    # A third of a second that only this format pays.
    from reportlab.lib.pagesizes import letter  # noqa: PLC0415
    from reportlab.lib.styles import getSampleStyleSheet  # noqa: PLC0415
    from reportlab.platypus import Paragraph, SimpleDocTemplate  # noqa: PLC0415

    styles = getSampleStyleSheet()
    styles["Normal"].fontSize, styles["Normal"].leading = 9, 12
    who = f", billed by {packet.practitioner}" if packet.practitioner else ""
    story: list[Any] = [
        Paragraph(escape(packet.title), styles["Title"]),
        Paragraph(escape(f"{packet.patient}, service month {packet.service_month}{who}"), styles["Normal"]),
    ]
    for part in packet.parts:
        story += _part(part, styles, letter[0] - 2 * (_MARGIN + _FRAME))
    pages = _Buffer()
    document = SimpleDocTemplate(
        pages,
        pagesize=letter,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=packet.title,
        author=packet.software,
        invariant=1,
    )

    def foot(canvas: Canvas, _document: object) -> None:
        canvas.setFont("Helvetica", 7)
        said = f"Made by {packet.software} at {packet.made_at}. It holds protected health information."
        canvas.drawString(_MARGIN, _MARGIN - 22, said)
        canvas.drawRightString(letter[0] - _MARGIN, _MARGIN - 22, f"page {canvas.getPageNumber()}")

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return bytes(pages.content)


class _Buffer:
    """Takes what is drawn; a pure room has no `io`."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""


def _part(part: Part, styles: Any, width: float) -> list[Any]:
    from reportlab.lib import colors  # noqa: PLC0415 -- see above
    from reportlab.platypus import Paragraph, Spacer, Table, TableStyle  # noqa: PLC0415

    found: list[Any] = [Spacer(1, 6), Paragraph(escape(part.title), styles["Heading3"])]
    for line in part.lines:
        indent = "&nbsp;&nbsp;&nbsp;&nbsp;" if line.startswith("    ") else ""
        found.append(Paragraph(indent + escape(line.strip()), styles["Normal"]))
    if part.head:
        cells = [[Paragraph(f"<b>{escape(cell)}</b>", styles["Normal"]) for cell in part.head]]
        cells += [[Paragraph(escape(cell), styles["Normal"]) for cell in row] for row in part.rows]
        table = Table(cells, colWidths=[width / len(part.head)] * len(part.head), repeatRows=1, hAlign="LEFT")
        table.setStyle(
            TableStyle(
                [
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
                    ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.lightgrey),
                    ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ]
            )
        )
        found += [Spacer(1, 3), table]
    return found
