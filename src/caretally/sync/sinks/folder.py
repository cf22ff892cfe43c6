"""A folder of NDJSON files as sink. Each file is replaced as a whole, and only when something in it changes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from caretally.billing import CLAIM_IDENTIFIER
from caretally.errors import UsageError, WriteError
from caretally.facts import exact_json
from caretally.store.locking import file_lock
from caretally.sync.failpoints import failpoint
from caretally.sync.resources import patient_of, read_body
from caretally.sync.sinks.ndjson import remove_leftovers, replaced
from caretally.sync.writes import Delivery, OnSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from caretally.facts.issue import Issue
    from caretally.facts.resource_types import ResourceType
    from caretally.store.staging import StagingWriter
    from caretally.sync.writes import Parcel, Write

WRITTEN = ("ChargeItem", "Claim", "Provenance")
"""In the order in which the files are replaced: what is referred to before what refers to it."""
DETERMINATIONS, ISSUES, REPORT = "determinations.ndjson", "issues.ndjson", "run-report.json"
LOCK = ".caretally.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSink:
    """Holds determinations.ndjson, ChargeItem.ndjson, Claim.ndjson, Provenance.ndjson, issues.ndjson, run-report.json.

    Lines that are not ours stay byte for byte. Nothing is written unless the lock is held.
    """

    path: Path
    resource_types: Mapping[str, ResourceType]

    @property
    def target(self) -> str:
        """Return the binding of a store inside the folder, which moves with it."""
        return "folder:."

    @property
    def description(self) -> str:
        """Return the path."""
        return str(self.path)

    @property
    def keeps_versions(self) -> bool:
        """Return whether what is on file has versions that guard a change: the lock does here."""
        return False

    @property
    def requests(self) -> int:
        """Return 0: there is nobody to ask."""
        return 0

    def way(self) -> None:
        """Return None: there is one way only."""

    def check(self) -> None:
        """Refuse what is no folder.

        Raises:
            UsageError: the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--out {self.path} is a file; wanted is a folder, which is made where it is missing")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder where it is missing and keep other runs out of it.

        Raises:
            UsageError: the path is a file.
            WriteError: the folder cannot be made or written.
            LockedError: another run writes to it.
        """
        self.check()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"the folder {self.path} cannot be made ({error.strerror})") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise WriteError(f"the folder {self.path} cannot be written: give this user the right")
        with file_lock(self.path / LOCK, held=f"the folder {self.path}"):
            remove_leftovers(self.path)
            yield

    def stage_on_file(self, writer: StagingWriter, patients: Sequence[str]) -> None:  # noqa: ARG002 -- all at once
        """Stage every claim and charge of ours, of any patient."""
        for name in ("ChargeItem", "Claim"):
            for number, line in self._lines(name):
                resource = _resource(line)
                if resource is not None and is_ours(resource):
                    writer.add(
                        name,
                        str(resource["id"]),
                        patient=patient_of(resource, self.resource_types[name]),
                        place=f"{name}.ndjson:{number}",
                        body=line,
                    )

    def look(self, references: Sequence[str]) -> dict[str, OnSink]:
        """Give what the files hold of some resources now."""
        wanted = set(references)
        found: dict[str, OnSink] = {}
        for name in sorted({reference.partition("/")[0] for reference in references}):
            for _, line in self._lines(name):
                key = _key(line)
                if key in wanted and key not in found:
                    found[key] = OnSink(resource=exact_json.loads(line), version=None)
        return found

    def deliver(self, parcels: Sequence[Parcel]) -> list[Delivery]:
        """Bring parcels into the files, each file once.

        A parcel that does not fit what the files hold is left out wholly. A crash between two files leaves the
        parcels half delivered; the open intents tell the next run.

        Raises:
            WriteError: a file cannot be replaced; those before it may have been.
        """
        writes = [write for parcel in parcels for write in parcel.writes]
        held = self.look([write.reference for write in writes])
        deliveries = [_fit(parcel, held) for parcel in parcels]
        fitting = {delivery.intent_id for delivery in deliveries if delivery.state == "applied"}
        accepted = [write for parcel in parcels if parcel.intent_id in fitting for write in parcel.writes]
        for name in WRITTEN:
            bodies = {w.reference: exact_json.dumps(w.resource) for w in accepted if w.resource["resourceType"] == name}
            bodies = {key: body for key, body in bodies.items() if not _says(held.get(key), body)}
            if bodies:
                self._replace_lines(name, bodies)
                failpoint(f"delivered:{name}")
        return deliveries

    def publish_determinations(
        self, lines: Iterable[Mapping[str, Any]], replaces: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Put the lines of a run in place of those that it replaces; the others stay as they are."""
        path = self.path / DETERMINATIONS
        with replaced(path) as stream:
            for _, line in self._lines("determinations"):
                document = _document(line)
                if not (isinstance(document, dict) and replaces(document)):
                    stream.write(line + b"\n")
            for row in lines:
                stream.write(exact_json.dumps(row) + b"\n")

    def determinations(self) -> Iterator[dict[str, Any]]:
        """Give the lines of determinations.ndjson."""
        for _, line in self._lines("determinations"):
            document = _document(line)
            if isinstance(document, dict):
                yield document

    def publish_issues(self, issues: Iterable[Issue]) -> None:
        """Put the issue rows of a run in place of those of the run before."""
        with replaced(self.path / ISSUES) as stream:
            for issue in issues:
                stream.write(exact_json.dumps(issue.to_json()) + b"\n")

    def publish_report(self, report: Mapping[str, Any]) -> None:
        """Put the report of a run in place of the one before."""
        with replaced(self.path / REPORT) as stream:
            stream.write(orjson.dumps(orjson.loads(exact_json.dumps(report)), option=orjson.OPT_INDENT_2) + b"\n")

    def _replace_lines(self, name: str, bodies: dict[str, bytes]) -> None:
        waiting = dict(bodies)
        with replaced(self.path / f"{name}.ndjson") as stream:
            for _, line in self._lines(name):
                key = _key(line)
                if key in waiting:
                    stream.write(waiting.pop(key) + b"\n")
                elif key not in bodies:  # a second line of the same id would bring the old state back
                    stream.write(line + b"\n")
            for body in waiting.values():
                stream.write(body + b"\n")

    def _lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Give the lines of a file with their numbers, blank ones left out; nothing where there is no file."""
        path = self.path / f"{name}.ndjson"
        try:
            with path.open("rb") as stream:
                for number, raw in enumerate(stream, 1):
                    line = raw.strip()
                    if line:
                        yield number, line
        except FileNotFoundError:
            return
        except OSError as error:
            raise WriteError(f"{path} cannot be read ({error.strerror}), so nothing is written beside it") from error


def is_ours(resource: Mapping[str, Any]) -> bool:
    """Whether we wrote a Claim or ChargeItem: it carries the identifier that every machine works out alike."""
    return own_key(resource) is not None


def own_key(resource: Mapping[str, Any]) -> str | None:
    """Return the business value of the identity of a claim or charge of ours; None for other resources."""
    identifiers = resource.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and identifier.get("system") == CLAIM_IDENTIFIER:
            value = identifier.get("value")
            return value if isinstance(value, str) else None
    return None


def _fit(parcel: Parcel, held: Mapping[str, OnSink]) -> Delivery:
    """Tell whether all writes of a parcel find what they were planned for."""
    for write in parcel.writes:
        problem = _misfit(write, held.get(write.reference))
        if problem:
            return Delivery(intent_id=parcel.intent_id, state="conflict", message=f"{write.reference} {problem}")
    versions: dict[str, str | None] = {write.reference: None for write in parcel.writes}
    return Delivery(intent_id=parcel.intent_id, state="applied", versions=versions)


def _misfit(write: Write, now: OnSink | None) -> str | None:
    if write.kind == "update":  # also of a claim that only the source holds: the folder takes it over
        return None
    if now is None or _says(now, exact_json.dumps(write.resource)):
        return None
    return "is in the folder already, with other content"


def _says(now: OnSink | None, body: bytes) -> bool:
    return now is not None and exact_json.canonical(now.resource) == exact_json.canonical(exact_json.loads(body))


def _document(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return None


def _key(line: bytes) -> str | None:
    document = _document(line)
    return f"{document.get('resourceType')}/{document.get('id')}" if isinstance(document, dict) else None


def _resource(line: bytes) -> dict[str, Any] | None:
    try:
        document = read_body(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("id"), str) else None
