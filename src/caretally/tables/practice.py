"""Sites and attestations of the configuration, as the facts know them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from caretally.errors import ConfigurationError
from caretally.facts.identifiers import is_npi
from caretally.facts.practice import Attestation, Facility, PostalAddress, Site

if TYPE_CHECKING:
    from caretally.tables.configuration import AddressTable, Configuration, FacilityTable


def sites(configuration: Configuration) -> tuple[Site, ...]:
    """Return the places of practice, in the order of the file.

    Raises:
        ConfigurationError: an unknown zone, an NPI with a wrong check digit, or two sites for one organization.
    """
    found: list[Site] = []
    owners: dict[str | None, str] = {}
    for name, table in configuration.site.items():
        where = f"{configuration.file or 'configuration'}: [site.{name}]"
        if table.organization in owners:
            said = table.organization or "no organization (the default site)"
            raise ConfigurationError(f"{where} organization: {said} is also [site.{owners[table.organization]}]")
        owners[table.organization] = name
        if table.npi is not None and not is_npi(table.npi):
            raise ConfigurationError(f"{where} npi: the check digit does not fit; look for a misprint")
        found.append(
            Site(
                name=name,
                organization=table.organization,
                zone=_zone(table.zone, where),
                place_of_service=table.place_of_service,
                tin=table.tin,
                npi=table.npi,
                locality=table.locality,
                qualifying_apm=table.qualifying_apm,
                kind=table.kind,
                fee_schedule=dict(table.fee_schedule),
                default_practitioner=table.default_practitioner,
                billing_name=table.billing_name,
                taxonomy=table.taxonomy,
                phone=table.phone,
                address=None if table.address is None else _address(table.address),
                facility=None if table.facility is None else _facility(table.facility, where),
                accepts_assignment=table.accepts_assignment,
                signatures_on_file=table.signatures_on_file,
            )
        )
    return tuple(found)


def attestations(configuration: Configuration) -> tuple[Attestation, ...]:
    """Return what the practice vouches for.

    Raises:
        ConfigurationError: an attestation ends before it begins.
    """
    found = []
    for name, row in configuration.practice.attestations.items():
        if row.held_to is not None and row.held_to < row.held_from:
            raise ConfigurationError(f"[practice.attestations.{name}] to: {row.held_to} lies before {row.held_from}")
        found.append(Attestation(name=name, held_from=row.held_from, held_to=row.held_to, by=row.by))
    return tuple(found)


def _address(table: AddressTable) -> PostalAddress:
    return PostalAddress(
        lines=tuple(table.lines), city=table.city, state=table.state, postal_code=table.postal_code.replace("-", "")
    )


def _facility(table: FacilityTable, where: str) -> Facility:
    if table.npi is not None and not is_npi(table.npi):
        raise ConfigurationError(f"{where} facility.npi: the check digit does not fit; look for a misprint")
    return Facility(name=table.name, npi=table.npi, address=_address(table.address))


def _zone(name: str | None, where: str) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(
            f"{where} zone: '{name}' is not an IANA time zone, for example America/New_York"
        ) from None
