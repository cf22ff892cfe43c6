"""A doctor's visit to a source: all checks in their order. It reads, and writes nothing to the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.errors import CaretallyError
from caretally.fhir.capability import WriteStrategy
from caretally.store import runs, staging, temporary_store
from caretally.sync.deciding import Decider, default_policy, read_practice
from caretally.sync.doctor.check import Findings
from caretally.sync.doctor.connection import check_connection, check_types
from caretally.sync.doctor.sample import NAMES, check_sample, sample_of
from caretally.sync.doctor.searching import SearchChecks
from caretally.sync.doctor.writing import check_writing
from caretally.sync.mirroring.plan import Plan
from caretally.sync.people import PeoplesDecisions
from caretally.sync.pulling import Narrowing, PullRequest, types_to_read
from caretally.sync.request import instant_of
from caretally.sync.sources.server import ServerSource
from caretally.tables import attestations, sites

if TYPE_CHECKING:
    from caretally.fhir.server import FhirServer
    from caretally.store.opening import Store
    from caretally.sync.pulling import PullResult, Source
    from caretally.sync.request import RunRequest

SAMPLED_PATIENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit.

    Attributes:
        run: as of a run for the month before the present one; what it would write to is not touched.
    """

    run: RunRequest

    def to_server(self, server: FhirServer) -> Findings:
        """Check a server."""
        findings, run = Findings(), self.run
        self._tables(findings)
        capabilities = check_connection(server, findings, run.now)
        if capabilities is None:
            return findings
        kinds = types_to_read(run.tables)
        required = {kind.name for kind in kinds.values() if kind.required}
        readable = check_types(capabilities, server, findings, kinds, required)
        named = run.configuration.writeback.strategy
        check_writing(server, capabilities, findings, None if named == "automatic" else WriteStrategy(named))
        if not required <= readable:
            for name in ("search", *NAMES):
                findings.skip(name, "a type that is needed cannot be read")
            return findings
        plan = Plan(
            server=server,
            terminology=run.tables.terminology,
            types={name: kind for name, kind in kinds.items() if name in readable},
            months=[run.month.plus(-1), run.month],
        )
        patients = SearchChecks(server=server, capabilities=capabilities, plan=plan, findings=findings).run()
        source = ServerSource(server=server, terminology=run.tables.terminology)
        self._sample(source, findings, tuple(patients[:SAMPLED_PATIENTS]))
        return findings

    def to_folder(self) -> Findings:
        """Check a folder: its files, and all of its resources."""
        findings = Findings()
        self._tables(findings)
        self._sample(self.run.source, findings, None)
        return findings

    def _tables(self, findings: Findings) -> None:
        run = self.run
        if run.tables.services.covers(run.month):
            findings.ok("tables", f"there are codes and rates for {run.month}")
        else:
            findings.fail(
                "tables",
                f"there is no code table for {run.month}",
                means="months of this year cannot be decided",
                fix="add the year's file to mappings/services, or update Caretally",
            )
        if any(site.zone is not None for site in sites(run.configuration)):
            findings.ok("zone", "the practice's time zone is configured")
        else:
            zone = default_policy(run.policies, sites(run.configuration)).time_zone.key
            findings.warn(
                "zone",
                f"no site has a time zone; {zone} is used",
                means="entries at the edge of a day or month may fall on the wrong side",
                fix="set zone of [site.NAME]",
            )

    def _sample(self, source: Source, findings: Findings, patients: tuple[str, ...] | None) -> None:
        if patients == ():
            for name in NAMES:
                findings.skip(name, "no patient with care management was found to look at")
            return
        with temporary_store(opened_at=instant_of(self.run)) as store:
            pull_id = uuid4().hex
            try:
                result = self._pulled(source, store, pull_id, patients)
            except CaretallyError as error:
                findings.fail(
                    "sample-read", str(error), means="patients cannot be read whole", fix="see the checks above"
                )
                return
            self._gaps(result, findings)
            decider = self._decider(store, pull_id)
            batch = next(staging.patients(store, pull_id, batch=200), [])
            check_sample(decider, sample_of(decider, list(decider.records(batch))), findings)

    def _gaps(self, result: PullResult, findings: Findings) -> None:
        if result.gaps:
            kinds = ", ".join(sorted({gap.resource_type for gap in result.gaps}))
            findings.fail(
                "sample-read",
                f"could not be read whole: {kinds}",
                means="nothing is decided for the patients concerned",
                fix="see the checks above",
            )
        else:
            findings.ok("sample-read", f"{sum(result.read.values())} resources read with {result.requests} requests")

    def _pulled(self, source: Source, store: Store, pull_id: str, patients: tuple[str, ...] | None) -> PullResult:
        run = self.run
        at = instant_of(run)
        runs.begin_run(
            store,
            run_id=pull_id,
            command="doctor",
            service_month=str(run.month),
            as_of=run.as_of.isoformat(),
            started_at=at,
        )
        runs.begin_pull(
            store, pull_id=pull_id, run_id=pull_id, source=source.key, service_month=str(run.month), started_at=at
        )
        request = PullRequest(
            month=run.month,
            zone=default_policy(run.policies, sites(run.configuration)).time_zone,
            narrowing=Narrowing.of(patients=patients or ()),
            resource_types=types_to_read(run.tables),
            progress=run.progress,
        )
        with staging.StagingWriter(store, pull_id, staging.SOURCE) as writer:
            return source.pull(request, writer)

    def _decider(self, store: Store, pull_id: str) -> Decider:
        run = self.run
        practice = read_practice(
            store, pull_id, run.tables, sites(run.configuration), attestations(run.configuration)
        ).practice
        return Decider(
            store=store,
            pull_id=pull_id,
            month=run.month,
            as_of=run.as_of,
            tables=run.tables,
            policies=run.policies,
            practice=practice,
            versions_from_sink=False,
            sink_is_source=False,
            people=PeoplesDecisions(month=run.month),
        )
