"""What the patient owes, and what the oncology model pays instead: information beside an answer, never part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinsuranceRate:
    """Part of the payer's amount that the patient owes, before any second payer."""

    payer: str
    rate: Decimal
    valid_from: date
    valid_to: date | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OncologyPayment:
    """Monthly payment of the Enhancing Oncology Model for one beneficiary."""

    monthly: Decimal
    dual_eligible: Decimal
    """For beneficiaries of Medicare and Medicaid, all in all."""
    months: int
    """Months of an episode."""
    valid_from: date
    valid_to: date | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTables:
    """mappings/payments.toml."""

    coinsurance: tuple[CoinsuranceRate, ...] = ()
    oncology: tuple[OncologyPayment, ...] = ()

    def coinsurance_of(self, payer: str, on: date) -> CoinsuranceRate | None:
        """Return the coinsurance of a payer on a date; None where none is known."""
        return next((row for row in self.coinsurance if row.payer == payer and _holds(row, on)), None)

    def oncology_on(self, on: date) -> OncologyPayment | None:
        """Return the oncology payment on a date; None outside the model's time."""
        return next((row for row in self.oncology if _holds(row, on)), None)


def _holds(row: CoinsuranceRate | OncologyPayment, on: date) -> bool:
    return row.valid_from <= on and (row.valid_to is None or on <= row.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientShare:
    """What the patient owes of the payer's amount when the deductible is met; who pays next may take it over."""

    rate: Decimal
    amount: Decimal | None
    """None: a line has no rate."""
    secondary: tuple[str, ...]
    """Coverages that pay after the first one, in their order."""
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return the share as it stands in the output."""
        return {
            "rate": str(self.rate),
            "amount": None if self.amount is None else str(self.amount),
            "secondary": list(self.secondary),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OncologyComparison:
    """The oncology model beside care management for one patient and month."""

    condition: str
    """The cancer that the model covers: reference of the Condition."""
    icd10cm: str
    dual_eligible: bool
    monthly: Decimal
    episode: Decimal
    """`monthly` for all months of an episode."""
    months: int
    care_management: dict[str, Decimal | None]
    """For each programme with minutes that reach a code: its amount; None: a line has no rate."""
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as it stands in the output."""
        return {
            "condition": self.condition,
            "icd10cm": self.icd10cm,
            "dual_eligible": self.dual_eligible,
            "monthly": str(self.monthly),
            "episode": str(self.episode),
            "months": self.months,
            "care_management": {
                name: None if amount is None else str(amount) for name, amount in self.care_management.items()
            },
            "source": self.source,
        }
