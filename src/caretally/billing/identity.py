"""Who a claim is: ids and business identifiers that every machine works out alike.

The identity is tenant, patient, month and billing practitioner; never programme, family or code, or a late
decision about complexity would leave two live claims (billing-rules 2). The revision counts the claims that
followed each other for one identity and is read from what is on file. All of it goes through SHA-256, so that
ids hold no patient data.
"""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.billing.errors import BillingError
from caretally.facts.calendar import ServiceMonth
from caretally.facts.codes import CANONICAL
from caretally.facts.exact_json import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from caretally.facts.determination import Determination

CLAIM_IDENTIFIER = f"{CANONICAL}/identifier/claim"
"""System of the identity itself: one value for every revision, on Claims and ChargeItems alike."""
CHARGE_ITEM_IDENTIFIER = f"{CANONICAL}/identifier/charge-item"
ACCOUNT_NUMBER = f"{CANONICAL}/identifier/account-number"
"""System of the patient account number (CMS-1500 box 26, CLM01): one value for each revision."""
PAYER_CONTROL_NUMBER = f"{CANONICAL}/identifier/payer-control-number"
"""System of the number that the payer gave a claim (REF*F8 of a replacement or void)."""
OWN_IDENTIFIERS = frozenset({CLAIM_IDENTIFIER, CHARGE_ITEM_IDENTIFIER, ACCOUNT_NUMBER})
"""Identifiers that we write; every other one was added by somebody else and is no edit."""

ACCOUNT_NUMBER_LENGTH = 20
_DIGEST_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimIdentity:
    """One patient-month of one billing practitioner of one tenant."""

    tenant: str
    """Stable name from the configuration, never a URL."""
    patient: str
    service_month: ServiceMonth
    billing_practitioner: str | None
    """None for minutes that belong to nobody; such a month is never billed."""

    @classmethod
    def of(cls, determination: Determination, tenant: str) -> ClaimIdentity:
        """Return the identity that a determination speaks about.

        Raises:
            BillingError: the tenant has no name.
        """
        if not tenant.strip():
            raise BillingError("the tenant has no name; give one in the configuration and never change it")
        return cls(
            tenant=tenant,
            patient=determination.patient,
            service_month=determination.service_month,
            billing_practitioner=determination.billing_practitioner,
        )

    @property
    def key(self) -> str:
        """Return the business value of the identity: 32 characters, the same for every revision."""
        return self._digest("identity")

    def claim_id(self, revision: int) -> str:
        """Return the logical id of the Claim of a revision, ``cm-`` and 32 characters."""
        return f"cm-{self._digest('claim', revision)}"

    def account_number(self, revision: int) -> str:
        """Return the account number of a revision: at most 20 letters and digits, as claim forms allow."""
        return f"C{self._digest('account', revision)}".upper()[:ACCOUNT_NUMBER_LENGTH]

    def charge_item_key(self, revision: int, code: str, service_date: date) -> str:
        """Return the business value of one charge."""
        return self._digest("charge", revision, code, service_date.isoformat())

    def charge_item_id(self, revision: int, code: str, service_date: date) -> str:
        """Return the logical id of the ChargeItem of a code and date, ``ci-`` and 32 characters."""
        return f"ci-{self.charge_item_key(revision, code, service_date)}"

    def provenance_id(self, *about: str) -> str:
        """Return the logical id of the Provenance of one write, ``pv-`` and 32 characters."""
        return f"pv-{self._digest('provenance', *about)}"

    def claim_identifiers(self, revision: int) -> list[dict[str, Any]]:
        """Return `Claim.identifier`: the identity, then the account number."""
        return [
            {"system": CLAIM_IDENTIFIER, "value": self.key},
            {"system": ACCOUNT_NUMBER, "value": self.account_number(revision)},
        ]

    def charge_item_identifiers(self, revision: int, code: str, service_date: date) -> list[dict[str, Any]]:
        """Return `ChargeItem.identifier`: the charge, then the identity, by which one search finds them all."""
        return [
            {"system": CHARGE_ITEM_IDENTIFIER, "value": self.charge_item_key(revision, code, service_date)},
            {"system": CLAIM_IDENTIFIER, "value": self.key},
        ]

    def _digest(self, kind: str, *more: str | int) -> str:
        return digest_id(kind, self.tenant, self.patient, str(self.service_month), self.billing_practitioner, *more)


def identity_of(resource: Mapping[str, Any], tenant: str) -> ClaimIdentity | None:
    """Return the identity that a Claim or ChargeItem of ours stands for; None when it is not one of this tenant.

    It is worked out from the patient, month and rendering practitioner on the resource, and must give the
    identifier that the resource carries: one that somebody edited gives None.
    """
    is_claim = resource.get("resourceType") == "Claim"
    month = str((resource.get("billablePeriod") or {}).get("start") if is_claim else resource.get("occurrenceDateTime"))
    team = resource.get("careTeam" if is_claim else "performer") or [{}]
    patient = (resource.get("patient" if is_claim else "subject") or {}).get("reference")
    who = (team[0].get("provider" if is_claim else "actor") or {}).get("reference")
    try:
        service_month = ServiceMonth.parse(month[:7])
    except ValueError:
        return None
    found = ClaimIdentity(
        tenant=tenant,
        patient=relative(patient) or "",
        service_month=service_month,
        billing_practitioner=relative(who),
    )
    named = [i.get("value") for i in resource.get("identifier") or () if i.get("system") == CLAIM_IDENTIFIER]
    return found if found.key in named else None


def relative(reference: str | None) -> str | None:
    """Return ``Type/id`` of a relative or absolute reference."""
    return None if reference is None else "/".join(reference.partition("/_history/")[0].rsplit("/", 2)[-2:])


def digest_id(*parts: str | int | None) -> str:
    """Return 32 characters for an id that every machine works out alike from the same parts."""
    return b32encode(sha256(canonical(list(parts))).digest()[:_DIGEST_BYTES]).decode().lower()
