"""The steps of a run, in their order: pull, map, decide, plan, write, publish."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.billing import BillingContext, BillingError, ClaimReader
from caretally.errors import CaretallyError
from caretally.store import runs, staging
from caretally.store.answers import AnswerRecord
from caretally.store.decisions import DecisionRecord, add_decision
from caretally.sync.decided import DecidedWrites
from caretally.sync.deciding import PRACTICE_TYPES, Decider, claim_parties, place_of_fault, read_practice
from caretally.sync.failpoints import failpoint
from caretally.sync.outgoing import Outgoing
from caretally.sync.people import PeoplesDecisions
from caretally.sync.planning import Planned, Planner, decision_record
from caretally.sync.publishing import Publishing, asked_for
from caretally.sync.pull_step import PullStep
from caretally.sync.pulling import types_to_read
from caretally.sync.recovery import finish_open_intents
from caretally.sync.report import FailedWrite, RunReport
from caretally.sync.request import instant_of
from caretally.sync.responding import keep_response, responses
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.unchanged import Unchanged
from caretally.tables import attestations, sites

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caretally.billing import ChangeSet
    from caretally.facts.determination import Determination
    from caretally.facts.issue import Issue
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.practice import Practice
    from caretally.store.locking import Hold
    from caretally.store.opening import Store
    from caretally.sync.deciding import FirstPass, PatientRecord
    from caretally.sync.pulling import PullResult
    from caretally.sync.request import RunRequest

_BATCH = 200
_FOLDER_LOT, _SERVER_LOT = 2_000, 40
"""Parcels of one lot: a folder replaces whole files for each."""
_ISSUES_AT_ONCE = 5_000
_MILLISECONDS = 1_000


class MonthRun:
    """One run on its way; its steps are called in their order by `go`."""

    def __init__(
        self, request: RunRequest, store: Store, memory: Store | None = None, hold: Hold | None = None
    ) -> None:
        self.request = request
        self.store = store
        self.hold = hold
        self.memory = memory
        """Where decisions and earlier answers are kept: the store itself, or for a plan that of its sink."""
        self.people = PeoplesDecisions(month=request.month)
        self.report = RunReport(
            run_id=uuid4().hex,
            command=request.command,
            service_month=str(request.month),
            as_of=request.as_of.isoformat(),
            source=request.source.description,
            sink=request.sink.description if request.sink is not None else None,
            started_at=instant_of(request),
            tables_version=request.tables.version,
            software_version=request.software_version,
        )
        self.pull_id = uuid4().hex
        self.issues: list[Issue] = []
        self.joined: dict[str, str] = {}
        self.chosen: set[str] = set()
        """Patients that the run is narrowed to, by their canonical record."""
        self.unchanged: Unchanged
        self.undecided: set[str] = set()
        """Patients of whom something is missing, or who led to a fault of ours."""

    def go(self) -> RunReport:
        """Do everything; the store knows how it ended, also when it fails."""
        report, request = self.report, self.request
        runs.begin_run(
            self.store,
            run_id=report.run_id,
            command=report.command,
            service_month=report.service_month,
            as_of=report.as_of,
            started_at=report.started_at,
        )
        try:
            self._all_steps()
        except BaseException:
            # What failed first is what has to be said, also when the store cannot be written any more.
            with suppress(CaretallyError):
                self._flush_issues()
                runs.forget_pulls(self.store)
                self._end("failed")
            raise
        report.issues = runs.count_issues(self.store, report.run_id)
        self._tell_way()  # it may have found out more
        report.requests += 0 if request.sink is None else request.sink.requests
        self._end("done" if report.error() is None else "incomplete")
        if request.write and isinstance(request.sink, FolderSink):
            request.sink.publish_report(report.to_json())
        return report

    def _all_steps(self) -> None:
        request = self.request
        runs.forget_pulls(self.store)
        self._tell_way()
        if request.write and request.sink is not None:
            with self._timed("recover"):
                self.report.recovered = finish_open_intents(self.store, request.sink, self._now)
        self.people = PeoplesDecisions.read(self.memory, request.month)
        with self._timed("pull"):
            pulled = self._pull()
        with self._timed("map"):
            practice = self._practice()
            decider = self._decider(practice)
            seen = self._first_pass(decider)
        with self._timed("decide"):
            self._decide(decider, seen, pulled)
        failpoint("decided")
        with self._timed("publish"):
            self._publishing().publish(practice, self.chosen - self.undecided)
        runs.forget_pulls(self.store)

    def _tell_way(self) -> None:
        way = None if self.request.sink is None else self.request.sink.way()
        if way is not None:
            self.report.write_strategy = {"strategy": way.strategy.value, "reason": way.reason}

    def _pull(self) -> PullResult:
        pulled = PullStep(
            request=self.request,
            store=self.store,
            run_id=self.report.run_id,
            pull_id=self.pull_id,
            issues=self.issues,
            same_person=self.people.same_person,
        ).pull()
        self.report.count_pull(pulled.result)
        self.joined = pulled.joined
        self.people.joined = pulled.joined
        self.undecided = {self._canonical(str(gap.patient)) for gap in pulled.result.gaps}
        return pulled.result

    def _practice(self) -> Practice:
        request = self.request
        mapped = read_practice(
            self.store, self.pull_id, request.tables, sites(request.configuration), attestations(request.configuration)
        )
        self._note(mapped.issues)
        self.report.mapped.update(mapped.accounted)
        # What is about neither a patient nor the practice (Provenance of others) is read and decides nothing.
        for kind in request.tables.resource_types:
            count = self.report.pulled["read"].get(kind.name, 0)
            if count and not kind.patient_elements and kind.name not in PRACTICE_TYPES:
                self.report.mapped[f"{kind.name}.other"] += count
        return mapped.practice

    def _decider(self, practice: Practice) -> Decider:
        request = self.request
        sink = request.sink
        return Decider(
            store=self.store,
            pull_id=self.pull_id,
            month=request.month,
            as_of=request.as_of,
            tables=request.tables,
            policies=request.policies,
            practice=practice,
            versions_from_sink=sink is not None and sink.keeps_versions,
            sink_is_source=sink is not None and sink.target == request.source.key,
            people=self.people,
        )

    def _first_pass(self, decider: Decider) -> FirstPass:
        total = staging.count_patients(self.store, self.pull_id)

        def told(done: int) -> None:
            self.request.progress("mapping", done, total)
            if len(self.issues) >= _ISSUES_AT_ONCE:
                self._flush_issues()

        seen = decider.first_pass(self.issues, told)
        self.undecided |= seen.faults.keys()
        self.report.faults |= seen.faults
        self.report.mapped.update(seen.mapped)
        self.report.patients.update(
            {
                "in_pull": total,
                "joined": len(self.joined),
                "on_file_twice": len(seen.duplicates),
                "relevant": len(seen.relevant),
                "incomplete": len(self.undecided - seen.faults.keys()),
            }
        )
        return seen

    def _decide(self, decider: Decider, seen: FirstPass, pulled: PullResult) -> None:
        self.chosen = {self._canonical(one) for one in pulled.chosen or ()}
        wanted = [one for one in seen.relevant if one not in self.undecided]
        if pulled.chosen is not None:
            wanted = [one for one in wanted if one in self.chosen]
        planner = self._planner(decider, pulled)
        self.unchanged = Unchanged(store=self.store, request=self.request, pull_id=self.pull_id, seen=seen)
        outgoing, publishing = self._outgoing(), self._publishing()
        self._write_decisions(planner.billing, {*wanted, ""}, outgoing)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            answers: list[AnswerRecord] = []
            for record in decider.records(batch):
                answers += self._decide_one(decider, seen, planner, record, outgoing)
            publishing.keep([one for one in batch if one not in self.undecided], answers)
            if outgoing is not None:
                outgoing.deliver_if_full()
            self.request.progress("deciding", start + len(batch), len(wanted))
        if outgoing is not None:
            outgoing.deliver()
        unchanged = self.report.patients["unchanged"]
        self.report.patients["decided"] = len(wanted) - len(set(wanted) & self.undecided) - unchanged
        self._flush_issues()

    def _write_decisions(self, billing: BillingContext, patients: set[str], outgoing: Outgoing | None) -> None:
        """Bring to the sink what people decided since, as Provenance."""
        if self.memory is None:
            return
        writes = DecidedWrites(store=self.memory, billing=billing, month=self.request.month)
        concerned = [d for d in self.people.all if self._canonical(d.patient) in patients]
        for change_set in writes.change_sets(concerned):
            self.report.decisions += 1
            if outgoing is not None:
                outgoing.add(change_set)

    def _decide_one(
        self, decider: Decider, seen: FirstPass, planner: Planner, record: PatientRecord, outgoing: Outgoing | None
    ) -> list[AnswerRecord]:
        """Decide and plan one patient; a fault of ours concerns this patient alone."""
        if self.request.only_changed:
            standing = self.unchanged.answers(record, self.report.run_id)
            if standing is not None:
                self.report.patients["unchanged"] += 1
                return standing
        try:
            month = decider.patient_month(record, seen)
            determinations = decider.decide(month)
            planned = [
                self._plan(planner, one, record, month)
                for one in determinations
                if asked_for(self.request.narrowing, decider.practice, one)
            ]
        except Exception as error:  # noqa: BLE001 -- listed with its place, and the run ends with exit code 1
            self._fault(record.patient, error)
            return []
        self._note(planner.left_on_file(record, determinations, str(self.request.month)))
        self._note(decider.attestations_without_subject(record))
        decided_at = self._now()
        for change_set in planner.of_joined_records(record, determinations, self.request.month):
            self._take_joined(change_set, record.patient, outgoing)
        for one in planned:
            self._take(one, outgoing)
        self._take_responses(planner, record, planned, outgoing)
        return [self._answer(one.determination, record, decided_at) for one in planned]

    def _plan(
        self, planner: Planner, determination: Determination, record: PatientRecord, month: PatientMonth
    ) -> Planned:
        try:
            return planner.plan(determination, record, month)
        except BillingError as error:
            # The answer stands; only its claim cannot be made, for example because an NPI is missing.
            self._failed(determination, str(error))
            return Planned(determination=determination)

    def _take_responses(
        self, planner: Planner, record: PatientRecord, planned: list[Planned], outgoing: Outgoing | None
    ) -> None:
        """Move claims along as their payers answered; one that is written otherwise in this run waits for the next."""
        if self.request.approvals is not None:
            return
        busy = {one.change_set.identity for one in planned if one.change_set is not None and one.change_set.changes}
        for response in responses(record, self.request.month, planner.billing):
            if response.identity in busy:
                continue
            self.report.answered += 1
            self.request.observe_changes(response.changes)
            if outgoing is not None:
                keep_response(self.store, response, self._now())
                outgoing.add(response.changes)

    def _take_joined(self, change_set: ChangeSet, person: str, outgoing: Outgoing | None) -> None:
        """Count and hand on what is taken back of another record of the same person."""
        self.report.proposed += change_set.proposed
        self.request.observe_changes(change_set)
        if outgoing is not None and change_set.changes:
            outgoing.add(change_set, person=person)

    def _take(self, planned: Planned, outgoing: Outgoing | None) -> None:
        """Count a planned answer, show it, and hand its changes on."""
        self.report.count_determination(planned.determination, planned.change_set)
        if planned.refused:
            self.report.refused_approvals.append(
                {
                    "patient": planned.determination.patient,
                    "practitioner": planned.determination.billing_practitioner,
                    "message": planned.refused,
                }
            )
        self.request.observe(planned)
        if outgoing is None or planned.change_set is None:
            return
        if planned.approval is not None:
            self._keep_decision(planned)
            self.report.approved += 1
        outgoing.add(planned.change_set)

    def _keep_decision(self, planned: Planned) -> None:
        approval, determination = planned.approval, planned.determination
        assert approval is not None  # noqa: S101 -- narrowed by the caller
        add_decision(
            self.store,
            DecisionRecord(
                id=uuid4().hex,
                kind="approve",
                patient=determination.patient,
                service_month=str(determination.service_month),
                practitioner=determination.billing_practitioner,
                resource=None,
                who=approval.decision.by,
                at=approval.decision.at,
                why=approval.decision.reason,
                document=decision_record(planned),
            ),
        )

    def _answer(self, determination: Determination, record: PatientRecord, decided_at: str) -> AnswerRecord:
        return AnswerRecord(
            patient=determination.patient,
            service_month=str(determination.service_month),
            practitioner=determination.billing_practitioner,
            run_id=self.report.run_id,
            status=determination.status,
            action=determination.action,
            facts_digest=self.unchanged.digest(record),
            decided_at=decided_at,
            document=determination.to_json(),
        )

    def _planner(self, decider: Decider, pulled: PullResult) -> Planner:
        request, writeback, practice = self.request, self.request.configuration.writeback, decider.practice
        billing = BillingContext(
            tenant=request.tenant,
            practice=practice,
            created=request.as_of,
            recorded=self.report.started_at,
            software_version=request.software_version,
            tables_version=request.tables.version,
            release=writeback.release,
            resources=writeback.resources,
            provider=writeback.provider,
            reason_texts=request.tables.services.reasons,
        )
        return Planner(
            billing=billing,
            rules=decider.rules,
            source_key=request.source.key,
            authoritative=request.source.authoritative,
            pull=pulled,
            resource_types=frozenset(types_to_read(request.tables)),
            store=self.store,
            approvals=request.approvals,
            reader=ClaimReader(request.policies, practice),
            checks=request.tables.claim_checks,
            parties=claim_parties(self.store, self.pull_id),
            memory=self.memory,
            lock=self.people.lock,
            joined=self.joined,
        )

    def _publishing(self) -> Publishing:
        return Publishing(
            request=self.request,
            store=self.store,
            run_id=self.report.run_id,
            joined=self.joined,
            undecided=self.undecided,
        )

    def _outgoing(self) -> Outgoing | None:
        sink = self.request.sink
        if not self.request.write or sink is None:
            return None
        return Outgoing(
            store=self.store,
            sink=sink,
            source_key=self.request.source.key,
            report=self.report,
            now=self._now,
            hold=self.hold,
            at_once=_FOLDER_LOT if isinstance(sink, FolderSink) else _SERVER_LOT,
        )

    def _canonical(self, patient: str) -> str:
        return self.joined.get(patient, patient)

    def _fault(self, patient: str, error: Exception) -> None:
        self.report.faults[patient] = place_of_fault(error)
        self.undecided.add(patient)

    def _failed(self, determination: Determination, message: str) -> None:
        self.report.failed.append(
            FailedWrite(
                patient=determination.patient,
                service_month=str(determination.service_month),
                practitioner=determination.billing_practitioner,
                state="refused",
                message=message,
            )
        )

    def _note(self, issues: Iterable[Issue]) -> None:
        self.issues += issues

    def _flush_issues(self) -> None:
        if self.issues:
            runs.add_issues(self.store, self.report.run_id, self.issues)
            self.issues.clear()

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.report.milliseconds[step] = int((time.monotonic() - started) * _MILLISECONDS)

    def _now(self) -> str:
        return instant_of(self.request)

    def _end(self, state: str) -> None:
        self.report.ended_at = self._now()
        runs.end_run(
            self.store, self.report.run_id, state=state, ended_at=self.report.ended_at, report=self.report.to_json()
        )
