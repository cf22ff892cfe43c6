"""Expected revenue from determinations, what was left unbilled and why, and the same for another size of panel.

Amounts are the payers' rates as the answers hold them: before deductible, coinsurance and sequestration. Nothing
is promised for money that is somebody else's: a month that another claim or a bundling service stands against has no
amount that could have been earned.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Rate = Callable[[Mapping[str, Any], str, str], Decimal | None]
    """Amount of one unit: determination, code, date of service as text; None: no rate."""

CENT = Decimal("0.01")
_NOT_OURS = ("R-CONFLICT-", "R-OTHER-CLINICIAN", "R-ALREADY-BILLED", "R-ENROLLED-ELSEWHERE", "R-DECEASED", "R-COVERAGE")
"""Reasons for which the money is not ours to earn: somebody else is paid, or nobody."""
OPEN = "R-MONTH-OPEN"


@dataclass(slots=True)
class Total:
    """Money of some lines or months."""

    months: int = 0
    units: int = 0
    amount: Decimal = Decimal(0)
    charge: Decimal = Decimal(0)
    without_rate: int = 0

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take in the lines of one month."""
        self.months += 1
        for line in lines:
            self.units += line["units"]
            self.amount += Decimal(line["amount"] or 0)
            self.charge += Decimal(line["charge"] or 0)
            self.without_rate += line["amount"] is None

    def to_json(self) -> dict[str, Any]:
        """Return the total; amounts are decimal strings."""
        return {
            "months": self.months,
            "units": self.units,
            "amount": str(self.amount),
            "charge": str(self.charge),
            "lines_without_rate": self.without_rate,
        }


@dataclass(slots=True)
class Unbilled:
    """Months that one reason stood against."""

    months: int = 0
    counted_seconds: int = 0
    amount: Decimal = Decimal(0)
    priced: int = 0
    """Months whose minutes would have reached a code with a known rate."""
    not_ours: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the row; ``amount`` is null where none can honestly be said."""
        return {
            "months": self.months,
            "counted_seconds": self.counted_seconds,
            "amount": None if self.not_ours or not self.priced else str(self.amount),
            "priced_months": 0 if self.not_ours else self.priced,
        }


@dataclass(slots=True)
class Forecast:
    """What some determinations come to; adds them up one by one."""

    rate: Rate
    months: Counter[str] = field(default_factory=Counter)
    """Determinations by status; open months apart."""
    patients: set[str] = field(default_factory=set)
    codes: dict[str, Total] = field(default_factory=dict)
    payers: dict[str, Total] = field(default_factory=dict)
    practitioners: dict[str, Total] = field(default_factory=dict)
    expected: Total = field(default_factory=Total)
    open_months: Total = field(default_factory=Total)
    """The part of `expected` that belongs to months that are not closed yet."""
    coinsurance: Decimal = Decimal(0)
    """The patients' part of `expected`, where one is known."""
    unbilled: dict[str, Unbilled] = field(default_factory=dict)
    lost: Decimal = Decimal(0)
    """What months that are not billed would have come to, each once, where it is ours to earn."""
    surplus_seconds: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    oncology: list[dict[str, Any]] = field(default_factory=list)

    def add(self, determination: Mapping[str, Any]) -> None:
        """Take in one answer."""
        codes = [reason["code"] for reason in determination["reasons"]]
        # That a month is open is no reason of its own where something else stands against it already.
        codes = [code for code in codes if code != OPEN] or codes
        still_open = OPEN in codes and set(codes) == {OPEN}
        lines = determination["lines"] or (determination.get("projected", ()) if still_open else ())
        self.patients.add(determination["patient"])
        self.months["open" if still_open else determination["status"]] += 1
        self._time(determination)
        if determination.get("oncology"):
            self._oncology(determination)
        if lines:
            self._expect(determination, lines, still_open=still_open)
        elif not still_open:
            self._miss(determination, codes)

    def _time(self, determination: Mapping[str, Any]) -> None:
        self.surplus_seconds += determination["time"]["surplus_seconds"]
        for row in determination["time"]["excluded"]:
            self.excluded[row["code"]] += row["seconds"]

    def _expect(
        self, determination: Mapping[str, Any], lines: Iterable[Mapping[str, Any]], *, still_open: bool
    ) -> None:
        by_code: dict[str, list[Mapping[str, Any]]] = {}
        for line in lines:
            by_code.setdefault(line["code"], []).append(line)
        for code, found in by_code.items():
            self.codes.setdefault(code, Total()).add(found)
        payer = determination["trace"].get("payer") or "unknown"
        self.payers.setdefault(payer, Total()).add(lines)
        self.practitioners.setdefault(determination["billing_practitioner"] or "nobody", Total()).add(lines)
        self.expected.add(lines)
        if still_open:
            self.open_months.add(lines)
        share = determination.get("patient_share") or {}
        self.coinsurance += Decimal(share.get("amount") or 0)

    def _miss(self, determination: Mapping[str, Any], codes: list[str]) -> None:
        amount = self._would_have_been(determination)
        counted = sum(determination["time"]["counted_seconds"].values())
        ours = not any(code.startswith(_NOT_OURS) for code in codes)
        for code in dict.fromkeys(codes):
            row = self.unbilled.setdefault(code, Unbilled(not_ours=code.startswith(_NOT_OURS)))
            row.months += 1
            row.counted_seconds += counted
            # A month that somebody else's claim stands against is nobody's loss, whatever else was lacking.
            if amount is not None and ours:
                row.priced += 1
                row.amount += amount
        if amount is not None and ours:
            self.lost += amount

    def _would_have_been(self, determination: Mapping[str, Any]) -> Decimal | None:
        """Return what the counted minutes would have come to; None: they reach no code, or one without a rate."""
        projected = determination.get("projected", ())
        if projected:
            amounts = [line["amount"] for line in projected]
            return None if None in amounts else sum((Decimal(a) for a in amounts), Decimal(0))
        reached: dict[str, list[Mapping[str, Any]]] = {}
        for step in determination["trace"].get("ladder", ()):
            if step["reached_on"] is not None and not step["capped"]:
                reached.setdefault(step["family"], []).append(step)
        # The families stand in the order in which they are chosen: the first that is reached is the one.
        steps = next(iter(reached.values()), ())
        amounts = [self.rate(determination, step["code"], step["reached_on"]) for step in steps]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None

    def _oncology(self, determination: Mapping[str, Any]) -> None:
        model = determination["oncology"]
        self.oncology.append(
            {
                "patient": determination["patient"],
                "service_month": determination["service_month"],
                "billing_practitioner": determination["billing_practitioner"],
                "icd10cm": model["icd10cm"],
                "dual_eligible": model["dual_eligible"],
                "monthly": model["monthly"],
                "episode": model["episode"],
                "care_management": model["care_management"],
            }
        )

    def panel(self, size: int) -> dict[str, Any]:
        """Return the expected month of a panel of another size, if its patients are like these.

        Args:
            size: patients who are enrolled.

        Raises:
            ValueError: there is no patient-month to reckon from.
        """
        total = sum(self.months.values())
        if total == 0:
            raise ValueError("there is no answer to reckon from")
        factor = Decimal(size) / Decimal(total)
        return {
            "patients": size,
            "reckoned_from": total,
            "amount": str(_cents(self.expected.amount * factor)),
            "charge": str(_cents(self.expected.charge * factor)),
            "amount_a_patient": str(_cents(self.expected.amount / Decimal(total))),
            "codes": {
                code: {
                    "units": str((Decimal(found.units) * factor).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)),
                    "amount": str(_cents(found.amount * factor)),
                }
                for code, found in sorted(self.codes.items())
            },
            "unbilled_amount": str(_cents(self.lost * factor)),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the forecast; amounts are decimal strings."""
        return {
            "patients": len(self.patients),
            "months": dict(sorted(self.months.items())),
            "expected": self.expected.to_json(),
            "open_months": self.open_months.to_json(),
            "coinsurance": str(self.coinsurance),
            "by_code": {code: total.to_json() for code, total in sorted(self.codes.items())},
            "by_payer": {name: total.to_json() for name, total in sorted(self.payers.items())},
            "by_practitioner": {name: total.to_json() for name, total in sorted(self.practitioners.items())},
            "unbilled": {
                "amount": str(self.lost),
                "by_reason": {
                    code: row.to_json()
                    for code, row in sorted(self.unbilled.items(), key=lambda item: (-item[1].months, item[0]))
                },
                "surplus_seconds": self.surplus_seconds,
                "excluded_seconds": dict(sorted(self.excluded.items())),
            },
            "oncology": self.oncology,
        }


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
