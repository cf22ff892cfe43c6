"""Seconds, money, moments and statuses in the words of a biller; nothing is ever rounded up."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

SECONDS_A_MINUTE = 60
STATUS_WORDS = {"billable": "billable", "not-billable": "not billable", "hold": "on hold"}
FAMILY_WORDS = {
    "ccm-staff": "chronic care management, staff time",
    "ccm-physician": "chronic care management, the practitioner's own time",
    "cccm-staff": "complex chronic care management, staff time",
    "pcm-staff": "principal care management, staff time",
    "pcm-physician": "principal care management, the practitioner's own time",
    "pin-staff": "principal illness navigation, staff time",
}
ACTION_WORDS = {
    "create": "a new claim",
    "update": "what is on file is changed to say this",
    "replace": "a replacement of the claim on file is proposed",
    "void": "a withdrawal of the claim on file is proposed",
    "none": "nothing to write",
}


def duration(seconds: int) -> str:
    """Return seconds as minutes and seconds, exactly: ``19 min 59 s``, ``20 min``, ``45 s``."""
    if seconds < 0:
        return "-" + duration(-seconds)
    minutes, rest = divmod(seconds, SECONDS_A_MINUTE)
    if rest == 0:
        return f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def money(amount: str | Decimal | None) -> str:
    """Return an amount in dollars with every digit it has; ``no rate`` where none is known."""
    if amount is None:
        return "no rate"
    value = Decimal(amount)
    return f"-${-value:,}" if value < 0 else f"${value:,}"


def status_words(status: str) -> str:
    """Return a status as a person says it."""
    return STATUS_WORDS.get(status, status)


def family_words(family: str | None) -> str:
    """Return a family in words; a family of a newer table is shown by its name."""
    return "" if family is None else FAMILY_WORDS.get(family, family)


def action_words(action: str) -> str:
    """Return what happens to the claim on file."""
    return ACTION_WORDS.get(action, action)


def zone_of(name: str | None) -> ZoneInfo:
    """Return the zone in which a stored answer was worked out; UTC where it does not say."""
    return ZoneInfo(name or "UTC")


def clock(start: int | None, end: int | None, zone: ZoneInfo) -> str:
    """Return the local time of a piece of work, ``09:00:00-09:30:00``; empty when only the date is known."""
    if start is None or end is None:
        return ""
    first, last = (datetime.fromtimestamp(instant, tz=zone) for instant in (start, end))
    return f"{first:%H:%M:%S}-{last:%H:%M:%S}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 line``, ``2 lines``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
