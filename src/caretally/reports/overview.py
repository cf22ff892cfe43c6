"""One row for each patient-month: who, what, how much, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.reports.explanation import code_list, total_amount
from caretally.reports.wording import duration, status_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TELLING_NOTICES = frozenset({"I-REVOKED-IN-MONTH", "W-CLAIM-ON-FILE-HELD"})
"""Notices that a person should see in the overview already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRow:
    """What the overview says of one determination, in words."""

    patient: str
    service_month: str
    practitioner: str
    answer: str
    codes: str
    amount: str
    counted: str
    why: tuple[str, ...]
    action: str


def overview(determinations: Iterable[Mapping[str, Any]]) -> Iterator[OverviewRow]:
    """Give the row of each determination, one by one."""
    for determination in determinations:
        lines = determination["lines"] or determination.get("projected", ())
        yield OverviewRow(
            patient=_id(determination["patient"]),
            service_month=determination["service_month"],
            practitioner=_id(determination["billing_practitioner"] or "nobody"),
            answer=status_words(determination["status"]),
            codes=code_list(lines),
            amount=total_amount(lines) if lines else "",
            counted=duration(sum(determination["time"]["counted_seconds"].values())),
            why=tuple(_why(determination)),
            action=determination.get("action", "none"),
        )


def _why(determination: Mapping[str, Any]) -> Iterator[str]:
    for reason in determination.get("reasons", ()):
        yield f"{reason['code']}: {in_short(reason['message'])}"
    excluded: dict[str, int] = {}
    for item in determination["time"]["excluded"]:
        excluded[item["code"]] = excluded.get(item["code"], 0) + item["seconds"]
    for code, seconds in excluded.items():
        yield f"{code}: {duration(seconds)} not counted"
    for notice in determination.get("notices", ()):
        if notice["code"] in TELLING_NOTICES:
            yield f"{notice['code']}: {in_short(notice['message'])}"


def in_short(message: str) -> str:
    """Return the first clause of a message and what was found, for a narrow column."""
    general, bracket, found = message.partition(" (")
    return f"{general.partition(';')[0]}{bracket}{found}"


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]
