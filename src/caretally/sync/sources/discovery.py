"""Who is a patient of a month on a server: who had care management, who is enrolled, who has a claim of ours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from caretally.billing import CLAIM_IDENTIFIER
from caretally.errors import SourceError
from caretally.facts.issue import Issue
from caretally.fhir.errors import BadRequestError, ForbiddenError, NotFoundError, UnprocessableError
from caretally.fhir.searching import WarningKind
from caretally.sync.resources import patient_of, reference_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caretally.facts.codes import CodeRule, Terminology
    from caretally.fhir.server import FhirServer
    from caretally.sync.pulling import PullRequest

Parameters = list[tuple[str, str]]
NOT_UNDERSTOOD = (BadRequestError, NotFoundError, UnprocessableError)
"""How servers answer a search that they do not offer."""
ACTIVITY_SETS = ("activities-counted", "activities-not-counted")
PROGRAMME_MAP, CONSENT_SET = "programme", "consent-category"


@dataclass(slots=True)
class Asking:
    """One server, and what was asked of it so far."""

    server: FhirServer
    requests: int = 0
    remarks: Counter[str] = field(default_factory=Counter)

    def pages(self, resource_type: str, parameters: Parameters) -> Iterator[list[dict[str, Any]]]:
        """Give the matches of a search page by page; what else the server says is counted in `remarks`.

        Raises:
            SourceError, IncompletePullError: see `FhirServer.search`.
            FilterIgnoredError: the server says that it did not use a parameter.
        """
        self.requests += 1
        for page in self.server.search(resource_type, parameters, exact=True, fresh=True):
            if page.number > 1:
                self.requests += 1
            for warning in page.warnings:
                if warning.kind is WarningKind.PARAMETER_IGNORED:
                    raise FilterIgnoredError(f"GET /{resource_type}: {warning.detail}")
                self.remarks[f"{resource_type}: {warning.kind.value}"] += 1
            yield page.resources

    def understood(self, resource_type: str, parameters: Parameters) -> list[dict[str, Any]] | None:
        """Give all matches of a search, or None when the server does not offer it."""
        try:
            return [resource for page in self.pages(resource_type, parameters) for resource in page]
        except (*NOT_UNDERSTOOD, FilterIgnoredError):
            return None


class FilterIgnoredError(SourceError):
    """The server did not use a filter, so its answer holds what was not asked for."""


def tokens(rules: Iterable[CodeRule]) -> str:
    """Return a token search value for rows of a code set: ``system|code``, or a whole system for patterns."""
    rows = list(rules)
    whole = {rule.system for rule in rows if rule.code is None}
    single = {f"{rule.system}|{rule.code}" for rule in rows if rule.code is not None and rule.system not in whole}
    return ",".join(sorted({f"{system}|" for system in whole} | single))


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds the patients of a month.

    Each of the three ways that the server does not offer is replaced by a wider one, so that the answer is never
    too small, and is noted.
    """

    asking: Asking
    terminology: Terminology
    request: PullRequest
    issues: list[Issue] = field(default_factory=list)

    def patients(self) -> set[str]:
        """Return ``Patient/id`` of everybody who matters in the month.

        Raises:
            SourceError, IncompletePullError: a search failed, so nobody knows who is missing.
        """
        return self._with_time() | self._enrolled() | self._with_claims()

    def members(self, groups: Iterable[str]) -> set[str]:
        """Return the members of Groups.

        Raises:
            SourceError: a Group is not on the server.
        """
        found: set[str] = set()
        for name in sorted(groups):
            self.asking.requests += 1
            group = self.asking.server.read("Group", name.partition("/")[2])
            if group is None or group.resource is None:
                raise SourceError(f"the server has no {name}; --group wants the id of a Group resource on it")
            found |= {key for key in reference_text(group.resource, "member.entity") if key.startswith("Patient/")}
        return found

    def _with_time(self) -> set[str]:
        rules = [rule for name in ACTIVITY_SETS for rule in self.terminology.set(name).rules]
        # A server reads a bare date in its own zone: one day more on either side loses nothing.
        first = self.request.month.first_day - timedelta(days=1)
        last = self.request.month.last_day + timedelta(days=1)
        window = [("date", f"ge{first}"), ("date", f"le{last}")]
        return self._people("Encounter", [("type", tokens(rules))], window)

    def _enrolled(self) -> set[str]:
        programmes = tokens(rule for rule, _ in self.terminology.map(PROGRAMME_MAP).rows)
        consents = tokens(self.terminology.set(CONSENT_SET).rules)
        planned = self._people("CarePlan", [("category", programmes)], [])
        return planned | self._people("Consent", [("category", consents)], [])

    def _with_claims(self) -> set[str]:
        """Find those with a claim or charge of ours; without this search, claims are found with their patients."""
        month = self.request.month
        found: set[str] = set()
        claims = [("created", f"ge{month.first_day}"), ("_elements", "patient,billablePeriod")]
        charges = [("occurrence", f"ge{month.first_day}"), ("occurrence", f"le{month.last_day}")]
        for name, parameters in (("Claim", claims), ("ChargeItem", [*charges, ("_elements", "subject")])):
            ours = self.asking.server.identifier_parameters(name, CLAIM_IDENTIFIER)
            try:
                resources = self.asking.understood(name, [*ours, *parameters])
            except ForbiddenError:
                resources = None
            if resources is None:
                self._note(
                    name, "by identifier", "patients with a claim of ours who are no longer enrolled are not found"
                )
                continue
            found |= self._patients_in(name, [one for one in resources if _may_be_of(one, str(month))])
        return found

    def _people(self, name: str, filters: Parameters, always: Parameters) -> set[str]:
        """Return the patients of a search, asked as narrowly as the server takes it."""
        (element,) = self.request.resource_types[name].patient_elements[:1]
        for parameters in ([*filters, *always, ("_elements", element)], [*filters, *always]):
            resources = self.asking.understood(name, parameters)
            if resources is not None:
                return self._patients_in(name, resources)
        what = f"by {filters[0][0]}"
        self._note(name, what, "all of them were looked through instead, which takes longer")
        return {patient for page in self.asking.pages(name, always) for patient in self._patients_in(name, page)}

    def _patients_in(self, name: str, resources: Iterable[dict[str, Any]]) -> set[str]:
        kind = self.request.resource_types[name]
        found = (patient_of(resource, kind) for resource in resources)
        return {patient for patient in found if patient is not None}

    def _note(self, name: str, what: str, consequence: str) -> None:
        found = f"the server does not search {name} {what}; {consequence}"
        self.issues.append(Issue(name, "", "search-not-offered", found, f"search of {name} {what}", "information"))


def _may_be_of(resource: dict[str, Any], month: str) -> bool:
    """Whether a claim is of the month, as far as its billable period says."""
    period = resource.get("billablePeriod")
    start = period.get("start") if isinstance(period, dict) else None
    return not isinstance(start, str) or start[:7] == month
