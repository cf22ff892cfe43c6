"""From a page of a server to what is kept of it: resources of patients asked for, people, references, issues."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.mapping.references import target_of
from caretally.store.mirror import Taken
from caretally.sync.mirroring.plan import PRACTICE_TYPES
from caretally.sync.pulling import Intake, PullResult
from caretally.sync.resources import read_body, reference_text, write_body

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from caretally.sync.pulling import PullRequest

_REFERENCE = re.compile(
    rb'"reference"\s*:\s*"([^"\\]*(?:Practitioner|PractitionerRole|Organization|Location)/[^"\\]+)"'
)


@dataclass(slots=True)
class _Rows:
    """Stands where a staging writer stands otherwise."""

    taken: Taken

    def add(self, resource_type: str, resource_id: str, *, patient: str | None, place: str, body: bytes) -> None:  # noqa: ARG002
        """Keep a resource for the page's commit."""
        self.taken.rows.append((resource_type, resource_id, patient, body))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIntake:
    """Takes resources of one slice in.

    Attributes:
        wanted: patients that were asked for; None: of anybody.
        known: resources of the practice that are kept when they come without having been asked for; None: all.
    """

    request: PullRequest
    wanted: Collection[str] | None = None
    known: Collection[str] | None = None
    silent: bool = False
    """Whether what was not asked for goes without an issue row, because the search could not be narrower."""
    result: PullResult = field(default_factory=PullResult)

    def take(self, resources: Iterable[dict[str, Any]], bodies: Iterable[bytes] | None = None) -> Taken:
        """Sort resources; each one is kept, or accounted for by an issue row."""
        taken = Taken()
        intake = Intake(request=self.request, writer=_Rows(taken), result=self.result)
        before = len(self.result.issues)
        given = zip(resources, bodies, strict=True) if bodies is not None else ((one, None) for one in resources)
        for resource, body in given:
            kind = resource["resourceType"]
            intake.add(resource, write_body(resource) if body is None else body, f"{kind}/{resource.get('id')}")
        self._filter(taken)
        for kind, _, _, body in taken.rows:
            taken.references |= set(practice_references(body))
            if kind == "Patient":
                taken.people |= linked_people(body)
        taken.issues += self.result.issues[before:]
        return taken

    def _filter(self, taken: Taken) -> None:
        kept = [row for row in taken.rows if self._was_asked_for(*row[:3])]
        strange = len(taken.rows) - len(kept)
        if strange and not self.silent:
            taken.strangers[taken.rows[0][0]] += strange
        taken.rows[:] = kept

    def _was_asked_for(self, kind: str, name: str, patient: str | None) -> bool:
        if patient is not None:
            return self.wanted is None or patient in self.wanted
        return self.known is None or f"{kind}/{name}" in self.known


def practice_references(body: bytes) -> Iterator[str]:
    """Give every person and place of the practice that a resource refers to, as ``Type/id``."""
    for text in set(_REFERENCE.findall(body)):
        key = target_of({"reference": text.decode(errors="replace")}).key
        if key is not None and key.partition("/")[0] in PRACTICE_TYPES:
            yield key


def linked_people(body: bytes) -> set[str]:
    """Give the other records of the same person that a Patient names."""
    if b'"link"' not in body:
        return set()
    return {key for key in reference_text(read_body(body), "link.other") if key.startswith("Patient/")}
