"""What the rules find billable passes the checks before the claim: two looks from two ends, on random months."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from caretally.billing.pre_submission import pre_submission
from caretally.rules import determine
from tests.billing.submissions import submission_of
from tests.calculator.patient_months import generate

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) if PROVING else 800


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
            for result in pre_submission(submission_of(determination, month, context)):
                if result.outcome != "failed" or result.effect != "block":
                    continue
                # A plan that begins between two dates of service: the rules bill the payer of the first date.
                if result.check == "right-payer" and len(month.facts.coverages) > 1:
                    continue
                found[f"{result.check}, seed {seed}: {result.found}"] += 1
    assert not found
    assert billable > MONTHS // 5
