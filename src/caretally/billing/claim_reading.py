"""From a Claim and the resources that it refers to, to what a payer reads.

The resources are raw FHIR from other people's systems: anything may be missing or of another type, which then reads
as missing. `claim_checks` names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from caretally.billing.claim import ORIGINAL, VOID, payer_control_number
from caretally.billing.content import BILLING_TIN, CLAIM_FREQUENCY, CLAIM_WITHDRAWAL, extension
from caretally.billing.identity import ACCOUNT_NUMBER, PAYER_CONTROL_NUMBER
from caretally.billing.parties import as_dict, as_list, identifier_value, party_person, party_provider, text
from caretally.billing.professional_claim import (
    NO_FORM,
    OtherCoverage,
    Payer,
    Person,
    ProfessionalClaim,
    Provider,
    ServiceLine,
)
from caretally.facts.clinical import CoverageFact
from caretally.facts.codes import ICD10CM, NPI, NUCC, Coding
from caretally.facts.identifiers import plain_mbi
from caretally.facts.practice import Practice
from caretally.mapping.references import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from caretally.facts.policy import PolicyBook
    from caretally.facts.practice import Site

    Resource = Mapping[str, Any]

_RENDERING, _BILLING = frozenset({"rendering", "primary", "performing"}), frozenset({"billing"})
_RELATIONSHIPS = {"self": "self", "spouse": "spouse", "common": "spouse", "child": "child", "parent": "other"}
_PAYER_ID_TYPES = frozenset({"NIIP"})
_NAIC = "urn:oid:2.16.840.1.113883.6.300"


@dataclass(frozen=True, slots=True)
class ClaimReader:
    """Reads claims of one practice.

    Attributes:
        policies: which payer a coverage belongs to, and what it wants on a claim.
        practice: the sites of the configuration.
    """

    policies: PolicyBook
    practice: Practice = field(default_factory=Practice)

    def read(self, claim: Resource, find: Callable[[str], Resource | None]) -> ProfessionalClaim:
        """Read a claim.

        Args:
            claim: a Claim with exact amounts (`facts.exact_json`).
            find: gives the resource of a reference ``Type/id``; None where it is not at hand.
        """
        team = [as_dict(member) for member in as_list(claim.get("careTeam"))]
        rendering = _member(team, _RENDERING)
        billing = _member(team, _BILLING) or {"provider": claim.get("provider")}
        site = self.practice.site_of_organization(_key(billing.get("provider"), "Organization"))
        coverage, *behind = _coverages(claim, find) or [{}]
        person = party_person(find(_key(claim.get("patient")) or ""))
        relationship = _relationship(coverage)
        payer = self._payer(coverage, 1, find)
        withdrawal = extension(dict(claim), CLAIM_WITHDRAWAL)
        frequency = extension(dict(claim), CLAIM_FREQUENCY)
        return ProfessionalClaim(
            reference=f"Claim/{claim.get('id')}",
            state=_state(claim, withdrawal, frequency),
            service_month=text(as_dict(claim.get("billablePeriod")).get("start"))[:7],
            created=_day(claim.get("created")),
            professional=_code(claim.get("type")) == "professional" and claim.get("use") == "claim",
            account_number=identifier_value(claim, ACCOUNT_NUMBER) or "",
            frequency=frequency if isinstance(frequency, str) else ORIGINAL,
            original_number=_original_number(claim, frequency),
            patient_reference=_key(claim.get("patient")) or "",
            patient=person,
            relationship=relationship,
            subscriber=person if relationship == "self" else _subscriber(coverage, find),
            member_id=_member_id(coverage, payer, find(_key(claim.get("patient")) or "")),
            group_number=_group_number(coverage),
            payer=payer,
            others=tuple(self._other(one, place, person, find) for place, one in enumerate(behind, 2)),
            billing=_billing(claim, billing, site, find),
            rendering=_provider(rendering, find),
            facility=site.facility,
            accepts_assignment=site.accepts_assignment,
            signatures_on_file=site.signatures_on_file,
            diagnoses=tuple(code for _, code in _diagnoses(claim)),
            lines=tuple(_lines(claim)),
            total=_amount(claim.get("total")),
            site=site.name,
        )

    def _other(
        self, coverage: Resource, place: int, patient: Person, find: Callable[[str], Resource | None]
    ) -> OtherCoverage:
        payer, relationship = self._payer(coverage, place, find), _relationship(coverage)
        return OtherCoverage(
            payer=payer,
            relationship=relationship,
            subscriber=patient if relationship == "self" else _subscriber(coverage, find),
            member_id=_member_id(coverage, payer, None),
            group_number=_group_number(coverage),
        )

    def _payer(self, coverage: Resource, place: int, find: Callable[[str], Resource | None]) -> Payer:
        reference = next((k for p in as_list(coverage.get("payor")) if (k := _key(p, "Organization"))), None)
        organization = find(reference or "") or {}
        pairs = [as_dict(one) for one in as_list(organization.get("identifier"))]
        known = self.policies.payer_of(
            CoverageFact(
                reference="",
                status="active",
                start=None,
                end=None,
                type_codes=tuple(Coding(s, c) for s, c in _codings(coverage.get("type"))),
                payor=reference,
                payor_identifiers=tuple(Coding(text(i.get("system")), text(i.get("value"))) for i in pairs),
            )
        )
        # Not the default payer's: its identifier on a claim to somebody unknown would send it to the wrong place.
        form = known.claim if known is not None else NO_FORM
        own = next((text(i.get("value")) for i in pairs if _names_payer(i)), "")
        order = coverage.get("order")
        return Payer(
            name=form.payer_name or text(organization.get("name")) or None,
            identifier=form.payer_id or own or None,
            form=form,
            order=order if isinstance(order, int) and not isinstance(order, bool) and order > 0 else place,
        )


def _member(team: list[dict[str, Any]], roles: frozenset[str]) -> dict[str, Any]:
    return next((m for m in team if {code for _, code in _codings(m.get("role"))} & roles), {})


def _provider(member: dict[str, Any], find: Callable[[str], Resource | None]) -> Provider:
    """Return a provider: what the claim says itself, and behind it what the resource says."""
    reference = as_dict(member.get("provider"))
    key = _key(reference) or ""
    found = party_provider(key, find(key))
    said = as_dict(reference.get("identifier"))
    taxonomy = next((code for system, code in _codings(member.get("qualification")) if system == NUCC), None)
    npi = text(said.get("value")) if said.get("system") == NPI else ""
    return Provider(
        reference=key,
        organization=found.organization,
        name=found.name,
        npi=npi or found.npi,
        taxonomy=taxonomy,
        tin=found.tin,
        phone=found.phone,
        address=found.address,
    )


def _billing(claim: Resource, member: dict[str, Any], site: Site, find: Callable[[str], Resource | None]) -> Provider:
    found = _provider(member, find)
    tin = as_dict(extension(dict(claim), BILLING_TIN)).get("value")
    named = site.billing_name if found.organization else None
    return Provider(
        reference=found.reference,
        organization=found.organization,
        name=type(found.name)(family=named) if named else found.name,
        npi=found.npi,
        taxonomy=found.taxonomy,
        tin=(text(tin) or site.tin or found.tin or "").replace("-", "") or None,
        phone=site.phone or found.phone,
        address=site.address or found.address,
    )


def _coverages(claim: Resource, find: Callable[[str], Resource | None]) -> list[Resource]:
    """Return the coverage that the claim goes to, then those behind it; an empty one where it is not at hand."""
    rows = [as_dict(row) for row in as_list(claim.get("insurance"))]
    rows.sort(key=lambda row: row.get("focal") is not True)
    return [find(_key(row.get("coverage")) or "") or {} for row in rows]


def _state(claim: Resource, withdrawal: Any, frequency: Any) -> Literal["draft", "released", "void", "taken-back"]:
    if claim.get("status") == "draft":
        return "draft"
    if claim.get("status") == "active":
        return "released"
    return "void" if withdrawal == "voided" and frequency == VOID else "taken-back"


def _original_number(claim: Resource, frequency: Any) -> str | None:
    if frequency == VOID:
        return payer_control_number(dict(claim))
    for row in as_list(claim.get("related")):
        said = as_dict(as_dict(row).get("reference"))
        if said.get("system") == PAYER_CONTROL_NUMBER and text(said.get("value")):
            return text(said["value"])
    return None


def _relationship(coverage: Resource) -> str | None:
    if not coverage:
        return None
    codes = [code for _, code in _codings(coverage.get("relationship"))]
    if not codes:
        # A Medicare beneficiary is always the subscriber; who is insured through another has a subscriber named.
        beneficiary, subscriber = _key(coverage.get("beneficiary")), _key(coverage.get("subscriber"))
        return "self" if subscriber in (None, beneficiary) else "other"
    return _RELATIONSHIPS.get(codes[0], "other")


def _subscriber(coverage: Resource, find: Callable[[str], Resource | None]) -> Person:
    return party_person(find(_key(coverage.get("subscriber")) or ""))


def _member_id(coverage: Resource, payer: Payer, patient: Resource | None) -> str | None:
    found = text(coverage.get("subscriberId"))
    if not found:
        identifiers = [*as_list(coverage.get("identifier")), *as_list((patient or {}).get("identifier"))]
        named = [as_dict(i) for i in identifiers if {c for _, c in _codings(as_dict(i).get("type"))} & {"MB", "MC"}]
        found = next((text(i.get("value")) for i in named if text(i.get("value"))), "")
    return (plain_mbi(found) if payer.form.member_id == "mbi" else found) or None


def _group_number(coverage: Resource) -> str | None:
    for row in as_list(coverage.get("class")):
        if "group" in {code for _, code in _codings(as_dict(row).get("type"))}:
            return text(as_dict(row).get("value")) or None
    return None


def _diagnoses(claim: Resource) -> Iterator[tuple[Any, str]]:
    for row in as_list(claim.get("diagnosis")):
        codes = [c for s, c in _codings(as_dict(row).get("diagnosisCodeableConcept")) if s == ICD10CM]
        yield as_dict(row).get("sequence"), codes[0] if codes else ""


def _lines(claim: Resource) -> Iterator[ServiceLine]:
    places = {sequence: number for number, (sequence, _) in enumerate(_diagnoses(claim), 1)}
    for item in (as_dict(one) for one in as_list(claim.get("item"))):
        period = as_dict(item.get("servicedPeriod"))
        start = item.get("servicedDate") or period.get("start")
        codes = _codings(item.get("productOrService"))
        yield ServiceLine(
            code=codes[0][1] if codes else "",
            modifiers=tuple(_code(one) for one in as_list(item.get("modifier"))),
            pointers=tuple(places.get(one, 0) for one in as_list(item.get("diagnosisSequence"))),
            start=_day(start),
            end=_day(period.get("end") or start),
            place_of_service=_code(item.get("locationCodeableConcept")),
            units=_number(as_dict(item.get("quantity")).get("value")),
            charge=_amount(item.get("net")),
        )


def _names_payer(identifier: dict[str, Any]) -> bool:
    codes = {code for _, code in _codings(identifier.get("type"))}
    return bool(codes & _PAYER_ID_TYPES) or identifier.get("system") == _NAIC


def _key(reference: Any, kind: str | None = None) -> str | None:
    if not isinstance(reference, dict):
        return None
    target = target_of(reference)
    return target.key if kind in (None, target.type) else None


def _codings(concept: Any) -> list[tuple[str, str]]:
    found = [as_dict(one) for one in as_list(as_dict(concept).get("coding"))]
    return [(text(one.get("system")), text(one.get("code"))) for one in found if text(one.get("code"))]


def _code(concept: Any) -> str:
    found = _codings(concept)
    return found[0][1] if found else ""


def _amount(money: Any) -> Decimal | None:
    return _number(as_dict(money).get("value")) if as_dict(money).get("currency") in (None, "USD") else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(text(value)[:10])
    except ValueError:
        return None
