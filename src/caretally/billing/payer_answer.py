"""Reading what a payer said: the rows of a remittance, and ClaimResponses that answer claims of ours."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from caretally.billing.errors import BillingError
from caretally.billing.identity import relative
from caretally.facts.payer_answer import Adjustment, PayerAnswer, Progress, patient_pays

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = ("account_number", "claim", "status", "control_number", "paid", "date", "code", "carc", "rarc")
"""Columns of a remittance as CSV; `account_number` or `claim`, and `status`, are needed."""

_WORDS: dict[str, Progress] = {"sent": "sent", "accepted": "accepted", "denied": "denied", "paid": "paid"}
_PROCESSED = frozenset({"1", "2", "3", "19", "20", "21"})
"""Claim status codes of an 835 (CLP02): processed as primary, secondary, tertiary; and the same, forwarded."""
_DENIED, _REVERSED = "4", "22"
_CARC = re.compile(r"(CO|OA|PI|PR|CR)-?([A-Z]?\d{1,3})")
_RARC = re.compile(r"(MA?|N)\d{1,3}")


def remittance_answer(rows: Sequence[Mapping[str, str]], source: str) -> PayerAnswer:
    """Return what the rows of one claim say together: one row for the claim, or one for each service line.

    Args:
        rows: of one claim, by column, stripped; not empty.
        source: what the answer is taken from, for example the name of the file.

    Raises:
        BillingError: a value cannot be read, or a person has to look (a reversal).
    """
    parts = [_row(row) for row in rows]
    paid_parts = [paid for _, paid in parts if paid is not None]
    paid = sum(paid_parts, Decimal(0)) if paid_parts else None
    adjustments = tuple(one for one, _ in parts if one.carc or one.rarc)
    return PayerAnswer(
        progress=_progress([row.get("status", "").lower() for row in rows], paid, adjustments),
        control_number=next((row["control_number"] for row in rows if row.get("control_number")), None),
        paid=paid,
        date=next((row["date"] for row in rows if row.get("date")), ""),
        adjustments=adjustments,
        source=source,
    )


def _progress(statuses: Sequence[str], paid: Decimal | None, adjustments: Iterable[Adjustment]) -> Progress:
    """Return where the claim stands: a word as it is, a code of an 835 with what was paid."""
    found: list[Progress] = []
    for status in dict.fromkeys(statuses):
        if status in _WORDS:
            found.append(_WORDS[status])
        elif status == _DENIED:
            found.append("denied")
        elif status == _REVERSED:
            raise BillingError("a reversal (22): a person has to look at the claim", where="status")
        elif status in _PROCESSED:
            everything = [code for one in adjustments for code in one.carc]
            found.append("paid" if paid or patient_pays(tuple(everything)) else "denied")
        else:
            raise BillingError(
                f"'{status}' is no status; wanted sent, accepted, denied, paid, or a claim status code of an 835",
                where="status",
            )
    # One line paid makes a claim paid; the lines that were denied are listed all the same.
    return "paid" if "paid" in found else found[0]


def _row(row: Mapping[str, str]) -> tuple[Adjustment, Decimal | None]:
    paid = _amount(row.get("paid", ""))
    adjustment = Adjustment(
        code=row.get("code") or None,
        carc=tuple(_code(part, _CARC, "carc", "CO-119") for part in _parts(row.get("carc", ""))),
        rarc=tuple(_code(part, _RARC, "rarc", "M86") for part in _parts(row.get("rarc", ""))),
        paid=paid,
    )
    return adjustment, paid


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[;,\s]+", text.upper()) if part]


def _code(text: str, form: re.Pattern[str], column: str, example: str) -> str:
    found = form.fullmatch(text)
    if found is None:
        raise BillingError(f"'{text}' is no such code; wanted for example {example}", where=column)
    return f"{found[1]}-{found[2]}" if form is _CARC else text


def _amount(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        found = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise BillingError(f"'{text}' is no amount; wanted for example 60.49", where="paid")
    return found


def claim_responses(resources: Iterable[Mapping[str, Any]]) -> dict[str, PayerAnswer]:
    """Return what the ClaimResponses among some resources say, by the Claim that each answers.

    Of several answers to one claim the one created last counts. An answer that is still queued says nothing.
    """
    found: dict[str, tuple[str, PayerAnswer]] = {}
    for resource in resources:
        if resource.get("resourceType") != "ClaimResponse" or resource.get("status") != "active":
            continue
        if resource.get("use") not in {None, "claim"}:
            continue
        claim = relative((resource.get("request") or {}).get("reference"))
        answer = _response(resource)
        created = str(resource.get("created", ""))
        if claim is not None and answer is not None and created >= found.get(claim, ("", answer))[0]:
            found[claim] = (created, answer)
    return {claim: answer for claim, (_, answer) in found.items()}


def _response(resource: Mapping[str, Any]) -> PayerAnswer | None:
    outcome = resource.get("outcome")
    if outcome not in {"complete", "partial", "error"}:
        return None
    paid = _money((resource.get("payment") or {}).get("amount"))
    adjustments = tuple(_adjustments(resource))
    if outcome == "error":
        progress: Progress = "denied"
    elif paid is None and not adjustments:
        progress = "accepted"
    else:
        everything = tuple(code for one in adjustments for code in one.carc)
        progress = "paid" if paid or patient_pays(everything) else "denied"
    numbers = [i.get("value") for i in resource.get("identifier") or () if isinstance(i.get("value"), str)]
    return PayerAnswer(
        progress=progress,
        control_number=numbers[0] if numbers else None,
        paid=paid,
        date=str(resource.get("created", ""))[:10],
        adjustments=adjustments,
        source=f"ClaimResponse/{resource.get('id')}",
    )


def _adjustments(resource: Mapping[str, Any]) -> Iterable[Adjustment]:
    """Give the reasons of the claim and of its items; the codes may stand under any system of the payer."""
    whole = _reasons(resource.get("adjudication"))
    if whole[0] or whole[1]:
        yield Adjustment(code=None, carc=whole[0], rarc=whole[1])
    errors = [code for error in resource.get("error") or () for code in _codes(error.get("code"))]
    carc = tuple(f"{m[1]}-{m[2]}" for code in errors if (m := _CARC.fullmatch(code)))
    if carc:
        yield Adjustment(code=None, carc=carc)
    for item in resource.get("item") or ():
        reasons, remarks, paid = _reasons(item.get("adjudication"))
        if reasons or remarks:
            yield Adjustment(code=f"item {item.get('itemSequence')}", carc=reasons, rarc=remarks, paid=paid)


def _reasons(adjudications: Any) -> tuple[tuple[str, ...], tuple[str, ...], Decimal | None]:
    carc: list[str] = []
    rarc: list[str] = []
    paid: Decimal | None = None
    for one in adjudications or ():
        codes = _codes(one.get("reason"))
        carc += [f"{m[1]}-{m[2]}" for code in codes if (m := _CARC.fullmatch(code))]
        rarc += [code for code in codes if _RARC.fullmatch(code)]
        if "benefit" in _codes(one.get("category")):
            paid = _money(one.get("amount"))
    return tuple(dict.fromkeys(carc)), tuple(dict.fromkeys(rarc)), paid


def _codes(concept: Any) -> list[str]:
    if not isinstance(concept, dict):
        return []
    return [str(coding.get("code")) for coding in concept.get("coding") or () if isinstance(coding, dict)]


def _money(amount: Any) -> Decimal | None:
    value = amount.get("value") if isinstance(amount, dict) else None
    if isinstance(value, Decimal):
        return value
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None
