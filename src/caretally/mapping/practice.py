"""The practice: Practitioner, PractitionerRole and Organization become people, roles and groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import NUCC
from caretally.facts.issue import Issue
from caretally.facts.practice import Organization, Practice, Practitioner, RoleAssignment
from caretally.facts.prices import PriceList
from caretally.facts.time_entry import RoleClass
from caretally.mapping.context import ViewIndex
from caretally.mapping.copies import settle_copies
from caretally.mapping.prices import prices_of
from caretally.mapping.references import Directory, npi_digits, target_of, tin_digits
from caretally.mapping.report import Report
from caretally.mapping.roles import RANK, role_class
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from caretally.facts.codes import Terminology
    from caretally.facts.practice import Attestation, Site
    from caretally.facts.prices import Price
    from caretally.mapping.copies import Source
    from caretally.mapping.references import Target
    from caretally.mapping.values import Row
    from caretally.mapping.view import CompiledView


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedPractice:
    """What the practice's resources became."""

    practice: Practice
    issues: tuple[Issue, ...]
    accounted: Mapping[str, int]


def map_practice(
    resources: Iterable[dict[str, Any]],
    *,
    views: Mapping[str, tuple[CompiledView, ...]],
    terminology: Terminology,
    sites: tuple[Site, ...] = (),
    attestations: tuple[Attestation, ...] = (),
) -> MappedPractice:
    """Map the resources that belong to no patient.

    A person's role is that of the PractitionerRoles (its code, else its specialty), else of the qualification;
    who has several is the highest of them. Nobody is guessed: an unknown role stays unknown and never counts.
    """
    builder = _Builder(resources, views, terminology)
    organizations = {o.reference: o for o in builder.organizations()}
    practice = Practice(
        practitioners={p.reference: p for p in builder.practitioners(organizations)},
        organizations=organizations,
        sites=sites,
        attestations=attestations,
        prices=PriceList(tuple(builder.prices())),
    )
    return MappedPractice(practice=practice, issues=builder.report.rows(), accounted=builder.accounted())


class _Builder:
    def __init__(
        self,
        resources: Iterable[dict[str, Any]],
        views: Mapping[str, tuple[CompiledView, ...]],
        terminology: Terminology,
    ) -> None:
        settled = settle_copies(resources)
        self.sources = sorted(settled.sources, key=lambda s: s.reference)
        self.fates = settled.fates
        self.report = Report()
        self.report.take(settled.issues)
        self.index, self.terminology = ViewIndex(views), terminology
        self.used: set[str] = set()

    def _rows(self, view: str) -> Iterator[tuple[Source, Row]]:
        for source in self.sources:
            for row in self.index.rows(view, source, self.report):
                # Of copies that contradict each other none says who somebody is.
                if row is not None and not source.conflicting:
                    yield source, row

    def accounted(self) -> Counter[str]:
        """Return how many resources became facts, were refused, or are of no use here."""
        counted = Counter(self.fates)
        refused = {issue.resource for issue in self.report.rows() if issue.severity == "error"}
        for source in self.sources:
            fate = "fact" if source.reference in self.used else "refused" if source.reference in refused else "other"
            counted[f"{source.type}.{fate}"] += 1
            if source.copies > 1:
                counted[f"{source.type}.duplicate"] += source.copies - 1
        return counted

    def organizations(self) -> Iterator[Organization]:
        """Yield the organizations with their identifiers."""
        for source, row in self._rows("organization"):
            try:
                pairs = [(i.get("system"), i.get("value")) for i in row.objects("identifiers")]
                npis = [npi for text in row.texts("npis") if (npi := npi_digits(text)) is not None]
                tins = [tin for text in row.texts("tins") if (tin := tin_digits(text)) is not None]
            except Refusal as refusal:
                self.report.refuse(source, refusal)
                continue
            self.used.add(source.reference)
            yield Organization(
                reference=source.reference,
                npi=next(iter(npis), None),
                tin=next(iter(tins), None),
                identifiers=tuple((s, v) for s, v in pairs if isinstance(s, str) and isinstance(v, str)),
            )

    def prices(self) -> Iterator[Price]:
        """Yield the price list."""
        for source, row in self._rows("price"):
            try:
                found = list(prices_of(source, row))
            except Refusal as refusal:
                self.report.refuse(source, refusal)
                continue
            if found:
                self.used.add(source.reference)
            yield from found

    def practitioners(self, organizations: Mapping[str, Organization]) -> Iterator[Practitioner]:
        """Yield everybody with all roles; a role may name its practitioner by NPI, its organization by identifier."""
        assignments = self._assignments(organizations)
        seen: set[str] = set()
        for source, row in self._rows("practitioner"):
            try:
                npis = [npi for text in row.texts("npis") if (npi := npi_digits(text)) is not None]
                qualification = role_class(self.terminology, row.codings("qualification_codings"))
            except Refusal as refusal:
                self.report.refuse(source, refusal)
                continue
            self.used.add(source.reference)
            seen.add(source.reference)
            yield _person(source.reference, next(iter(npis), None), qualification, assignments)
        for reference in sorted(set(assignments) - seen):
            # A role whose Practitioner was not read still says what the person does; without an NPI, though.
            for assignment in assignments[reference]:
                found, wanted = "a reference without target", f"{reference} among the resources that were read"
                issue = Issue(
                    assignment.reference, "PractitionerRole.practitioner", "missing-resource", found, wanted, "warning"
                )
                self.report.take([issue])
            yield _person(reference, None, RoleClass.UNKNOWN, assignments)

    def _assignments(self, organizations: Mapping[str, Organization]) -> dict[str, list[RoleAssignment]]:
        found: dict[str, list[RoleAssignment]] = {}
        npis, directory = self._holders("practitioner", "npis"), Directory(Practice(organizations=organizations))
        for source, row in self._rows("practitioner_role"):
            try:
                people = [target_of(o) for o in row.objects("practitioner")]
                places = [target_of(o) for o in row.objects("organization")]
                codes, specialties = row.codings("role_codings"), row.codings("specialty_codings")
                active = row.known_flag("active")
            except Refusal as refusal:
                self.report.refuse(source, refusal)
                continue
            reference = people[0].key or _only(people[0], npis) if people else None
            if reference is None:
                wanted = "a reference to a Practitioner"
                self.report.note(source, f"{source.type}.practitioner", "role-without-person", "none", wanted)
                continue
            self.used.add(source.reference)
            organization = places[0].key or directory.organization(places[0]) if places else None
            role = role_class(self.terminology, codes)
            if role is RoleClass.UNKNOWN:
                role = role_class(self.terminology, specialties)
            taxonomy = next((c.code for c in (*specialties, *codes) if c.system == NUCC), None)
            if active is False:
                continue
            found.setdefault(reference, []).append(
                RoleAssignment(reference=source.reference, organization=organization, role=role, taxonomy=taxonomy)
            )
        return found

    def _holders(self, view: str, column: str) -> dict[str, list[str]]:
        """Return who has each of the texts of a column; what cannot be read was refused where it is a fact."""
        found: dict[str, list[str]] = {}
        for source, row in self._rows(view):
            for text in row.many(column):
                if isinstance(text, str) and source.reference not in found.setdefault(text, []):
                    found[text].append(source.reference)
        return found


def _only(target: Target, npis: Mapping[str, list[str]]) -> str | None:
    """Return the one Practitioner with the NPI that a reference names; None where there is none or several."""
    holders = npis.get(target.identifier[1].strip(), []) if target.identifier is not None else []
    return holders[0] if len(holders) == 1 else None


def _person(
    reference: str, npi: str | None, qualification: RoleClass, assignments: Mapping[str, list[RoleAssignment]]
) -> Practitioner:
    own = sorted(assignments.get(reference, ()), key=lambda a: a.reference)
    roles = {a.role for a in own} - {RoleClass.UNKNOWN}
    role = next((r for r in RANK if r in roles), qualification)
    return Practitioner(reference=reference, npi=npi, role=role, assignments=tuple(own))
