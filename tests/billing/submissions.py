"""The first claim for an answer, with what the checks before the claim look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.billing import BillingContext
from caretally.billing.build import first_claim
from caretally.billing.pre_submission import Submission

if TYPE_CHECKING:
    from caretally.facts.determination import Determination
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext


def submission_of(determination: Determination, month: PatientMonth, context: RuleContext) -> Submission:
    """A claim as it would be made, before anybody has sent it."""
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
