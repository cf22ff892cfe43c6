"""What a payer said about a claim: how far it has come, what was paid, what was denied and with which codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from decimal import Decimal

Progress = Literal["sent", "accepted", "denied", "paid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Why a claim or one of its lines was not paid as charged.

    Attributes:
        code: procedure code of the line; None: the claim as a whole.
        carc: claim adjustment reason codes with their group, ``CO-119``.
        rarc: remittance advice remark codes, ``M86``.
    """

    code: str | None
    carc: tuple[str, ...]
    rarc: tuple[str, ...] = ()
    paid: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the adjustment as it is kept."""
        return {
            "code": self.code,
            "carc": list(self.carc),
            "rarc": list(self.rarc),
            "paid": None if self.paid is None else str(self.paid),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerAnswer:
    """What is known about one claim since it was released.

    Attributes:
        progress: where the claim stands now.
        control_number: what the payer calls the claim (CLP07); a correction needs it.
        paid: amount; None where nobody said.
        date: of the answer, ISO 8601; empty where nobody said.
        adjustments: of the claim and of its lines.
        source: where it was said: a file, a ClaimResponse, a person.
    """

    progress: Progress
    control_number: str | None = None
    paid: Decimal | None = None
    date: str = ""
    adjustments: tuple[Adjustment, ...] = ()
    source: str = ""

    @property
    def denied_lines(self) -> tuple[Adjustment, ...]:
        """Return the adjustments that took a line, or the claim, off wholly."""
        if self.progress == "denied":
            return self.adjustments
        return tuple(a for a in self.adjustments if a.code is not None and a.carc and not a.paid and not _shared(a))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as it is kept with the decision that moved the claim."""
        return {
            "value": self.progress,
            "control_number": self.control_number,
            "paid": None if self.paid is None else str(self.paid),
            "date": self.date,
            "adjustments": [one.to_json() for one in self.adjustments],
            "denied": [one.to_json() for one in self.denied_lines],
            "source": self.source,
        }


def patient_pays(carc: tuple[str, ...]) -> bool:
    """Whether all of an adjustment falls to the patient: deductible, coinsurance, copay (group PR)."""
    return bool(carc) and all(code.startswith("PR-") for code in carc)


def _shared(adjustment: Adjustment) -> bool:
    return patient_pays(adjustment.carc)
