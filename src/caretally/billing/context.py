"""What billing is given beside the determination: how this practice writes, and the stored intent of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caretally.facts.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from caretally.facts.determination import Determination
    from caretally.facts.practice import Practice
    from caretally.facts.services import ReasonText

Release = Literal["review", "automatic"]
Resources = Literal["both", "charges", "claims"]
Provider = Literal["billing_practitioner", "organization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingContext:
    """``[writeback]`` of the configuration, the practice, and the intent of the run."""

    tenant: str
    practice: Practice
    created: date
    """Date of the intent (``--as-of``): `Claim.created` of what is new."""
    recorded: str
    """Instant of the intent with its offset, ``2025-02-10T09:00:00Z``: `Provenance.recorded`."""
    software_version: str
    tables_version: str
    release: Release = "review"
    """``review``: drafts until a person approves; ``automatic``: released at once."""
    resources: Resources = "both"
    provider: Provider = "billing_practitioner"
    insurer: str | None = None
    """Organization reference of the payer, when the Coverage names one."""
    reason_texts: Mapping[str, ReasonText] = field(default_factory=dict)
    """Messages and citations of the codes that billing adds (``ServiceTables.reasons``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about a claim."""

    by: str
    """``Practitioner/P1`` or another FHIR reference, else the name of an account of the practice."""
    at: str
    """Instant with its offset."""
    reason: str = ""
    seen: str | None = None
    """`filed_digest` of what the person looked at; None: not checked."""


def policy_of(determination: Determination) -> Policy:
    """Return the switches under which a determination was made; they travel in its trace.

    Raises:
        pydantic.ValidationError: the trace holds no valid policy, a fault of the caller.
    """
    return Policy.model_validate(dict(determination.trace.policy))
