"""A packet as a FHIR R4 document: a Bundle that begins with a Composition and holds the resources themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from caretally.billing.identity import digest_id
from caretally.facts.codes import CANONICAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.reports.packet import Packet, Part

PACKET = f"{CANONICAL}/identifier/packet"
_DIV = "http://www.w3.org/1999/xhtml"


def packet_document(packet: Packet, resources: Mapping[str, Mapping[str, Any]], *, base: str) -> dict[str, Any]:
    """Return a packet as a document Bundle; amounts are exact `Decimal`.

    Args:
        packet: its content.
        resources: by reference; those that the packet tells about stand in the Bundle.
        base: FHIR base URL, so that references inside the Bundle lead to its entries.
    """
    root = base.rstrip("/")
    named = dict.fromkeys(
        reference
        for reference in (packet.patient, packet.practitioner, *(e for part in packet.parts for e in part.entries))
        if reference is not None and reference in resources
    )
    identity = digest_id("packet", packet.patient, packet.service_month, packet.practitioner, packet.made_at)
    composition = {
        "resourceType": "Composition",
        "id": f"co-{identity}",
        "identifier": {"system": PACKET, "value": identity},
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]},
        "subject": {"reference": packet.patient},
        "date": packet.made_at,
        "author": [{"type": "Device", "display": packet.software}],
        "title": f"{packet.title}, {packet.service_month}",
        "confidentiality": "R",
        "section": [_section(part, named) for part in packet.parts],
    }
    entries = [{"fullUrl": f"{root}/Composition/co-{identity}", "resource": composition}]
    entries += [{"fullUrl": f"{root}/{reference}", "resource": dict(resources[reference])} for reference in named]
    return {
        "resourceType": "Bundle",
        "id": f"pk-{identity}",
        "identifier": {"system": PACKET, "value": identity},
        "type": "document",
        "timestamp": packet.made_at,
        "entry": entries,
    }


def _section(part: Part, named: Mapping[str, Any]) -> dict[str, Any]:
    entries = [{"reference": reference} for reference in dict.fromkeys(part.entries) if reference in named]
    return {
        "title": part.title,
        "text": {"status": "generated", "div": _narrative(part)},
        **({"entry": entries} if entries else {}),
    }


def _narrative(part: Part) -> str:
    lines = "".join(f"<li>{escape(line.strip())}</li>" for line in part.lines)
    said = f"<ul>{lines}</ul>" if lines else ""
    if part.head:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in part.head)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in part.rows)
        said += f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div xmlns="{_DIV}">{said or "<p>nothing</p>"}</div>'
