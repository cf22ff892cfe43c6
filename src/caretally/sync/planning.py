"""What a determination asks of the sink, given what is on file; and what people approve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caretally.billing import (
    ApprovalRefusedError,
    BillingContext,
    ClaimIdentity,
    approve,
    check_month,
    plan_changes,
    settled,
)
from caretally.billing.build import first_claim
from caretally.billing.identity import identity_of
from caretally.billing.pre_submission import Submission, with_checks
from caretally.facts.determination import Determination, Finding, Trace
from caretally.facts.issue import Issue
from caretally.facts.reasons import Hold, Notice
from caretally.store import outbox
from caretally.sync.beneficiaries import month_of
from caretally.sync.earlier import with_reasons
from caretally.sync.resources import reference_text
from caretally.sync.sinks.folder import own_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.billing import ChangeSet, ClaimReader, Decision, OnFile
    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.claim_check import CheckOutcome, ClaimCheckTables
    from caretally.facts.decision import DecisionRecord
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext
    from caretally.store.opening import Store
    from caretally.sync.deciding import PatientRecord
    from caretally.sync.pulling import PullResult

_EVIDENCE = ("supportingInformation", "supportingInfo.valueReference", "context")
_LOST = frozenset(
    {
        "bundle-type",
        "entry-without-resource",
        "not-a-resource",
        "resource-without-id",
        "unreadable-file",
        "unreadable-line",
    }
)
"""Refusals of which nobody knows whose resource they were."""
_TAKEN_BACK = frozenset({"cancelled", "aborted", "not-billable", "entered-in-error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A claim that a person releases, or whose proposed correction they agree to.

    Attributes:
        practitioner: None where the patient-month has one claim only.
    """

    patient: str
    practitioner: str | None
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A determination with what the file adds to it, and its change set.

    Attributes:
        change_set: None when nothing was planned, because only approvals were asked for and this is none.
        refused: why an approval was not carried out.
    """

    determination: Determination
    change_set: ChangeSet | None = None
    approval: Approval | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Plans the changes of a run.

    Attributes:
        rules: tables, terminology, practice and policies, for the checks before the claim.
        source_key, authoritative: of the source.
        reader, checks: what a claim is checked with before it is written.
        approvals: None: the run writes what is determined; else it writes only what people approve.
        store: where it is known which source a claim came from.
        memory: where earlier answers are kept; None: nowhere.
        lock: the decision that locks the month; nothing is written or proposed then.
        joined: for each Patient record that was joined to another one, which.
    """

    billing: BillingContext
    rules: RuleContext
    source_key: str
    authoritative: bool
    pull: PullResult
    resource_types: frozenset[str]
    store: Store
    approvals: tuple[Approval, ...] | None
    reader: ClaimReader
    checks: ClaimCheckTables
    parties: Mapping[str, Mapping[str, Any]]
    """Practitioners and organizations by reference."""
    memory: Store | None = None
    lock: DecisionRecord | None = None
    joined: Mapping[str, str] = field(default_factory=dict)

    def plan(self, determination: Determination, record: PatientRecord, month: PatientMonth) -> Planned:
        """Plan one determination.

        Raises:
            BillingError: a fact is missing for a claim, or a fault of ours.
        """
        on_file = self._of_identity(determination, record.own)
        complete = self._complete(determination, record, on_file)
        billing = replace(self.billing, insurer=_payor(determination.evidence.coverage, record))
        determination = with_checks(self._submission(determination, billing, month))
        outcome = self._checked(determination, billing, record)
        determination = replace(determination, claim_checks=outcome)
        if outcome is not None and outcome.stops_release:
            # Nobody looks at what is released by itself: a claim that a payer must deny waits for a person.
            billing = replace(billing, release="review")
        if self.approvals is None:
            changes = plan_changes(determination, on_file, billing, patient_in_complete_pull=complete)
            changes = self._unless_locked(with_reasons(changes, determination, self.memory))
            return Planned(determination=settled(determination, changes), change_set=changes)
        approval = self._approval(determination)
        if approval is None:
            return Planned(determination=determination)
        if self.lock is not None:
            refused = f"the month was locked by {self.lock.who} on {self.lock.at[:10]}: unlock it first"
            return Planned(determination=determination, approval=approval, refused=refused)
        try:
            changes = approve(determination, on_file, billing, approval.decision, patient_in_complete_pull=complete)
        except ApprovalRefusedError as error:
            return Planned(determination=determination, approval=approval, refused=str(error))
        return Planned(determination=settled(determination, changes), change_set=changes, approval=approval)

    def _submission(self, determination: Determination, billing: BillingContext, month: PatientMonth) -> Submission:
        return Submission(
            determination=determination,
            claim=first_claim(determination, billing),
            month=month,
            tables=self.rules.tables,
            terminology=self.rules.terminology,
            practice=self.rules.practice,
            policies=self.rules.policies,
        )

    def of_joined_records(
        self, record: PatientRecord, determinations: Sequence[Determination], month: ServiceMonth
    ) -> list[ChangeSet]:
        """Plan to take back what is on file under another record of the same person: never two claims.

        Raises:
            BillingError: a fault of ours.
        """
        found: list[ChangeSet] = []
        others = {old for old, new in self.joined.items() if new == record.patient} if self.approvals is None else set()
        identities = (identity_of(one.resource, self.billing.tenant) for one in record.own)
        strange = {i for i in identities if i is not None and i.patient in others and i.service_month == month}
        for identity in sorted(strange, key=lambda i: (i.patient, i.billing_practitioner or "")):
            text = self.billing.reason_texts.get(Hold.DUPLICATE_PATIENT)
            same = next((d for d in determinations if d.billing_practitioner == identity.billing_practitioner), None)
            nothing = Determination(
                patient=identity.patient,
                service_month=month,
                billing_practitioner=identity.billing_practitioner,
                status="not-billable",
                family=None,
                reasons=(
                    Finding(
                        code=Hold.DUPLICATE_PATIENT.value,
                        message=text.message if text else "",
                        cite=text.cite if text else "",
                        evidence=(record.patient, identity.patient),
                    ),
                ),
                trace=same.trace if same is not None else Trace(),
            )
            on_file = self._of_identity(nothing, record.own)
            complete = self._complete(nothing, record, on_file)
            changes = plan_changes(nothing, on_file, self.billing, patient_in_complete_pull=complete)
            said = f"because {identity.patient} and {record.patient} are one person, who is billed as {record.patient}"
            found.append(self._unless_locked(replace(changes, summary=(*changes.summary, said))))
        return found

    def _unless_locked(self, changes: ChangeSet) -> ChangeSet:
        """Return nothing but a notice where the month is locked and something would change."""
        if self.lock is None or not (changes.changes or changes.proposed):
            return changes
        text = self.billing.reason_texts.get(Notice.MONTH_LOCKED)
        notice = Finding(
            code=Notice.MONTH_LOCKED.value,
            message=(text.message if text else "") + f" ({self.lock.who} on {self.lock.at[:10]})",
            cite=text.cite if text else "",
            evidence=(self.lock.name,),
        )
        said = f"the month is locked by {self.lock.who}: {changes.action} is neither written nor proposed"
        return replace(
            changes,
            action="none",
            changes=(),
            proposed=False,
            proposal=(),
            needs_person=False,
            findings=(*changes.findings, notice),
            summary=(said, *changes.summary),
        )

    def left_on_file(self, record: PatientRecord, determinations: Sequence[Determination], month: str) -> list[Issue]:
        """Name live claims of ours for a month that no determination speaks about any more."""
        keys = {self._key(one) for one in determinations}
        return [
            Issue(
                f"{one.resource['resourceType']}/{one.resource.get('id')}",
                "",
                "claim-without-determination",
                "a live claim of ours for a month that has no answer any more",
                "an enrolment or entries of this practitioner in the month, or a person who takes it back",
                "warning",
                record.patient,
            )
            for one in record.own
            if own_key(one.resource) not in keys
            and record.patient == _claimed_for(one, record.patient)
            and one.resource.get("status") not in _TAKEN_BACK
            and month_of(one.resource) == month
        ]

    def _checked(
        self, determination: Determination, billing: BillingContext, record: PatientRecord
    ) -> CheckOutcome | None:
        if determination.status != "billable":
            return None
        own = {f"{one['resourceType']}/{one.get('id')}": one for one in record.resources}
        return check_month(
            determination, billing, self.reader, lambda key: own.get(key) or self.parties.get(key), self.checks
        )

    def _of_identity(self, determination: Determination, own: Sequence[OnFile]) -> list[OnFile]:
        key = self._key(determination)
        return [one for one in own if own_key(one.resource) == key]

    def _key(self, determination: Determination) -> str:
        return ClaimIdentity.of(determination, self.billing.tenant).key

    def _approval(self, determination: Determination) -> Approval | None:
        for one in self.approvals or ():
            if one.patient == determination.patient and one.practitioner in (None, determination.billing_practitioner):
                return one
        return None

    def _complete(self, determination: Determination, record: PatientRecord, on_file: Sequence[OnFile]) -> bool:
        """Whether what is missing may be held against a claim: a partial folder withdraws nothing.

        A server that answered every search has nothing else. Of a folder nobody knows what was left out; it
        counts as whole for a patient when it can be read to the last line and holds everything that the claims
        on file rest on. A claim that was decided from another source is never withdrawn for what this one lacks.
        """
        if self.pull.incomplete(record.patient) or _LOST & self.pull.refused.keys():
            return False
        if not on_file:
            return True
        source = outbox.last_source(
            self.memory or self.store,
            determination.patient,
            str(determination.service_month),
            determination.billing_practitioner,
        )
        if source is not None and source != self.source_key:
            return False
        return self.authoritative or self._evidence(on_file) <= record.references

    def _evidence(self, on_file: Sequence[OnFile]) -> set[str]:
        live = [one.resource for one in on_file if one.resource.get("status") not in _TAKEN_BACK]
        cited = {key for resource in live for path in _EVIDENCE for key in reference_text(resource, path)}
        return {key for key in cited if key.partition("/")[0] in self.resource_types}


def _claimed_for(one: OnFile, otherwise: str) -> str:
    """Return the patient that a claim or charge names; those of joined records are taken back, not only named."""
    element = "patient" if one.resource["resourceType"] == "Claim" else "subject"
    return next(iter(reference_text(one.resource, element)), otherwise)


def _payor(coverage: str | None, record: PatientRecord) -> str | None:
    """Return the Organization that a Coverage names as payer."""
    for resource in record.resources if coverage is not None else ():
        if coverage == f"{resource['resourceType']}/{resource.get('id')}":
            return next((key for key in reference_text(resource, "payor") if key.startswith("Organization/")), None)
    return None


def decision_record(planned: Planned) -> Mapping[str, Any]:
    """Return what is kept about an approval beside who, when and why."""
    changes = planned.change_set.changes if planned.change_set is not None else ()
    return {"seen": planned.approval.decision.seen if planned.approval else None, "wrote": [c.name for c in changes]}
