"""The rows of mappings/services and mappings/reasons.toml, as they stand in the files."""

from __future__ import annotations

from datetime import date  # noqa: TC003 -- pydantic reads the annotations
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from caretally.tables.reading import Amount, Strict, form

ProcedureCode = Annotated[str, form(r"^[0-9A-Z]\d{4}$", "a CPT or HCPCS code such as 99490 or G0511")]
PlaceOfService = Annotated[str, form(r"^\d{2}$", "a place of service of two digits, for example 11")]
CountingRole = Literal["practitioner", "clinical-staff", "community-health-worker"]
Text = Annotated[str, Field(min_length=1)]
_LEAST_INDEX, _MOST_INDEX = Decimal("0.1"), Decimal(5)
"""No index of any year lies outside; a percentage or a misplaced point does."""


class _Dated(Strict):
    valid_from: date | None = None
    valid_to: date | None = None
    source: Text

    @model_validator(mode="after")
    def _in_order(self) -> _Dated:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} lies before valid_from {self.valid_from}")
        return self


class FactorRow(_Dated):
    """One conversion factor."""

    amount: Amount
    qualifying_apm: bool = False


class PartsTable(Strict):
    """What a relative value is made of; each part is multiplied by its own geographic index."""

    work: Amount
    pe_non_facility: Amount
    pe_facility: Amount
    mp: Amount


class CodeRow(_Dated):
    """One code in one year. A rate that is not known is left out: never zero."""

    code: ProcedureCode
    system: str | None = None
    label: Annotated[str, Field(min_length=1, max_length=60)]
    rvu_non_facility: Amount | None = None
    rvu_facility: Amount | None = None
    parts: PartsTable | None = None
    amount_non_facility: Amount | None = None
    amount_facility: Amount | None = None
    rate_status: Literal["confirmed", "secondary", "missing"]

    @model_validator(mode="after")
    def _rates(self) -> CodeRow:
        rates = (self.rvu_non_facility, self.rvu_facility, self.amount_non_facility, self.amount_facility)
        if any(rate == 0 for rate in rates):
            raise ValueError("a rate of zero; leave an unknown rate out")
        known = any(rate is not None for rate in rates)
        if known == (self.rate_status == "missing"):
            said = "has a rate" if known else "has no rate"
            raise ValueError(f"rate_status is {self.rate_status}, but the row {said}")
        if self.rvu_non_facility is not None and self.amount_non_facility is not None:
            raise ValueError("has rvu_non_facility and amount_non_facility; keep one")
        if self.rvu_facility is not None and self.amount_facility is not None:
            raise ValueError("has rvu_facility and amount_facility; keep one")
        return self

    @model_validator(mode="after")
    def _parts_add_up(self) -> CodeRow:
        if self.parts is None:
            return self
        for key, total, expense in (
            ("rvu_non_facility", self.rvu_non_facility, self.parts.pe_non_facility),
            ("rvu_facility", self.rvu_facility, self.parts.pe_facility),
        ):
            found = self.parts.work + expense + self.parts.mp
            if total is not None and found != total:
                raise ValueError(f"the parts add up to {found}, but {key} is {total}")
        return self


class YearFile(Strict):
    """mappings/services/YEAR.toml."""

    year: Annotated[int, Field(ge=2015, le=2100)]
    conversion_factor: list[FactorRow] = Field(default_factory=list)
    code: list[CodeRow]


class LocalityRow(_Dated):
    """The geographic practice cost indices of one payment locality."""

    code: Annotated[
        str, form(r"^\d{5}-\d{2}$", "contractor and locality as CMS numbers them, for example 13202-01, in quotes")
    ]
    name: Text
    work: Amount
    pe: Amount
    mp: Amount
    rate_status: Literal["confirmed", "secondary"]

    @model_validator(mode="after")
    def _indices(self) -> LocalityRow:
        for key in ("work", "pe", "mp"):
            found = getattr(self, key)
            if not _LEAST_INDEX <= found <= _MOST_INDEX:
                raise ValueError(f"{key} is {found}, wanted an index from {_LEAST_INDEX} to {_MOST_INDEX}, around 1")
        if self.valid_from is None:
            raise ValueError("valid_from is missing; indices change every year")
        return self


class LocalitiesFile(Strict):
    """mappings/services/localities.toml, and files of the same form that a site adds."""

    locality: Annotated[list[LocalityRow], Field(min_length=1)]


class PlaceTable(Strict):
    """Places of service with a meaning of their own."""

    blocked: list[PlaceOfService]
    facility: list[PlaceOfService]
    source: Text


class ProgrammeRow(Strict):
    """One programme."""

    name: Text
    label: Text
    gates: list[str]
    families: Annotated[list[str], Field(min_length=1)]
    conditions_needed: Annotated[int, Field(ge=0, le=20)]
    months_needed: Annotated[int, Field(ge=0, le=120)]
    exclusive_with: list[str] = Field(default_factory=list)
    one_practitioner: bool = False
    roles: Annotated[tuple[CountingRole, ...], Field(min_length=1, strict=False)] = ("practitioner", "clinical-staff")
    initiating_visits: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["initiating-visit"])
    admission_shows_risk: bool = False
    consent_max_age_months: Annotated[int, Field(ge=1, le=120)] | None = None
    same_condition_hold: str | None = None
    apart_from: list[str] = Field(default_factory=list)
    apart_hold: str | None = None
    source: Text

    @model_validator(mode="after")
    def _apart(self) -> ProgrammeRow:
        if bool(self.apart_from) != (self.apart_hold is not None):
            raise ValueError("apart_from and apart_hold belong together")
        return self


class InstitutionalRow(Strict):
    """How a kind of site that bills on institutional claims bills care management."""

    kind: Literal["rural-health-clinic", "federally-qualified-health-center", "hospital-department"]
    individual_codes_from: date | None = None
    general_code: ProcedureCode | None = None
    general_code_from: date | None = None
    general_code_to: date | None = None
    source: Text

    @model_validator(mode="after")
    def _general(self) -> InstitutionalRow:
        start, end = self.general_code_from, self.general_code_to
        if self.general_code is None and (start is not None or end is not None):
            raise ValueError("general_code_from or general_code_to without general_code; name the code")
        if start is not None and end is not None and end < start:
            raise ValueError(f"general_code_to {end} lies before general_code_from {start}")
        return self


class FamilyRow(Strict):
    """One ladder."""

    name: Text
    programme: str
    pool: Literal["staff", "practitioner"]
    base: ProcedureCode
    base_minutes: Annotated[int, Field(ge=1, le=600)]
    add_on: ProcedureCode | None = None
    add_on_minutes: Annotated[int, Field(ge=1, le=600)] | None = None
    add_on_cap: Annotated[int, Field(ge=1, le=99)] | None = None
    complex: bool = False
    gates: list[str] = Field(default_factory=list)
    source: Text

    @model_validator(mode="after")
    def _ladder(self) -> FamilyRow:
        if self.add_on is None and (self.add_on_cap is not None or self.add_on_minutes is not None):
            raise ValueError("add_on_cap or add_on_minutes without add_on; name the code")
        if self.add_on is not None and self.add_on_minutes is None:
            raise ValueError(f"add_on {self.add_on} without add_on_minutes")
        if self.complex != ("decision-making" in self.gates):
            raise ValueError("complex = true and the gate decision-making belong together")
        return self


class ProgrammesFile(Strict):
    """mappings/services/programmes.toml."""

    place_of_service: PlaceTable
    programme: Annotated[list[ProgrammeRow], Field(min_length=1)]
    family: Annotated[list[FamilyRow], Field(min_length=1)]
    institutional: list[InstitutionalRow] = Field(default_factory=list)


class ConflictRow(Strict):
    """One conflicting service."""

    name: Text
    code_set: str
    reason: str
    programmes: list[str]
    scope: Literal["same_practitioner", "same_group", "any"]
    scope_switch: str | None = None
    enabled_switch: str | None = None
    enabled_value: str | None = None
    other: Literal["block", "hold", "warn", "nothing"]
    same_condition: bool = False
    source: Text

    @model_validator(mode="after")
    def _switches(self) -> ConflictRow:
        if (self.enabled_switch is None) != (self.enabled_value is None):
            raise ValueError("enabled_switch and enabled_value belong together")
        return self


class ConflictsFile(Strict):
    """mappings/services/conflicts.toml."""

    conflict: list[ConflictRow]


class ReasonRow(Strict):
    """One code of an answer."""

    code: str
    message: Annotated[str, Field(min_length=1, max_length=200)]
    cite: Text
    settled_by: str = ""


class ReasonsFile(Strict):
    """mappings/reasons.toml."""

    reason: list[ReasonRow]
