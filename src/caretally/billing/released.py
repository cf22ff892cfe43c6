"""A claim that is out of our hands: never edited in place, only replaced or voided, and only if somebody agrees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.billing.change_set import create, move, take_back
from caretally.billing.claim import VOID, payer_control_number
from caretally.billing.content import CLAIM_FREQUENCY, PAYER_HAS_IT, State, sealed, with_extension
from caretally.billing.context import policy_of
from caretally.billing.difference import billing_differences
from caretally.billing.question import Answer, edited_among, pairs_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from caretally.billing.change_set import Change, Withdrawal
    from caretally.billing.context import Resources
    from caretally.billing.on_file import Filing
    from caretally.billing.question import Pair, Question
    from caretally.facts.determination import Action


def released(question: Question, current: Filing) -> Answer:
    """Compare a billable month with a released claim."""
    charges = [charge for charge in current.charges if charge.live]
    kept: Resources = "both" if charges and current.kept_claim else "claims" if current.kept_claim else "charges"
    wanted = _writing(question, kept).wanted(current.revision, State.RELEASED)
    pairs = pairs_of(current, wanted)
    edited = edited_among(current, pairs)
    if edited:
        return question.human_edit(edited, shown(edited, pairs))
    matched = [pair.filed for pair in pairs]
    found = [line for pair in pairs for line in _material(pair)]
    found += [f"the charge of {_line_of(c.resource)} is no longer backed" for c in charges if c not in matched]
    if found:
        return correct(question, current, "superseded", tuple(dict.fromkeys(found)))
    return _unchanged(question, current, pairs)


def correct(question: Question, current: Filing, why: Withdrawal, found: tuple[str, ...]) -> Answer:
    """Replace or void what is released; proposed unless the practice and the payer's policy let us.

    Part B takes no claim frequency codes from professionals, so the default policy (`manual`) always asks a
    person. A claim that never went to the payer has no control number and needs none.
    """
    action: Action = "replace" if why == "superseded" else "void"
    revision = question.files.next_revision if action == "replace" else current.revision
    correction = policy_of(question.determination).correction
    at_payer = current.state in PAYER_HAS_IT
    if (
        correction == "frequency"
        and at_payer
        and current.kept_claim is not None
        and payer_control_number(current.kept_claim.resource) is None
    ):
        said = "the payer has the claim, and its control number is not on file: record it first"
        return Answer(action=action, revision=revision, proposed=True, needs_person=True, summary=(*found, said))
    changes = [take_back(filed, why) for filed in current.live_resources]
    if action == "void" and correction == "frequency" and at_payer:
        changes = [_as_void(change) for change in changes]
    if action == "replace":
        wanted = (
            question.wanted_instead_of(current.kept_claim, revision, State.RELEASED)
            if current.kept_claim is not None
            else question.wanted(revision, State.RELEASED)
        )
        changes += [create(resource) for resource in wanted.resources]
    automatic = question.context.release == "automatic" and correction != "manual"
    return _offered(question, action, revision, changes, found, agreed=automatic)


def _as_void(change: Change) -> Change:
    """Return the taking back of a claim so that the payer can be told: frequency code 8, by its control number."""
    if change.resource["resourceType"] != "Claim":
        return change
    return replace(change, resource=sealed(with_extension(change.resource, CLAIM_FREQUENCY, valueCode=VOID)))


def _unchanged(question: Question, current: Filing, pairs: Sequence[Pair]) -> Answer:
    """Answer for a released claim that still asks for what is determined."""
    immaterial = tuple(
        f"{line} (no reason to correct a released claim)"
        for pair in pairs
        if not pair.agrees
        for line in pair.differences
    )
    steps = tuple(_following(current))
    if steps:
        said = tuple(f"{step.name} follows its claim: {step.resource['status']}" for step in steps)
        return Answer(action="update", revision=current.revision, writes=steps, summary=(*said, *immaterial))
    if current.kept_claim is None and question.context.resources != "charges" and current.state is State.RELEASED:
        wanted = _writing(question, "claims").wanted(current.revision, State.RELEASED)
        why = "released charges without a claim: the billing system may have made one; a person has to say"
        changes = [create(resource) for resource in wanted.resources]
        return _offered(question, "create", current.revision, changes, (why, *immaterial), agreed=False)
    return Answer(revision=current.revision, summary=immaterial)


def _offered(
    question: Question,
    action: Action,
    revision: int,
    changes: Sequence[Change],
    summary: tuple[str, ...],
    *,
    agreed: bool,
) -> Answer:
    """Return changes that are written when somebody or the policy agreed, and proposed otherwise."""
    if agreed or question.agreed is not None:
        return Answer(action=action, revision=revision, writes=tuple(changes), summary=summary)
    return Answer(
        action=action,
        revision=revision,
        proposed=True,
        proposal=tuple(changes),
        needs_person=True,
        summary=summary,
    )


def _writing(question: Question, resources: Resources) -> Question:
    """Return the question for a site that keeps these resources: a released month is compared as it was written."""
    return replace(question, context=replace(question.context, resources=resources))


def _material(pair: Pair) -> list[str]:
    if pair.filed is None or not pair.filed.live:
        return [f"the charge of {_line_of(pair.wanted)} is missing"]
    return billing_differences(pair.filed.resource, pair.wanted)


def _following(current: Filing) -> Iterable[Change]:
    """Return the steps of charges whose claim has gone on: planned, billable, billed."""
    if current.kept_claim is None or current.kept_claim.state is State.DRAFT:
        return
    target = "billed" if current.kept_claim.state in PAYER_HAS_IT else "billable"
    behind = {"planned", "billable"} if target == "billed" else {"planned"}
    for charge in current.charges:
        if charge.live and charge.resource["status"] in behind:
            yield move(charge, target)


def _line_of(charge: dict[str, Any]) -> str:
    return f"{charge['code']['coding'][0]['code']} on {charge['occurrenceDateTime']}"
