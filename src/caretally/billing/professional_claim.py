"""A professional claim as a payer reads it: what a claim form or an 837P says, whichever form it takes.

Amounts are dollars, dates are local days. Everything that the record may lack is None; `claim_checks` says what of
it matters. Names, addresses and numbers of people do not show up in a representation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caretally.facts.policy import PayerClaimForm
from caretally.facts.practice import PostalAddress

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from caretally.facts.practice import Facility

NO_ADDRESS = PostalAddress()
NO_FORM = PayerClaimForm()


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A person's name, or in `family` that of an organization."""

    family: str | None = None
    given: str | None = None
    middle: str | None = None
    suffix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who bills, or who rendered the services."""

    reference: str
    organization: bool
    name: Name = field(default=Name(), repr=False)
    npi: str | None = None
    taxonomy: str | None = None
    tin: str | None = None
    phone: str | None = None
    address: PostalAddress = NO_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The patient, or the subscriber through whom the patient is insured."""

    name: Name = field(default=Name(), repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: Literal["F", "M", "U"] | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    address: PostalAddress = field(default=NO_ADDRESS, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who is asked to pay."""

    name: str | None = None
    identifier: str | None = None
    form: PayerClaimForm = NO_FORM
    order: int = 1
    """1 pays first, 2 second, 3 third."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCoverage:
    """A coverage that pays after the one the claim goes to (box 9, loops 2320 and 2330)."""

    payer: Payer
    relationship: str | None
    subscriber: Person
    member_id: str | None = field(repr=False)
    group_number: str | None = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether a claim can name it."""
        name = self.subscriber.name
        return bool(self.member_id and self.relationship and name.family and self.payer.name and self.payer.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """One line."""

    code: str
    modifiers: tuple[str, ...]
    pointers: tuple[int, ...]
    """Positions of its diagnoses on the claim, from 1, the first one first; 0 for one that the claim lacks."""
    start: date | None
    end: date | None
    place_of_service: str
    units: Decimal | None
    charge: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfessionalClaim:
    """One claim. `relationship` is that of the patient to the subscriber: self, spouse, child or other."""

    reference: str
    state: Literal["draft", "released", "void", "taken-back"]
    service_month: str
    """``2025-01``."""
    created: date | None
    professional: bool
    account_number: str
    frequency: str
    original_number: str | None
    """The payer's control number of the claim that a replacement or void is about."""
    patient_reference: str
    patient: Person
    relationship: str | None
    subscriber: Person
    member_id: str | None = field(repr=False)
    group_number: str | None = field(repr=False)
    payer: Payer
    others: tuple[OtherCoverage, ...]
    """Coverages that stand on the claim behind the one it goes to, in their order."""
    billing: Provider
    rendering: Provider
    facility: Facility | None
    accepts_assignment: bool | None
    signatures_on_file: bool
    diagnoses: tuple[str, ...]
    lines: tuple[ServiceLine, ...]
    total: Decimal | None
    site: str
    """Name of the site in the configuration."""

    @property
    def is_self(self) -> bool:
        """Whether the patient is the subscriber."""
        return self.relationship == "self"
