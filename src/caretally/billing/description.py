"""A change set in words, for `plan` and for logs of what was done: codes, dates and amounts, no free text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caretally.billing.change_set import Change, ChangeSet

_SIGNS = {"create": "+", "update": "~"}


def describe(change_set: ChangeSet) -> list[str]:
    """Return a readable difference: a heading, a line for each resource, then why."""
    identity = change_set.identity
    who = identity.billing_practitioner or "no practitioner"
    heading = f"{_action(change_set)}: {identity.patient}, {identity.service_month}, {who}"
    lines = [heading]
    lines += [f"  {_line(change)}" for change in change_set.changes]
    lines += [f"  would {_line(change)}" for change in change_set.proposal]
    lines += [f"    {reason}" for reason in change_set.summary]
    lines += [f"  ! {finding.code}: {finding.message}" for finding in change_set.findings]
    return lines


def _action(change_set: ChangeSet) -> str:
    if change_set.proposed:
        return f"{change_set.action}, proposed: waits for a person"
    return "nothing to write" if change_set.action == "none" else change_set.action


def _line(change: Change) -> str:
    resource = change.resource
    parts = [_SIGNS[change.kind], change.name]
    if resource["resourceType"] == "Provenance":
        return " ".join([*parts, f"for {len(resource['target'])} resources"])
    parts.append(str(resource["status"]))
    if resource["resourceType"] == "ChargeItem":
        parts.append(_charged(resource["code"], resource["quantity"], resource["occurrenceDateTime"]))
        parts.append(_money(resource.get("priceOverride")))
    else:
        items = [
            _charged(i["productOrService"], i["quantity"], i.get("servicedDate") or i["servicedPeriod"]["start"])
            for i in resource["item"]
        ]
        parts += [", ".join(items), _money(resource.get("total"))]
    return " ".join(part for part in parts if part)


def _charged(concept: dict[str, Any], quantity: dict[str, Any], day: str) -> str:
    return f"{concept['coding'][0]['code']} x{quantity['value']} {day}"


def _money(amount: dict[str, Any] | None) -> str:
    return f"{amount['value']} {amount['currency']}" if amount else ""
