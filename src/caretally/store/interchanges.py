"""The files that were made for a receiver of claims: their control numbers never repeat, and what each one holds.

A number is used up when it is recorded, which is before the file is written: a run that breaks off in between leaves
a gap, never two files with one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from caretally.errors import WriteError
from caretally.store import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.store.opening import Store

_t, _c = schema.interchange, schema.interchange_claim
_LAST = 999_999_999
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Between whom control numbers are counted."""

    sender: str
    receiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A claim in a file: its account number and how often it was sent (original, replacement, void)."""

    account_number: str
    frequency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interchange:
    """One file that was made."""

    control_number: int
    made_at: str


def new_interchange(
    store: Store, route: Route, *, production: bool, made_at: str, claims: Sequence[Submission]
) -> Interchange:
    """Use up the next control number of a route for some claims.

    Args:
        store: where they are counted.
        route: sender and receiver.
        production: whether the receiver adjudicates the file.
        made_at: instant in UTC, ISO 8601.
        claims: what the file holds.

    Raises:
        WriteError: the route has used up its numbers, or the store cannot be written.
    """
    with store.writing() as connection:
        last = connection.execute(
            select(func.max(_t.c.control_number)).where(_t.c.sender == route.sender, _t.c.receiver == route.receiver)
        ).scalar()
        number = (last or 0) + 1
        if number > _LAST:
            raise WriteError(
                "all nine-digit control numbers of this sender and receiver are used up; agree on another submitter id"
            )
        key = {"sender": route.sender, "receiver": route.receiver, "control_number": number}
        connection.execute(insert(_t).values(**key, production=production, made_at=made_at))
        rows = [
            {**key, "ordinal": place, "account_number": one.account_number, "frequency": one.frequency}
            for place, one in enumerate(claims, 1)
        ]
        if rows:
            connection.execute(insert(_c), rows)
    return Interchange(control_number=number, made_at=made_at)


def submitted_before(store: Store, route: Route, claims: Sequence[Submission]) -> dict[Submission, Interchange]:
    """Return which claims stand in an earlier production file for a receiver, and in which one last."""
    found: dict[Submission, Interchange] = {}
    numbers = sorted({one.account_number for one in claims})
    same_file = (
        (_c.c.sender == _t.c.sender) & (_c.c.receiver == _t.c.receiver) & (_c.c.control_number == _t.c.control_number)
    )
    with store.reading() as connection:
        for start in range(0, len(numbers), _CHUNK):
            query = (
                select(_c.c.account_number, _c.c.frequency, _t.c.control_number, _t.c.made_at)
                .join(_t, same_file)
                .where(
                    _t.c.sender == route.sender,
                    _t.c.receiver == route.receiver,
                    _t.c.production,
                    _c.c.account_number.in_(numbers[start : start + _CHUNK]),
                )
                .order_by(_t.c.control_number)
            )
            for row in connection.execute(query):
                key = Submission(account_number=row.account_number, frequency=row.frequency)
                found[key] = Interchange(control_number=row.control_number, made_at=row.made_at)
    return {one: found[one] for one in claims if one in found}
