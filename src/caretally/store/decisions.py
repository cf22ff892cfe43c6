"""What people decided: releases of claims now, attested facts and overrides the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from caretally.facts import exact_json
from caretally.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.store.opening import Store

_t = schema.decision


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision of a person; never changed, only followed by a later one.

    Attributes:
        kind: ``approve`` and others.
        resource: what it is about, for example ``Claim/cm-…``.
        who: as the person named themselves.
        at: instant in UTC, ISO 8601.
        why: the person's words; may be empty.
    """

    id: str
    kind: str
    patient: str
    service_month: str | None
    practitioner: str | None
    resource: str | None
    who: str
    at: str
    why: str = field(repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


def add_decision(store: Store, decision: DecisionRecord) -> None:
    """Keep a decision."""
    with store.writing() as connection:
        connection.execute(
            insert(_t).values(
                id=decision.id,
                kind=decision.kind,
                patient=decision.patient,
                service_month=decision.service_month,
                practitioner=decision.practitioner,
                resource=decision.resource,
                who=decision.who,
                at=decision.at,
                why=decision.why,
                document=exact_json.dumps(decision.document).decode(),
            )
        )


def decisions_of(store: Store, patient: str, *, kind: str | None = None) -> list[DecisionRecord]:
    """Give the decisions about a patient, oldest first."""
    query = select(_t).where(_t.c.patient == patient).order_by(_t.c.at, _t.c.id)
    if kind is not None:
        query = query.where(_t.c.kind == kind)
    with store.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return [DecisionRecord(**{**row, "document": exact_json.loads(row["document"])}) for row in rows]
