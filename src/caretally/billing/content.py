"""What of a resource is our content, its digest, and where on its life a resource stands.

Content is what a person must not have changed for us to go on writing. Not content: what servers add (`meta`,
`text`), when something was written, notes, identifiers of others, and the marks of a claim's life.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256
from typing import Any

from caretally.billing.identity import OWN_IDENTIFIERS
from caretally.facts.codes import CANONICAL
from caretally.facts.exact_json import canonical

_EXTENSION = f"{CANONICAL}/StructureDefinition"
CONTENT_DIGEST = f"{_EXTENSION}/content-digest"
"""Digest of our content when we wrote it (valueString)."""
CLAIM_REVISION = f"{_EXTENSION}/claim-revision"
"""Which of the claims that followed each other this is, from 0 (valueUnsignedInt)."""
CLAIM_FREQUENCY = f"{_EXTENSION}/claim-frequency"
"""Claim frequency code (valueCode): ``1`` original, ``7`` replacement, ``8`` void."""
BILLING_TIN = f"{_EXTENSION}/billing-provider-tin"
"""Tax number under which the claim is billed (valueIdentifier); R4 has no place for it on a claim."""
CLAIM_PROGRESS = f"{_EXTENSION}/claim-progress"
"""How far a released claim has come: sent, accepted, paid, denied (valueCode)."""
CLAIM_WITHDRAWAL = f"{_EXTENSION}/claim-withdrawal"
"""That we took it back, and why: withdrawn (a draft), dropped (a draft of a type that the site no longer keeps),
superseded, voided (valueCode)."""

_MARKS = frozenset({CONTENT_DIGEST, CLAIM_PROGRESS, CLAIM_WITHDRAWAL})
_NOT_CONTENT = frozenset(
    {"id", "meta", "implicitRules", "language", "text", "status", "created", "enteredDate", "recorded", "note"}
)
_DIGEST_VERSION = "1"
"""Goes up when the meaning of content changes, so that an old digest is never taken for an edit by accident."""
_BASE = re.compile(r"https?://\S+?/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?)")


class State(StrEnum):
    """Where a resource stands on its life; declared in order for the live ones."""

    DRAFT = "draft"
    RELEASED = "released"
    SENT = "sent"
    ACCEPTED = "accepted"
    DENIED = "denied"
    PAID = "paid"
    WITHDRAWN = "withdrawn"
    """Taken back by us."""
    REJECTED = "rejected"
    """Taken back by a person."""


LIVE = (State.DRAFT, State.RELEASED, State.SENT, State.ACCEPTED, State.DENIED, State.PAID)
PAYER_HAS_IT = frozenset({State.SENT, State.ACCEPTED, State.DENIED, State.PAID})
_CHARGE_STATES = {
    "planned": State.DRAFT,
    "billable": State.RELEASED,
    "billed": State.SENT,
    # Nobody knows what happened to it, so it is not ours to change.
    "unknown": State.RELEASED,
}


def furthest(states: list[State]) -> State:
    """Return the live state that is furthest on; the list holds live states and is not empty."""
    return max(states, key=LIVE.index)


def state_of(resource: dict[str, Any]) -> State:
    """Return where a Claim or ChargeItem of ours stands."""
    status = resource.get("status")
    if resource.get("resourceType") == "ChargeItem":
        if status in _CHARGE_STATES:
            return _CHARGE_STATES[status]
        return State.WITHDRAWN if status == "aborted" and extension(resource, CLAIM_WITHDRAWAL) else State.REJECTED
    if status == "draft":
        return State.DRAFT
    if status == "active":
        progress = extension(resource, CLAIM_PROGRESS)
        return State(progress) if isinstance(progress, str) and progress in PAYER_HAS_IT else State.RELEASED
    return State.WITHDRAWN if status == "cancelled" and extension(resource, CLAIM_WITHDRAWAL) else State.REJECTED


def extension(resource: dict[str, Any], url: str) -> Any:
    """Return the value of a top-level extension; None when it is absent."""
    for item in resource.get("extension") or ():
        if item.get("url") == url:
            return next((value for key, value in item.items() if key.startswith("value")), None)
    return None


def with_extension(resource: dict[str, Any], url: str, **value: Any) -> dict[str, Any]:
    """Return the resource with one top-level extension set, the others untouched."""
    others = [item for item in resource.get("extension") or () if item.get("url") != url]
    return {**resource, "extension": [*others, {"url": url, **value}]}


def without_extension(resource: dict[str, Any], url: str) -> dict[str, Any]:
    """Return the resource without one top-level extension."""
    others = [item for item in resource.get("extension") or () if item.get("url") != url]
    bare = {key: value for key, value in resource.items() if key != "extension"}
    return {**bare, "extension": others} if others else bare


def content(resource: dict[str, Any]) -> dict[str, Any]:
    """Return what of a resource is our content, in one form: references relative, displays left out."""
    kept = {key: value for key, value in resource.items() if key not in _NOT_CONTENT}
    kept["identifier"] = [i for i in kept.get("identifier") or () if i.get("system") in OWN_IDENTIFIERS]
    extensions = [e for e in kept.get("extension") or () if e.get("url") not in _MARKS]
    kept["extension"] = sorted(extensions, key=lambda e: str(e.get("url")))
    plain: dict[str, Any] = _plain(kept)
    return {key: value for key, value in plain.items() if value not in ([], {}, None)}


def digest(resource: dict[str, Any]) -> str:
    """Return the digest of a resource's content: version of the rule, colon, SHA-256 in hexadecimal."""
    return f"{_DIGEST_VERSION}:{sha256(canonical(content(resource))).hexdigest()}"


def sealed(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource with the digest of its content on it."""
    return with_extension(resource, CONTENT_DIGEST, valueString=digest(resource))


def is_edited(resource: dict[str, Any]) -> bool:
    """Whether somebody changed the content since we wrote it, or took our digest away."""
    return bool(extension(resource, CONTENT_DIGEST) != digest(resource))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("reference"), str):
        # Servers make references absolute and add what they know about the target.
        match = _BASE.fullmatch(value["reference"])
        rest = {key: _plain(item) for key, item in value.items() if key not in {"reference", "display", "type"}}
        return {**rest, "reference": match[1] if match else value["reference"]}
    return {key: _plain(item) for key, item in value.items()}
