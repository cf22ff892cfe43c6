"""A forecast in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.reports.wording import count, duration, money

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caretally.reports.forecast import Forecast, Total

_SHOWN = 20


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """Give the forecast, one fact a line."""
    statuses = ", ".join(f"{number} {status}" for status, number in sorted(forecast.months.items()))
    months = count(sum(forecast.months.values()), "answer")
    yield f"{months} for {count(len(forecast.patients), 'patient')}: {statuses}"
    yield f"expected: {_total(forecast.expected)}"
    if forecast.open_months.months:
        yield f"  of it in months still open: {money(forecast.open_months.amount)}"
    if forecast.coinsurance:
        yield f"  of it coinsurance, where known and the deductible is met: {money(forecast.coinsurance)}"
    for heading, rows in (
        ("by code", forecast.codes),
        ("by payer", forecast.payers),
        ("by practitioner", forecast.practitioners),
    ):
        if rows:
            yield heading + ":"
        for name, total in sorted(rows.items()):
            yield f"  {name}  {count(total.units, 'unit')}  {_total(total)}"
    yield from _unbilled(forecast)
    yield from _oncology(forecast)


def _total(total: Total) -> str:
    missing = f", {count(total.without_rate, 'line')} without a known rate" if total.without_rate else ""
    return f"amount {money(total.amount)}, charge {money(total.charge)}{missing}"


def _unbilled(forecast: Forecast) -> Iterator[str]:
    document = forecast.to_json()["unbilled"]
    if document["by_reason"]:
        yield f"left unbilled: {money(document['amount'])}, where it was ours to earn and has a rate"
        yield "  (a month with several reasons stands under each of them)"
    for code, row in document["by_reason"].items():
        amount = "no amount can be said" if row["amount"] is None else f"up to {money(row['amount'])}"
        yield f"  {code}  {count(row['months'], 'month')}, {duration(row['counted_seconds'])} counted, {amount}"
    if document["surplus_seconds"]:
        yield f"counted minutes that earn no further unit: {duration(document['surplus_seconds'])}"
    for code, seconds in document["excluded_seconds"].items():
        yield f"  {code}  {duration(seconds)} not counted"


def _oncology(forecast: Forecast) -> Iterator[str]:
    rows = forecast.oncology
    if not rows:
        return
    monthly = sum((Decimal(row["monthly"]) for row in rows), Decimal(0))
    yield f"Enhancing Oncology Model, for information: {count(len(rows), 'answer')} with one of its cancers"
    yield f"  the model would pay {money(monthly)} for these months, in place of care management by the same practice"
    for row in rows[:_SHOWN]:
        beside = ", ".join(f"{name.upper()} {money(amount)}" for name, amount in row["care_management"].items())
        dual = ", dual eligible" if row["dual_eligible"] else ""
        yield (
            f"  {row['patient'].rpartition('/')[2]} {row['service_month']}  {row['icd10cm']}{dual}: model "
            f"{money(row['monthly'])} a month, {money(row['episode'])} an episode; {beside or 'no code reached'}"
        )
    if len(rows) > _SHOWN:
        yield f"  and {len(rows) - _SHOWN} more; all of them with --json"


def panel_lines(panel: Mapping[str, Any]) -> Iterator[str]:
    """Give the what-if of another size of panel."""
    yield (
        f"a month with {count(panel['patients'], 'patient')}, if they are like these "
        f"{count(panel['reckoned_from'], 'answer')}: "
        f"amount {money(panel['amount'])}, charge {money(panel['charge'])}, "
        f"{money(panel['amount_a_patient'])} a patient"
    )
    for code, row in panel["codes"].items():
        yield f"  {code}  {row['units']} units  {money(row['amount'])}"
    yield f"  left unbilled in it: {money(panel['unbilled_amount'])}"
