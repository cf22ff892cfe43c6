"""Claims as a table, one line of a claim a row: CSV for people and spreadsheets, Parquet for analysis.

Both have the same columns. Money is exact: decimal strings in CSV, ``decimal(12, 2)`` in Parquet; dates are dates.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from caretally.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from caretally.billing import ProfessionalClaim

Kind = Literal["text", "date", "number", "money"]

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""First signs for which a spreadsheet takes a cell for a formula; the apostrophe itself, so that it can be undone."""
_MONEY_PRECISION, _MONEY_SCALE = 12, 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind = "text"


COLUMNS = (
    Column("claim"),
    Column("status"),
    Column("service_month"),
    Column("account_number"),
    Column("frequency"),
    Column("original_number"),
    Column("site"),
    Column("payer"),
    Column("patient"),
    Column("patient_family"),
    Column("patient_given"),
    Column("birth_date", "date"),
    Column("member_id"),
    Column("billing_provider"),
    Column("billing_npi"),
    Column("billing_tin"),
    Column("rendering_provider"),
    Column("rendering_npi"),
    Column("line", "number"),
    Column("code"),
    Column("modifiers"),
    Column("service_date", "date"),
    Column("service_end", "date"),
    Column("place_of_service"),
    Column("diagnoses"),
    Column("units", "number"),
    Column("charge", "money"),
    Column("claim_total", "money"),
)

Row = dict[str, "str | int | Decimal | date | None"]


def claim_rows(claims: Iterable[ProfessionalClaim]) -> Iterator[Row]:
    """Give a row for each line of each claim."""
    for claim in claims:
        common: Row = {
            "claim": claim.reference,
            "status": claim.state,
            "service_month": claim.service_month,
            "account_number": claim.account_number,
            "frequency": claim.frequency,
            "original_number": claim.original_number,
            "site": claim.site,
            "payer": claim.payer.name,
            "patient": claim.patient_reference,
            "patient_family": claim.patient.name.family,
            "patient_given": claim.patient.name.given,
            "birth_date": claim.patient.birth_date,
            "member_id": claim.member_id,
            "billing_provider": claim.billing.reference,
            "billing_npi": claim.billing.npi,
            "billing_tin": claim.billing.tin,
            "rendering_provider": claim.rendering.reference,
            "rendering_npi": claim.rendering.npi,
            "claim_total": claim.total,
        }
        for number, line in enumerate(claim.lines, 1):
            pointed = [claim.diagnoses[one - 1] for one in line.pointers if 0 < one <= len(claim.diagnoses)]
            row: Row = {
                "line": number,
                "code": line.code,
                "modifiers": " ".join(line.modifiers) or None,
                "service_date": line.start,
                "service_end": line.end,
                "place_of_service": line.place_of_service,
                "diagnoses": " ".join(pointed) or None,
                "units": None if line.units is None else int(line.units),
                "charge": line.charge,
            }
            yield {column.name: (common | row)[column.name] for column in COLUMNS}


class _Lines(list[str]):
    """What `csv` writes to."""

    def write(self, text: str) -> None:
        """Take a line."""
        self.append(text)


def lines_csv(rows: Iterable[Row]) -> bytes:
    """Return a CSV file (RFC 4180, UTF-8 with byte order mark, so that spreadsheets read names right).

    A text that a spreadsheet would take for a formula gets an apostrophe in front; `plain_cell` takes it away again.
    """
    found = _Lines()
    writer = csv.writer(found)
    writer.writerow(column.name for column in COLUMNS)
    for row in rows:
        writer.writerow(_cell(row[column.name]) for column in COLUMNS)
    return ("\ufeff" + "".join(found)).encode("utf-8")


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_DANGEROUS) else text


def plain_cell(text: str) -> str:
    """Return what `safe_cell` was given."""
    return text.removeprefix("'")


def _cell(value: str | int | Decimal | date | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return safe_cell(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def lines_parquet(rows: Sequence[Row]) -> bytes:
    """Return a Parquet file.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 -- an extra, and half a second
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError(
            "Parquet files need the Python package pyarrow, which is not installed: pip install 'caretally[parquet]', "
            "or export to csv"
        ) from None
    kinds: dict[Kind, Any] = {
        "text": pa.string(),
        "date": pa.date32(),
        "number": pa.int32(),
        "money": pa.decimal128(_MONEY_PRECISION, _MONEY_SCALE),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in COLUMNS])
    stream = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), stream)
    return bytes(stream.getvalue())
