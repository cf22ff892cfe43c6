"""One reading of a server into a mirror: find the patients, read everything about them, then the practice.

The phases follow one another; the slices of a phase are read several at a time. Everything that a phase needs to know
stands in the store, so that a reading that was cut off goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.errors import SourceError
from caretally.facts.issue import Issue
from caretally.fhir.errors import UnsupportedServerError
from caretally.store import mirror as mirrors
from caretally.sync.failpoints import failpoint
from caretally.sync.mirroring.export_counts import NOT_COUNTED, ExportCounts
from caretally.sync.mirroring.plan import (
    CHANGES,
    COUNTED,
    FACTS,
    FIND,
    PEOPLE,
    PRACTICE,
    PRACTICE_TYPES,
    PRICES,
    Plan,
    chunks,
)
from caretally.sync.mirroring.slice_reader import SliceReader
from caretally.sync.pulling import PullResult
from caretally.sync.resources import reference_text
from caretally.sync.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.codes import Terminology
    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer
    from caretally.store.mirror import Mirror, Notes
    from caretally.store.opening import Store
    from caretally.sync.mirroring.plan import Planned
    from caretally.sync.pulling import PullRequest

ROUNDS = 4
"""How often references of the practice are followed: role, organization, its parent, and one more."""
PEOPLE_AT_ONCE, SLICES_AT_ONCE = 1_000, 500
"""How many people are planned for, and how many slices are held in memory, at one time."""
REFUSALS = frozenset({"resource-without-id", "no-patient", "unreadable-line"})
"""Codes of issue rows about resources that were not kept."""


@dataclass(kw_only=True)
class Refresh:
    """One reading of a server.

    Attributes:
        months: service months whose patients are wanted.
        mirror: as `store.mirror.begin` gave it, or as it was found half read.
    """

    server: FhirServer
    terminology: Terminology
    request: PullRequest
    months: Sequence[ServiceMonth]
    store: Store
    mirror: Mirror
    requests: int = 0
    _issues: list[Issue] = field(default_factory=list)
    _plan: Plan = field(init=False)
    _reader: SliceReader = field(init=False)

    def __post_init__(self) -> None:
        self._plan = Plan(
            server=self.server, terminology=self.terminology, types=self._types_offered(), months=self.months
        )
        changes = self.mirror.mode == "changes"
        self._reader = SliceReader(
            store=self.store,
            plan=self._plan,
            mirror=self.mirror,
            request=self.request,
            cohort=frozenset(mirrors.people(self.store, self.mirror)) if changes else frozenset(),
            known=frozenset(mirrors.references(self.store, self.mirror.id)) if changes else frozenset(),
        )

    def read(self) -> None:
        """Read everything that is still missing.

        Raises:
            SourceError: the server cannot be used, or does not let us read what we need.
            IncompletePullError: it is not known who the patients are.
        """
        self.request.progress("finding patients", 0, None)
        self._find()
        if self.mirror.mode == "changes" and not self._planned(CHANGES):
            self._plan_slices(CHANGES, self._plan.changes(str(self.mirror.held_up_to), self.mirror.server_began_at))
        self._run(CHANGES)
        self.people()
        self.practice()
        self.requests += self._reader.requests
        failpoint("mirror:read")

    def around(self, *, overlap: timedelta, group: str | None = None) -> None:
        """Read what an export did not bring: what the server counts beyond it, linked records, the practice.

        Args:
            overlap: how much earlier than the kick-off `mirror.server_began_at` is.
            group: id of the Group that was exported; None: everybody.

        Raises:
            SourceError, IncompletePullError: see `read`.
        """
        if not self._planned(COUNTED):
            self._plan_what_was_left_out(overlap, group)
        self.people()
        self.practice()
        self.requests += self._reader.requests

    def _plan_what_was_left_out(self, overlap: timedelta, group: str | None) -> None:
        """Plan to read by search what an export had to bring and did not; see `export_counts`."""
        members = None if group is None else self._members_if_told(group)
        if members:
            # Each member is asked for by name where the export did not bring it.
            mirrors.keep(self.store, self.mirror, mirrors.Taken(people=members))
        asked = sorted(mirrors.people(self.store, self.mirror) - set(mirrors.people_to_ask(self.store, self.mirror)))
        counts = ExportCounts(
            plan=self._plan, mirror=self.mirror, overlap=overlap, members=None if group is None else asked
        )
        refused = [one for one in mirrors.notes(self.store, self.mirror.id).issues if one.code in REFUSALS]
        short, issues = counts.short(self.store, refused)
        self.requests += counts.requests
        mirrors.note(self.store, self.mirror.id, issues=issues)
        planned: dict[str, list[Planned]] = {COUNTED: [("", {})], FACTS: self._plan.facts(asked, short)}
        planned[PEOPLE] = [("Patient", self._plan.everybody())] if "Patient" in short else []
        mirrors.plan_for(self.store, self.mirror.id, planned)

    def _members_if_told(self, group: str) -> set[str]:
        """Return the members of the Group that was exported; none where the server does not show it."""
        self.requests += 1
        try:
            found = self.server.read("Group", group)
        except NOT_COUNTED:
            return set()
        return set() if found is None or found.resource is None else _members_of(found.resource)

    def people(self) -> None:
        """Read the records of everybody who was found, of those whom they link to, and everything about them."""
        # What a reading that was cut off had still to ask, or an export left out, may bring people too.
        self._run(PEOPLE)
        while waiting := mirrors.people_to_ask(self.store, self.mirror):
            for people in chunks(waiting, PEOPLE_AT_ONCE):
                # Facts are planned with the people: what is asked for once is not asked for again.
                planned = {PEOPLE: self._plan.people(people), FACTS: self._plan.facts(people)}
                mirrors.plan_for(self.store, self.mirror.id, planned, people=people)
            self._run(PEOPLE)
        self._run(FACTS)

    def practice(self) -> None:
        """Read the price list, and the people and places that the patients' resources and these refer to."""
        if not self._planned(PRICES):
            self._plan_slices(PRICES, self._plan.prices())
        self._run(PRICES)
        self._run(PRACTICE)
        for _ in range(ROUNDS):
            waiting = mirrors.references_to_ask(self.store, self.mirror.id)
            if not waiting:
                return
            held = mirrors.holds(self.store, self.mirror, waiting)
            people = [one for one in waiting if one.startswith("Practitioner/")]
            lacking = sorted((set(waiting) - held) | set(people))
            planned = {PRACTICE: self._plan.practice(lacking)}
            mirrors.plan_for(self.store, self.mirror.id, planned, references=waiting)
            self._run(PRACTICE)

    def result(self) -> PullResult:
        """Say what is held and what is missing."""
        result = PullResult(requests=self.requests)
        result.read.update(mirrors.count_by_type(self.store, self.mirror.id))
        noted = mirrors.notes(self.store, self.mirror.id)
        result.gaps = noted.gaps
        result.issues += [*self._issues, *noted.issues, *_strangers(noted), *self._missing(noted), *self._remarks()]
        result.refused.update(issue.code for issue in noted.issues if issue.code in REFUSALS)
        result.other.update(noted.strangers)
        narrowing = self.request.narrowing
        if narrowing.by_patient:
            result.chosen = narrowing.patients | self._members(narrowing.groups)
        return result

    def _find(self) -> None:
        narrowing = self.request.narrowing
        if not narrowing.by_patient:
            if not self._planned(FIND):
                self._plan_slices(FIND, self._plan.find(wide=self.request.wide))
            self._run(FIND)
            return
        chosen = set(narrowing.patients) | self._members(narrowing.groups)
        for people in chunks(sorted(chosen), PEOPLE_AT_ONCE):
            mirrors.keep(self.store, self.mirror, mirrors.Taken(people=set(people)))

    def _members(self, groups: Iterable[str]) -> set[str]:
        """Return the members of Groups.

        Raises:
            SourceError: a Group is not on the server.
        """
        found: set[str] = set()
        for name in sorted(groups):
            self.requests += 1
            group = self.server.read("Group", name.partition("/")[2])
            if group is None or group.resource is None:
                raise SourceError(f"the server has no {name}; --group wants the id of a Group resource on it")
            found |= _members_of(group.resource)
        return found

    def _types_offered(self) -> dict[str, ResourceType]:
        """Return the types that the server says it has.

        Raises:
            UnsupportedServerError: one that nothing can be decided without is missing.
        """
        wanted, offered = self.request.resource_types, self.server.capabilities().resources
        missing = [kind.name for kind in wanted.values() if kind.required and kind.name not in offered]
        if missing:
            raise UnsupportedServerError(
                f"the server does not offer {', '.join(missing)}, without which nothing can be decided; see "
                f"`caretally doctor {self.server.base_url}`"
            )
        for name in sorted(wanted.keys() - offered.keys()):
            found = "the server does not offer the type"
            self._issues.append(
                Issue(
                    name, "", "type-not-offered", found, f"{name} on the server, or its facts elsewhere", "information"
                )
            )
        return {name: kind for name, kind in wanted.items() if name in offered}

    def _planned(self, phase: str) -> bool:
        return mirrors.phase_planned(self.store, self.mirror.id, phase)

    def _plan_slices(self, phase: str, slices: Sequence[tuple[str, dict[str, Any]]]) -> None:
        mirrors.plan_slices(self.store, self.mirror.id, phase, slices)

    def _run(self, phase: str) -> None:
        """Read the slices of a phase, as many at a time as the server shall have requests in flight."""
        read = 0
        while slices := mirrors.waiting_slices(self.store, self.mirror.id, phase, limit=SLICES_AT_ONCE):
            total = read + mirrors.count_waiting(self.store, self.mirror.id, phase)
            threads = self.server.settings.max_in_flight
            workers = Workers(self._reader.read, slices, threads=threads, stop=self._reader.stop)
            for read, _ in enumerate(workers.results(), read + 1):  # noqa: B020 -- counts on over the batches
                self.request.progress(f"reading {phase}", read, total)

    def _missing(self, noted: Notes) -> list[Issue]:
        """Name what others refer to and the server does not have."""
        people = sorted(mirrors.people(self.store, self.mirror))
        unread = {gap.patient for gap in noted.gaps if gap.resource_type == "Patient"}
        held = mirrors.holds(self.store, self.mirror, people)
        found = "the server has no such Patient, although others refer to it"
        missing = [
            Issue(one, "", "missing-resource", found, "the Patient", "error", one)
            for one in people
            if one not in held and one not in unread
        ]
        references = sorted(mirrors.references(self.store, self.mirror.id))
        held = mirrors.holds(self.store, self.mirror, references)
        said = "a reference to a resource that the server does not have"
        offered = {name for name in PRACTICE_TYPES if name in self._plan.types}
        missing += [
            Issue(one, "", "missing-resource", said, "the resource", "warning")
            for one in references
            if one not in held and one.partition("/")[0] in offered
        ]
        return missing

    def _remarks(self) -> list[Issue]:
        rows = []
        for remark, count in sorted(self._reader.remarks.items()):
            place, _, what = remark.partition(": ")
            rows.append(Issue(place, "", "server-remark", f"{count} times {what}", "resources only", "information"))
        return rows


def _members_of(group: dict[str, Any]) -> set[str]:
    return {key for key in reference_text(group, "member.entity") if key.startswith("Patient/")}


def _strangers(noted: Notes) -> list[Issue]:
    wanted = "an answer to the search alone"
    return [
        Issue(name, "", "not-asked-for", f"{count} of patients that were not asked for", wanted, "warning")
        for name, count in sorted(noted.strangers.items())
    ]
