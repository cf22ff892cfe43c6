"""The switches of a payer (billing-rules 12), their defaults, and which file set each of them.

`Policy` refuses unknown keys and values; `tables` turns what pydantic reports into messages with file,
table, row and key. Precedence: default < payer < site < flag (design 6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.facts.clinical import CoverageFact
    from caretally.facts.practice import Site

Scope = Literal["same_practitioner", "same_group"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class InitiatingVisitPolicy(_Strict):
    """Who may have performed the initiating visit, how far back, and which kinds count (D12)."""

    performer: Literal["same_npi", "same_group"] = "same_group"
    lookback_years: Annotated[int, Field(ge=1, le=5)] = 1
    accept_tcm: bool = True
    accept_telehealth: bool = True


class ConflictScope(_Strict):
    """How far a conflicting service reaches (D9, D19)."""

    esrd: Scope = "same_practitioner"
    cpo: Scope = "same_practitioner"
    apcm: Scope = "same_group"
    meos: Scope = "same_group"


class CountActivities(_Strict):
    """Activities that count only where the payer says so (D17)."""

    prior_authorization: bool = False
    unsuccessful_contact: bool = False
    scheduling: bool = False
    billing: bool = False
    enrolment: bool = False
    travel: bool = False
    training: bool = False
    time_logging: bool = False
    visit_preparation: bool = False


class Policy(_Strict):
    """All switches of one payer at one site; the defaults are those of Medicare Part B."""

    zone: str = "America/New_York"
    close_grace_days: Annotated[int, Field(ge=0, le=60)] = 3
    dos: Literal["threshold", "with_last", "month_end", "last_entry"] = "threshold"
    service_date_form: Literal["single", "month_span"] = "single"
    rounding: Literal["none", "floor_entry", "floor_total"] = "none"
    caps: dict[str, Annotated[int, Field(ge=1, le=99)]] = Field(default_factory=dict)
    """Most units of an add-on in a month; a code that is absent keeps the cap of the code table."""
    physician_time: Literal["auto", "roll_up", "separate"] = "auto"
    ccm_vs_cccm: Literal["documented", "highest_allowed", "never_complex"] = "documented"
    cccm_requires_plan_revision: bool = False
    same_day_em: Literal["practitioner_distinct_only", "exclude_whole_day", "overlap_only"] = (
        "practitioner_distinct_only"
    )
    consent_form: Literal["any", "noridian"] = "any"
    consent_max_age_months: Annotated[int, Field(ge=1, le=120)] | None = None
    consent_per_programme: bool = True
    consent_after_visit: bool = False
    consent_disclosures: Literal["warn", "require"] = "warn"
    revocation_effective: Literal["end_of_month", "immediate"] = "end_of_month"
    initiating_visit: InitiatingVisitPolicy = InitiatingVisitPolicy()
    condition_grouping: Literal["icd3", "mapped_group"] = "icd3"
    assume_risk_for_listed: bool = False
    other_practitioner_time: Literal["staff", "physician"] = "staff"
    max_entry_minutes: Annotated[int, Field(ge=1, le=1440)] = 240
    correction: Literal["manual", "frequency", "reopening"] = "manual"
    conflict_scope: ConflictScope = ConflictScope()
    tcm_concurrency: Literal["allow", "block"] = "allow"
    pcm_bhi: Literal["block", "allow"] = "block"
    pcm_multi_requires_exacerbation: bool = False
    hospice: Literal["hold", "block", "warn"] = "hold"
    chw_is_clinical_staff: bool = False
    contracted_staff: Literal["count", "attested"] = "count"
    count_activities: CountActivities = CountActivities()
    other_claims_known: Literal["own_only", "full"] = "own_only"
    timely_filing_months: Annotated[int, Field(ge=1, le=36)] = 12
    """Months from the date of service in which the payer takes a claim."""

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"'{value}' is not an IANA time zone, for example America/New_York") from error
        return value

    @property
    def time_zone(self) -> ZoneInfo:
        """Return the practice's zone."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerMatch:
    """Which Coverage a payer policy is for: any listed type code, payor identifier or payor reference."""

    coverage_types: frozenset[str] = frozenset()
    """``system|code``."""
    payor_identifiers: frozenset[str] = frozenset()
    """``system|value``."""
    payors: frozenset[str] = frozenset()
    """Organization references, for sites whose payers carry no identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Overrides from one place: dotted switch name (``initiating_visit.performer``) to value."""

    source: str
    """What `rules show` prints: file and table, ``flag`` or ``default``."""
    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where single switches come from, when it is not `source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerClaimForm:
    """What a payer wants on a claim beside what the record says."""

    payer_id: str | None = None
    """Identifier that the payer's clearinghouse knows it by (2010BB NM109); None: from the Organization."""
    payer_name: str | None = None
    filing_indicator: str | None = None
    """Claim filing indicator code (SBR09)."""
    member_id: Literal["mbi", "any"] = "any"
    """``mbi``: the member's number must have the format of a Medicare Beneficiary Identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerPolicy:
    """One file of mappings/payers."""

    name: str
    title: str
    switches: Switches
    match: PayerMatch
    sources: tuple[str, ...] = ()
    claim: PayerClaimForm = PayerClaimForm()
    instead_of: tuple[str, ...] = ()
    """Payers in whose place this one is billed although their coverage is on file as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectivePolicy:
    """A policy with the origin of each switch."""

    payer: str
    policy: Policy
    origins: Mapping[str, str]
    """Dotted switch name to source; a switch that is absent has its default."""
    payer_known: bool = True
    """False when no payer file matched and the default one was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyBook:
    """All policies of a run; the one that holds is chosen by the coverage and the billing practitioner's site."""

    payers: Mapping[str, PayerPolicy]
    default_payer: str = "medicare"
    practice: Switches = Switches(source="default")
    """``[policy]`` of the configuration."""
    sites: Mapping[str, Switches] = field(default_factory=dict)
    """``[site.NAME.policy]`` of the configuration, by site name."""
    flags: Switches = Switches(source="flag")
    _known: dict[tuple[str | None, str, ZoneInfo | None], EffectivePolicy] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was worked out already, by payer file (None: none fits), site and its zone: it is asked for each patient."""

    def payer_of(self, coverage: CoverageFact | None) -> PayerPolicy | None:
        """Return the payer file whose `match` fits a coverage; None when none does."""
        if coverage is None:
            return None
        types = {f"{c.system}|{c.code}" for c in coverage.type_codes}
        identifiers = {f"{c.system}|{c.code}" for c in coverage.payor_identifiers}
        for payer in self.payers.values():
            match = payer.match
            if types & match.coverage_types or identifiers & match.payor_identifiers or coverage.payor in match.payors:
                return payer
        return None

    def effective(self, coverage: CoverageFact | None, site: Site) -> EffectivePolicy:
        """Return the switches in force: default < payer < configuration < site < flag.

        Raises:
            pydantic.ValidationError: an override is not valid; `tables` has refused it at start already.
        """
        found = self.payer_of(coverage)
        key = (None if found is None else found.name, site.name, site.zone)
        if key not in self._known:
            self._known[key] = self._effective(found, site)
        return self._known[key]

    def _effective(self, found: PayerPolicy | None, site: Site) -> EffectivePolicy:
        payer = found or self.payers[self.default_payer]
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        layers = (payer.switches, self.practice, self.sites.get(site.name, Switches(source="default")), self.flags)
        for layer in layers:
            for name, value in layer.values.items():
                put_switch(values, name, value)
                origins[name] = layer.sources.get(name, layer.source)
        if site.zone is not None and "zone" not in self.sites.get(site.name, Switches(source="")).values:
            values["zone"] = site.zone.key
            origins["zone"] = f"site.{site.name}"
        return EffectivePolicy(
            payer=payer.name,
            policy=Policy.model_validate(values),
            origins=origins,
            payer_known=found is not None,
        )


def put_switch(values: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted switch name in a nested table."""
    *tables, key = name.split(".")
    for table in tables:
        values = values.setdefault(table, {})
    values[key] = value
