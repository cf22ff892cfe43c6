"""Moving released claims along their life: sent, accepted, denied, paid, as a person or a payer said."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.billing import ApprovalRefusedError, BillingContext, BillingError, Decision, State, advance
from caretally.facts.decision import DecisionKind, DecisionRecord
from caretally.facts.practice import Practice
from caretally.store import open_store, runs
from caretally.store.decisions import add_decisions, decisions_of
from caretally.store.locking import store_lock
from caretally.sync.claim_lookup import ClaimsOnFile, patients_of
from caretally.sync.outgoing import Outgoing
from caretally.sync.recovery import finish_open_intents
from caretally.sync.report import RunReport
from caretally.sync.store_place import store_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from caretally.billing import ChangeSet, ClaimIdentity, OnFile
    from caretally.facts.payer_answer import PayerAnswer
    from caretally.store.opening import Store
    from caretally.sync.writes import Sink

_LOT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One claim that moves on.

    Attributes:
        claim: ``Claim/id``, its id, or its account number; empty where patient and month say which.
        place: what a refusal is named by, for example ``line 4``.
    """

    answer: PayerAnswer
    place: str
    claim: str = ""
    patient: str = ""
    month: str = ""
    practitioner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceRequest:
    """What is to be moved along, by whom, and where.

    Attributes:
        by, why: who says so, and why; kept with the claim.
    """

    sink: Sink
    store: str | None
    tenant: str
    tables_version: str
    software_version: str
    now: datetime
    by: str
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Advanced:
    """What came of it.

    Attributes:
        moved: claims by the state that they are in now.
        unchanged: claims of which that was known already.
        refused: steps that could not be taken, by place, with the reason.
    """

    report: RunReport
    moved: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


def advance_claims(request: AdvanceRequest, steps: Sequence[Step]) -> Advanced:
    """Move claims along and keep who said so; a step that is refused keeps no other one back.

    Raises:
        SourceError, WriteError, LockedError, ConfigurationError: the sink or the store cannot be used.
    """
    at = request.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    report = RunReport(
        run_id=uuid4().hex,
        command="advance",
        service_month="",
        as_of=at[:10],
        source=request.sink.description,
        sink=request.sink.description,
        started_at=at,
        tables_version=request.tables_version,
        software_version=request.software_version,
    )
    done = Advanced(report=report)
    with ExitStack() as held:
        request.sink.check()
        held.enter_context(request.sink.lock())
        location, binding = store_of(request.sink, named=request.store, tenant=request.tenant)
        store = held.enter_context(open_store(location, binding=binding, opened_at=at))
        hold = held.enter_context(store_lock(store, request.sink.target))
        runs.begin_run(store, run_id=report.run_id, command="advance", service_month="", as_of=at[:10], started_at=at)
        finish_open_intents(store, request.sink, lambda: at)
        named = [*patients_of(request.sink, [one.claim for one in steps if one.claim])]
        patients = list(dict.fromkeys([*named, *(one.patient for one in steps if one.patient)]))
        on_file = ClaimsOnFile(request.sink, request.tenant, patients, at)
        outgoing = Outgoing(
            store=store,
            sink=request.sink,
            source_key=request.sink.target,
            report=report,
            now=lambda: at,
            at_once=_LOT,
            hold=hold,
        )
        for step in steps:
            _take(request, step, on_file, store, outgoing, done)
        outgoing.deliver()
        runs.end_run(store, report.run_id, state="done", ended_at=at, report=report.to_json())
    return done


def _take(
    request: AdvanceRequest, step: Step, on_file: ClaimsOnFile, store: Store, outgoing: Outgoing, done: Advanced
) -> None:
    identities = _identities(step, on_file)
    if not identities:
        known = step.claim or f"{step.patient}, {step.month}"
        done.refused.append({"place": step.place, "message": f"there is no claim of ours on file for {known}"})
    elif step.claim and on_file.has_ended(step.claim):
        message = f"{step.claim} was taken back or superseded: a person has to look at what the payer answered to it"
        done.refused.append({"place": step.place, "message": message})
        return
    for identity in identities:
        try:
            changes = moved_on(
                identity, on_file.by_identity[identity], context_of(request), step.answer, _decision(request)
            )
        except (ApprovalRefusedError, BillingError) as error:
            done.refused.append({"place": step.place, "message": str(error)})
            continue
        keep_answer(store, identity, step.answer, on_file.by_identity[identity], _decision(request), _id(request))
        if changes.changes:
            outgoing.add(changes)
            outgoing.deliver_if_full()
            done.moved[step.answer.progress] += 1
        else:
            done.unchanged += 1


def moved_on(
    identity: ClaimIdentity,
    on_file: Sequence[OnFile],
    context: BillingContext,
    answer: PayerAnswer,
    decision: Decision,
) -> ChangeSet:
    """Return the changes that bring a claim where a payer's answer says it is.

    Raises:
        ApprovalRefusedError: it was never released, or is not on file.
        BillingError: as `advance`.
    """
    changes = advance(
        identity, on_file, context, State(answer.progress), decision, control_number=answer.control_number
    )
    # Not an action of its own: what the claim says stays as it is.
    return replace(changes, action="none")


def keep_answer(
    store: Store,
    identity: ClaimIdentity,
    answer: PayerAnswer,
    on_file: Sequence[OnFile],
    decision: Decision,
    name: str,
) -> None:
    """Keep what was said about a claim, unless it is known already."""
    said = answer.to_json()
    month = str(identity.service_month)
    for one in decisions_of(store, identity.patient, kind=DecisionKind.MARK):
        if (one.service_month, one.practitioner) == (month, identity.billing_practitioner) and one.document == said:
            return
    record = DecisionRecord(
        id=name,
        kind=DecisionKind.MARK.value,
        patient=identity.patient,
        service_month=month,
        practitioner=identity.billing_practitioner,
        resource=_live_claim(on_file),
        who=decision.by,
        at=decision.at,
        why=decision.reason,
        document=said,
    )
    add_decisions(store, [record])


def context_of(request: AdvanceRequest) -> BillingContext:
    """Return what the Provenance of the step says about the software."""
    return BillingContext(
        tenant=request.tenant,
        practice=Practice(),
        created=request.now.date(),
        recorded=request.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        software_version=request.software_version,
        tables_version=request.tables_version,
    )


def _decision(request: AdvanceRequest) -> Decision:
    return Decision(by=request.by, at=request.now.strftime("%Y-%m-%dT%H:%M:%SZ"), reason=request.why)


def _id(request: AdvanceRequest) -> str:
    return f"{int(request.now.timestamp() * 1_000_000):015x}{uuid4().hex[:17]}"


def _identities(step: Step, on_file: ClaimsOnFile) -> list[ClaimIdentity]:
    if step.claim:
        found = on_file.find(step.claim)
        return [] if found is None else [found]
    return [
        identity
        for identity in on_file.by_identity
        if (identity.patient, str(identity.service_month)) == (step.patient, step.month)
        and step.practitioner in {None, identity.billing_practitioner}
    ]


def _live_claim(on_file: Sequence[OnFile]) -> str | None:
    claims = [one.resource for one in on_file if one.resource.get("resourceType") == "Claim"]
    live = [one for one in claims if one.get("status") == "active"] or claims
    return f"Claim/{live[-1]['id']}" if live else None
