"""A folder of files as source: a Bulk Data export, Bundles, or both; also what a sink of ours wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.errors import SourceError
from caretally.facts.issue import Issue
from caretally.store.runs import Gap
from caretally.sync.pulling import Intake, PullResult, account_for_other_types
from caretally.sync.resources import reference_text
from caretally.sync.sources.files import Fault, Found, Ignored, UnreadableFileError, files_of, read_file

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from caretally.store.staging import StagingWriter
    from caretally.sync.pulling import PullRequest

_SHOWN = 8
"""How many names a message lists."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Reads every ``.ndjson``, ``.jsonl`` (also packed, ``.gz``) and ``.json`` file of a folder, but no subfolder.

    A line that cannot be read becomes an issue row and the rest goes on; a file that cannot be read to its end
    makes the whole pull incomplete, because nobody knows whose resources are missing.
    """

    path: Path

    @property
    def key(self) -> str:
        """Return the name of the source in the store; a moved or newly exported folder is the same source."""
        return "folder"

    @property
    def description(self) -> str:
        """Return the path."""
        return str(self.path)

    @property
    def authoritative(self) -> bool:
        """Whether what is missing does not exist: nobody knows what an export left out."""
        return False

    def pull(self, request: PullRequest, writer: StagingWriter) -> PullResult:
        """Stage everything of the folder: what one patient's staff did with another one matters too.

        Raises:
            SourceError: not a folder, nothing to read in it, or no Patient.
        """
        files, ignored = self._files()
        result = PullResult(ignored={one.name: one.why for one in ignored})
        intake = Intake(request=request, writer=writer, result=result)
        members: dict[str, set[str]] = {}
        for number, path in enumerate(files):
            request.progress("reading", number, len(files))
            try:
                _read(path, intake, members)
            except UnreadableFileError as error:
                gap = Gap(patient=None, resource_type=path.name, reason=str(error))
                result.gaps.append(gap)
        request.progress("reading", len(files), len(files))
        writer.flush()
        self._check(result)
        result.chosen = _chosen(request, members)
        return result

    def _files(self) -> tuple[list[Path], list[Ignored]]:
        if not self.path.exists():
            raise SourceError(f"{self.path} does not exist; wanted is a FHIR base URL or a folder of NDJSON or Bundles")
        if not self.path.is_dir():
            raise SourceError(f"{self.path} is not a folder; wanted is a folder of .ndjson or .json files")
        try:
            files, ignored = files_of(self.path)
        except OSError as error:
            raise SourceError(f"{self.path} cannot be listed ({error.strerror}); give this user the right") from error
        if not files:
            names = _names([one.name for one in ignored])
            held = f"holds only {names}" if names else "is empty"
            raise SourceError(f"{self.path} {held}; wanted are FHIR resources in .ndjson, .jsonl or .json files")
        return files, ignored

    def _check(self, result: PullResult) -> None:
        if result.read["Patient"] or result.gaps:
            return
        found: Counter[str] = result.read + result.other
        names = _names([f"{count} {name}" for name, count in sorted(found.items())])
        refused = f", and {sum(result.refused.values())} lines or entries that cannot be read" if result.refused else ""
        raise SourceError(
            f"{self.path} holds no Patient (found: {names or 'no FHIR resource'}{refused}); wanted is a whole export: "
            "Patient, Encounter, CarePlan, Consent and what they refer to"
        )


def _read(path: Path, intake: Intake, members: dict[str, set[str]]) -> None:
    result = intake.result
    before = result.other.copy()
    for item in read_file(path):
        if isinstance(item, Ignored):
            result.ignored[item.name] = item.why
        elif isinstance(item, Fault):
            intake.refuse(Issue(item.place, "", item.code, item.found, item.wanted))
        else:
            _note_members(item, intake.request, members)
            intake.add(item.resource, item.body, item.place)
    account_for_other_types(path.name, before, result)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _note_members(item: Found, request: PullRequest, members: dict[str, set[str]]) -> None:
    """Remember who belongs to a Group that the run is narrowed to."""
    name = f"Group/{item.resource.get('id')}"
    if item.resource["resourceType"] == "Group" and name in request.narrowing.groups:
        members.setdefault(name, set()).update(reference_text(item.resource, "member.entity"))


def _chosen(request: PullRequest, members: dict[str, set[str]]) -> frozenset[str] | None:
    narrowing = request.narrowing
    if not narrowing.by_patient:
        return None
    missing = sorted(narrowing.groups - members.keys())
    if missing:
        raise SourceError(f"the folder holds no {missing[0]}; --group wants the id of a Group resource in it")
    return narrowing.patients.union(*members.values())
