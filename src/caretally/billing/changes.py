"""From a determination and what is on file to the changes (design, "Writing back").

| On file                | billable                    | not billable         | hold                              |
|------------------------|-----------------------------|----------------------|-----------------------------------|
| nothing                | create                      | -                    | -                                 |
| draft                  | update where it differs     | cancel it (1)        | kept, `W-CLAIM-ON-FILE-HELD` (4)  |
| released or later      | replacement proposed (2)    | void proposed (1)(2) | kept, `W-CLAIM-ON-FILE-HELD`      |
| taken back by us       | create the next revision    | -                    | -                                 |
| taken back by a person | hold `R-HUMAN-EDIT`         | -                    | -                                 |
| edited by a person     | hold `R-HUMAN-EDIT` (3)     | hold                 | hold                              |

(1) Only when the patient was in a complete pull: a partial folder withdraws nothing.
(2) Only where lines, place of service, coverage or a diagnosis changed. Written at once only where the site
releases automatically and the payer's policy takes corrections; a claim that the payer has is replaced or
voided by frequency code only with the payer's control number.
(3) Unless it says what is wanted anyway.
(4) A hold withdraws nothing: it asks a person, and the answer may be yes. An approval of a held month is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.billing import provenance as record
from caretally.billing.bindings import check_own_id
from caretally.billing.build import starting_state
from caretally.billing.change_set import Change, ChangeSet, create, move, rewrite, take_back, transaction_order
from caretally.billing.charge_item import CHARGE_STATUS
from caretally.billing.claim import CLAIM_STATUS
from caretally.billing.content import State
from caretally.billing.identity import ClaimIdentity
from caretally.billing.on_file import read_files
from caretally.billing.question import Answer, Pair, Question, edited_among, pairs_of, shown
from caretally.billing.released import correct, released
from caretally.billing.validate import validate
from caretally.facts.reasons import Hold, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.billing.context import BillingContext
    from caretally.billing.on_file import Filed, Filing, OnFile
    from caretally.facts.determination import Action, Determination

_ACTIVITY: dict[Action, str] = {"create": record.CREATE, "void": record.CANCEL}
_RELEASED_STATUS = frozenset({CLAIM_STATUS[State.RELEASED], CHARGE_STATUS[State.RELEASED]})


def plan_changes(
    determination: Determination,
    on_file: Sequence[OnFile],
    context: BillingContext,
    *,
    patient_in_complete_pull: bool,
) -> ChangeSet:
    """Return what has to be written so that the file says what was determined.

    Args:
        determination: the answer of the rules.
        on_file: Claims and ChargeItems of ours for this identity, of any revision and status, in any order.
        context: how this practice writes, and the intent of the run.
        patient_in_complete_pull: whether everything about the patient was read; without it nothing is taken back.

    Raises:
        BillingError: a fact is missing, we built something that is not FHIR, or `on_file` is of another identity.
    """
    identity = ClaimIdentity.of(determination, context.tenant)
    return answer(
        Question(
            determination=determination,
            context=context,
            identity=identity,
            files=read_files(on_file, identity),
            complete_pull=patient_in_complete_pull,
        )
    )


def answer(question: Question) -> ChangeSet:
    """Return the changes for a question; raises BillingError like `plan_changes`."""
    given = _with_strays(question, _counting(question))
    activity = _ACTIVITY.get(given.action, record.UPDATE)
    return ChangeSet(
        identity=question.identity,
        revision=given.revision,
        action=given.action,
        changes=finished(question, given.writes, activity),
        proposed=given.proposed,
        proposal=finished(question, given.proposal, activity),
        needs_person=given.needs_person,
        findings=given.findings,
        summary=given.summary,
    )


def finished(question: Question, changes: Iterable[Change], activity: str) -> tuple[Change, ...]:
    """Return changes in transaction order, with their Provenance, each resource checked.

    Raises:
        BillingError: a resource is not valid.
    """
    ordered = transaction_order(changes)
    if not ordered:
        return ()
    written = record.provenance(
        question.determination,
        question.context,
        question.identity,
        ordered,
        activity=activity,
        decision=question.agreed,
    )
    return checked((*ordered, create(written)))


def checked(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return the changes after checking each resource; raises BillingError."""
    for change in changes:
        if change.kind == "create":
            check_own_id(change.resource)
        validate(change.resource)
    return changes


def _counting(question: Question) -> Answer:
    """Answer for the revision that counts."""
    files, current = question.files, question.files.current
    if files.unmarked:
        return question.human_edit(files.unmarked, ("the revision was taken off",))
    if current is None:
        return _first(question)
    if not current.live:
        return _after_the_end(question, current)
    if not question.billable:
        return _not_backed(question, current)
    return _draft(question, current) if current.state is State.DRAFT else released(question, current)


def _first(question: Question) -> Answer:
    if not question.billable:
        return Answer()
    wanted = question.wanted(0, starting_state(question.context))
    return Answer(action="create", revision=0, writes=tuple(create(r) for r in wanted.resources))


def _after_the_end(question: Question, current: Filing) -> Answer:
    """Answer when the last revision was taken back."""
    if not question.billable:
        return Answer(revision=current.revision)
    if current.state is State.REJECTED:
        rejected = [f for f in (*current.charges, current.claim) if f is not None and f.state is State.REJECTED]
        return question.human_edit(
            rejected, ("a person took it back; to bill the month after all, set it to draft again",)
        )
    revision = question.files.next_revision
    wanted = question.wanted(revision, starting_state(question.context))
    return Answer(
        action="create",
        revision=revision,
        writes=tuple(create(r) for r in wanted.resources),
        summary=(f"revision {current.revision} was taken back; this is revision {revision}",),
    )


def _draft(question: Question, current: Filing) -> Answer:
    wanted = question.wanted(current.revision, starting_state(question.context))
    pairs = pairs_of(current, wanted)
    edited = edited_among(current, pairs)
    if edited:
        return question.human_edit(edited, shown(edited, pairs))
    steps = [_bring_in_line(pair) for pair in pairs]
    kept = [pair.filed for pair in pairs]
    surplus = [filed for filed in current.live_resources if filed not in kept]
    writes = [change for change, _ in steps if change is not None]
    writes += [take_back(filed, "dropped" if filed is current.claim else "withdrawn") for filed in surplus]
    summary = [line for _, lines in steps for line in lines]
    return Answer(
        action="update" if writes else "none",
        revision=current.revision,
        writes=tuple(writes),
        summary=(*summary, *(f"{filed.name} is no longer wanted" for filed in surplus)),
    )


def _bring_in_line(pair: Pair) -> tuple[Change | None, list[str]]:
    """Return the change that makes a draft say what is wanted, and what it changes."""
    filed, wanted = pair.filed, pair.wanted
    if filed is None:
        return create(wanted), []
    if not pair.agrees:
        revived = [] if filed.live else [f"{filed.name} {filed.resource['status']} -> {wanted['status']}"]
        return rewrite(filed, wanted), [*revived, *pair.differences]
    if wanted["status"] in _RELEASED_STATUS:
        return move(filed, wanted["status"]), [f"{filed.name} {filed.resource['status']} -> {wanted['status']}"]
    return None, []


def _not_backed(question: Question, current: Filing) -> Answer:
    """Answer when something is on file and nothing is to be billed: a block, or a hold."""
    reasons = question.determination.reasons
    codes = ", ".join(dict.fromkeys(reason.code for reason in reasons)) or question.determination.status
    held, draft = question.determination.status == "hold", current.state is State.DRAFT
    if held and draft and any(reason.code == Hold.MONTH_OPEN for reason in reasons):
        return Answer(revision=current.revision, summary=("the month is open: the draft stays",))
    if held:
        notice = question.finding(Notice.CLAIM_ON_FILE_HELD, codes, current.live_resources)
        return Answer(revision=current.revision, needs_person=True, findings=(notice,), summary=(f"held: {codes}",))
    if not question.complete_pull:
        said = f"{codes}: left on file, for the patient was not in a complete pull"
        return Answer(revision=current.revision, summary=(said,))
    edited = [filed for filed in current.live_resources if filed.edited]
    if edited:
        return question.human_edit(edited, (f"would be taken back: {codes}",))
    if not draft:
        return correct(question, current, "voided", (f"no longer backed: {codes}",))
    return Answer(
        action="void",
        revision=current.revision,
        writes=tuple(take_back(filed, "withdrawn") for filed in current.live_resources),
        summary=(f"no longer backed: {codes}",),
    )


def _with_strays(question: Question, given: Answer) -> Answer:
    """Add what has to be taken back because another revision stands for it, or because it is a copy."""
    strays = question.files.strays
    edited = [filed for _, filed in strays if filed.edited]
    if edited:
        return question.human_edit(edited, ("stands beside the claim that counts",))
    waiting = _waits_for_the_answer(question)
    strays = tuple((filing, filed) for filing, filed in strays if filed not in waiting)
    left = tuple(f"held: {filed.name} stays, though its claim was withdrawn" for filed in waiting)
    given = replace(given, summary=(*given.summary, *left))
    if not strays:
        return given
    at_once = [take_back_stray(filed) for filing, filed in strays if _may_go_at_once(question, filing, filed)]
    to_propose = [take_back_stray(filed) for filing, filed in strays if not _may_go_at_once(question, filing, filed)]
    # What is written now and what waits for a person never mix: the next run proposes the rest.
    offer = bool(to_propose) and not (given.writes or at_once)
    return replace(
        given,
        action="update" if given.action == "none" else given.action,
        writes=(*given.writes, *at_once),
        proposed=given.proposed or offer,
        proposal=(*given.proposal, *to_propose) if given.proposed or offer else (),
        needs_person=given.needs_person or bool(to_propose),
        summary=(*given.summary, *(f"{change.name} is stood for by another" for change in (*at_once, *to_propose))),
    )


def _waits_for_the_answer(question: Question) -> tuple[Filed, ...]:
    """Return what a hold keeps: charges whose withdrawal broke off, for which nothing else stands."""
    current = question.files.current
    if question.determination.status != "hold" or (current is not None and current.live):
        return ()
    return tuple(filed for filing in question.files.filings for filed in filing.live_resources)


def take_back_stray(filed: Filed) -> Change:
    """Return the taking back of a resource that another one stands for."""
    return take_back(filed, "withdrawn" if filed.state is State.DRAFT else "superseded")


def _may_go_at_once(question: Question, filing: Filing, filed: Filed) -> bool:
    """Whether a stray is a draft, or what a correction left behind that broke off."""
    ended = filing.claim is not None and filing.claim.state is State.WITHDRAWN
    return filed.state is State.DRAFT or ended or question.agreed is not None
