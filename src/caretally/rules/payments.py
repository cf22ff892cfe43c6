"""Money beside the answer: the patient's part of it, and what the oncology model would pay. It decides nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from caretally.facts.codes import ICD10CM, Coding
from caretally.facts.payments import OncologyComparison, PatientShare
from caretally.facts.rates import dollars
from caretally.rules.conditions import active_in_month
from caretally.rules.ladder import total_amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.facts.clinical import ConditionFact
    from caretally.facts.determination import Line
    from caretally.rules.context import Case


def patient_share(case: Case, lines: Sequence[Line]) -> PatientShare | None:
    """Return the patient's part of the payer's amount; None without lines, or where no coinsurance is known."""
    rate = case.context.tables.payments.coinsurance_of(case.effective.payer, case.last_day)
    if not lines or rate is None:
        return None
    total = total_amount(lines)
    return PatientShare(
        rate=rate.rate,
        amount=None if total is None else dollars(total, rate.rate),
        secondary=tuple(c.reference for c in case.other_coverages if c.order is not None and c not in case.rivals),
        source=rate.source,
    )


def oncology_comparison(case: Case, lines: Mapping[str, Sequence[Line]]) -> OncologyComparison | None:
    """Return the oncology model beside care management; None for patients without one of its cancers.

    Args:
        case: the practitioner's view.
        lines: what each programme that was judged would bill, whatever stands against it.
    """
    payment = case.context.tables.payments.oncology_on(case.first_day)
    cancer = _cancer(case)
    if payment is None or cancer is None or cancer.icd10cm is None:
        return None
    dual = _dual_eligible(case)
    monthly = payment.dual_eligible if dual else payment.monthly
    return OncologyComparison(
        condition=cancer.reference,
        icd10cm=cancer.icd10cm,
        dual_eligible=dual,
        monthly=monthly,
        episode=monthly * Decimal(payment.months),
        months=payment.months,
        care_management={name: total_amount(found) for name, found in lines.items() if found},
        source=payment.source,
    )


def _cancer(case: Case) -> ConditionFact | None:
    cancers = case.context.terminology.set("eom-cancers")
    found = [
        c
        for c in case.facts.conditions
        if c.icd10cm is not None
        and active_in_month(case, c)
        and cancers.contains(Coding(ICD10CM, c.icd10cm), case.first_day)
    ]
    return min(found, key=lambda c: c.reference, default=None)


def _dual_eligible(case: Case) -> bool:
    """Whether a coverage by Medicaid is in force in the month."""
    medicaid = case.context.terminology.set("coverage-medicaid")
    return any(
        medicaid.first(c.type_codes) is not None
        for c in case.facts.coverages
        if c.status == "active"
        and (c.start is None or c.start <= case.last_day)
        and (c.end is None or c.end >= case.first_day)
    )
