"""What the rules find billable passes the checks before the claim: two looks from two ends, on random months."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from caretally.billing import BillingContext
from caretally.billing.build import first_claim
from caretally.billing.pre_submission import Submission, pre_submission
from caretally.facts.determination import Determination
from caretally.facts.patient_month import PatientMonth
from caretally.rules import RuleContext, determine
from tests.calculator.patient_months import generate

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) if PROVING else 800


def submission(determination: Determination, month: PatientMonth, context: RuleContext) -> Submission:
    billing = BillingContext(
        tenant="t",
        practice=context.practice,
        created=month.as_of,
        recorded="2025-04-10T09:00:00Z",
        software_version="0",
        tables_version="t",
    )
    return Submission(
        determination=determination,
        claim=first_claim(determination, billing),
        month=month,
        tables=context.tables,
        terminology=context.terminology,
        practice=context.practice,
        policies=context.policies,
    )


@pytest.mark.prove
def test_no_sure_denial_is_found_in_what_the_rules_bill(record_property: Callable[[str, object], None]) -> None:
    record_property("cases", MONTHS)
    billable, found = 0, Counter[str]()
    for seed in range(MONTHS):
        month, context = generate(seed)
        for determination in determine(month, context):
            if determination.status != "billable":
                continue
            billable += 1
            for result in pre_submission(submission(determination, month, context)):
                if result.outcome != "failed" or result.effect != "block":
                    continue
                # A plan that begins between two dates of service: the rules bill the payer of the first date.
                if result.check == "right-payer" and len(month.facts.coverages) > 1:
                    continue
                found[f"{result.check}, seed {seed}: {result.found}"] += 1
    assert not found
    assert billable > MONTHS // 5
