"""Keeping up with a server: read what changed, decide again what it concerns, go on where the last run ended."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from caretally.errors import UsageError
from caretally.fhir import bulk
from caretally.store import mirror as mirrors
from caretally.store import open_store
from caretally.store.locking import store_lock
from caretally.store.mirror import Mirror, Mode
from caretally.sync.deciding import default_policy
from caretally.sync.failpoints import failpoint
from caretally.sync.mirroring.export import ExportReading, drop_files, scope_for
from caretally.sync.mirroring.refresh import Refresh
from caretally.sync.pulling import PullRequest, types_to_read
from caretally.sync.request import instant_of
from caretally.sync.sources.mirror import MirrorSource
from caretally.sync.steps import MonthRun
from caretally.sync.store_place import store_of
from caretally.tables import sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caretally.facts.calendar import ServiceMonth
    from caretally.fhir.server import FhirServer
    from caretally.store.locking import Hold
    from caretally.store.opening import Store
    from caretally.sync.pulling import PullResult
    from caretally.sync.report import RunReport
    from caretally.sync.request import RunRequest

By = Literal["auto", "search", "export"]
PURPOSE = "sync"
CLOCK_DOUBT = timedelta(minutes=15)
"""Added to the overlap where a server does not tell its time, so that ours has to do."""
GOES_ON_FOR = timedelta(hours=24)
"""A reading that was cut off longer ago is begun anew."""
EXPORT_FROM_PATIENTS, EXPORT_FROM_SHARE = 200, 4
"""`auto` exports when the patients found are more than this, and at least one in so many of the server's patients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What is to be kept up with.

    Attributes:
        run: for each month; its month and source are replaced.
        months: to decide, in their order.
        server: None where the source of `run` is a folder, which is compared in full each time.
        by: how everything is read; what changed is read in the same way.
        since: read changes from then on, whatever is known; None: from where the last reading ended.
        full: read everything anew, which also finds deletions.
    """

    run: RunRequest
    months: tuple[ServiceMonth, ...]
    server: FhirServer | None
    by: By = "auto"
    since: datetime | None = None
    full: bool = False


@dataclass(slots=True, kw_only=True)
class SyncReport:
    """What a synchronization did.

    Attributes:
        mode: of the reading; None for a folder.
        held: resources held of the server, by type.
        months: a report each.
    """

    mode: Mode | None = None
    resumed: bool = False
    requests: int = 0
    held: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    months: list[RunReport] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "mode": self.mode,
            "resumed": self.resumed,
            "requests": self.requests,
            "held": self.held,
            "gaps": self.gaps,
            "months": [month.to_json() for month in self.months],
        }


def synchronize(request: Callable[[], SyncRequest], *, again: Callable[[], bool]) -> Iterator[SyncReport]:
    """Keep up with a source, once or again and again; the sink and the store are held throughout.

    Args:
        request: gives what to keep up with, anew for each round; source, sink and store stay the same.
        again: waits, and says whether there is another round.

    Raises:
        CaretallyError: as `run_month`; what was read and written until then is kept, and the next run goes on there.
    """
    asked = request()
    run, sink = asked.run, asked.run.sink
    if sink is None:
        raise UsageError("there is nowhere to write to: give --out FOLDER or --to URL")
    with ExitStack() as held:
        sink.check()
        held.enter_context(sink.lock())
        location, binding = store_of(sink, named=run.store, tenant=run.tenant)
        store = held.enter_context(open_store(location, binding=binding, opened_at=instant_of(run)))
        hold = held.enter_context(store_lock(store, sink.target))
        yield _once(asked, store, hold, location)
        while again():
            yield _once(request(), store, hold, location)


def _once(request: SyncRequest, store: Store, hold: Hold | None, location: str) -> SyncReport:
    report = SyncReport()
    source = request.run.source
    if request.server is not None:
        reading = _Reading(request=request, server=request.server, store=store, folder=_export_folder(location))
        result = reading.read()
        report.mode, report.resumed, report.requests = reading.mirror.mode, reading.resumed, result.requests
        report.held, report.gaps = dict(sorted(result.read.items())), len(result.gaps)
        source = MirrorSource(mirror_id=reading.mirror.id, base_url=request.server.base_url, read=result)
    for month in request.months:
        run = replace(request.run, source=source, month=month, only_changed=True)
        report.months.append(MonthRun(run, store, store, hold).go())
        failpoint("sync:month-done")
    return report


def _export_folder(location: str) -> Path:
    """Return where files of an export lie on their way: beside the store, else in the user's state directory."""
    if "://" in location:
        from platformdirs import user_state_path  # noqa: PLC0415 -- for a store in a database only

        return user_state_path("caretally") / "export"
    return Path(location).parent / "export"


@dataclass(kw_only=True)
class _Reading:
    """One reading of the server into the mirror of `sync`."""

    request: SyncRequest
    server: FhirServer
    store: Store
    folder: Path
    mirror: Mirror = field(init=False)
    resumed: bool = False
    requests: int = 0

    def read(self) -> PullResult:
        """Read, and commit up to when changes are held."""
        run = self.request.run
        self.mirror, self.resumed = self._mirror()
        if self.mirror.by_export:
            self._export()
        refresh = Refresh(
            server=self.server,
            terminology=run.tables.terminology,
            request=self._pull_request(),
            months=self.request.months,
            store=self.store,
            mirror=self.mirror,
        )
        if self.mirror.by_export:
            refresh.around(overlap=self._overlap, group=run.configuration.server.export_group)
        else:
            refresh.read()
        result = refresh.result()
        result.requests += self.requests
        failpoint("sync:read")
        whole = not any(gap.patient is None for gap in result.gaps)
        held = self.mirror.server_began_at if whole and not result.gaps else self.mirror.held_up_to
        mirrors.complete(self.store, self.mirror, held_up_to=held, at=instant_of(run))
        failpoint("sync:completed")
        return result

    def _mirror(self) -> tuple[Mirror, bool]:
        """Give the reading that was cut off, else a new one of the mode that is due."""
        run, key = self.request.run, f"server:{self.server.base_url}"
        now = run.now()
        found = mirrors.find(self.store, key, PURPOSE)
        if found is not None and not found.complete and not self.request.full:
            age = now - datetime.fromisoformat(found.begun_at)
            other_way = self.request.by != "auto" and (self.request.by == "export") != found.by_export
            if timedelta() <= age <= GOES_ON_FOR and not other_way:
                mirrors.ask_again(self.store, found.id)
                return found, True
        if found is not None and not found.complete and found.by_export:
            self._abandon(found)
        mode, since = self._mode(found, now)
        server_time = self.server.time()
        self.requests += 1
        overlap = self._overlap
        began = server_time - overlap if server_time is not None else now - overlap - CLOCK_DOUBT
        fresh = Mirror(
            id=uuid4().hex if found is None else found.id,
            source=key,
            purpose=PURPOSE,
            mode=mode,
            complete=False,
            generation=uuid4().hex,
            begun_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            server_began_at=began.astimezone(UTC).isoformat(timespec="seconds"),
            held_up_to=since,
            fully_read_at=None if found is None else found.fully_read_at,
        )
        return mirrors.begin(self.store, fresh), False

    def _abandon(self, found: Mirror) -> None:
        """Let the server drop an export that nobody waits for any longer, and drop what was fetched of it."""
        if found.export_status is not None:
            self.requests += 1
            bulk.delete(self.server.transport, found.export_status)
        drop_files(self.folder / found.generation)

    def _mode(self, found: Mirror | None, now: datetime) -> tuple[Mode, str | None]:
        """Say how to read, and from when on changes are wanted."""
        known = None if found is None else found.held_up_to
        if self.request.since is not None and found is not None:
            known = self.request.since.astimezone(UTC).isoformat(timespec="seconds")
        due = found is None or known is None or self.request.full or self._reconcile_due(found, now)
        by_export = self._by_export(found, first=due)
        if due:
            return ("export" if by_export else "full"), known
        return ("export-changes" if by_export else "changes"), known

    def _reconcile_due(self, found: Mirror, now: datetime) -> bool:
        hours = self.request.run.configuration.sync.reconcile_hours
        if found.fully_read_at is None:
            return True
        read = datetime.fromisoformat(found.fully_read_at)
        return now - read >= timedelta(hours=hours)

    def _by_export(self, found: Mirror | None, *, first: bool) -> bool:
        """Whether the server is read by export; `auto` exports where that is cheaper."""
        if self.request.by != "auto":
            return self.request.by == "export"
        capabilities = self.server.capabilities()
        if self.request.run.configuration.server.export_group is not None and capabilities.group_export:
            return True
        if not first or found is None or not (capabilities.patient_export or capabilities.export):
            # Changes of a part of the patients are few; and before anything was read nobody knows how many they are.
            return False
        here = len(mirrors.people(self.store, replace(found, mode="changes")))
        return here >= EXPORT_FROM_PATIENTS and here * EXPORT_FROM_SHARE >= self._patients_of_the_server()

    def _patients_of_the_server(self) -> int:
        self.requests += 1
        total = self.server.count("Patient")
        return total if total is not None else 1_000_000_000

    def _export(self) -> None:
        run = self.request.run
        offered = self.server.capabilities().resources
        wanted = self._pull_request().resource_types.values()
        types = sorted(kind.name for kind in wanted if kind.patient_search is not None and kind.name in offered)
        # The whole time since the last kick-off, less the overlap that `held_up_to` has already.
        since = self.mirror.held_up_to if self.mirror.mode == "export-changes" else None
        scope = scope_for(self.server, group=run.configuration.server.export_group, types=types, since=since)
        reading = ExportReading(
            server=self.server,
            scope=scope,
            request=self._pull_request(),
            store=self.store,
            mirror=self.mirror,
            folder=self.folder / self.mirror.generation,
            wait_seconds=run.configuration.server.export_wait_seconds,
            overlap=self._overlap,
        )
        reading.read()
        self.requests += reading.requests
        self.mirror = reading.mirror

    @property
    def _overlap(self) -> timedelta:
        return timedelta(seconds=self.request.run.configuration.sync.overlap_seconds)

    def _pull_request(self) -> PullRequest:
        run = self.request.run
        return PullRequest(
            month=self.request.months[0],
            zone=default_policy(run.policies, sites(run.configuration)).time_zone,
            narrowing=run.narrowing,
            resource_types=types_to_read(run.tables),
            progress=run.progress,
        )


def default_months(as_of_month: ServiceMonth) -> tuple[ServiceMonth, ServiceMonth]:
    """Return what is kept up with when nobody says: the month before, and the present one."""
    return as_of_month.plus(-1), as_of_month
