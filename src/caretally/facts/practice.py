"""The practice: practitioners, organizations, sites, and which of them are one group for billing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caretally.facts.prices import PriceList
from caretally.facts.time_entry import RoleClass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal
    from zoneinfo import ZoneInfo

SiteKind = Literal["office", "rural-health-clinic", "federally-qualified-health-center", "hospital-department"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """One PractitionerRole."""

    reference: str
    organization: str | None
    role: RoleClass
    taxonomy: str | None = None
    """NUCC code of the role or specialty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    """A person of the practice or of another one."""

    reference: str
    npi: str | None = None
    role: RoleClass = RoleClass.UNKNOWN
    assignments: tuple[RoleAssignment, ...] = ()

    @property
    def taxonomy(self) -> str | None:
        """Return the first NUCC code known for the person."""
        return next((a.taxonomy for a in self.assignments if a.taxonomy), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A practice, hospital or payer."""

    reference: str
    npi: str | None = None
    tin: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    """(system, value) pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """Where somebody gets mail in the United States."""

    lines: tuple[str, ...] = ()
    city: str | None = None
    state: str | None = None
    """Two letters."""
    postal_code: str | None = None
    """Five or nine digits, with or without hyphen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """Where the services are rendered, when that is not where the bill comes from (box 32, loop 2310C)."""

    name: str
    npi: str | None = None
    address: PostalAddress = PostalAddress()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place of practice from the configuration, ``[site.NAME]``."""

    name: str
    organization: str | None = None
    """Organization reference that the site stands for; None for the default site."""
    zone: ZoneInfo | None = None
    place_of_service: str = "11"
    tin: str | None = None
    npi: str | None = None
    locality: str | None = None
    """Payment locality of the geographic indices, ``13202-01``; None: national amounts."""
    qualifying_apm: bool = False
    """Takes part in a qualifying payment model (a conversion factor of its own since 2026)."""
    kind: SiteKind = "office"
    fee_schedule: Mapping[str, Decimal] = field(default_factory=dict)
    """Charge for a unit, by code."""
    default_practitioner: str | None = None
    billing_name: str | None = None
    """Legal name under which the practice bills; None: that of the Organization."""
    taxonomy: str | None = None
    """NUCC code under which the practice bills."""
    phone: str | None = None
    address: PostalAddress | None = None
    """Billing address; None: that of the Organization."""
    facility: Facility | None = None
    accepts_assignment: bool | None = None
    """Whether the practice takes the payer's rate as payment in full; None: nobody has said."""
    signatures_on_file: bool = False
    """Whether the practice vouches for the patients' and the practitioners' signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A dated practice fact (24/7 access, care-team lead, EHR use and the like)."""

    name: str
    held_from: date
    held_to: date | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Everybody and every place that patients' facts refer to, resolved once for a run."""

    practitioners: Mapping[str, Practitioner] = field(default_factory=dict)
    organizations: Mapping[str, Organization] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    prices: PriceList = field(default_factory=PriceList)

    def practitioner(self, reference: str) -> Practitioner:
        """Return a practitioner; one who is not on file has an unknown role."""
        return self.practitioners.get(reference) or Practitioner(reference=reference)

    def group_of_organization(self, reference: str | None) -> str | None:
        """Return the billing group: the TIN, else the Organization reference (design 4)."""
        if reference is None:
            return None
        for site in self.sites:
            if site.organization == reference and site.tin:
                return "tin:" + site.tin
        organization = self.organizations.get(reference)
        return "tin:" + organization.tin if organization and organization.tin else reference

    def groups_of(self, practitioner: str) -> frozenset[str]:
        """Return every billing group that a practitioner works for."""
        return frozenset(
            group
            for assignment in self.practitioner(practitioner).assignments
            if (group := self.group_of_organization(assignment.organization))
        )

    def billing_npi(self, organization: str | None) -> str | None:
        """Return the NPI under which an organization bills: the site's, else its own."""
        site = self.site_of_organization(organization)
        found = self.organizations.get(organization or "")
        return site.npi or (found.npi if found else None)

    def billing_tin(self, organization: str | None) -> str | None:
        """Return the tax number under which an organization bills, nine digits: the site's, else its own."""
        site = self.site_of_organization(organization)
        found = self.organizations.get(organization or "")
        tin = site.tin or (found.tin if found else None)
        return tin.replace("-", "") if tin else None

    def site_of_organization(self, organization: str | None) -> Site:
        """Return the configured site of an organization, else the default site."""
        for site in self.sites:
            if site.organization is not None and site.organization == organization:
                return site
        return next((site for site in self.sites if site.organization is None), Site(name="default"))

    def same_practitioner(self, one: str, other: str) -> bool:
        """Whether two references are one person: by NPI where both have one, else by reference."""
        if one == other:
            return True
        first, second = self.practitioner(one).npi, self.practitioner(other).npi
        return first is not None and first == second

    def organization_of(self, practitioner: str) -> str | None:
        """Return the organization a practitioner bills for: the first assignment that has one."""
        return next((a.organization for a in self.practitioner(practitioner).assignments if a.organization), None)

    def site_of(self, practitioner: str) -> Site:
        """Return the site of a practitioner: the configured one of the organization, else the default site."""
        organizations = {a.organization for a in self.practitioner(practitioner).assignments if a.organization}
        for site in self.sites:
            if site.organization is not None and site.organization in organizations:
                return site
        return next((site for site in self.sites if site.organization is None), Site(name="default"))
