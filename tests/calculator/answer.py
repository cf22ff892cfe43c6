"""What the calculator answers for one practitioner, and what an engine's determination looks like beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caretally.facts.determination import Determination


@dataclass
class Answer:
    status: str = "not-billable"
    family: str | None = None
    lines: list[tuple[str, int, str, str | None]] = field(default_factory=list)
    projected: list[tuple[str, int, str, str | None]] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    excluded: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    surplus: int = 0
    lost: int = 0
    """Seconds of entries that belong to nobody, or to several."""


def answer_of(found: Determination) -> Answer:
    excluded: dict[str, int] = {}
    for row in found.trace.ledger:
        if row.excluded is not None and row.seconds:
            excluded[row.excluded] = excluded.get(row.excluded, 0) + row.seconds
    return Answer(
        status=found.status,
        family=found.family,
        lines=[
            (x.code, x.units, x.service_date.isoformat(), None if x.amount is None else str(x.amount))
            for x in sorted(found.lines, key=lambda x: (x.service_date, x.code))
        ],
        projected=[
            (x.code, x.units, x.service_date.isoformat(), None if x.amount is None else str(x.amount))
            for x in sorted(found.projected, key=lambda x: (x.service_date, x.code))
        ],
        reasons={finding.code for finding in found.reasons},
        excluded=excluded,
        counted={k: v for k, v in found.counted_seconds.items() if v},
        surplus=found.surplus_seconds,
    )
