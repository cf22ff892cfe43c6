"""Why a claim on file would change: the answer that it was made from, compared with the answer of now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.reports.changed_facts import changed_facts
from caretally.store import ledger, outbox
from caretally.store.answers import find_answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from caretally.billing import ChangeSet
    from caretally.facts.determination import Determination
    from caretally.store.opening import Store


def with_reasons(change_set: ChangeSet, determination: Determination, memory: Store | None) -> ChangeSet:
    """Return a change set that says which facts changed since the claim on file was made.

    Args:
        change_set: planned; one that asks for nothing, or makes the first claim, stays as it is.
        determination: the answer of now.
        memory: store of the sink; None: nothing is known about earlier answers.
    """
    asks = change_set.changes or change_set.proposed or change_set.needs_person
    if memory is None or not asks or change_set.revision is None:
        return change_set
    before = _made_from(memory, determination)
    if before is None:
        return change_set
    found = changed_facts(before, determination.to_json())
    return replace(change_set, summary=(*change_set.summary, *(f"because {line}" for line in found)))


def _made_from(memory: Store, determination: Determination) -> Mapping[str, Any] | None:
    key = (determination.patient, str(determination.service_month), determination.billing_practitioner)
    written = outbox.last_written(memory, *key)
    if written is not None:
        known: Mapping[str, Any] | None = ledger.determination_behind(memory, *key, written)
        if known is not None:
            return known
    stored = find_answers(memory, *key)
    return stored[0].document if stored else None
