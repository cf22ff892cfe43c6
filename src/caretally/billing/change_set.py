"""Abstract changes to a sink: what is created or updated, under which condition, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from caretally.billing.content import CLAIM_WITHDRAWAL, with_extension
from caretally.billing.identity import OWN_IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.billing.identity import ClaimIdentity
    from caretally.billing.on_file import Filed
    from caretally.facts.determination import Action, Determination, Finding

Withdrawal = Literal["withdrawn", "dropped", "superseded", "voided"]
_OF_THE_SERVER = frozenset({"versionId", "lastUpdated", "source"})
_TAKEN_BACK = frozenset({"cancelled", "aborted"})
_KINDS = ("ChargeItem", "Claim", "Provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One request in the abstract; the write strategy of the sink makes it concrete."""

    kind: Literal["create", "update"]
    resource: dict[str, Any]
    """Complete, with its id; amounts are exact `Decimal` (`facts.exact_json.dumps`)."""
    if_match: str | None = None
    """Version that must still be current; None where the sink keeps no versions."""
    if_none_match: bool = False
    """Only if nothing with this id is on file (``If-None-Match: *``)."""

    @property
    def name(self) -> str:
        """Return the reference of the resource."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @property
    def takes_back(self) -> bool:
        """Whether it cancels a claim or aborts a charge."""
        return self.kind == "update" and self.resource.get("status") in _TAKEN_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """All that one patient-month of one practitioner asks of the sink: one transaction, or nothing."""

    identity: ClaimIdentity
    revision: int | None
    """Revision that the changes lead to; None when nothing is on file and nothing is wanted."""
    action: Action
    changes: tuple[Change, ...] = ()
    """To be written now, in order."""
    proposed: bool = False
    """`action` waits for a person: `changes` holds nothing of it."""
    proposal: tuple[Change, ...] = ()
    """What would be written if a person agreed; empty where something is still lacking (see `summary`)."""
    needs_person: bool = False
    findings: tuple[Finding, ...] = ()
    """Holds (`Finding.hold`) and notices to add to the determination; see `settled`."""
    summary: tuple[str, ...] = ()
    """Why, in words and element by element; no free text of the resources."""


def transaction_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes in an order that is safe one by one.

    What is taken back goes first, the claim before its charges: a run that breaks off leaves too little on
    file, never two live claims. Then targets before what refers to them: ChargeItem, Claim, Provenance.
    """

    def key(change: Change) -> tuple[bool, int]:
        kind = _KINDS.index(change.resource["resourceType"])
        return (not change.takes_back, -kind if change.takes_back else kind)

    return tuple(sorted(changes, key=key))


def settled(determination: Determination, change_set: ChangeSet) -> Determination:
    """Return the determination with what the file adds to it: the action, notices, and holds.

    A billable month that is held after all bills nothing: its lines move to `projected`. A month that was
    blocked stays blocked, for a block wins over a hold.
    """
    holds = tuple(finding for finding in change_set.findings if finding.hold)
    notices = tuple(finding for finding in change_set.findings if not finding.hold)
    found = replace(
        determination,
        action=change_set.action,
        reasons=(*determination.reasons, *holds),
        notices=(*determination.notices, *notices),
    )
    if holds and determination.status == "billable":
        return replace(found, status="hold", lines=(), projected=determination.lines, surplus_seconds=0)
    return found


def create(resource: dict[str, Any]) -> Change:
    """Return the creation of a resource that is not on file."""
    return Change(kind="create", resource=resource, if_none_match=True)


def rewrite(filed: Filed, wanted: dict[str, Any]) -> Change:
    """Return the update of a resource on file to what is wanted, keeping what others added to it."""
    old = filed.resource
    resource = {"resourceType": wanted["resourceType"], "id": old["id"], **_kept(old, {"meta", "text"})}
    resource |= {key: value for key, value in wanted.items() if key != "id"}
    # The day on which a claim was made does not move with its corrections.
    resource |= _kept(old, {"created", "enteredDate"})
    foreign = [i for i in old.get("identifier") or () if i.get("system") not in OWN_IDENTIFIERS]
    resource["identifier"] = [*wanted["identifier"], *foreign]
    notes = [n for n in old.get("note") or () if not _is_ours(n, wanted)]
    if notes:
        resource["note"] = [*wanted.get("note", ()), *notes]
    return Change(kind="update", resource=resource, if_match=filed.on_file.version)


def move(filed: Filed, status: str) -> Change:
    """Return a step along the life of a resource on file; its content stays."""
    return Change(kind="update", resource=_bare(filed.resource) | {"status": status}, if_match=filed.on_file.version)


def take_back(filed: Filed, why: Withdrawal) -> Change:
    """Return the cancelling of a claim or aborting of a charge on file, marked as ours."""
    status = "cancelled" if filed.resource["resourceType"] == "Claim" else "aborted"
    moved = move(filed, status)
    return replace(moved, resource=with_extension(moved.resource, CLAIM_WITHDRAWAL, valueCode=why))


def _is_ours(note: dict[str, Any], wanted: dict[str, Any]) -> bool:
    ours = [str(n.get("text", "")).partition("sha256:")[0] for n in wanted.get("note", ())]
    return any(start and str(note.get("text", "")).startswith(start) for start in ours)


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource without what only the server may say."""
    plain = {key: value for key, value in resource.items() if key not in {"meta", "text"}}
    return {**plain, **_kept(resource, {"meta", "text"})}


def _kept(resource: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return elements to carry over; a narrative that a server generated would be stale."""
    found = {key: resource[key] for key in resource if key in keys}
    if "meta" in found:
        found["meta"] = {key: value for key, value in found["meta"].items() if key not in _OF_THE_SERVER}
    if (found.get("text") or {}).get("status") == "generated":
        del found["text"]
    return {key: value for key, value in found.items() if value}
