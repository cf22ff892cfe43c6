"""Finishing what an interrupted run left open: the sink is looked at first, then what is missing is sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from caretally.errors import WriteError
from caretally.store import outbox
from caretally.sync.failpoints import failpoint
from caretally.sync.sinks.landed import landed, may_be_sent
from caretally.sync.writes import Delivery, OnSink, Parcel, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.store.opening import Store
    from caretally.store.outbox import Intent
    from caretally.sync.writes import Sink


def finish_open_intents(store: Store, sink: Sink, now: Callable[[], str]) -> Counter[str]:
    """Settle every intent of which nobody knows whether it was written.

    Args:
        store: with the intents.
        sink: which they were meant for.
        now: instant in UTC, ISO 8601.

    Returns:
        How many were ``found`` written, ``finished`` now, or ended as ``conflict``, ``refused``, ``unknown`` or
        ``waiting``.

    Raises:
        SourceError: the sink cannot be looked at, so nothing new may be sent either.
        WriteError: the sink takes nothing now; what is open stays open.
    """
    counts: Counter[str] = Counter()
    for intent in outbox.open_intents(store):
        settled, delivery = settle(store, sink, intent, now)
        counts[settled] += 1
        if delivery.state == "waiting":
            raise WriteError(
                f"{sink.description} takes no writes now, so that what an earlier run left could not be finished "
                f"({delivery.message}); nothing new was sent. Run again later"
            )
    return counts


def settle(store: Store, sink: Sink, intent: Intent, now: Callable[[], str]) -> tuple[str, Delivery]:
    """Look whether an intent was written, send what is missing where it still fits, and record it.

    Returns:
        ``found``, ``finished``, or the state it ended in; and what became of it.

    Raises:
        SourceError: the sink cannot be looked at.
    """
    writes = tuple(Write.from_json(row) for row in intent.document["writes"])
    held = sink.look([write.reference for write in writes])
    missing = tuple(write for write in writes if not landed(write, held.get(write.reference)))
    if not missing:
        settled = "found"
        versions = {write.reference: held[write.reference].version for write in writes}
        delivery = Delivery(intent_id=intent.id, state="applied", message="found written", versions=versions)
    else:
        delivery = _finish(sink, intent, missing, held)
        settled = "finished" if delivery.state == "applied" else delivery.state
    failpoint("recovered")
    record(store, [delivery], now())
    return settled, delivery


def record(store: Store, deliveries: list[Delivery], at: str) -> None:
    """Keep what became of parcels."""
    outbox.add_outcomes(
        store,
        [outbox.Outcome(intent_id=one.intent_id, state=one.state, at=at, document=one.to_json()) for one in deliveries],
    )


def _finish(sink: Sink, intent: Intent, missing: tuple[Write, ...], held: dict[str, OnSink]) -> Delivery:
    misfits = [write.reference for write in missing if not may_be_sent(write, held.get(write.reference))]
    if misfits:
        message = f"interrupted, and {', '.join(misfits)} changed since: the month is planned anew"
        return Delivery(intent_id=intent.id, state="conflict", message=message)
    (delivery,) = sink.deliver([Parcel(intent_id=intent.id, writes=missing)])
    return delivery
