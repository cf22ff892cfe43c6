"""What an answer shows: codes, families, gates, conflicts, programmes, as texts that name rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rules.builder import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.determination import Determination


def shown(found: Iterable[Determination]) -> set[str]:
    """Return everything that answers show."""
    return {text for determination in found for text in _of(determination)}


def _of(found: Determination) -> Iterable[str]:
    conflicts = {c.reason: c.name for c in tables().services.conflicts}
    yield f"status {found.status}"
    for finding in (*found.reasons, *found.notices):
        yield f"code {finding.code}"
        if finding.code in conflicts:
            yield f"conflict {conflicts[finding.code]}"
    if "R-COND-COUNT" not in {finding.code for finding in found.reasons}:
        yield "enough conditions"
    for row in found.excluded():
        yield f"code {row['code']}"
        yield f"excluded {row['code']} {row['detail']}"
    for line in (*found.lines, *found.projected):
        yield f"service {line.code} {line.service_date.year}"
    if found.family is not None:
        yield f"family {found.family}"
        yield f"programme {tables().services.families[found.family].programme}"
    for gate in found.trace.gates:
        yield f"gate {gate.programme} {gate.gate} {'passed' if gate.passed else 'failed'}"
    yield from (f"diagnosis {diagnosis.icd10cm}" for diagnosis in found.evidence.diagnoses)
    yield from ("time is counted" for row in found.trace.ledger if row.excluded is None)
    yield from (f"counts for {row.programme}" for row in found.trace.ledger if row.excluded is None)
    yield from (f"amount {line.amount}" for line in found.lines)
