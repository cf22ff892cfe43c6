"""What a source is asked, what it answers, and where it puts the resources."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from caretally.errors import UsageError
from caretally.facts.issue import Issue
from caretally.facts.resource_types import ResourceType
from caretally.sync.resources import own_id, patient_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from zoneinfo import ZoneInfo

    from caretally.facts.calendar import ServiceMonth
    from caretally.store.runs import Gap
    from caretally.store.staging import StagingWriter
    from caretally.tables import Tables

_PATIENT_ELEMENTS = ("subject", "patient", "for")
"""Where resources of further types name their patient."""


class Progress(Protocol):
    """Told how far a run is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Take the stage, how much is done, and of how much where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which part of a practice a run is for; empty means all of it.

    Attributes:
        patients: ``Patient/id``.
        groups: ``Group/id``; their members.
        practitioners: ``Practitioner/id`` of billing practitioners.
        sites: names of sites in the configuration.
    """

    patients: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    practitioners: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        patients: tuple[str, ...] = (),
        groups: tuple[str, ...] = (),
        practitioners: tuple[str, ...] = (),
        sites: tuple[str, ...] = (),
    ) -> Narrowing:
        """Read what people type: an id alone or a reference.

        Raises:
            UsageError: a reference to something else.
        """
        return cls(
            patients=_references("Patient", patients),
            groups=_references("Group", groups),
            practitioners=_references("Practitioner", practitioners),
            sites=frozenset(sites),
        )

    @property
    def by_patient(self) -> bool:
        """Whether only some patients are decided."""
        return bool(self.patients or self.groups)

    @property
    def by_practitioner(self) -> bool:
        """Whether only some billing practitioners are decided."""
        return bool(self.practitioners or self.sites)


def _references(kind: str, texts: tuple[str, ...]) -> frozenset[str]:
    found = set()
    for text in texts:
        name, slash, rest = text.strip().rpartition("/")
        if not rest or (slash and name != kind):
            raise UsageError(f"--{kind.lower()} '{text}' is not a {kind}; wanted is {kind}/ID, or the id alone")
        found.add(f"{kind}/{rest}")
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What is to be pulled.

    Attributes:
        zone: the practice's, for the borders of the month.
        wide: also patients who are not enrolled and have qualifying conditions.
    """

    month: ServiceMonth
    zone: ZoneInfo
    narrowing: Narrowing
    resource_types: Mapping[str, ResourceType]
    progress: Progress
    wide: bool = False


@dataclass(slots=True)
class PullResult:
    """What a pull brought; every resource that was seen is in exactly one of the counts.

    Attributes:
        read: staged resources by type.
        refused: by the code of their issue.
        other: resources of types that are not read, by type.
        ignored: files that were left alone, by name.
        gaps: parts of the source that could not be read; nothing is decided for their patients.
        chosen: patients that the narrowing names; None: all.
        requests: sent to a server.
    """

    read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    ignored: dict[str, str] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    chosen: frozenset[str] | None = None
    requests: int = 0

    @property
    def flawed(self) -> bool:
        """Whether something was refused that might have been about any patient."""
        return bool(self.gaps or self.refused)

    def incomplete(self, patient: str) -> bool:
        """Whether part of the source may be missing for a patient."""
        return any(gap.patient is None or gap.patient == patient for gap in self.gaps)

    def counts(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "read": dict(sorted(self.read.items())),
            "refused": dict(sorted(self.refused.items())),
            "other": dict(sorted(self.other.items())),
            "ignored": dict(sorted(self.ignored.items())),
            "requests": self.requests,
        }


def types_to_read(tables: Tables) -> dict[str, ResourceType]:
    """Return the resource types of a run by name: those of the table, and those that a site's own views read."""
    kinds = {kind.name: kind for kind in tables.resource_types}
    for name in {view.resource for group in tables.views.values() for view in group} - kinds.keys():
        kinds[name] = ResourceType(name=name, patient_elements=_PATIENT_ELEMENTS, patient_search="patient")
    return kinds


class ResourceWriter(Protocol):
    """Where resources that were taken in go."""

    def add(self, resource_type: str, resource_id: str, *, patient: str | None, place: str, body: bytes) -> None:
        """Take one resource."""


class Source(Protocol):
    """Where resources come from."""

    @property
    def key(self) -> str:
        """Name that tells this source from others in the store: ``folder`` or ``server:`` and the base URL."""

    @property
    def description(self) -> str:
        """What a message calls the source."""

    @property
    def authoritative(self) -> bool:
        """Whether a resource that a complete pull did not bring does not exist."""

    def pull(self, request: PullRequest, writer: StagingWriter) -> PullResult:
        """Stage what is needed for a month.

        Raises:
            SourceError: the source cannot be read at all.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Takes the resources of a pull in: each one is staged, or accounted for."""

    request: PullRequest
    writer: ResourceWriter
    result: PullResult

    def add(self, resource: dict[str, Any], body: bytes, place: str) -> None:
        """Stage one resource that has a resourceType, or say why not."""
        kind = self.request.resource_types.get(resource["resourceType"])
        if kind is None:
            self.result.other[resource["resourceType"]] += 1
            return
        resource_id = own_id(resource)
        if resource_id is None:
            wanted = "an id, so that it can be named as evidence"
            self.refuse(Issue(place, f"{kind.name}.id", "resource-without-id", "no id", wanted))
            return
        patient = patient_of(resource, kind)
        if patient is None and kind.patient_elements:
            wanted = " or ".join(f"{kind.name}.{element} with a Patient" for element in kind.patient_elements)
            found = "no reference to a Patient"
            self.refuse(Issue(f"{kind.name}/{resource_id}", "", "no-patient", found, wanted, "warning"))
            return
        self.writer.add(kind.name, resource_id, patient=patient, place=place, body=body)
        self.result.read[kind.name] += 1

    def refuse(self, issue: Issue) -> None:
        """Account for something that is not staged."""
        self.result.refused[issue.code] += 1
        self.result.issues.append(issue)


def account_for_other_types(place: str, before: Counter[str], result: PullResult) -> None:
    """Add an issue row for each type that is not read, with how many of them a file or search brought.

    One row for each, not one for each resource: an export may hold millions of measurements.
    """
    for name, count in sorted((result.other - before).items()):
        found = f"{count} of a type that is not read"
        wanted = "nothing to do: they decide nothing"
        result.issues.append(Issue(place, name, "type-not-read", found, wanted, "information"))
