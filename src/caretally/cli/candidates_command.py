"""``caretally candidates``: who could be served, what is missing, and the minutes to the next code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from caretally.cli.failure import end_badly, error_document
from caretally.cli.outlook import survey_error
from caretally.facts.candidates import by_need
from caretally.reports.candidates import candidate_rows, candidate_totals, projection_lines
from caretally.reports.projection import days_left, projections
from caretally.rules import determine
from caretally.rules.candidates import as_seen, candidates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.cli.outlook import Outlook
    from caretally.facts.candidates import Candidate
    from caretally.sync.survey import Surveyed


def list_candidates(outlook: Outlook) -> None:
    """Show the candidates in the order of need, then the projection of the month.

    Raises:
        CaretallyError: as `caretally.sync.survey.survey`.
        typer.Exit: not everybody could be looked at; who could has been shown.
    """
    found: list[Candidate] = []
    answers: list[dict[str, Any]] = []

    def observe(one: Surveyed) -> None:
        found.extend(c for c in candidates(one.month, one.context) if one.asked(c.practitioner))
        so_far = as_seen(one.month, one.context)
        decided = one.determinations if so_far == one.month else determine(so_far, one.context)
        answers.extend(_short(d.to_json()) for d in decided if one.asked(d.billing_practitioner))

    report = outlook.survey(observe, wide=True)
    ordered = sorted(found, key=by_need)
    ahead = projections(answers, outlook.month, outlook.as_of)
    error = survey_error(report)
    output = outlook.output
    output.document(
        {
            "service_month": str(outlook.month),
            "as_of": outlook.as_of.isoformat(),
            "days_left": days_left(outlook.month, outlook.as_of),
            "patients": report.patients,
            "candidates": [one.to_json() for one in ordered],
            "projection": [one.to_json() for one in ahead],
            **({"error": error_document(error)} if error is not None else {}),
        }
    )
    if ordered:
        output.table(_table(ordered))
    for line in candidate_totals(ordered):
        output.text(line)
    if ahead:
        output.text(f"counted time in {outlook.month}, as seen on {outlook.as_of}:")
    for line in projection_lines(ahead):
        output.text(line)
    if error is not None:
        end_badly(error)


def _short(answer: dict[str, Any]) -> dict[str, Any]:
    """Keep of an answer what the projection reads: a practice may have many patients."""
    keys = ("patient", "billing_practitioner", "family")
    return {**{key: answer[key] for key in keys}, "trace": {"ladder": answer["trace"]["ladder"]}}


def _table(found: Iterable[Candidate]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Patient", "Practitioner", "Programme", "Conditions"):
        table.add_column(title, no_wrap=True)
    table.add_column("Missing", overflow="fold")
    table.add_column("Why now", overflow="fold")
    table.add_column("Against it", overflow="fold")
    for row in candidate_rows(found):
        table.add_row(
            row.patient, row.practitioner, row.programme, row.conditions, row.missing, row.triggers, row.against
        )
    return table
