"""What people decide about a claim on file: release it, agree to a correction, say how far it has come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caretally.billing.change_set import Change, ChangeSet, create, move, transaction_order
from caretally.billing.changes import answer, checked, finished
from caretally.billing.claim import payer_control_number
from caretally.billing.content import CLAIM_PROGRESS, PAYER_HAS_IT, State, with_extension
from caretally.billing.errors import ApprovalRefusedError
from caretally.billing.identity import PAYER_CONTROL_NUMBER, ClaimIdentity
from caretally.billing.on_file import filed_digest, read_files
from caretally.billing.provenance import ACTIVATE, UPDATE, provenance
from caretally.billing.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.billing.context import BillingContext, Decision
    from caretally.billing.on_file import Filed, Filing, OnFile
    from caretally.facts.determination import Determination

_STATUS = {"Claim": "active", "ChargeItem": "billable"}


def approve(
    determination: Determination,
    on_file: Sequence[OnFile],
    context: BillingContext,
    decision: Decision,
    *,
    patient_in_complete_pull: bool = False,
) -> ChangeSet:
    """Return the changes that a person's approval allows.

    A draft is released (draft to active, planned to billable). Where a replacement or void is proposed, it is
    carried out. Where nothing is open, nothing is changed: approving twice is harmless.

    Args:
        determination: made now, from what is read now.
        on_file: as for `plan_changes`.
        context: as for `plan_changes`; `release` is not looked at.
        decision: who, when and why.
        patient_in_complete_pull: as for `plan_changes`; a void needs it.

    Raises:
        ApprovalRefusedError: the draft does not say what is determined, a person edited it, nothing is on file,
            or what the person saw has changed since.
        BillingError: as for `plan_changes`.
    """
    identity = ClaimIdentity.of(determination, context.tenant)
    if decision.seen is not None and decision.seen != filed_digest(on_file):
        raise ApprovalRefusedError("the file has changed since you looked at it: look again, then approve")
    question = Question(
        determination=determination,
        context=replace(context, release="review"),
        identity=identity,
        files=read_files(on_file, identity),
        complete_pull=patient_in_complete_pull,
    )
    current = question.files.current
    if current is None or not current.live:
        raise ApprovalRefusedError("there is no claim of this patient-month on file to approve: run apply first")
    plan = answer(question)
    if any(finding.hold for finding in plan.findings):
        raise ApprovalRefusedError(_because("a person changed the file, so it is not released", plan))
    agreed = replace(question, agreed=decision)
    if current.state is State.DRAFT:
        return _release(agreed, current, plan)
    if not plan.proposed:
        return plan
    carried_out = answer(agreed)
    if carried_out.proposed:
        raise ApprovalRefusedError(_because("the correction cannot be made yet", carried_out))
    return carried_out


def advance(
    identity: ClaimIdentity,
    on_file: Sequence[OnFile],
    context: BillingContext,
    progress: State,
    decision: Decision,
    *,
    control_number: str | None = None,
) -> ChangeSet:
    """Return the changes that say how far a released claim has come: sent, accepted, denied, paid.

    The claim gets a mark and, where it is known, the payer's control number; its charges become billed.
    A claim never goes back to sent. Saying the same again changes nothing.

    Raises:
        ApprovalRefusedError: nothing is on file, or it was never released.
        BillingError: `progress` is no such state, or `on_file` is of another identity.
    """
    if progress not in PAYER_HAS_IT:
        raise ApprovalRefusedError(f"a claim cannot be marked {progress}; wanted sent, accepted, denied or paid")
    current = read_files(on_file, identity).current
    if current is None or not current.live:
        raise ApprovalRefusedError("there is no live claim of this patient-month on file")
    if current.state is State.DRAFT or (current.kept_claim is not None and current.kept_claim.state is State.DRAFT):
        raise ApprovalRefusedError("the claim is a draft; it has to be released first")
    changes = transaction_order(_progress(current, progress, control_number))
    if changes:
        written = provenance(None, context, identity, changes, activity=UPDATE, decision=decision)
        changes = checked((*changes, create(written)))
    return ChangeSet(
        identity=identity,
        revision=current.revision,
        action="update" if changes else "none",
        changes=changes,
        summary=(f"marked {progress}",) if changes else (),
    )


def _release(question: Question, current: Filing, plan: ChangeSet) -> ChangeSet:
    if not question.billable:
        codes = ", ".join(reason.code for reason in question.determination.reasons)
        raise ApprovalRefusedError(f"the month cannot be billed now ({codes}): the draft is not released")
    if plan.changes or plan.proposed:
        raise ApprovalRefusedError(_because("the draft does not say what is determined now: run apply first", plan))
    steps = [move(filed, _STATUS[filed.resource["resourceType"]]) for filed in current.live_resources]
    return ChangeSet(
        identity=question.identity,
        revision=current.revision,
        action="update",
        changes=finished(question, steps, ACTIVATE),
        summary=(f"released by a person's decision of {question.agreed.at}",) if question.agreed else (),
    )


def _progress(current: Filing, progress: State, control_number: str | None) -> Iterable[Change]:
    claim = current.kept_claim
    if claim is not None:
        resource = _numbered(claim, control_number)
        goes_on = claim.state != progress and not (progress is State.SENT and claim.state in PAYER_HAS_IT)
        if goes_on:
            resource = with_extension(resource, CLAIM_PROGRESS, valueCode=progress.value)
        if goes_on or resource is not claim.resource:
            step = move(claim, "active")
            yield replace(step, resource={**step.resource, **_changed(resource)})
    for charge in current.charges:
        if charge.state in {State.DRAFT, State.RELEASED}:
            yield move(charge, "billed")


def _numbered(claim: Filed, control_number: str | None) -> dict[str, Any]:
    resource = claim.resource
    if control_number is None or payer_control_number(resource) == control_number:
        return resource
    others = [i for i in resource.get("identifier") or () if i.get("system") != PAYER_CONTROL_NUMBER]
    return {**resource, "identifier": [*others, {"system": PAYER_CONTROL_NUMBER, "value": control_number}]}


def _changed(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: resource[key] for key in ("identifier", "extension") if key in resource}


def _because(message: str, plan: ChangeSet) -> str:
    """Return the message with where the difference lies; values stay out, for errors are logged."""
    where = [line.split(": ", maxsplit=1)[0] if " -> " in line else line for line in plan.summary]
    return f"{message} ({'; '.join(where)})" if where else message
