"""JSON whose amounts keep every digit: what is written on the wire, digested, and read back.

FHIR wants the precision of a decimal kept (60.50 is not 60.5), binary floating point cannot hold most amounts,
and neither `json` nor `orjson` writes `Decimal`. Everything that writes or compares resources goes through here.
"""

from __future__ import annotations

import json
from decimal import Decimal, DecimalException
from typing import Any

import orjson

PLAIN_DIGITS = 18
"""Numbers with up to this many digits on either side of the point are written without an exponent."""

SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""Whole numbers that the library can write; others are written digit for digit by us."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def dumps(document: Any) -> bytes:
    """Write `document` as UTF-8 JSON without spaces, keys in their own order, each Decimal digit for digit.

    Args:
        document: dicts with str keys, lists, tuples, str, int, bool, None and Decimal.

    Raises:
        TypeError: for anything else. A float is refused on purpose: an amount that was ever a float may
            already be wrong, and only `Decimal` keeps its trailing zeros.
        ValueError: for a Decimal that JSON cannot hold (NaN, infinity).
    """
    return orjson.dumps(_exact(document))


def rewrite(document: Any) -> bytes:
    """Write what `loads` gave, as `dumps` does and many times faster: the library walks, and stops at Decimals only.

    Args:
        document: as `loads` gave it, so that it can hold no float, which would be written without a word.

    Raises:
        TypeError, ValueError: see `dumps`.
    """
    try:
        return orjson.dumps(document, default=_fragment)
    except TypeError:
        return dumps(document)  # a number of more than 64 bits, or something that `dumps` names


def canonical(document: Any) -> bytes:
    """Write `document` in one form only, for digests: keys sorted, numbers by value.

    60.5, 60.50 and 6.05e1 give the same bytes, as Decimal or as float, so that a server that normalises
    numbers does not look like a person who edited the resource.

    Raises:
        TypeError: for what is not JSON.
        ValueError: for NaN and infinity.
    """
    return orjson.dumps(_by_value(document), option=orjson.OPT_SORT_KEYS)


def loads(data: bytes | str) -> Any:
    """Read JSON; a number with a fraction or an exponent becomes the Decimal of its own digits.

    Raises:
        ValueError: when `data` is not JSON (RFC 8259, UTF-8), is nested too deeply, or holds NaN or infinity.
    """
    raw = data.encode() if isinstance(data, str) else data
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    if b"\\ud" in raw or b"\\uD" in raw:
        orjson.loads(raw)  # refuses half a surrogate pair, which json lets through and nobody can write again
    try:
        return json.loads(raw.decode(), parse_float=_decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the JSON document is nested too deeply") from None


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except DecimalException:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"the number {text[:40]} is too large to be kept exactly")
    return number


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError(f"JSON has no number {number}")
    return number


def _fragment(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(_finite(value)))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, Decimal):
        return orjson.Fragment(str(_finite(value)))
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        return orjson.Fragment(str(value))
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        raise TypeError("a float cannot be written exactly: give amounts as decimal.Decimal")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _by_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_by_value(item) for item in value]
    if isinstance(value, Decimal):
        return orjson.Fragment(_number_text(_finite(value)))
    if isinstance(value, float):
        return orjson.Fragment(_number_text(_finite(Decimal(repr(value)))))
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return orjson.Fragment(_number_text(Decimal(value)))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _number_text(number: Decimal) -> str:
    """Give the one text of a finite number: no trailing zeros, an exponent only where digits would not fit."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  # narrows the type: only NaN and infinity have a letter here
    significant = "".join(map(str, digits)).lstrip("0")
    text = significant.rstrip("0")
    if not text:
        return "0"
    exponent += len(significant) - len(text)
    minus = "-" if sign else ""
    whole_digits = len(text) + exponent
    if exponent >= 0 and whole_digits <= PLAIN_DIGITS:
        return minus + text + "0" * exponent
    if exponent < 0 and -exponent <= PLAIN_DIGITS and whole_digits <= PLAIN_DIGITS:
        padded = text.rjust(1 - exponent, "0")
        return f"{minus}{padded[:exponent]}.{padded[exponent:]}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{whole_digits - 1}"
