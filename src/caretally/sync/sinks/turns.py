"""Which parcels go to a server together, which one after the other, and which side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.sync.writes import Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Parcels that are sent by one thread.

    Attributes:
        together: in one transaction, because they are of different people; else one after the other.
    """

    parcels: tuple[Parcel, ...]
    together: bool = False


def turns(parcels: Sequence[Parcel], together: int) -> list[Turn]:
    """Put parcels into turns that may go side by side: no person is in two of them.

    Args:
        parcels: in their order.
        together: parcels in one transaction at most.
    """
    people: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        people.setdefault(parcel.person or parcel.intent_id, []).append(parcel)
    alone = [Turn(parcels=tuple(of_one)) for of_one in people.values() if len(of_one) > 1]
    single = [of_one[0] for of_one in people.values() if len(of_one) == 1]
    lots = [tuple(single[start : start + together]) for start in range(0, len(single), together)]
    return [*alone, *(Turn(parcels=lot, together=_fit(lot)) for lot in lots)]


def _fit(parcels: Sequence[Parcel]) -> bool:
    """Whether they can be one transaction, which names each place once."""
    places = [write.reference for parcel in parcels for write in parcel.writes]
    return len(parcels) > 1 and len(set(places)) == len(places)
