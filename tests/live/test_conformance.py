"""On a real server: our profiles are taken, what we write is valid there, and comes back as it was sent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.live.hapi_server import FHIR_JSON, load
from tests.mapping.patients import resources
from tests.profiles.written import demo_written, golden_written, scenario_resources

from caretally.facts.exact_json import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles" / "resources"
BASE = "https://caretally.example/fhir/StructureDefinition/"
PROFILE_OF = {
    "Claim": BASE + "cm-claim-professional",
    "ChargeItem": BASE + "cm-charge-item",
    "Provenance": BASE + "cm-provenance",
}
SERVER_ELEMENTS = {"meta", "text"}
Resource = dict[str, Any]


def profiles() -> Iterator[Resource]:
    for path in sorted(PROFILES.glob("*.json")):
        resource = json.loads(path.read_bytes())
        if resource["resourceType"] in {"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter"}:
            yield resource


@pytest.fixture(scope="module")
def server(hapi: str) -> str:
    """The server with our profiles on it."""
    with httpx.Client(headers=FHIR_JSON, timeout=120) as client:
        for resource in profiles():
            answer = client.put(f"{hapi}/{resource['resourceType']}/{resource['id']}", json=resource)
            assert answer.status_code in {200, 201}, f"{resource['id']}: {answer.text[:1000]}"
    return hapi


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """What we write for the golden cases and the demonstration, and claims on every way through their life."""
    golden = golden_written(tmp_path_factory.mktemp("golden"))
    found = [*golden, *demo_written(tmp_path_factory.mktemp("demo")), *scenario_resources()]
    once = {dumps(resource): resource for resource in found}
    return list(once.values())


def test_what_we_write_is_valid_on_the_server(server: str, ours: list[Resource]) -> None:
    wrong: list[tuple[str, str, Any]] = []
    warnings = 0
    with httpx.Client(headers=FHIR_JSON, timeout=120) as client:
        for resource in ours:
            kind = resource["resourceType"]
            answer = client.post(
                f"{server}/{kind}/$validate", params={"profile": PROFILE_OF[kind]}, content=dumps(resource)
            )
            issues = answer.json()["issue"]
            warnings += sum(issue["severity"] == "warning" for issue in issues)
            wrong += [
                (kind, resource["id"], issue.get("diagnostics"))
                for issue in issues
                if issue["severity"] in {"error", "fatal"}
            ]
    assert {resource["resourceType"] for resource in ours} == set(PROFILE_OF)
    assert wrong == []
    print(f"live $validate\t{len(ours)} resources, 0 errors, {warnings} warnings")


def test_a_claim_that_does_not_fit_is_refused_by_the_server(server: str, ours: list[Resource]) -> None:
    claim = next(r for r in ours if r["resourceType"] == "Claim" and "total" in r)
    broken = {**claim, "total": {"value": 1, "currency": "USD"}}
    answer = httpx.post(
        f"{server}/Claim/$validate",
        params={"profile": PROFILE_OF["Claim"]},
        content=dumps(broken),
        headers=FHIR_JSON,
        timeout=120,
    )
    assert any("cm-claim-1" in str(issue) for issue in answer.json()["issue"] if issue["severity"] == "error")


def texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with the text that stands on the wire."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, f"{path}[{index}]")
    else:
        yield path, str(node)


def test_claims_come_back_as_they_were_sent(server: str) -> None:
    """Amounts with their trailing zeros, dates, codes, references: each text on the wire is the one that was sent."""
    prefix = "conf-"
    source = json.dumps(resources("G02"))
    targets = json.loads(re.sub(r'"reference": "([A-Za-z]+)/', rf'"reference": "\1/{prefix}', source))
    loaded = [{**r, "id": prefix + r["id"]} for r in targets]
    load(server, loaded)
    sent = [
        r
        for r in scenario_resources()
        if r["resourceType"] in {"Claim", "ChargeItem"} and not r.get("related") and r["status"] != "cancelled"
    ]
    local = [on_server(resource, prefix, f"{prefix}{number}") for number, resource in enumerate(sent)]
    amounts = 0
    with httpx.Client(headers=FHIR_JSON, timeout=60) as client:
        try:
            for resource in local:
                url = f"{server}/{resource['resourceType']}/{resource['id']}"
                answer = client.put(url, content=dumps(resource))
                assert answer.status_code in {200, 201}, answer.text[:1000]
                back = client.get(url).content
                kept = {key: value for key, value in loads(back).items() if key not in SERVER_ELEMENTS}
                assert dict(texts(kept)) == dict(texts(resource))
                amounts += len(re.findall(rb'"value":\s*\d+\.\d0\b', back))
        finally:
            # Other tests look at every claim of the server: nothing of this patient may stay.
            remove(client, server, [*local, *loaded])
    # 85.00 and 60.50 among them: a server that drops zeros would be found out.
    assert amounts > 5


def remove(client: httpx.Client, server: str, gone: list[Resource]) -> None:
    """Delete resources in one transaction, in which references among them do not matter."""
    entries = [{"request": {"method": "DELETE", "url": f"{r['resourceType']}/{r['id']}"}} for r in gone]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = client.post(server, json=bundle)
    assert answer.status_code == httpx.codes.OK, answer.text[:1000]


def on_server(resource: Resource, prefix: str, name: str) -> Resource:
    """A resource of the samples with an id of this test, about the patient that lies on the server."""
    known = {"Patient": "pat", "Coverage": "cov", "Practitioner": "P1", "Organization": "GRP1", "Consent": "consent"}
    known |= {"CarePlan": "plan-ccm", "Encounter": "time-1"}

    def pointed(node: Any) -> Any:
        if isinstance(node, dict):
            found = {key: pointed(value) for key, value in node.items()}
            if isinstance(found.get("reference"), str):
                kind = found["reference"].partition("/")[0]
                found["reference"] = f"{kind}/{prefix}{known[kind]}"
            return found
        return [pointed(item) for item in node] if isinstance(node, list) else node

    found: Resource = {**pointed(resource), "id": name}
    return found
