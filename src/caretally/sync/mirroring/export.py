"""Taking a Bulk Data export into a mirror: started, waited for, fetched file by file, each file once.

The address of the export's state is committed before it is asked for the first time, the manifest before the first
file is fetched, and each file is done in the moment when its last line is kept: a run that was cut off goes on there.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from caretally.errors import IncompletePullError, UsageError
from caretally.facts.issue import Issue
from caretally.fhir import bulk
from caretally.fhir.errors import (
    AnswerTooLargeError,
    ForeignAddressError,
    RedirectRefusedError,
    UnsupportedServerError,
)
from caretally.store import mirror as mirrors
from caretally.store.mirror import Taken
from caretally.store.runs import Gap
from caretally.sync.failpoints import failpoint
from caretally.sync.mirroring.intake import PageIntake
from caretally.sync.resources import read_body
from caretally.sync.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caretally.fhir.bulk import ExportFile, ExportScope
    from caretally.fhir.server import FhirServer
    from caretally.store.mirror import Mirror, MirrorSlice
    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest

FILE, PART = "file", ".part"
LINES_AT_ONCE, BYTES_AT_ONCE = 1_000, 16 * 1024 * 1024
MOST_ERRORS = 1_000
REMARKS = frozenset({"warning", "information", "success"})
"""Severities of a server's words that leave an export whole."""
LOST_REASON = (
    "the server could not export everything that was asked for; its words stand among the issues: read it by search "
    "(--by search), or ask its administrator"
)
DOWNLOADS_AT_ONCE = 2
"""Files of one export fetched at a time: they come from one disk of the server."""


@dataclass(kw_only=True)
class ExportReading:
    """One export on its way into a mirror.

    Attributes:
        folder: for files on their way; emptied at the end.
        wait_seconds: how long the server may take.
        overlap: how far before the kick-off the next reading of changes begins.
    """

    server: FhirServer
    scope: ExportScope
    request: PullRequest
    store: Store
    mirror: Mirror
    folder: Path
    wait_seconds: float = 86_400.0
    overlap: timedelta = timedelta(minutes=5)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    requests: int = 0

    def read(self) -> None:
        """Do everything that is still missing; an export that the server lost meanwhile is started anew, once.

        Raises:
            UnsupportedServerError, FailedExportError, SourceError: the server does not export, or gave it up.
            IncompletePullError: it is not ready in the time allowed, a file is not whole, or it was lost twice.
        """
        try:
            self._read()
        except bulk.LostExportError:
            self._forget()
            self._read()
        self._delete()

    def _read(self) -> None:
        try:
            if self.mirror.export_manifest is None:
                self._await()
            if not mirrors.phase_planned(self.store, self.mirror.id, FILE):
                self._plan_files()
            self._take_files()
        except (bulk.FailedExportError, ForeignAddressError, RedirectRefusedError, AnswerTooLargeError):
            # The next run starts another one, instead of hearing of this one's end, or being led astray, again.
            self._delete()
            self._forget()
            raise

    def _forget(self) -> None:
        # Files first: their names would be those of other files in the next export.
        drop_files(self.folder)
        mirrors.forget_export(self.store, self.mirror.id, FILE)
        self.mirror = replace(self.mirror, export_status=None, export_manifest=None)

    def _await(self) -> None:
        manifest = self._wait(self._started())
        self._hold_up_to(bulk.transaction_time(manifest))
        mirrors.keep_export(self.store, self.mirror.id, status=self.mirror.export_status, manifest=manifest)
        self.mirror = replace(self.mirror, export_manifest=manifest)
        failpoint("export:ready")

    def _hold_up_to(self, true_of: datetime | None) -> None:
        """Read changes from the kick-off on next time; from earlier on where the export is true of an earlier time."""
        began = self.mirror.server_began_at
        if true_of is None or began is None:
            return
        earlier = (true_of - self.overlap).astimezone(UTC)
        if earlier < datetime.fromisoformat(began):
            text = earlier.isoformat(timespec="seconds")
            mirrors.keep_server_time(self.store, self.mirror.id, text)
            self.mirror = replace(self.mirror, server_began_at=text)

    def _started(self) -> str:
        if self.mirror.export_status is not None:
            return self.mirror.export_status
        self.requests += 1
        export = bulk.start(self.server.transport, self.scope)
        mirrors.keep_export(self.store, self.mirror.id, status=export.status_url)
        # Of the kick-off, never of the job's end: what is written while the server works belongs to the next time.
        began = ((export.server_time or self.now()) - self.overlap).astimezone(UTC).isoformat(timespec="seconds")
        mirrors.keep_server_time(self.store, self.mirror.id, began)
        self.mirror = replace(self.mirror, export_status=export.status_url, server_began_at=began)
        failpoint("export:started")
        return export.status_url

    def _wait(self, status_url: str) -> dict[str, Any]:
        def told(progress: str) -> None:
            self.requests += 1
            self.request.progress(f"waiting for the export{': ' if progress else ''}{progress}", 0, None)

        return bulk.wait(
            self.server.transport,
            status_url,
            clock=self.clock,
            sleep=self.sleep,
            now=self.now,
            budget_seconds=self.wait_seconds,
            told=told,
        )

    def _plan_files(self) -> None:
        files = bulk.files_of(self.mirror.export_manifest)
        planned = [
            (
                file.resource_type,
                {"kind": file.kind, "url": file.url, "count": file.count, "with_credentials": file.with_credentials},
            )
            for file in files
        ]
        # A reading of nothing is planned too, so that it is not planned again.
        mirrors.plan_slices(self.store, self.mirror.id, FILE, planned or [("", {"kind": "none"})])

    def _take_files(self) -> None:
        slices = mirrors.waiting_slices(self.store, self.mirror.id, FILE)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Fetched several at a time; taken in one after the other, because the store has one writer.
        workers = Workers(self._fetched, slices, threads=DOWNLOADS_AT_ONCE, stop=threading.Event())
        for done, (one, path) in enumerate(workers.results(), 1):
            self._take(one, path)
            self.request.progress("reading the export", done, len(slices))

    def _fetched(self, one: MirrorSlice) -> Path | None:
        if one.document["kind"] == "none":
            return None
        path = self.folder / f"{one.ordinal}.ndjson"
        file = _file_of(one)
        if path.is_file() and _fault_of(path, file.count) is None:
            return path  # files are fetched faster than they are taken in, and a run was cut off in between
        part = path.with_suffix(PART)
        for attempt in (1, 2):
            self.requests += 1
            bulk.fetch(self.server.transport, file, part)
            fault = _fault_of(part, file.count)
            if fault is None:
                break
            if attempt == 2:  # noqa: PLR2004 -- the last of the two attempts above
                raise IncompletePullError(
                    f"a file of the export ({file.resource_type}) {fault}, twice: run the command again, or read the "
                    "server by search (--by search)"
                )
        _put(part, path)
        failpoint("export:file-fetched")
        return path

    def _take(self, one: MirrorSlice, path: Path | None) -> None:
        if path is None:
            mirrors.take_page(self.store, self.mirror, one, Taken(), next_link=None, done=True)
            return
        kind = str(one.document["kind"])
        for taken in self._parts(kind, path):
            mirrors.keep(self.store, self.mirror, taken)
        if kind == "error":
            self._take_errors(path)
        mirrors.take_page(self.store, self.mirror, one, Taken(), next_link=None, done=True)
        failpoint("export:file-kept")
        path.unlink(missing_ok=True)

    def _parts(self, kind: str, path: Path) -> Iterator[Taken]:
        with path.open("rb") as file:
            numbered = enumerate(file, 1)
            while lines := list(_some(numbered)):
                if kind == "output":
                    yield self._resources(path.name, lines)
                elif kind == "deleted":
                    yield Taken(gone=[found for _, line in lines for found in _deleted(line)])

    def _take_errors(self, path: Path) -> None:
        """Keep what the server says of its export; what it could not export may belong to any patient."""
        with path.open("rb") as file:
            found = [_export_error(line) for line in islice(file, MOST_ERRORS) if line.strip()]
        lost = [Gap(patient=None, resource_type="(export)", reason=LOST_REASON)] if any(bad for _, bad in found) else []
        mirrors.note(self.store, self.mirror.id, issues=[issue for issue, _ in found], gaps=lost)

    def _resources(self, name: str, lines: list[tuple[int, bytes]]) -> Taken:
        resources, bodies, faults = [], [], []
        for number, line in lines:
            if not line:
                continue
            try:
                resource = read_body(line)
            except ValueError:
                resource = None
            if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
                resources.append(resource)
                bodies.append(line)
            else:
                found = f"a line of {len(line)} bytes that is no FHIR resource"
                faults.append(Issue(f"{name}:{number}", "", "unreadable-line", found, "one FHIR resource a line"))
        taken = PageIntake(request=self.request).take(resources, bodies)
        taken.read_people = {f"Patient/{row[1]}" for row in taken.rows if row[0] == "Patient"}
        taken.people -= taken.read_people
        taken.issues += faults
        return taken

    def _delete(self) -> None:
        if self.mirror.export_status is not None:
            self.requests += 1
            bulk.delete(self.server.transport, self.mirror.export_status)
        drop_files(self.folder)


def _file_of(one: MirrorSlice) -> ExportFile:
    document = one.document
    return bulk.ExportFile(
        kind=document["kind"],
        resource_type=one.resource_type,
        url=document["url"],
        count=document["count"],
        with_credentials=document["with_credentials"],
    )


def drop_files(folder: Path) -> None:
    """Remove the files of an export that are still on their way: they hold patient data, and nobody asks for them."""
    for path in [*folder.glob("*.ndjson"), *folder.glob(f"*{PART}")]:
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _some(numbered: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Give the next lines, as many as may be held at a time."""
    size = 0
    for number, line in islice(numbered, LINES_AT_ONCE):
        yield number, line.strip()
        size += len(line)
        if size >= BYTES_AT_ONCE:
            return


def _put(part: Path, path: Path) -> None:
    """Give a file that was fetched whole its name, on the disk before its name is."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _fault_of(path: Path, count: int | None) -> str | None:
    """Say why a file is not whole: it has another number of lines than it should, or its last one is cut."""
    lines, last = 0, b""
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                lines, last = lines + 1, line
    if count is not None and lines != count:
        return f"has {lines} lines and should have {count}"
    if not last.endswith(b"\n") and last:
        try:
            read_body(last.strip())
        except ValueError:
            return "ends in the middle of a line"
    return None


def _deleted(line: bytes) -> Iterator[tuple[str, str]]:
    """Give type and id of what a Bundle of deletions names."""
    try:
        bundle = read_body(line) if line else None
    except ValueError:
        return
    for entry in bundle.get("entry", ()) if isinstance(bundle, dict) else ():
        request = entry.get("request") if isinstance(entry, dict) else None
        if isinstance(request, dict) and request.get("method") == "DELETE":
            kind, _, name = str(request.get("url", "")).strip("/").rpartition("/")
            if kind and name:
                yield kind.rpartition("/")[2], name


def _export_error(line: bytes) -> tuple[Issue, bool]:
    """Turn a line of an error file into an issue row, and say whether something is missing.

    Codes only, for the server's words may hold patient data.
    """
    codes: list[str] = []
    severities: set[object] = set()
    try:
        outcome = read_body(line)
    except ValueError:
        outcome = None
    for issue in outcome.get("issue", ()) if isinstance(outcome, dict) else ():
        if isinstance(issue, dict):
            severities.add(issue.get("severity"))
            codes += [str(issue[name]) for name in ("severity", "code") if isinstance(issue.get(name), str)]
    said = " ".join(codes[:6]) or "it does not say what"
    if severities and severities <= REMARKS:
        return Issue("(export)", "", "export-remark", f"a remark ({said})", "resources only", "information"), False
    found = f"the server could not export something ({said})"
    return Issue("(export)", "", "export-error", found, "everything that was asked for"), True


def scope_for(server: FhirServer, *, group: str | None, types: list[str], since: str | None) -> ExportScope:
    """Choose the narrowest export that a server offers: a Group, its patients, or all of it.

    Raises:
        UnsupportedServerError: it offers none of them.
        UsageError: a Group was named and cannot be exported.
    """
    capabilities = server.capabilities()
    if group is not None:
        if not capabilities.group_export:
            raise UsageError(f"the server does not offer the export of a Group; read Group/{group} by search")
        return bulk.ExportScope(group=group, types=types, since=since)
    if capabilities.patient_export:
        return bulk.ExportScope(types=types, since=since)
    if capabilities.export:
        return bulk.ExportScope(whole_system=True, types=types, since=since)
    raise UnsupportedServerError(
        "the server's CapabilityStatement offers no Bulk Data export; read it by search (--by search)"
    )
