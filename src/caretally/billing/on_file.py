"""What stands on file for one identity: ours, sorted by revision, each with where it stands on its life."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.billing.content import (
    CLAIM_REVISION,
    CLAIM_WITHDRAWAL,
    LIVE,
    State,
    digest,
    extension,
    furthest,
    is_edited,
    state_of,
)
from caretally.billing.errors import BillingError
from caretally.billing.identity import CHARGE_ITEM_IDENTIFIER, CLAIM_IDENTIFIER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.billing.identity import ClaimIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile:
    """A resource of ours as the sink holds it, read with exact amounts (`facts.exact_json`)."""

    resource: dict[str, Any]
    version: str | None
    """`meta.versionId` or ETag for a conditional update; None where the sink keeps no versions."""


@dataclass(frozen=True, slots=True)
class Filed:
    """One Claim or ChargeItem on file, looked at once."""

    on_file: OnFile
    state: State = field(init=False)
    revision: int | None = field(init=False)
    """None when somebody took the revision away."""
    edited: bool = field(init=False)

    def __post_init__(self) -> None:
        revision = extension(self.resource, CLAIM_REVISION)
        known = isinstance(revision, int) and not isinstance(revision, bool) and revision >= 0
        object.__setattr__(self, "state", state_of(self.resource))
        object.__setattr__(self, "revision", revision if known else None)
        object.__setattr__(self, "edited", is_edited(self.resource))

    @property
    def resource(self) -> dict[str, Any]:
        """Return the resource."""
        return self.on_file.resource

    @property
    def name(self) -> str:
        """Return the reference of the resource, ``Claim/cm-…``."""
        return f"{self.resource['resourceType']}/{self.resource.get('id')}"

    @property
    def live(self) -> bool:
        """Whether it has not been taken back."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One revision: a claim, its charges, or both."""

    revision: int
    claim: Filed | None
    charges: tuple[Filed, ...]
    copies: tuple[Filed, ...] = ()
    """Further live resources with the same business identifier: left behind by a sink that lost a race."""

    @property
    def live(self) -> bool:
        """Whether the revision still bills something; where there is a claim, the claim says so."""
        return self.kept_claim.live if self.kept_claim else any(charge.live for charge in self.charges)

    @property
    def kept_claim(self) -> Filed | None:
        """Return the claim, unless we dropped it because the site keeps charges only."""
        dropped = self.claim is not None and (
            self.claim.state is State.WITHDRAWN and extension(self.claim.resource, CLAIM_WITHDRAWAL) == "dropped"
        )
        return None if dropped else self.claim

    @property
    def live_resources(self) -> tuple[Filed, ...]:
        """Return what has not been taken back: charges, then the claim."""
        claims = (self.claim,) if self.claim is not None else ()
        return tuple(filed for filed in (*self.charges, *claims) if filed.live)

    @property
    def state(self) -> State:
        """Return the furthest state of a live revision, else whether we or a person took it back."""
        if self.live:
            return furthest([filed.state for filed in self.live_resources])
        if self.kept_claim is not None:
            return self.kept_claim.state
        rejected = any(charge.state is State.REJECTED for charge in self.charges)
        return State.REJECTED if rejected else State.WITHDRAWN

    def charge(self, key: str) -> Filed | None:
        """Return the charge with a business identifier."""
        return next((c for c in self.charges if charge_key(c.resource) == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Everything on file for one identity."""

    filings: tuple[Filing, ...]
    """By revision."""
    unmarked: tuple[Filed, ...]
    """Live resources of this identity whose revision somebody took away."""

    @property
    def current(self) -> Filing | None:
        """Return the revision that counts: the last live one, else the last."""
        counting = [filing for filing in self.filings if filing.live] or self.filings
        return counting[-1] if counting else None

    @property
    def next_revision(self) -> int:
        """Return the first revision that was never used."""
        return self.filings[-1].revision + 1 if self.filings else 0

    @property
    def strays(self) -> tuple[tuple[Filing, Filed], ...]:
        """Return live resources that should not be: of a revision that was followed or taken back, and copies."""
        found = [(filing, copy) for filing in self.filings for copy in filing.copies]
        for filing in self.filings:
            if filing is not self.current or not filing.live:
                found += [(filing, filed) for filed in filing.live_resources]
        return tuple(found)


def read_files(on_file: Iterable[OnFile], identity: ClaimIdentity) -> Files:
    """Sort what is on file by revision; other resource types (Provenance) are not looked at.

    Raises:
        BillingError: a resource belongs to another identity, a fault of the caller.
    """
    filed = [Filed(item) for item in on_file if item.resource.get("resourceType") in {"Claim", "ChargeItem"}]
    for item in filed:
        if business_value(item.resource, CLAIM_IDENTIFIER) != identity.key:
            raise BillingError("is not of this patient, month and practitioner", where=item.name)
    revisions = sorted({item.revision for item in filed if item.revision is not None})
    return Files(
        filings=tuple(_filing(revision, [i for i in filed if i.revision == revision]) for revision in revisions),
        unmarked=tuple(item for item in filed if item.revision is None and item.live),
    )


def business_value(resource: dict[str, Any], system: str) -> str | None:
    """Return the value of the identifier with a system."""
    return next((i.get("value") for i in resource.get("identifier") or () if i.get("system") == system), None)


def charge_key(resource: dict[str, Any]) -> str | None:
    """Return the business identifier of a ChargeItem."""
    return business_value(resource, CHARGE_ITEM_IDENTIFIER)


def filed_digest(on_file: Sequence[OnFile]) -> str:
    """Return a digest of what stands on file, to prove that what a person saw is what is approved."""
    rows = sorted(f"{i.resource['resourceType']} {i.resource.get('status')} {digest(i.resource)}" for i in on_file)
    return sha256("\n".join(rows).encode()).hexdigest()


def _filing(revision: int, filed: list[Filed]) -> Filing:
    claims = _best_first([f for f in filed if f.resource["resourceType"] == "Claim"])
    charges: dict[str | None, list[Filed]] = {}
    for item in _best_first([f for f in filed if f.resource["resourceType"] == "ChargeItem"]):
        charges.setdefault(charge_key(item.resource), []).append(item)
    copies = [*claims[1:], *(copy for group in charges.values() for copy in group[1:])]
    return Filing(
        revision=revision,
        claim=claims[0] if claims else None,
        charges=tuple(group[0] for group in charges.values()),
        copies=tuple(copy for copy in copies if copy.live),
    )


def _best_first(filed: list[Filed]) -> list[Filed]:
    """Put the one that is furthest on its life first; the id decides between equals, so that all machines agree."""
    return sorted(filed, key=lambda f: (-LIVE.index(f.state) if f.live else 1, str(f.resource.get("id"))))
