"""The syntax of X12: segments, elements, envelopes. Nothing here knows what a claim is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

ELEMENT, COMPONENT, SEGMENT, REPETITION = "*", ":", "~", "^"
DELIMITERS = frozenset({ELEMENT, COMPONENT, SEGMENT, REPETITION})
LAST_CONTROL_NUMBER = 999_999_999
_ID_LENGTH = 15

Element = str | tuple[str, ...]


class X12SyntaxError(ValueError):
    """A value that no segment can hold; a fault of ours, for texts are made plain before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who sends what to whom, and under which number."""

    sender_qualifier: str
    sender: str
    receiver_qualifier: str
    receiver: str
    control_number: int
    """1 to 999999999, never used before between these two."""
    production: bool
    made_at: datetime
    functional_id: str
    """``HC`` for claims."""
    version: str
    """Implementation guide, for example ``005010X222A1``."""
    transaction: str
    """``837``."""


def segment(name: str, *elements: Element) -> str:
    """Return a segment; empty elements at its end are left out.

    Raises:
        X12SyntaxError: an element holds a delimiter or something else than printable ASCII.
    """
    texts = [_element(name, one) for one in elements]
    while texts and not texts[-1]:
        texts.pop()
    return ELEMENT.join([name, *texts]) + SEGMENT


def amount(value: Decimal) -> str:
    """Return a decimal number as X12 writes it: no zeros that say nothing, no exponent."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def interchange(envelope: Envelope, transactions: Sequence[Sequence[str]]) -> bytes:
    """Return a whole file, one segment a line: ISA, GS, each transaction between ST and SE, GE, IEA.

    Args:
        envelope: who, when, which number.
        transactions: the segments of each one, without ST and SE.

    Raises:
        X12SyntaxError: a value does not fit.
    """
    if not 1 <= envelope.control_number <= LAST_CONTROL_NUMBER:
        raise X12SyntaxError("the control number has more than nine digits")
    number, group = f"{envelope.control_number:09d}", str(envelope.control_number)
    lines = [_isa(envelope, number)]
    lines.append(
        segment(
            "GS",
            envelope.functional_id,
            envelope.sender,
            envelope.receiver,
            f"{envelope.made_at:%Y%m%d}",
            f"{envelope.made_at:%H%M}",
            group,
            "X",
            envelope.version,
        )
    )
    for position, body in enumerate(transactions, 1):
        lines += _transaction(envelope, f"{position:04d}", body)
    lines.append(segment("GE", str(len(transactions)), group))
    lines.append(segment("IEA", "1", number))
    return ("\n".join(lines) + "\n").encode("ascii")


def _transaction(envelope: Envelope, number: str, body: Sequence[str]) -> Iterable[str]:
    yield segment("ST", envelope.transaction, number, envelope.version)
    yield from body
    yield segment("SE", str(len(body) + 2), number)


def _isa(envelope: Envelope, number: str) -> str:
    """Return the one segment whose elements have fixed widths: it tells readers the delimiters by position."""
    fields = (
        "00",
        " " * 10,
        "00",
        " " * 10,
        envelope.sender_qualifier,
        _padded(envelope.sender),
        envelope.receiver_qualifier,
        _padded(envelope.receiver),
        f"{envelope.made_at:%y%m%d}",
        f"{envelope.made_at:%H%M}",
        REPETITION,
        "00501",
        number,
        "0",
        "P" if envelope.production else "T",
    )
    return ELEMENT.join(["ISA", *fields]) + ELEMENT + COMPONENT + SEGMENT


def _padded(text: str) -> str:
    if not 1 <= len(text) <= _ID_LENGTH or not _printable(text) or DELIMITERS & set(text):
        raise X12SyntaxError("an interchange identifier has one to fifteen printable places without delimiters")
    return text.ljust(_ID_LENGTH)


def _element(name: str, element: Element) -> str:
    parts = (element,) if isinstance(element, str) else element
    for part in parts:
        if DELIMITERS & set(part) or not _printable(part):
            raise X12SyntaxError(f"an element of {name} holds a delimiter or a sign that is not printable")
    texts = list(parts)
    while texts and not texts[-1]:
        texts.pop()
    return COMPONENT.join(texts)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()
