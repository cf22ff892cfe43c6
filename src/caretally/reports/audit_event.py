"""An entry of the audit ledger as a FHIR R4 AuditEvent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.billing.identity import digest_id
from caretally.billing.provenance import ACCOUNT, DECISION, SOFTWARE
from caretally.facts.codes import CANONICAL

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY = f"{CANONICAL}/identifier/ledger-entry"
ENTRY_KIND = f"{CANONICAL}/CodeSystem/ledger-entry-kind"

_ACTIONS = {"decision": "C", "determination": "E", "determination-dropped": "D", "intent": "C", "outcome": "U"}
"""What was done to what the entry is about: create, execute, delete, update."""
_FAILED = frozenset({"refused", "conflict", "unknown"})


def audit_event(entry: Mapping[str, Any], *, tenant: str, software_version: str) -> dict[str, Any]:
    """Return the AuditEvent of an entry; the same entry always gives the same event.

    Args:
        entry: number, at, kind, subject, body and digest.
        tenant: the practice's stable name: the observer.
        software_version: of this program, which recorded the entry or reads it now.
    """
    body = entry["body"]
    person = entry["kind"] == "decision"
    name = f"caretally {software_version}"
    software = {
        "type": {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110150"}]},
        "who": {"identifier": {"system": SOFTWARE, "value": name}, "display": name},
        "requestor": not person,
    }
    agents = [software]
    if person:
        agents.insert(0, {"who": {"identifier": {"system": ACCOUNT, "value": str(body["who"])}}, "requestor": True})
    return {
        "resourceType": "AuditEvent",
        "id": f"ae-{digest_id('ledger', tenant, int(entry['number']), str(entry['digest']))}",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": ENTRY_KIND, "code": entry["kind"]}],
        "action": _ACTIONS[entry["kind"]],
        "recorded": entry["at"],
        "outcome": "4" if entry["kind"] == "outcome" and body.get("state") in _FAILED else "0",
        "agent": agents,
        "source": {
            "site": tenant,
            "observer": {"identifier": {"system": SOFTWARE, "value": name}, "display": name},
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
        "entity": _entities(entry, body),
    }


def _entities(entry: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the entry is about: the patient, the resource, and the entry itself with its digest."""
    found: list[dict[str, Any]] = []
    patient = str(body.get("patient") or "")
    if patient.startswith("Patient/"):
        found.append(
            {
                "what": {"reference": patient},
                "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"},
            }
        )
    about = str(body.get("resource") or "")
    if entry["kind"] == "decision":
        found.append({"what": {"identifier": {"system": DECISION, "value": entry["subject"]}}})
    if "/" in about and not about.startswith(("Decision/", "Patient/")):
        found.append({"what": {"reference": about}})
    found.append(
        {
            "what": {"identifier": {"system": ENTRY, "value": str(entry["number"])}},
            "detail": [
                {"type": "sha256", "valueString": str(entry["digest"])},
                {"type": "previous", "valueString": str(entry["previous"])},
            ],
        }
    )
    return found
