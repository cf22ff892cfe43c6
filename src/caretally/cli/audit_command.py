"""``caretally audit``: what the practice vouches for, and what its patients' paper holds, for one month."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.cli.failure import end_badly, error_document
from caretally.cli.outlook import survey_error
from caretally.reports.audit import (
    PaperTally,
    requirement_lines,
    requirement_results,
    settle_line,
    tally_lines,
    unknown_attestations,
    wanting,
)
from caretally.reports.paper import STATES, title_of
from caretally.tables import attestations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from caretally.cli.outlook import Outlook
    from caretally.sync.survey import Surveyed

_SHOWN = 60


def audit_month(outlook: Outlook) -> None:
    """Show the self-audit of the practice and the paper of its patients.

    Raises:
        CaretallyError: as `caretally.sync.survey.survey`.
        typer.Exit: not everybody could be looked at; who could has been shown.
    """
    tally = PaperTally()

    def observe(one: Surveyed) -> None:
        # Paper is asked for where care management was begun; others have no answer.
        for determination in one.determinations:
            tally.add(determination.to_json())

    report = outlook.survey(observe, wide=False)
    requirements, vouched = outlook.tables.requirements, attestations(outlook.configuration)
    results = requirement_results(requirements, vouched, outlook.month, outlook.as_of)
    unknown = unknown_attestations(requirements, vouched)
    error = survey_error(report)
    output = outlook.output
    output.document(
        {
            "service_month": str(outlook.month),
            "as_of": outlook.as_of.isoformat(),
            "requirements": [one.to_json() for one in results],
            "to_settle": [one.requirement.id for one in wanting(results)],
            "unknown_attestations": unknown,
            "paper": tally.to_json(),
            **({"error": error_document(error)} if error is not None else {}),
        }
    )
    for line in requirement_lines(results):
        output.text(line)
    for name, nearest in unknown.items():
        hint = f"; did you mean '{nearest}'?" if nearest else ""
        output.text(f"unknown statement '{name}' in [practice.attestations]{hint}")
    for line in tally_lines(tally):
        output.text(line)
    for line in _patients(tally.patients):
        output.text(line)
    settle = settle_line(results)
    if settle is not None:
        output.note(settle.partition("; see")[0])
    if error is not None:
        end_badly(error)


def _patients(rows: list[dict[str, Any]]) -> Iterator[str]:
    if rows:
        yield "Not found, by patient:"
    for row in rows[:_SHOWN]:
        who = row["patient"].rpartition("/")[2]
        by = (row["billing_practitioner"] or "nobody").rpartition("/")[2]
        told = "; ".join(_lacking(one) for one in row["not_found"]) or "every item found"
        yield f"  {who} ({by}): {told}" + (f"; {', '.join(row['warnings'])}" if row["warnings"] else "")
    if len(rows) > _SHOWN:
        yield f"  and {len(rows) - _SHOWN} more; all of them with --json"


def _lacking(one: Mapping[str, Any]) -> str:
    return f"{title_of(one['list'], one['item'])} {STATES[one['state']].lower()}"
