"""Whether a write that was meant has reached the sink: told from what the sink holds now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.billing.content import digest, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.sync.writes import OnSink, Write


def landed(write: Write, now: OnSink | None) -> bool:
    """Whether the sink holds what was to be written, whatever the server added to it.

    A Provenance is named after what it records, so that being there is enough.
    """
    if now is None:
        return False
    if write.resource["resourceType"] == "Provenance":
        return True
    held, wanted = dict(now.resource), dict(write.resource)
    return digest(held) == digest(wanted) and state_of(held) == state_of(wanted)


def may_be_sent(write: Write, now: OnSink | None) -> bool:
    """Whether a write that has not landed finds what it was planned for."""
    if write.kind == "create":
        return now is None
    if write.expected is None:  # the sink keeps no versions, or gets a claim that another place holds
        return True
    return now is not None and write.expected == now.version


def all_landed(writes: tuple[Write, ...], held: Mapping[str, OnSink]) -> bool:
    """Whether everything of a parcel has reached the sink."""
    return all(landed(write, held.get(write.reference)) for write in writes)
