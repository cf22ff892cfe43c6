"""From a determination and what is on file to ChargeItem, Claim, Provenance and the abstract changes. Pure.

Importing this package does not import `fhir.resources`; only checking a resource that is about to be written does.
"""

from __future__ import annotations

from caretally.billing.approval import advance, approve
from caretally.billing.build import Desired, desired
from caretally.billing.change_set import Change, ChangeSet, settled, transaction_order
from caretally.billing.changes import plan_changes
from caretally.billing.claim_checks import check_claim, check_month
from caretally.billing.claim_reading import ClaimReader
from caretally.billing.content import State
from caretally.billing.context import BillingContext, Decision
from caretally.billing.description import describe
from caretally.billing.errors import ApprovalRefusedError, BillingError
from caretally.billing.identity import CHARGE_ITEM_IDENTIFIER, CLAIM_IDENTIFIER, ClaimIdentity
from caretally.billing.on_file import OnFile, filed_digest
from caretally.billing.professional_claim import ProfessionalClaim

__all__ = [
    "CHARGE_ITEM_IDENTIFIER",
    "CLAIM_IDENTIFIER",
    "ApprovalRefusedError",
    "BillingContext",
    "BillingError",
    "Change",
    "ChangeSet",
    "ClaimIdentity",
    "ClaimReader",
    "Decision",
    "Desired",
    "OnFile",
    "ProfessionalClaim",
    "State",
    "advance",
    "approve",
    "check_claim",
    "check_month",
    "describe",
    "desired",
    "filed_digest",
    "plan_changes",
    "settled",
    "transaction_order",
]
