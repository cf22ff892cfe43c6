"""Reading one slice: page after page, each committed with its place, and what to do when the server says no."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caretally.errors import IncompletePullError, SourceError
from caretally.facts.issue import Issue
from caretally.fhir.errors import (
    AuthenticationError,
    BadRequestError,
    ExpiredCursorError,
    ForbiddenError,
    LogInRefusedError,
    NotFoundError,
    RetryLaterError,
    ServerUnreachableError,
    UnprocessableError,
    UntrustedServerError,
)
from caretally.fhir.searching import WarningKind
from caretally.store import mirror as mirrors
from caretally.store.mirror import Taken
from caretally.store.runs import Gap
from caretally.sync.failpoints import failpoint
from caretally.sync.mirroring.intake import PageIntake
from caretally.sync.mirroring.plan import (
    CHANGES,
    CHUNK,
    FACTS,
    FIND,
    PEOPLE,
    PRACTICE,
    PRACTICE_TYPES,
    PRICES,
    Plan,
    chunks,
)
from caretally.sync.mirroring.qualifying import may_qualify
from caretally.sync.resources import own_id, patient_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.fhir.searching import Page
    from caretally.store.mirror import Mirror, MirrorSlice
    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest

NOT_UNDERSTOOD = (BadRequestError, NotFoundError, UnprocessableError)
"""How servers answer a search that they do not offer."""
STOPS_EVERYTHING = (
    AuthenticationError,
    LogInRefusedError,
    RetryLaterError,
    ServerUnreachableError,
    UntrustedServerError,
)
"""What concerns the whole server: the reading stops here and goes on from here next time."""
NEEDED_TO_WRITE = frozenset({"Claim", "ChargeItem"})
"""Without these nobody knows what was billed already."""
MOST_RESTARTS = 2


class FilterIgnoredError(SourceError):
    """The server did not use a filter, so its answer holds what was not asked for."""


class StoppedError(Exception):
    """Another slice met something that concerns the whole server."""


@dataclass(kw_only=True)
class SliceReader:
    """Reads slices of one reading; used by several threads.

    Attributes:
        cohort: patients of the mirror, for a reading of changes.
        known: people and places of the practice that are kept when they changed.
    """

    store: Store
    plan: Plan
    mirror: Mirror
    request: PullRequest
    cohort: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    requests: int = 0
    remarks: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _one_by_one: set[str] = field(default_factory=set)
    _forbidden: set[str] = field(default_factory=set)
    _compared: set[str] = field(default_factory=set)
    """Types that are compared in full, because the server cannot tell what changed."""

    def read(self, one: MirrorSlice) -> None:
        """Read a slice to its end, or note what it cannot bring.

        Raises:
            SourceError, IncompletePullError: something that concerns the whole server, or nobody knows who is missing.
            StoppedError: another thread asked to stop.
        """
        if one.resource_type in self._forbidden or ("since" in one.document and one.resource_type in self._compared):
            self._end(one)
        elif one.phase == FACTS and len(one.document["patients"]) > 1 and one.resource_type in self._one_by_one:
            self._split(one)
        else:
            self._read(one)

    def _read(self, one: MirrorSlice) -> None:
        for _ in range(MOST_RESTARTS + 1):
            try:
                self._pages(one)
            except ExpiredCursorError as error:
                expired: Exception = error
                with self._writing:
                    mirrors.restart_slice(self.store, self.mirror, one)
                one = replace(one, next_link=None, pages=0)
            except STOPS_EVERYTHING:
                raise
            except ForbiddenError as error:
                return self._refused(one, error)
            except (*NOT_UNDERSTOOD, FilterIgnoredError) as error:
                return self._not_understood(one, error)
            except (SourceError, IncompletePullError) as error:
                return self._failed(one, error)
            else:
                return None
        return self._failed(one, expired)

    def _pages(self, one: MirrorSlice) -> None:
        name, variants = one.resource_type, one.document["variants"]
        parameters = [(str(key), str(value)) for key, value in variants[int(one.document.get("variant", 0))]]
        go_on_at = None if one.next_link is None else (one.pages + 1, one.next_link)
        intake = self._intake(one)
        with self._writing:
            self.requests += 1
        for page in self.plan.server.search(name, parameters, exact=True, fresh=True, go_on_at=go_on_at):
            self._check(name, page)
            taken = self._taken(one, page, intake)
            failpoint("mirror:page-read")
            with self._writing:
                self.requests += page.next_link is not None
                mirrors.take_page(
                    self.store, self.mirror, one, taken, next_link=page.next_link, done=page.next_link is None
                )
            failpoint("mirror:page-kept")
            if self.stop.is_set() and page.next_link is not None:
                raise StoppedError

    def _intake(self, one: MirrorSlice) -> PageIntake:
        if one.phase == CHANGES:
            return PageIntake(request=self.request, wanted=self.cohort, known=self.known, silent=True)
        wanted = one.document.get("patients")
        return PageIntake(request=self.request, wanted=None if wanted is None else frozenset(wanted))

    def _check(self, name: str, page: Page) -> None:
        for warning in page.warnings:
            if warning.kind is WarningKind.PARAMETER_IGNORED:
                raise FilterIgnoredError(f"GET /{name}: {warning.detail}")
            with self._writing:
                self.remarks[f"{name}: {warning.kind.value}"] += 1

    def _taken(self, one: MirrorSlice, page: Page, intake: PageIntake) -> Taken:
        if one.phase == FIND:
            return Taken(people=self._found(one.resource_type, page.resources))
        if one.document.get("only_people"):
            return Taken(people={f"Patient/{name}" for row in page.resources if (name := own_id(row)) is not None})
        if one.phase == PRACTICE:
            along = [row for row in page.included if row["resourceType"] in PRACTICE_TYPES]
            return intake.take([*page.resources, *along])
        return intake.take(page.resources)

    def _found(self, name: str, resources: Iterable[dict[str, Any]]) -> set[str]:
        kind = self.plan.types[name]
        months = {str(month) for month in self.plan.months}
        if name == "Condition":
            resources = [row for row in resources if may_qualify(row, self.plan.terminology)]
        people = (patient_of(row, kind) for row in resources if name not in NEEDED_TO_WRITE or _may_be_of(row, months))
        return {patient for patient in people if patient is not None}

    def _refused(self, one: MirrorSlice, error: ForbiddenError) -> None:
        """Go on without a type that we may not read, unless something wrong would be decided without it."""
        name = one.resource_type
        if one.phase == FIND and "lost" in one.document:
            self._note_search(one, str(one.document["lost"]))
            return
        kind = self.plan.types[name]
        if one.phase in {FIND, PEOPLE} or kind.required or name in NEEDED_TO_WRITE:
            raise error
        self._forbidden.add(name)
        found = "the server does not let us read the type; its facts are not known"
        wanted = f"the right to search {name}"
        self._end(one, Issue(name, "", "type-forbidden", found, wanted, "warning"))

    def _not_understood(self, one: MirrorSlice, error: Exception) -> None:
        """Ask for the same more widely; for one patient after the other; or for everything instead of changes."""
        document = one.document
        variant = int(document.get("variant", 0)) + 1
        if variant < len(document["variants"]):
            issues = []
            if variant == len(document["variants"]) - 1 and "wider" in document:
                issues = [self._search_issue(one, str(document["wider"]))]
            self._replace(one, [{**document, "variant": variant}], issues)
        elif one.phase in {FIND, PRICES} and "lost" in document:
            self._note_search(one, str(document["lost"]))
        elif one.phase == FACTS and len(document["patients"]) > 1:
            self._one_by_one.add(one.resource_type)
            self._split(one)
        elif parts := self._parts(one):
            self._replace(one, parts)
        elif one.phase == CHANGES and "since" in document:
            self._everything_instead(one)
        elif one.phase in {FACTS, PEOPLE}:
            self._failed(one, error)
        else:
            raise error

    def _everything_instead(self, one: MirrorSlice) -> None:
        """Compare in full what a server cannot tell the changes of."""
        found = f"the server does not search {one.resource_type} by _lastUpdated; all of it was read again instead"
        issue = Issue(one.resource_type, "", "search-not-offered", found, "search by _lastUpdated", "information")
        people = sorted(self.cohort)
        if one.resource_type == "Patient":
            planned = self.plan.people(people)
        elif one.resource_type in PRACTICE_TYPES:
            planned = self.plan.practice(sorted(x for x in self.known if x.startswith(f"{one.resource_type}/")))
        else:
            planned = self.plan.facts(people, [one.resource_type])
        phase = FACTS if self.plan.types[one.resource_type].patient_search is not None else one.phase
        with self._writing:
            if one.resource_type in self._compared:
                planned = []  # the server refused another window of the same type at the same time
            self._compared.add(one.resource_type)
            mirrors.plan_slices(
                self.store,
                self.mirror.id,
                PEOPLE if one.resource_type == "Patient" else phase,
                [(name, document) for name, document in planned if name == one.resource_type],
            )
        self._end(one, issue)

    def _split(self, one: MirrorSlice) -> None:
        kind = self.plan.types[one.resource_type]
        self._replace(one, [self.plan.facts_of(kind, [patient])[1] for patient in one.document["patients"]])

    def _parts(self, one: MirrorSlice) -> list[dict[str, Any]]:
        """Ask for fewer people or places at a time: long lists are refused by some servers, all lists by others."""
        document = one.document
        values = document.get("patients") if one.phase == PEOPLE else document.get("list", {}).get("values")
        if values is None or len(values) == 1:
            return []
        groups = list(chunks(values, CHUNK if len(values) > CHUNK else 1))
        if one.phase == PEOPLE:
            make = self.plan.linking_to if document.get("only_people") else self.plan.people_of
            return [make(group) for group in groups]
        name = str(document["list"]["parameter"])
        return [self.plan.practice_of(one.resource_type, name, group) for group in groups]

    def _failed(self, one: MirrorSlice, error: Exception) -> None:
        """Make the patients of a slice incomplete; a search for people or the practice concerns everybody."""
        patients = one.document.get("patients")
        if patients is None:
            raise error
        gaps = [Gap(patient=name, resource_type=one.resource_type, reason=str(error)) for name in patients]
        with self._writing:
            mirrors.replace_slice(self.store, self.mirror, one, gaps=gaps)

    def _note_search(self, one: MirrorSlice, consequence: str) -> None:
        self._end(one, self._search_issue(one, consequence))

    def _search_issue(self, one: MirrorSlice, consequence: str) -> Issue:
        name, what = one.resource_type, one.document["what"]
        found = f"the server does not search {name} {what}; {consequence}"
        return Issue(name, "", "search-not-offered", found, f"search of {name} {what}", "information")

    def _end(self, one: MirrorSlice, issue: Issue | None = None) -> None:
        self._replace(one, [], [] if issue is None else [issue])

    def _replace(self, one: MirrorSlice, by: list[dict[str, Any]], issues: Iterable[Issue] = ()) -> None:
        with self._writing:
            mirrors.replace_slice(self.store, self.mirror, one, by=by, issues=issues)


def _may_be_of(resource: dict[str, Any], months: set[str]) -> bool:
    """Whether a claim is of one of the months, as far as its billable period says."""
    period = resource.get("billablePeriod")
    start = period.get("start") if isinstance(period, dict) else None
    return not isinstance(start, str) or start[:7] in months
