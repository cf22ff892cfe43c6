"""Provenance: the exact versions of the evidence, the tables, the software and the person behind a write."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.billing.bindings import reference_type
from caretally.billing.lines import coding, reference
from caretally.facts.codes import CANONICAL
from caretally.facts.exact_json import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.billing.change_set import Change
    from caretally.billing.context import BillingContext, Decision
    from caretally.billing.identity import ClaimIdentity
    from caretally.facts.determination import Determination, Evidence

SOFTWARE = f"{CANONICAL}/identifier/software"
ACCOUNT = f"{CANONICAL}/identifier/account"
TABLES = f"{CANONICAL}/identifier/tables"
RESOURCE_VERSION = f"{CANONICAL}/identifier/resource-version"
DECISION = f"{CANONICAL}/identifier/decision"
"""Identifies a decision of a person, as the store keeps it."""
CONTENT_SHA256 = f"{CANONICAL}/identifier/content-sha256"
CREATE, UPDATE, CANCEL, ACTIVATE = "CREATE", "UPDATE", "CANCEL", "ACTIVATE"
"""Activities, from v3-DataOperation."""

_PERSONS = frozenset({"Practitioner", "PractitionerRole", "RelatedPerson", "Patient", "Organization"})
_SHA256 = "sha256:"


def provenance(
    determination: Determination | None,
    context: BillingContext,
    identity: ClaimIdentity,
    written: Sequence[Change],
    *,
    activity: str,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """Return the Provenance of one write.

    Args:
        determination: whose evidence is named; None for a step that no determination asked for.
        context: the software and the stored intent.
        identity: of the claim.
        written: the changes that it speaks about, in their order; not empty.
        activity: one of `CREATE`, `UPDATE`, `CANCEL`, `ACTIVATE`.
        decision: the person who decided it, if one did.
    """
    # The instant comes from the stored intent: the same write has the same id however often it is tried.
    about = [sha256(canonical([change.name, change.if_match, change.resource])).hexdigest() for change in written]
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": identity.provenance_id(activity, context.recorded, *about),
        "target": [reference(change.name) for change in written],
    }
    if decision is not None:
        resource["occurredDateTime"] = decision.at
    resource["recorded"] = context.recorded
    if decision is not None and decision.reason:
        resource["reason"] = [{"text": decision.reason}]
    resource["activity"] = coding("http://terminology.hl7.org/CodeSystem/v3-DataOperation", activity)
    resource["agent"] = [software(context), *([person(decision)] if decision is not None else [])]
    entities = _entities(determination.evidence) if determination is not None else []
    tables = context.tables_version or (determination.trace.tables_version if determination is not None else "")
    if tables:
        entities.append({"role": "source", "what": {"identifier": {"system": TABLES, "value": tables}}})
    if entities:
        resource["entity"] = entities
    return resource


def software(context: BillingContext) -> dict[str, Any]:
    """Return the agent that stands for this program."""
    name = f"caretally {context.software_version}"
    return {
        "type": _participant("assembler"),
        "who": {"type": "Device", "identifier": {"system": SOFTWARE, "value": name}, "display": name},
    }


def person(decision: Decision) -> dict[str, Any]:
    """Return the agent that stands for the person who decided."""
    known = reference_type(decision.by) in _PERSONS
    who = reference(decision.by) if known else {"identifier": {"system": ACCOUNT, "value": decision.by}}
    return {"type": _participant("verifier"), "who": who}


def _participant(code: str) -> dict[str, Any]:
    return coding("http://terminology.hl7.org/CodeSystem/provenance-participant-type", code)


def _entities(evidence: Evidence) -> list[dict[str, Any]]:
    named: Iterable[str | None] = (
        evidence.consent,
        evidence.care_plan,
        evidence.initiating_visit,
        *evidence.others,
        evidence.coverage,
        *evidence.other_coverages,
        *(diagnosis.reference for diagnosis in evidence.diagnoses),
        *evidence.entries,
    )
    found = [
        {"role": "source", "what": _what(target, evidence.versions.get(target))}
        for target in dict.fromkeys(named)
        if target
    ]
    decided = ({"identifier": {"system": DECISION, "value": decision.id}} for decision in evidence.decisions)
    return [*found, *({"role": "source", "what": what} for what in decided)]


def _what(target: str, version: str | None) -> dict[str, Any]:
    """Return the reference to one version of a resource.

    The version stands in an identifier too: HAPI and others cut ``/_history/…`` from the references they store.
    """
    if version is None:
        return reference(target)
    if version.startswith(_SHA256):
        return {**reference(target), "identifier": {"system": CONTENT_SHA256, "value": version.removeprefix(_SHA256)}}
    exact = f"{target}/_history/{version}"
    return {**reference(exact), "identifier": {"system": RESOURCE_VERSION, "value": exact}}
