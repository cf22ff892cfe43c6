"""The first step of a run: everything from the source, what is on file, and which records are one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.errors import IncompletePullError, UsageError
from caretally.facts.issue import Issue
from caretally.store import runs, staging
from caretally.sync.beneficiaries import join_linked_records
from caretally.sync.deciding import default_policy
from caretally.sync.failpoints import failpoint
from caretally.sync.pulling import PullRequest, types_to_read
from caretally.sync.request import instant_of
from caretally.sync.sinks.folder import FolderSink
from caretally.tables import sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.store.opening import Store
    from caretally.sync.pulling import PullResult
    from caretally.sync.request import RunRequest

_BATCH = 200
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What the first step gives.

    Attributes:
        joined: for each Patient record that was joined to another one, which.
    """

    result: PullResult
    joined: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep:
    """Stages a month.

    Attributes:
        issues: gets the issue rows.
    """

    request: RunRequest
    store: Store
    run_id: str
    pull_id: str
    issues: list[Issue]
    same_person: Sequence[tuple[str, str]] = ()
    """Pairs of records that a person said are one."""

    def pull(self) -> Pulled:
        """Stage everything.

        Raises:
            SourceError, WriteError: the source or the sink cannot be read.
            IncompletePullError: something is missing that may concern anybody.
            UsageError: nobody of those asked for is in the source.
        """
        result = self._from_source()
        self._stage_on_file()
        joined = join_linked_records(self.store, self.pull_id, self.request.month, self.same_person)
        for patient, count in staging.patients_without_record(self.store, self.pull_id):
            self._stranger(patient, f"{count} resources about a Patient that the source does not hold")
        self._check_chosen(result)
        return Pulled(result=result, joined=joined)

    def _from_source(self) -> PullResult:
        request, store = self.request, self.store
        runs.begin_pull(
            store,
            pull_id=self.pull_id,
            run_id=self.run_id,
            source=request.source.key,
            service_month=str(request.month),
            started_at=instant_of(request),
        )
        asked = PullRequest(
            month=request.month,
            zone=default_policy(request.policies, sites(request.configuration)).time_zone,
            narrowing=request.narrowing,
            wide=request.wide,
            resource_types=types_to_read(request.tables),
            progress=request.progress,
        )
        with staging.StagingWriter(store, self.pull_id, staging.SOURCE) as writer:
            result = request.source.pull(asked, writer)
        runs.end_pull(store, self.pull_id, ended_at=instant_of(request), gaps=result.gaps, counts=result.counts())
        self.issues.extend(result.issues)
        failpoint("pulled")
        reasons = dict.fromkeys(gap.reason for gap in result.gaps if gap.patient is None)
        if reasons:
            raise IncompletePullError(
                f"{request.source.description}: {'; '.join(reasons)}. Nothing was decided, for it is not known whose "
                "resources are missing"
            )
        return result

    def _stage_on_file(self) -> None:
        sink = self.request.sink
        if sink is None or sink.target == self.request.source.key:
            return  # a server that is both has given its claims with the patients
        with staging.StagingWriter(self.store, self.pull_id, staging.SINK) as writer:
            if isinstance(sink, FolderSink):
                sink.stage_on_file(writer, ())
                return
            for batch in staging.patients(self.store, self.pull_id, batch=_BATCH):
                sink.stage_on_file(writer, batch)

    def _check_chosen(self, result: PullResult) -> None:
        if result.chosen is None:
            return
        missing = sorted(result.chosen - staging.present(self.store, self.pull_id, result.chosen))
        if len(missing) == len(result.chosen):
            raise UsageError(f"{', '.join(missing[:_SHOWN])} is not in {self.request.source.description}")
        for patient in missing:
            self._stranger(patient, "a patient that was asked for and that the source does not hold")

    def _stranger(self, patient: str, found: str) -> None:
        self.issues.append(
            Issue(patient, "", "patient-not-in-source", found, "the Patient resource", "warning", patient)
        )
