"""The conformance resources that come from the data files: prices, code lists, what is asked of a server."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import CANONICAL
from caretally.fhir.capability import WRITTEN_TYPES, WriteStrategy
from caretally.tables import Tables, load_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from caretally.facts.services import ServiceCode

AMOUNT = "amount:"
PUBLISHER = "Caretally contributors"
STATEMENT_DATE = "2026-11-01"
SETTING = f"{CANONICAL}/StructureDefinition/rate-setting"
VALID_PERIOD = f"{CANONICAL}/StructureDefinition/valid-period"
SOURCE = f"{CANONICAL}/StructureDefinition/source"


def made_resources(root: Path) -> Iterator[dict[str, Any]]:
    """Yield every resource that is made from mappings/."""
    tables = load_tables(root=root / "mappings")
    yield care_management_codes(tables)
    for row in sorted(tables.services.codes, key=lambda r: (r.code, r.valid_from)):
        yield price(tables, row)
    yield from code_systems(root / "mappings" / "terminology")
    yield from concept_maps(root / "mappings" / "terminology")
    types = tomllib.loads((root / "mappings" / "resources.toml").read_text())["resource"]
    for strategy in WriteStrategy:
        yield capability_statement(strategy, types)


def concept_maps(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the maps by which codes become facts, as they are used, so that they stand beside the profiles."""
    for path in sorted(folder.glob("*.json")):
        resource: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if resource["resourceType"] == "ConceptMap":
            yield resource


def care_management_codes(tables: Tables) -> dict[str, Any]:
    """Return the ValueSet of the codes that are billed; labels are ours, descriptors belong to the AMA."""
    systems: dict[str, dict[str, str]] = {}
    for row in tables.services.codes:
        systems.setdefault(row.system, {}).setdefault(row.code, row.label)
    return {
        "resourceType": "ValueSet",
        "id": "care-management-codes",
        "url": f"{CANONICAL}/ValueSet/care-management-codes",
        "name": "CareManagementCodes",
        "title": "Care-management codes",
        "status": "active",
        "experimental": False,
        "publisher": PUBLISHER,
        "description": "The codes that a line can have, by number. CPT is the property of the American Medical "
        "Association; no descriptor of it stands here.",
        "compose": {
            "include": [
                {"system": system, "concept": [{"code": code} for code in sorted(codes)]}
                for system, codes in sorted(systems.items())
            ]
        },
    }


def price(tables: Tables, row: ServiceCode) -> dict[str, Any]:
    """Return the ChargeItemDefinition of a code in a year: what the payer allows, in each setting."""
    periods = amount_periods(tables, row)
    groups = []
    for start, end in periods:
        for setting, facility in (("non-facility", False), ("facility", True)):
            amount = tables.services.unit_amount(row.code, start, facility=facility)
            if amount is None:
                continue
            component = {
                "type": "informational",
                "code": {"coding": [{"system": f"{CANONICAL}/CodeSystem/price-kind", "code": "payer-rate"}]},
                "amount": {"value": f"{AMOUNT}{amount}", "currency": "USD"},
            }
            extensions: list[dict[str, Any]] = [
                {"url": SOURCE, "valueString": row.source},
                {"url": SETTING, "valueCode": setting},
            ]
            if len(periods) > 1:
                holds = {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})}
                extensions.append({"url": VALID_PERIOD, "valuePeriod": holds})
            groups.append({"extension": extensions, "priceComponent": [component]})
    year = row.valid_from.year
    period = {"start": row.valid_from.isoformat()}
    if row.valid_to is not None:
        period["end"] = row.valid_to.isoformat()
    definition: dict[str, Any] = {
        "resourceType": "ChargeItemDefinition",
        "id": f"cm-{row.code}-{year}",
        "meta": {"profile": [f"{CANONICAL}/StructureDefinition/cm-charge-item-definition"]},
        "url": f"{CANONICAL}/ChargeItemDefinition/{row.code}",
        "version": str(year),
        "title": row.label,
        "status": "active",
        "experimental": False,
        "publisher": PUBLISHER,
        "description": f"{row.label}. The national amount of the Medicare physician fee schedule for one unit, without "
        "locality and without participation in a qualifying payment model; "
        + {"confirmed": "confirmed by a second source.", "secondary": "from a secondary source."}.get(
            row.rate_status, "no amount is known."
        ),
        "effectivePeriod": period,
        "code": {"coding": [{"system": row.system, "code": row.code}]},
    }
    return {**definition, "propertyGroup": groups} if groups else definition


def amount_periods(tables: Tables, row: ServiceCode) -> list[tuple[date, date | None]]:
    """Return the spans in which the amount of a row is one: a conversion factor may change within a year."""
    starts = {row.valid_from}
    for factor in tables.services.conversion_factors:
        if row.valid_from < factor.valid_from and (row.valid_to is None or factor.valid_from <= row.valid_to):
            starts.add(factor.valid_from)
    ordered = sorted(starts)
    ends = [day - timedelta(days=1) for day in ordered[1:]]
    return list(zip(ordered, [*ends, row.valid_to], strict=True))


def code_systems(terminology: Path) -> Iterator[dict[str, Any]]:
    """Yield the own code systems that only the data files list: jobs of staff, and groups of diseases."""
    roles: dict[str, str | None] = {}
    groups: dict[str, str | None] = {}
    jobs = f"{CANONICAL}/CodeSystem/staff-role"
    for path in sorted(terminology.glob("*.json")):
        resource = json.loads(path.read_bytes())
        for include in resource.get("compose", {}).get("include", []):
            if include["system"] == jobs:
                roles |= {c["code"]: c.get("display") for c in include.get("concept", [])}
        for group in resource.get("group", []):
            if group["target"] == f"{CANONICAL}/CodeSystem/disease-group":
                groups |= {t["code"]: t.get("display") for e in group["element"] for t in e["target"]}
    yield code_system("staff-role", "StaffRole", "Job of a person", "Jobs, for sites without NUCC or SNOMED.", roles)
    what = "Groups of ICD-10-CM categories that are one disease, so that one disease is not counted twice."
    yield code_system("disease-group", "DiseaseGroup", "Group of diseases", what, groups)


def code_system(
    name: str, computable: str, title: str, description: str, codes: dict[str, str | None]
) -> dict[str, Any]:
    """Return a complete CodeSystem."""
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": f"{CANONICAL}/CodeSystem/{name}",
        "name": computable,
        "title": title,
        "status": "active",
        "experimental": False,
        "publisher": PUBLISHER,
        "description": description,
        "caseSensitive": True,
        "content": "complete",
        "concept": [{"code": code, "display": codes[code] or code.replace("-", " ")} for code in sorted(codes)],
    }


HOW = {
    WriteStrategy.TRANSACTION: "Each patient-month is written in one transaction of PUTs with ids of Caretally. "
    "The way to prefer: all of a claim stands on file, or nothing.",
    WriteStrategy.SINGLE_PUT: "Each resource is written by its own PUT with an id of Caretally.",
    WriteStrategy.CONDITIONAL_UPDATE: "Each resource is written by conditional update on its identifier.",
    WriteStrategy.CONDITIONAL_CREATE: "Resources are created if their identifier is absent, and never changed.",
    WriteStrategy.EXPORT_ONLY: "Nothing is written to the server: the claims go to a folder.",
}


def capability_statement(strategy: WriteStrategy, types: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a server must offer for one way of writing; what is only used when offered is SHOULD."""
    name = strategy.value.replace("_", "-")
    rest: dict[str, Any] = {
        "mode": "server",
        "security": {"description": "SMART Backend Services where the server asks for log-in; TLS."},
        "resource": [resource_capability(strategy, row) for row in types],
    }
    if strategy is WriteStrategy.TRANSACTION:
        rest["interaction"] = [expectation({"code": "transaction"}, "SHALL")]
    return {
        "resourceType": "CapabilityStatement",
        "id": f"server-{name}",
        "url": f"{CANONICAL}/CapabilityStatement/server-{name}",
        "version": "1",
        "name": f"Server{computable(name)}",
        "title": f"What is asked of a server: {name.replace('-', ' ')}",
        "status": "active",
        "experimental": False,
        "date": STATEMENT_DATE,
        "publisher": PUBLISHER,
        "description": HOW[strategy],
        "kind": "requirements",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [rest],
    }


def resource_capability(strategy: WriteStrategy, row: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked about one resource type."""
    name = row["name"]
    need = "SHALL" if row.get("required") else "MAY" if row.get("on_demand") else "SHOULD"
    written = name in WRITTEN_TYPES and strategy is not WriteStrategy.EXPORT_ONLY
    codes = {"read": "MAY" if row.get("on_demand") else "SHOULD", "search-type": need}
    found: dict[str, Any] = {"type": name, "interaction": []}
    if written:
        codes = {"read": "SHALL", "search-type": "SHALL"}
        codes["create" if strategy is WriteStrategy.CONDITIONAL_CREATE else "update"] = "SHALL"
        found["versioning"] = "versioned-update"
        need = "SHALL"
    found["interaction"] = [expectation({"code": code}, level) for code, level in codes.items()]
    if written and strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}:
        found["updateCreate"] = True
    if written and strategy is WriteStrategy.CONDITIONAL_CREATE:
        found["conditionalCreate"] = True
    if written and strategy is WriteStrategy.CONDITIONAL_UPDATE:
        found["conditionalUpdate"] = True
    parameters = [(text, need) for text in (row.get("patient_search"), row.get("date_search")) if text]
    parameters += [("identifier", "SHOULD")] if name in {"Claim", "ChargeItem"} else []
    parameters += [("target", "SHOULD")] if name == "Provenance" else []
    parameters += [("_lastUpdated", "MAY" if row.get("on_demand") else "SHOULD")]
    kinds = {"_id": "token", "identifier": "token", "date": "date", "_lastUpdated": "date"}
    found["searchParam"] = [
        expectation({"name": text, "type": kinds.get(text, "reference")}, level) for text, level in parameters
    ]
    return found


def computable(name: str) -> str:
    """Return ``SinglePut`` for ``single-put``."""
    return "".join(part.capitalize() for part in name.split("-"))


def expectation(what: dict[str, Any], level: str) -> dict[str, Any]:
    """Return an element of a CapabilityStatement with how much it is expected."""
    url = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
    return {"extension": [{"url": url, "valueCode": level}], **what}
