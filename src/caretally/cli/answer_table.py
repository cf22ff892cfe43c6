"""The table of patient-months that demo and apply show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.reports.overview import OverviewRow


def answer_table(rows: Iterable[OverviewRow], *, with_month: bool = False) -> Table:
    """Return one row for each patient-month, billable ones first, then what waits, then what is not billable."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Patient", no_wrap=True)
    if with_month:
        table.add_column("Month", no_wrap=True)
    table.add_column("Answer", no_wrap=True)
    table.add_column("Codes")
    table.add_column("Amount", justify="right", no_wrap=True)
    table.add_column("Counted", justify="right", no_wrap=True)
    table.add_column("Why not, and what did not count", overflow="fold")
    last = None
    for row in sorted(rows, key=_order):
        if last not in {None, row.service_month}:
            table.add_section()
        last = row.service_month
        month = (row.service_month,) if with_month else ()
        table.add_row(row.patient, *month, row.answer, row.codes, row.amount, row.counted, "\n".join(row.why))
    return table


def _order(row: OverviewRow) -> tuple[str, int, str, str]:
    rank = ("billable", "on hold", "not billable")
    return (
        row.service_month,
        rank.index(row.answer) if row.answer in rank else len(rank),
        row.patient,
        row.practitioner,
    )
