"""What resources of their own say about the risk of a condition: RiskAssessment or Flag, where a layer reads them.

Only a dated statement about a condition that it names says anything: a risk that is about nothing in particular cannot
make two conditions of a patient payable.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from caretally.facts.clinical import RiskStatement
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_STATUSES = frozenset(
    {
        *("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"),
        *("active", "inactive"),
    }
)
_SIGNIFICANT = "significant"


def risk_statements(reading: Reading) -> dict[str, list[RiskStatement]]:
    """Build the statements of risk, by the reference of the condition that they are about."""
    found: dict[str, list[RiskStatement]] = defaultdict(list)
    for source, row in reading.rows("condition_risk"):
        try:
            statement = _statement(reading, source, row)
            if statement is None:
                continue
            for condition in _conditions(reading, source, row):
                found[condition].append(statement)
                reading.used.add(source.reference)
        except Refusal as refusal:
            reading.report.refuse(source, refusal)
            reading.refused.add(source.reference)
    return found


def _statement(reading: Reading, source: Source, row: Row) -> RiskStatement | None:
    terminology = reading.context.terminology
    status = row.status("status", _STATUSES)
    if status != "active":
        wanted = "an assessment that is final, or a flag that is active or has an end"
        reading.report.note(source, f"{source.type}.status", "risk-without-effect", status, wanted, "information")
        return None
    outcomes = terminology.set("risk-outcome")
    if "outcome_codings" in row.columns and outcomes.first(row.codings("outcome_codings")) is None:
        found, wanted = "another outcome", "an outcome of risk-outcome"
        reading.report.note(source, f"{source.type}.outcome", "risk-of-something-else", found, wanted, "information")
        return None
    level = terminology.map("risk-level").target(row.codings("level_codings"))
    if level is None:
        wanted = "a level that the map risk-level knows; a probability is not compared with anything"
        raise Refusal(f"{source.type}.qualitativeRisk", "unknown-risk-level", "no level that is known", wanted)
    start = reading.day(row, "start", latest=True)
    if start is None:
        raise Refusal(f"{source.type}.occurrence", "undated-risk", "no date", "when the risk was assessed")
    return RiskStatement(
        reference=source.reference,
        version=source.version,
        significant=level == _SIGNIFICANT,
        start=start,
        end=reading.day(row, "end"),
    )


def _conditions(reading: Reading, source: Source, row: Row) -> list[str]:
    named = [key for key in reading.references(row, "conditions") if key.startswith("Condition/")]
    if not named:
        wanted = "a reference to the Condition whose risk it is"
        raise Refusal(f"{source.type}.condition", "risk-without-condition", "no condition", wanted)
    known = {one.reference for one in reading.sources}
    for key in named:
        if key not in known:
            reading.missing(source, "condition", key)
    return named
