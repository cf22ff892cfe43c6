"""What tests write into a store: a decision and an intent, with the fields that a test cares about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from caretally.store import decisions, outbox

AT = "2025-02-04T10:00:00Z"


def decision(name: str, **changed: Any) -> decisions.DecisionRecord:
    made = decisions.DecisionRecord(
        id=name,
        kind="hold",
        patient="Patient/a",
        service_month="2025-01",
        practitioner=None,
        resource=None,
        who="R. Example",
        at=AT,
        why="looked at",
        document={"note": 'ä \u0001 " \\'},
    )
    return replace(made, **changed)


def intent(name: str, **changed: Any) -> outbox.Intent:
    made = outbox.Intent(
        id=name,
        idempotency_key="k" + name,
        run_id="r1",
        source="folder",
        patient="Patient/a",
        service_month="2025-01",
        practitioner="Practitioner/P1",
        action="create",
        created_at=AT,
        document={"writes": []},
    )
    return replace(made, **changed)
