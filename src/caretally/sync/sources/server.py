"""A FHIR server as source: only what a month needs, patient by patient, and the practice that they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.errors import IncompletePullError, SourceError
from caretally.facts.issue import Issue
from caretally.fhir.errors import (
    AuthenticationError,
    ExpiredCursorError,
    ForbiddenError,
    ServerUnreachableError,
    UnsupportedServerError,
)
from caretally.mapping.references import target_of
from caretally.store.runs import Gap
from caretally.sync.pulling import Intake, PullResult
from caretally.sync.resources import own_id, patient_of, reference_text, write_body
from caretally.sync.sources.discovery import NOT_UNDERSTOOD, Asking, Discovery, FilterIgnoredError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from caretally.facts.codes import Terminology
    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer
    from caretally.store.staging import StagingWriter
    from caretally.sync.pulling import PullRequest
    from caretally.sync.sources.discovery import Parameters

CHUNK = 50
"""Patients, or resources by id, of one search."""
PRACTICE_TYPES = ("Practitioner", "PractitionerRole", "Organization", "Location")
NEEDED_TO_WRITE = frozenset({"Claim", "ChargeItem"})
"""Without these nobody knows what was billed already."""
_ROUNDS = 4
"""How often references of the practice are followed: role, organization, its parent, and one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSource:
    """Reads a server by search.

    A search that fails for a patient makes that patient incomplete, and nothing is decided for them; the others
    go on. A search that fails for the whole server ends the pull.
    """

    server: FhirServer
    terminology: Terminology

    @property
    def key(self) -> str:
        """Return the name of the source in the store."""
        return f"server:{self.server.base_url}"

    @property
    def description(self) -> str:
        """Return the base URL."""
        return self.server.base_url

    @property
    def authoritative(self) -> bool:
        """Whether what is missing does not exist: a server that answers a search has nothing else."""
        return True

    def pull(self, request: PullRequest, writer: StagingWriter) -> PullResult:
        """Stage the patients of the month with everything about them, and the practice they refer to.

        Raises:
            SourceError: the server cannot be used, or does not let us read what we need.
            IncompletePullError: it is not known who the patients of the month are.
        """
        asking = Asking(self.server)
        result = PullResult()
        pull = _Pull(asking=asking, intake=Intake(request=request, writer=writer, result=result))
        pull.types = self._types_offered(request, result)
        discovery = Discovery(asking, self.terminology, request)
        narrowing = request.narrowing
        request.progress("finding patients", 0, None)
        if narrowing.by_patient:
            found = set(narrowing.patients) | discovery.members(narrowing.groups)
        else:
            found = discovery.patients()
        pull.patients(found)
        pull.practice()
        result.issues += discovery.issues
        if narrowing.by_patient:
            result.chosen = frozenset(found)
        result.requests = asking.requests
        _account_for_remarks(asking, result)
        return result

    def _types_offered(self, request: PullRequest, result: PullResult) -> dict[str, ResourceType]:
        """Return the types that the server says it has.

        Raises:
            UnsupportedServerError: one that nothing can be decided without is missing.
        """
        offered = self.server.capabilities().resources
        missing = [kind.name for kind in request.resource_types.values() if kind.required and kind.name not in offered]
        if missing:
            raise UnsupportedServerError(
                f"the server does not offer {', '.join(missing)}, without which nothing can be decided; see "
                f"`caretally doctor {self.server.base_url}`"
            )
        kinds = {name: kind for name, kind in request.resource_types.items() if name in offered}
        for name in sorted(request.resource_types.keys() - kinds.keys()):
            wanted = f"{name} on the server, or its facts elsewhere"
            result.issues.append(
                Issue(name, "", "type-not-offered", "the server does not offer the type", wanted, "information")
            )
        return kinds


@dataclass(slots=True, kw_only=True)
class _Pull:
    """One pull on its way."""

    asking: Asking
    intake: Intake
    types: dict[str, ResourceType] = field(default_factory=dict)
    referred: set[str] = field(default_factory=set)
    """Resources of the practice that something refers to."""
    one_by_one: set[str] = field(default_factory=set)
    """Types for which the server refused a list of patients in one search."""

    def patients(self, found: set[str]) -> None:
        """Stage everything about some patients and the records that they are linked to."""
        waiting, known = sorted(found), set(found)
        done = 0
        while waiting:
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            linked = self._patient_records(chunk) - known
            known |= linked
            waiting += sorted(linked)
            for kind in list(self.types.values()):
                if kind.patient_search is not None and kind.name != "Patient":
                    self._slice(kind, chunk)
            done += len(chunk)
            self.intake.request.progress("reading", done, len(known))

    def practice(self) -> None:
        """Stage the people and places that the patients' resources refer to, and what those refer to."""
        seen: set[str] = set()
        for _ in range(_ROUNDS):
            wanted = self.referred - seen
            if not wanted:
                return
            seen |= wanted
            for name in PRACTICE_TYPES:
                ids = sorted(one.partition("/")[2] for one in wanted if one.startswith(f"{name}/"))
                if name in self.types:
                    self._by_id(name, ids)
            people = sorted(one for one in wanted if one.startswith("Practitioner/"))
            if "PractitionerRole" in self.types:
                for chunk in _chunks(people):
                    found = self._all("PractitionerRole", [("practitioner", ",".join(chunk))])
                    fresh = [role for role in found if f"PractitionerRole/{own_id(role)}" not in seen]
                    seen |= {f"PractitionerRole/{own_id(role)}" for role in fresh}
                    self._take("PractitionerRole", fresh)

    def _patient_records(self, chunk: Sequence[str]) -> set[str]:
        """Stage Patient resources; return the other records of the same persons."""
        ids = [one.partition("/")[2] for one in chunk]
        linked: set[str] = set()
        try:
            records = self._all("Patient", [("_id", ",".join(ids))])
            if "link" in self.asking.server.capabilities().resource("Patient").search_parameters:
                linking = self._all("Patient", [("link", ",".join(chunk)), ("_elements", "id")])
                linked |= {f"Patient/{own_id(one)}" for one in linking}
        except (SourceError, IncompletePullError) as error:
            self._gaps("Patient", chunk, error)
            return set()
        wanted = set(chunk)
        records = [one for one in records if f"Patient/{own_id(one)}" in wanted]
        self._take("Patient", records)
        missing = wanted - {f"Patient/{own_id(one)}" for one in records}
        for patient in sorted(missing):
            found = "the server has no such Patient, although others refer to it"
            self.intake.result.issues.append(
                Issue(patient, "", "missing-resource", found, "the Patient", "error", patient)
            )
        for record in records:
            linked |= {key for key in reference_text(record, "link.other") if key.startswith("Patient/")}
        return linked

    def _slice(self, kind: ResourceType, chunk: Sequence[str]) -> None:
        """Stage one type for some patients, in one search where the server takes lists."""
        if kind.name not in self.one_by_one:
            try:
                self._one_slice(kind, chunk)
            except (*NOT_UNDERSTOOD, FilterIgnoredError):
                if len(chunk) == 1:
                    raise
                self.one_by_one.add(kind.name)
            else:
                return
        for patient in chunk:
            self._one_slice(kind, [patient])

    def _one_slice(self, kind: ResourceType, chunk: Sequence[str]) -> None:
        try:
            resources = self._all(kind.name, [self._filter(kind, chunk)])
        except ForbiddenError as error:
            self._forbidden(kind, error)
            return
        except (AuthenticationError, ServerUnreachableError):
            raise
        except (*NOT_UNDERSTOOD, FilterIgnoredError) as error:
            if len(chunk) > 1:
                raise
            self._gaps(kind.name, chunk, error)
            return
        except (SourceError, IncompletePullError) as error:
            self._gaps(kind.name, chunk, error)
            return
        wanted = set(chunk)
        mine = [one for one in resources if patient_of(one, kind) in wanted]
        if len(mine) < len(resources):
            found = f"{len(resources) - len(mine)} of patients that were not asked for"
            self.intake.result.other[kind.name] += len(resources) - len(mine)
            self.intake.result.issues.append(
                Issue(kind.name, "", "not-asked-for", found, "an answer to the search alone", "warning")
            )
        self._take(kind.name, mine)

    def _filter(self, kind: ResourceType, chunk: Sequence[str]) -> tuple[str, str]:
        """Return the search by patient; servers that know only ``subject`` want the type of what they look for."""
        offered = self.asking.server.capabilities().resource(kind.name).search_parameters
        if kind.patient_search not in offered and "subject" in offered:
            return "subject", ",".join(chunk)
        return str(kind.patient_search), ",".join(one.partition("/")[2] for one in chunk)

    def _forbidden(self, kind: ResourceType, error: ForbiddenError) -> None:
        """Go on without a type that we may not read, unless something wrong would be decided without it."""
        if kind.required or kind.name in NEEDED_TO_WRITE:
            raise error
        self.types.pop(kind.name, None)
        found = "the server does not let us read the type; its facts are not known"
        wanted = f"the right to search {kind.name}"
        self.intake.result.issues.append(Issue(kind.name, "", "type-forbidden", found, wanted, "warning"))

    def _by_id(self, name: str, ids: Sequence[str]) -> None:
        """Stage resources of the practice; name those that the server does not have."""
        for chunk in _chunks(ids):
            found = self._all(name, [("_id", ",".join(chunk))])
            wanted = set(chunk)
            held = [one for one in found if own_id(one) in wanted]
            self._take(name, held)
            for missing in sorted(wanted - {str(own_id(one)) for one in held}):
                said = "a reference to a resource that the server does not have"
                self.intake.result.issues.append(
                    Issue(f"{name}/{missing}", "", "missing-resource", said, "the resource", "warning")
                )

    def _all(self, name: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Give all matches; a search that the server forgot in the middle is asked a second time."""
        try:
            return [one for page in self.asking.pages(name, parameters) for one in page]
        except ExpiredCursorError:
            return [one for page in self.asking.pages(name, parameters) for one in page]

    def _take(self, name: str, resources: Iterable[dict[str, Any]]) -> None:
        for resource in resources:
            self.intake.add(resource, write_body(resource), f"{name}/{own_id(resource)}")
            self.referred |= {key for key in _practice_references(resource) if key.partition("/")[0] in PRACTICE_TYPES}

    def _gaps(self, name: str, chunk: Sequence[str], error: Exception) -> None:
        self.intake.result.gaps += [Gap(patient=patient, resource_type=name, reason=str(error)) for patient in chunk]


def _practice_references(value: Any) -> Iterator[str]:
    """Give every reference that a resource holds, as ``Type/id``."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            key = target_of(value).key
            if key is not None:
                yield key
        for item in value.values():
            yield from _practice_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _practice_references(item)


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _account_for_remarks(asking: Asking, result: PullResult) -> None:
    for remark, count in sorted(asking.remarks.items()):
        found = f"{count} times {remark.partition(': ')[2]}"
        place = remark.partition(":")[0]
        result.issues.append(Issue(place, "", "server-remark", found, "resources only", "information"))
