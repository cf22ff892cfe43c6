"""Reading mappings/pre-submission.toml and mappings/payments.toml."""

from __future__ import annotations

from datetime import date  # noqa: TC003 -- pydantic reads the annotations
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from caretally.billing.pre_submission import CHECKS
from caretally.errors import TableError
from caretally.facts.payments import CoinsuranceRate, OncologyPayment, PaymentTables
from caretally.facts.pre_submission import PreSubmissionCheck
from caretally.facts.reasons import Notice
from caretally.tables.locate import display_name
from caretally.tables.reading import Amount, Strict, checked, form, nearest, read_toml
from caretally.tables.service_rows import Text  # noqa: TC001 -- pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

Carc = Annotated[str, form(r"^(CO|OA|PI|PR)-[A-Z]?\d{1,3}$", "a group and an adjustment reason such as CO-29")]
Rarc = Annotated[str, form(r"^(M|MA|N)\d{1,3}$", "a remark code such as M86 or N362")]


class CheckRow(Strict):
    """One check."""

    id: str
    title: Text
    carc: Annotated[list[Carc], Field(min_length=1)]
    rarc: list[Rarc]
    effect: Literal["block", "warn"]
    notice: str | None = None
    source: Text

    @model_validator(mode="after")
    def _notice(self) -> CheckRow:
        if (self.notice is not None) != (self.effect == "warn"):
            raise ValueError("a check that warns names its notice, one that blocks none")
        return self


class ChecksFile(Strict):
    """mappings/pre-submission.toml."""

    check: Annotated[list[CheckRow], Field(min_length=1)]


class _Dated(Strict):
    valid_from: date
    valid_to: date | None = None
    source: Text

    @model_validator(mode="after")
    def _in_order(self) -> _Dated:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} lies before valid_from {self.valid_from}")
        return self


class CoinsuranceRow(_Dated):
    """What the patient owes, by payer."""

    payer: Text
    rate: Amount

    @model_validator(mode="after")
    def _part(self) -> CoinsuranceRow:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate {self.rate} is no part of the amount; wanted 0.20 for twenty percent")
        return self


class OncologyRow(_Dated):
    """Monthly payment of the oncology model."""

    monthly: Amount
    dual_eligible: Amount
    months: Annotated[int, Field(ge=1, le=12)]


class PaymentsFile(Strict):
    """mappings/payments.toml."""

    coinsurance: list[CoinsuranceRow] = Field(default_factory=list)
    oncology: list[OncologyRow] = Field(default_factory=list)


def read_checks(path: Path) -> tuple[PreSubmissionCheck, ...]:
    """Read and check the checks before the claim; each function needs its row, and each row its function.

    Raises:
        TableError: naming file, row and key.
    """
    file = display_name(path)
    found: dict[str, PreSubmissionCheck] = {}
    for row in checked(ChecksFile, read_toml(path), path).check:
        where = f'check "{row.id}"'
        _known(row.id, CHECKS, "check", file, where)
        if row.id in found:
            raise TableError("stands there twice", file=file, where=where)
        if row.notice is not None:
            _known(row.notice, [n.value for n in Notice], "notice", file, f"{where}, notice")
        found[row.id] = PreSubmissionCheck(
            id=row.id,
            title=row.title,
            carc=tuple(row.carc),
            rarc=tuple(row.rarc),
            effect=row.effect,
            notice=row.notice or "",
            source=row.source,
        )
    missing = sorted(CHECKS.keys() - found.keys())
    if missing:
        raise TableError(f"no row for {', '.join(missing)}", file=file, where="check")
    return tuple(found.values())


def read_payments(path: Path) -> PaymentTables:
    """Read and check what stands beside an answer as information.

    Raises:
        TableError: naming file, row and key; or two rows hold on one date.
    """
    table, file = checked(PaymentsFile, read_toml(path), path), display_name(path)
    coinsurance = tuple(
        CoinsuranceRate(
            payer=row.payer,
            rate=Decimal(row.rate),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            source=row.source,
        )
        for row in table.coinsurance
    )
    oncology = tuple(
        OncologyPayment(
            monthly=row.monthly,
            dual_eligible=row.dual_eligible,
            months=row.months,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            source=row.source,
        )
        for row in table.oncology
    )
    _no_overlap(oncology, "the oncology payment", file)
    for payer in dict.fromkeys(row.payer for row in coinsurance):
        _no_overlap([row for row in coinsurance if row.payer == payer], f"the coinsurance of {payer}", file)
    return PaymentTables(coinsurance=coinsurance, oncology=oncology)


def _no_overlap(rows: Sequence[CoinsuranceRate | OncologyPayment], what: str, file: str) -> None:
    for one, other in pairwise(sorted(rows, key=lambda r: r.valid_from)):
        if one.valid_to is None or one.valid_to >= other.valid_from:
            raise TableError(f"{what} has two rows for {other.valid_from}; end the first before", file=file)


def _known(name: str, options: Collection[str], what: str, file: str, where: str) -> None:
    if name not in options:
        raise TableError(f"unknown {what} '{name}'{nearest(name, options)}", file=file, where=where)
