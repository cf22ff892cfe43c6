"""What a FHIR server holds of ours for some patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

AT_ONCE = 50
LIVE = {"draft", "active", "planned", "billable", "billed"}


@dataclass
class Holdings:
    """Claims, charges and Provenances of ours, and how many versions they have."""

    claims: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Live ones, by patient and month."""
    charges: Counter[tuple[str, str]] = field(default_factory=Counter)
    provenances: int = 0
    versions: dict[str, int] = field(default_factory=dict)


def holdings(base: str, patients: Sequence[str], month: str) -> Holdings:
    """Read everything about some patients and a month."""
    found = Holdings()
    with httpx.Client(timeout=120, headers={"Cache-Control": "no-cache"}) as client:
        for start in range(0, len(patients), AT_ONCE):
            chunk = ",".join(patients[start : start + AT_ONCE])
            for claim in _all(client, f"{base}/Claim?patient={chunk}&_count=500"):
                if _ours(claim) and claim["billablePeriod"]["start"][:7] == month:
                    _count(found, claim, claim["patient"]["reference"], month, found.claims)
            for charge in _all(client, f"{base}/ChargeItem?patient={chunk}&_count=500"):
                if _ours(charge) and charge["occurrenceDateTime"][:7] == month:
                    _count(found, charge, charge["subject"]["reference"], month, found.charges)
        names = [name.partition("/")[2] for name in found.versions if name.startswith("Claim/")]
        for start in range(0, len(names), AT_ONCE):
            chunk = ",".join(f"Claim/{name}" for name in names[start : start + AT_ONCE])
            found.provenances += len(list(_all(client, f"{base}/Provenance?target={chunk}&_count=500")))
    return found


def _count(
    found: Holdings, resource: dict[str, Any], patient: str, month: str, counted: Counter[tuple[str, str]]
) -> None:
    found.versions[f"{resource['resourceType']}/{resource['id']}"] = int(resource["meta"]["versionId"])
    if resource["status"] in LIVE:
        counted[(patient, month)] += 1


def _ours(resource: dict[str, Any]) -> bool:
    return any(
        one.get("system", "").startswith("https://caretally.example/fhir/") for one in resource.get("identifier", ())
    )


def _all(client: httpx.Client, url: str | None) -> Iterator[dict[str, Any]]:
    while url:
        bundle = client.get(url).raise_for_status().json()
        yield from (entry["resource"] for entry in bundle.get("entry", ()))
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
