"""What the tests of the audit ledger write into a store."""

from __future__ import annotations

from caretally.store import decisions, outbox

AT = "2025-02-04T10:00:00Z"


def decision(name: str, why: str = "looked at") -> decisions.DecisionRecord:
    return decisions.DecisionRecord(
        id=name,
        kind="hold",
        patient="Patient/a",
        service_month="2025-01",
        practitioner=None,
        resource=None,
        who="R. Example",
        at=AT,
        why=why,
        document={"note": 'ä \u0001 " \\'},
    )


def intent(name: str) -> outbox.Intent:
    return outbox.Intent(
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
