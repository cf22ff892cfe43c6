"""The dated code tables: programmes, families of codes, conflicts and amounts (mappings/services).

A family is one ladder: a base code at so many minutes and an add-on for each further step, fed by one pool of
time, behind named gates. Adding a programme means adding rows; `tables` checks them (gate names, caps,
overlapping dates).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caretally.facts.payments import PaymentTables
from caretally.facts.rates import Rate, dollars

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.pre_submission import PreSubmissionCheck
    from caretally.facts.rates import ConversionFactor, Locality, RateStatus, RelativeValueParts

Pool = Literal["staff", "practitioner"]
Effect = Literal["block", "hold", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCode:
    """One billable code in one year."""

    code: str
    system: str
    label: str
    """Our own short label; never AMA text."""
    valid_from: date
    valid_to: date | None
    rvu_non_facility: Decimal | None = None
    rvu_facility: Decimal | None = None
    parts: RelativeValueParts | None = None
    """What the relative values are made of; None: not known, so no locality can be applied."""
    amount_non_facility: Decimal | None = None
    """Stated amount where no RVU is known."""
    amount_facility: Decimal | None = None
    rate_status: RateStatus = "missing"
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One ladder of a programme."""

    name: str
    """For example ``ccm-staff``; stands in the output as `family`."""
    programme: str
    pool: Pool
    """``staff``: the union of staff and practitioner time; ``practitioner``: the practitioner's own."""
    base: str
    base_minutes: int
    add_on: str | None = None
    add_on_minutes: int | None = None
    add_on_cap: int | None = None
    """Most add-on units in a month; None: no limit."""
    complex: bool = False
    """Needs moderate or high medical decision making (gate ``decision-making``)."""
    gates: tuple[str, ...] = ()
    """Named gates that only this family has."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """A programme that a patient is enrolled in: its gates and its families in the order of choice."""

    name: str
    """``ccm``, ``pcm``."""
    label: str
    gates: tuple[str, ...]
    families: tuple[str, ...]
    conditions_needed: int
    months_needed: int
    """Expected duration of each condition, in months."""
    exclusive_with: tuple[str, ...] = ()
    """Programmes that the same practitioner cannot bill in the same month (hold)."""
    one_practitioner: bool = False
    """Only one practitioner a month may bill it for a beneficiary."""
    roles: frozenset[str] = frozenset({"practitioner", "clinical-staff"})
    """Role classes whose time counts (rules 3.1); others are X-ROLE."""
    initiating_visits: tuple[str, ...] = ("initiating-visit",)
    """Value sets whose visits start the programme."""
    admission_shows_risk: bool = False
    """Whether a recent admission for a condition shows its risk where nobody has documented one (4.1, P1)."""
    consent_max_age_months: int | None = None
    """Age at which consent to this programme has to be renewed; the payer's switch can only shorten it."""
    same_condition_hold: str | None = None
    """Hold where another practitioner has billed the programme for the same disease; None: no such rule."""
    apart_from: tuple[str, ...] = ()
    """Programmes that the same practitioner cannot bill for the same disease in a month (hold)."""
    apart_hold: str | None = None
    """The hold of `apart_from`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A service that the same month does not go with (billing-rules 5)."""

    name: str
    """``esrd``, ``cpo``, ``apcm``, ``meos``, ``g0511``, ``bhi``, ``tcm``."""
    code_set: str
    """Name of the value set with its codes and dates."""
    reason: str
    programmes: tuple[str, ...]
    scope: str
    """``same_practitioner``, ``same_group`` or ``any``; overridden by the switch of ``scope_switch``."""
    scope_switch: str | None = None
    """Dotted policy switch that gives the scope, for example ``conflict_scope.esrd``."""
    enabled_switch: str | None = None
    """Dotted policy switch that must have ``enabled_value`` for the conflict to block."""
    enabled_value: str | None = None
    other: Effect | None = "warn"
    """What the same service by somebody outside the scope does; None: nothing."""
    same_condition: bool = False
    """Whether it stands in the way only for the disease that the programme rests on."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Institutional:
    """How a kind of site that bills on institutional claims bills care management (rules 1, D22)."""

    kind: str
    """Site kind: ``rural-health-clinic``, ``federally-qualified-health-center``, ``hospital-department``."""
    individual_codes_from: date | None
    """First date of the codes of the ladders; None: always."""
    general_code: str | None
    """The one code that stood for all of them before."""
    general_code_from: date | None
    general_code_to: date | None
    """Last date of the general code."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    """Catalogue row of a reason, exclusion or notice code (mappings/reasons.toml)."""

    code: str
    message: str
    cite: str
    settled_by: str = ""
    """How a person settles it; empty where the record has to change."""

    @property
    def overridable(self) -> bool:
        """Whether a person may go on in spite of it."""
        return self.settled_by == OVERRIDE_COMMAND


OVERRIDE_COMMAND = "caretally review override"
"""`settled_by` of a hold that a person may override."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTables:
    """All code tables that were loaded, looked up by date of service."""

    codes: tuple[ServiceCode, ...]
    families: Mapping[str, Family]
    programmes: Mapping[str, Programme]
    conflicts: tuple[Conflict, ...]
    conversion_factors: tuple[ConversionFactor, ...]
    localities: tuple[Locality, ...] = ()
    reasons: Mapping[str, ReasonText] = field(default_factory=dict)
    facility_places: frozenset[str] = frozenset()
    """Places of service that are paid at the facility rate."""
    blocked_places: frozenset[str] = frozenset()
    """Places of service that no care-management line may have (rules 1, "Place of service")."""
    institutional: tuple[Institutional, ...] = ()
    checks: tuple[PreSubmissionCheck, ...] = ()
    """Checks before the claim, in the order of their table."""
    payments: PaymentTables = field(default_factory=PaymentTables)
    """Coinsurance and the oncology model: information only."""
    version: str = ""
    """Digest of all table files, named in Provenance."""

    def code_on(self, code: str, on: date) -> ServiceCode | None:
        """Return the row of a code on a date of service; None when the code was not valid then."""
        for row in self.codes:
            if row.code == code and row.valid_from <= on and (row.valid_to is None or on <= row.valid_to):
                return row
        return None

    def covers(self, month: ServiceMonth) -> bool:
        """Whether any code is valid in a month."""
        return any(
            row.valid_from <= month.last_day and (row.valid_to is None or row.valid_to >= month.first_day)
            for row in self.codes
        )

    def own_codes(self) -> frozenset[str]:
        """Return every code that any family bills."""
        return frozenset(
            code for family in self.families.values() for code in (family.base, family.add_on) if code is not None
        )

    def families_of(self, programme: str) -> tuple[Family, ...]:
        """Return the families of a programme in the order of choice."""
        return tuple(self.families[name] for name in self.programmes[programme].families)

    def programme_of_code(self, code: str) -> str | None:
        """Return the programme whose family bills a code."""
        for family in self.families.values():
            if code in (family.base, family.add_on):
                return family.programme
        return None

    def factor_on(self, on: date, *, qualifying_apm: bool = False) -> Decimal | None:
        """Return the conversion factor of a date; the one of payment models where there is one and it is asked for."""
        holding = [f for f in self.conversion_factors if f.holds_on(on)]
        special = [f for f in holding if f.qualifying_apm and qualifying_apm]
        return next((f.amount for f in (*special, *(f for f in holding if not f.qualifying_apm))), None)

    def locality_on(self, code: str, on: date) -> Locality | None:
        """Return the geographic indices of a locality on a date; None when the tables have none."""
        return next((row for row in self.localities if row.code == code and row.holds_on(on)), None)

    def rate(
        self, code: str, on: date, *, facility: bool, locality: str | None = None, qualifying_apm: bool = False
    ) -> Rate:
        """Return the amount of one unit on a date of service, and what it rests on.

        Args:
            code: the code.
            on: the date of service.
            facility: whether the place of service is paid at the facility rate.
            locality: payment locality of the site, ``13202-01``; None: the national amount.
            qualifying_apm: whether the practice takes part in a qualifying payment model.
        """
        row, factor = self.code_on(code, on), self.factor_on(on, qualifying_apm=qualifying_apm)
        if row is None:
            return Rate(amount=None, basis="none", lacking=f"no row for {code} on {on}")
        index = None if locality is None else self.locality_on(locality, on)
        lacking = ""
        if locality is not None and index is None:
            lacking = f"no geographic index for locality {locality} on {on}"
        elif index is not None and row.parts is None:
            lacking = f"the parts of the relative value of {code} are not known"
        rvu = row.rvu_facility if facility else row.rvu_non_facility
        if factor is None or rvu is None:
            stated = row.amount_facility if facility else row.amount_non_facility
            return Rate(amount=stated, basis="none" if stated is None else "stated", lacking=lacking)
        if index is not None and row.parts is not None:
            return Rate(amount=dollars(index.adjusted(row.parts, facility=facility), factor), basis="locality")
        return Rate(amount=dollars(rvu, factor), basis="national", lacking=lacking)

    def exclusive(self, programme: str, other: str) -> bool:
        """Whether the same practitioner cannot bill two programmes in one month; a programme excludes itself."""
        rows = ((programme, other), (other, programme))
        return programme == other or any(
            one in self.programmes and two in self.programmes[one].exclusive_with for one, two in rows
        )

    def roles_of(self, programme: str) -> frozenset[str]:
        """Return the role classes whose time counts; none for a programme that no table has."""
        return self.programmes[programme].roles if programme in self.programmes else frozenset()

    def unit_amount(self, code: str, on: date, *, facility: bool) -> Decimal | None:
        """Return the national amount of one unit: RVU times conversion factor, to the cent; None: no rate known."""
        return self.rate(code, on, facility=facility).amount
