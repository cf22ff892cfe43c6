"""What a month came to: statuses, codes with units and amounts, reasons, excluded minutes, from determinations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.reports.wording import count, duration, money, status_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATUSES = ("billable", "hold", "not-billable")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTotal:
    """All lines of one code."""

    code: str
    units: int
    amount: Decimal
    """Sum of the amounts that are known."""
    charge: Decimal
    lines_without_rate: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the total; amounts are decimal strings."""
        return {
            "code": self.code,
            "units": self.units,
            "amount": str(self.amount),
            "charge": str(self.charge),
            "lines_without_rate": self.lines_without_rate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The totals of some determinations."""

    determinations: int
    patients: int
    statuses: Mapping[str, int]
    codes: tuple[CodeTotal, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Determinations in which each reason stands."""
    notices: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    logged_seconds: int = 0
    counted_seconds: int = 0
    excluded_seconds: Mapping[str, int] = field(default_factory=dict)

    @property
    def amount(self) -> Decimal:
        """Return the sum of the known amounts."""
        return sum((code.amount for code in self.codes), Decimal(0))

    @property
    def charge(self) -> Decimal:
        """Return the sum of the charges."""
        return sum((code.charge for code in self.codes), Decimal(0))

    @property
    def lines_without_rate(self) -> int:
        """Return how many lines have no known rate and are missing from `amount`."""
        return sum(code.lines_without_rate for code in self.codes)

    def to_json(self) -> dict[str, Any]:
        """Return the summary; amounts are decimal strings."""
        return {
            "determinations": self.determinations,
            "patients": self.patients,
            "statuses": dict(self.statuses),
            "codes": [code.to_json() for code in self.codes],
            "amount": str(self.amount),
            "charge": str(self.charge),
            "lines_without_rate": self.lines_without_rate,
            "reasons": dict(self.reasons),
            "notices": dict(self.notices),
            "actions": dict(self.actions),
            "time": {
                "logged_seconds": self.logged_seconds,
                "counted_seconds": self.counted_seconds,
                "excluded_seconds": dict(self.excluded_seconds),
            },
        }


@dataclass(slots=True)
class Tally:
    """Adds determinations up one by one, so that a run need not hold them all."""

    number: int = 0
    patients: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    codes: dict[str, CodeTotal] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    logged: int = 0

    def add(self, determination: Mapping[str, Any]) -> None:
        """Take in one line of determinations.ndjson."""
        self.number += 1
        self.patients.add(determination["patient"])
        self.statuses[determination["status"]] += 1
        self.actions[determination.get("action", "none")] += 1
        self.reasons.update({reason["code"] for reason in determination.get("reasons", ())})
        self.notices.update({notice["code"] for notice in determination.get("notices", ())})
        self.logged += determination["time"]["logged_seconds"]
        for item in determination["time"]["excluded"]:
            self.excluded[item["code"]] += item["seconds"]
        for line in determination["lines"]:
            self.codes[line["code"]] = _add(self.codes.get(line["code"]), line)

    def summary(self) -> Summary:
        """Return the totals so far."""
        others = sorted(self.statuses.keys() - set(STATUSES))
        return Summary(
            determinations=self.number,
            patients=len(self.patients),
            statuses={status: self.statuses[status] for status in (*STATUSES, *others)},
            codes=tuple(self.codes[code] for code in sorted(self.codes)),
            reasons=_most_frequent_first(self.reasons),
            notices=_most_frequent_first(self.notices),
            actions=_most_frequent_first(self.actions),
            logged_seconds=self.logged,
            counted_seconds=self.logged - sum(self.excluded.values()),
            excluded_seconds=_most_frequent_first(self.excluded),
        )


def summarise(determinations: Iterable[Mapping[str, Any]]) -> Summary:
    """Add up determinations (lines of determinations.ndjson, of any months)."""
    tally = Tally()
    for determination in determinations:
        tally.add(determination)
    return tally.summary()


def _add(total: CodeTotal | None, line: Mapping[str, Any]) -> CodeTotal:
    before = total or CodeTotal(code=line["code"], units=0, amount=Decimal(0), charge=Decimal(0))
    amount, charge = line.get("amount"), line.get("charge")
    return CodeTotal(
        code=before.code,
        units=before.units + line["units"],
        amount=before.amount + Decimal(amount or 0),
        charge=before.charge + Decimal(charge or 0),
        lines_without_rate=before.lines_without_rate + (amount is None),
    )


def _most_frequent_first(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def summary_lines(summary: Summary) -> list[str]:
    """Return the totals in words, one a line; nothing is said about what did not occur."""
    counts = ", ".join(f"{number} {status_words(status)}" for status, number in summary.statuses.items())
    lines = [f"{count(summary.determinations, 'answer')} for {count(summary.patients, 'patient')}: {counts}"]
    for code in summary.codes:
        missing = f", {count(code.lines_without_rate, 'line')} without a known rate" if code.lines_without_rate else ""
        units = count(code.units, "unit")
        lines.append(f"  {code.code}  {units}  amount {money(code.amount)}, charge {money(code.charge)}{missing}")
    if summary.codes:
        lines.append(f"  in all  amount {money(summary.amount)}, charge {money(summary.charge)}")
    if summary.reasons:
        lines.append("why not: " + ", ".join(f"{code} {number}" for code, number in summary.reasons.items()))
    lines.append(f"minutes: {duration(summary.counted_seconds)} counted of {duration(summary.logged_seconds)} logged")
    lines += [f"  {code}  {duration(seconds)} not counted" for code, seconds in summary.excluded_seconds.items()]
    return lines
