"""What a practice may write into its TOML file: one model a table.

The published JSON schema is made from these models (`published_schema`); `configuration_loading` reads files,
environment and flags into them.
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 -- pydantic reads the annotations
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from caretally.facts.practice import SiteKind  # noqa: TC001 -- pydantic reads the annotations
from caretally.tables.payers import MatchTable, PayerClaimTable
from caretally.tables.reading import Amount, form
from caretally.tables.service_rows import PlaceOfService, ProcedureCode  # noqa: TC001 -- pydantic reads them

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.tables.secret import Secret

Npi = Annotated[str, form(r"^\d{10}$", "an NPI of ten digits, in quotes")]
Tin = Annotated[str, form(r"^\d{2}-?\d{7}$", "a TIN such as 12-3456789, in quotes")]
Taxonomy = Annotated[str, form(r"^[0-9A-Z]{9}X$", "a NUCC taxonomy code such as 207RX0202X, in quotes")]
Phone = Annotated[str, form(r"^[2-9]\d{9}$", "a telephone number of ten digits, in quotes")]
InterchangeId = Annotated[
    str, form(r"^[A-Za-z0-9]([A-Za-z0-9 .\-]{0,13}[A-Za-z0-9])?$", "an identifier of at most 15 letters and digits")
]
Qualifier = Annotated[str, form(r"^[0-9A-Z]{2}$", "an interchange qualifier of two places such as ZZ")]
State = Annotated[str, form(r"^[A-Z]{2}$", "a state of two letters such as NY")]
PostalCode = Annotated[str, form(r"^\d{5}(-?\d{4})?$", "a ZIP code of five or nine digits, in quotes")]
OrganizationReference = Annotated[
    str, form(r"^Organization/[A-Za-z0-9.\-]{1,64}$", "a reference such as Organization/123")
]
PractitionerReference = Annotated[
    str, form(r"^Practitioner/[A-Za-z0-9.\-]{1,64}$", "a reference such as Practitioner/123")
]
Tenant = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$",
        "a short name that never changes: letters, digits, point, dash, underscore; no address",
    ),
]
WriteStrategyName = Literal[
    "automatic", "transaction", "single_put", "conditional_update", "conditional_create", "export_only"
]
SwitchTable = dict[str, Any]
"""Policy switches as they stand in the file; checked against `Policy`."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class RetryTable(_Table):
    """[server.retry]: how patient we are with one request."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    wait_budget_seconds: Annotated[float, Field(ge=0, le=86_400)] = 900.0


class ServerTable(_Table):
    """[server]: the FHIR server and how we treat it. Tokens and passwords come by file or environment only."""

    base_url: str | None = None
    auth: Literal["none", "bearer", "basic", "smart"] = "none"
    token_file: str | None = None
    token_env: str | None = None
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    client_id: str | None = None
    """As the server registered us, for ``auth = "smart"`` (SMART Backend Services)."""
    private_key_file: str | None = None
    private_key_env: str | None = None
    key_id: str | None = None
    scopes: list[str] = Field(default_factory=list)
    """To ask for; empty: the least that the program needs."""
    token_url: str | None = None
    """Of the token endpoint; without it, as the server says."""
    jwks_url: str | None = None
    assertion_seconds: Annotated[int, Field(ge=10, le=300)] = 120
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    answer_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 200
    max_pages: Annotated[int, Field(ge=1)] = 10_000
    max_response_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    max_in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    allowed_alias_bases: list[str] = Field(default_factory=list)
    max_export_file_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024 * 1024
    export_file_origins: list[str] = Field(default_factory=list)
    """Other places where files of a Bulk Data export may lie, such as ``https://bucket.example``; without our token."""
    export_group: str | None = None
    """Id of the Group whose export is the practice's population."""
    export_wait_seconds: Annotated[float, Field(gt=0, le=604_800)] = 86_400.0
    verify_certificate: bool = True
    ca_file: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    proxy: Annotated[str | None, Field(repr=False)] = None
    allow_plain_http_credentials: bool = False
    retry: RetryTable = RetryTable()


class AddressTable(_Table):
    """[site.NAME.address]: where the bill comes from; a street, no post-office box."""

    lines: Annotated[list[str], Field(min_length=1, max_length=2)]
    city: Annotated[str, Field(min_length=2)]
    state: State
    postal_code: PostalCode


class FacilityTable(_Table):
    """[site.NAME.facility]: where the services are rendered, when that is another place."""

    name: Annotated[str, Field(min_length=1)]
    npi: Npi | None = None
    address: AddressTable


class SyncTable(_Table):
    """[sync]: how ``caretally sync`` keeps up with a server."""

    by: Literal["auto", "search", "export"] = "auto"
    overlap_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How far each reading of changes goes back behind the last one: clocks differ, and servers commit late."""
    reconcile_hours: Annotated[float, Field(ge=0, le=8_760)] = 24.0
    """After how long everything is read again, so that deletions are found; 0: every time."""


class SiteTable(_Table):
    """[site.NAME]: a place of practice. The one without an organization is the default site."""

    organization: OrganizationReference | None = None
    zone: str | None = None
    place_of_service: PlaceOfService = "11"
    tin: Tin | None = None
    npi: Npi | None = None
    locality: str | None = None
    """Payment locality for the geographic indices, for example 13202-01; absent: national amounts."""
    qualifying_apm: bool = False
    """Whether the practice takes part in a qualifying payment model, with a conversion factor of its own since 2026."""
    kind: SiteKind = "office"
    fee_schedule: dict[ProcedureCode, Amount] = Field(default_factory=dict)
    default_practitioner: PractitionerReference | None = None
    billing_name: Annotated[str, Field(min_length=1)] | None = None
    """Legal name under which the practice bills; without it that of the Organization."""
    taxonomy: Taxonomy | None = None
    """NUCC code under which the practice bills."""
    phone: Phone | None = None
    address: AddressTable | None = None
    """Billing address; without it that of the Organization."""
    facility: FacilityTable | None = None
    accepts_assignment: bool | None = None
    """Whether the practice takes the payer's rate as payment in full (box 27, CLM07)."""
    signatures_on_file: bool = False
    """That patients signed release and assignment, and practitioners their claims (boxes 12, 13, 31; CLM06, 08, 09)."""
    policy: SwitchTable = Field(default_factory=dict)


class PayerTable(_Table):
    """[payer.NAME]: changes to a shipped payer, or a payer of the practice; ``file`` names one with all of it."""

    title: str | None = None
    file: str | None = None
    sources: list[str] = Field(default_factory=list)
    match: MatchTable = MatchTable()
    claim: PayerClaimTable = PayerClaimTable()
    policy: SwitchTable = Field(default_factory=dict)


class WritebackTable(_Table):
    """[writeback]: what is written, and who releases it."""

    release: Literal["review", "automatic"] = "review"
    resources: Literal["both", "charges", "claims"] = "both"
    provider: Literal["billing_practitioner", "organization"] = "billing_practitioner"
    strategy: WriteStrategyName = "automatic"
    """How changes reach a server; automatic: the best way that it offers (`caretally plan` says which and why)."""
    in_flight: Annotated[int, Field(ge=1, le=16)] = 2
    """Requests that write on their way to a server at one time; what is one person's goes one after the other."""
    months_per_transaction: Annotated[int, Field(ge=1, le=50)] = 5
    """Patient-months in one transaction at most; where it is refused, each is sent alone."""
    tenant: Tenant = "default"
    """A name that never changes, for example of the practice; never an address. Part of every claim's identity."""


class ClearinghouseTable(_Table):
    """[clearinghouse]: who sends and who receives 837P files; both sides agree on these values when they enrol."""

    submitter_name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    submitter_id: InterchangeId | None = None
    submitter_qualifier: Qualifier = "ZZ"
    contact_name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    contact_phone: Phone | None = None
    contact_email: str | None = None
    receiver_name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    receiver_id: InterchangeId | None = None
    receiver_qualifier: Qualifier = "ZZ"
    usage: Literal["test", "production"] = "test"
    """Written into the envelope (ISA15); a receiver adjudicates only production files."""


class MappingTable(_Table):
    """[mapping]: layers of views, the site's own terminology and geographic indices."""

    use: list[str] = Field(default_factory=list)
    role_map: str | None = None
    terminology: list[str] = Field(default_factory=list)
    localities: list[str] = Field(default_factory=list)
    """Files with geographic indices, in the form of mappings/services/localities.toml."""


class StoreTable(_Table):
    """[store]: a folder or a database address; one with a password comes by ``url_env``."""

    url: Annotated[str | None, Field(repr=False)] = None
    url_env: str | None = None


class AttestationTable(_Table):
    """[practice.attestations.NAME]: a fact that the practice vouches for."""

    held_from: Annotated[date, Field(alias="from")]
    held_to: Annotated[date | None, Field(alias="to")] = None
    by: str | None = None


class PracticeTable(_Table):
    """[practice]."""

    attestations: dict[str, AttestationTable] = Field(default_factory=dict)


class Sections(_Table):
    """Everything that may stand at the top of the file, or in a profile."""

    server: ServerTable = ServerTable()
    sync: SyncTable = SyncTable()
    policy: SwitchTable = Field(default_factory=dict)
    site: dict[str, SiteTable] = Field(default_factory=dict)
    payer: dict[str, PayerTable] = Field(default_factory=dict)
    writeback: WritebackTable = WritebackTable()
    clearinghouse: ClearinghouseTable = ClearinghouseTable()
    mapping: MappingTable = MappingTable()
    store: StoreTable = StoreTable()
    practice: PracticeTable = PracticeTable()


class ConfigurationFile(Sections):
    """The file: the sections, and profiles that overlay them."""

    profile: dict[str, Sections] = Field(default_factory=dict)


class Configuration(Sections):
    """The configuration in force: file, profile, environment and flags put together."""

    _file: Path | None = PrivateAttr(default=None)
    _origins: Mapping[str, str] = PrivateAttr(default_factory=lambda: MappingProxyType({}))
    _secrets: Mapping[str, Secret] = PrivateAttr(default_factory=lambda: MappingProxyType({}))
    _store_url: str | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """Return the file that was read; None when there was none."""
        return self._file

    @property
    def origins(self) -> Mapping[str, str]:
        """Return where each value came from, by its dotted name; a value that is absent has its default."""
        return self._origins

    @property
    def server_token(self) -> Secret | None:
        """Return where the bearer token is."""
        return self._secrets.get("token")

    @property
    def server_password(self) -> Secret | None:
        """Return where the password is."""
        return self._secrets.get("password")

    @property
    def server_private_key(self) -> Secret | None:
        """Return where the private key is."""
        return self._secrets.get("private_key")

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """Return where each secret is, by the key it belongs to; a secret shows its origin and never its value."""
        return self._secrets

    @property
    def store_url(self) -> str | None:
        """Return the store's address or folder, with its password where it has one: never to be shown."""
        return self._store_url

    def path(self, text: str) -> Path:
        """Return a path of the file: a relative one begins at the file's own folder."""
        path = Path(text).expanduser()
        return path if path.is_absolute() or self._file is None else self._file.parent / path
