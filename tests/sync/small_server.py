"""A FHIR server in memory, spoken to over httpx: enough of search, read, writing and transaction for the tests.

What it answers is held against a real server by tests/live/test_contract.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx

from caretally.facts import exact_json
from caretally.fhir.server import FhirServer
from caretally.fhir.settings import RetrySettings, ServerSettings
from caretally.fhir.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BASE = "https://server.example/fhir"
TYPES = [
    *("Patient", "Encounter", "Condition", "CarePlan", "Goal", "Consent", "Coverage", "Communication", "CareTeam"),
    *("Claim", "ClaimResponse", "ChargeItem", "ChargeItemDefinition", "ExplanationOfBenefit"),
    *("Procedure", "Provenance", "Group"),
    *("MedicationRequest", "AllergyIntolerance"),
    *("Practitioner", "PractitionerRole", "Organization", "Location"),
]
PATIENT_ELEMENTS = {
    "Consent": "patient",
    "Coverage": "beneficiary",
    "Claim": "patient",
    "ExplanationOfBenefit": "patient",
    "AllergyIntolerance": "patient",
}
STATUSES = {
    "Claim": {"active", "cancelled", "draft", "entered-in-error"},
    "ChargeItem": {"planned", "billable", "not-billable", "aborted", "billed", "entered-in-error", "unknown"},
}
Fault = "Callable[[httpx.Request], httpx.Response | None]"


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    content = b"" if body is None else exact_json.dumps(body)
    return httpx.Response(status, headers={"Content-Type": "application/fhir+json", **headers}, content=content)


def outcome(status: int, text: str, code: str = "processing") -> httpx.Response:
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return answer(status, {"resourceType": "OperationOutcome", "issue": [issue]})


class SmallServer:
    """Holds resources with versions; `faults` may answer first, `refused_parameters` are answered with 400."""

    def __init__(self, resources: Iterable[dict[str, Any]] = (), *, transaction: bool = True, page: int = 3) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, int] = defaultdict(int)
        self.requests: list[httpx.Request] = []
        self.faults: list[Callable[[httpx.Request], httpx.Response | None]] = []
        self.refused_parameters: set[str] = set()
        self.ignored_parameters: set[str] = set()
        self.types = list(TYPES)
        self.includes: dict[str, str] = {}
        """Offered for _include: ``PractitionerRole:organization`` and the element that it follows."""
        self.transaction_offered = transaction
        self.update_create: bool | None = True
        self.client_ids = True
        """False: as HAPI with client ids switched off."""
        self.honours_star = True
        """False: If-None-Match: * is ignored, as HAPI does."""
        self.conditional = True
        """Whether conditional create and update are offered."""
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.deleted: set[str] = set()
        self.page = page
        for resource in resources:
            self.keep(resource)

    def keep(self, resource: dict[str, Any]) -> int:
        """Keep a resource as its next version; what changes nothing makes none."""
        name = f"{resource['resourceType']}/{resource['id']}"
        if name in self.held and _plain(self.held[name]) == _plain(resource):
            return self.versions[name]
        self.versions[name] += 1
        meta = {**resource.get("meta", {}), "versionId": str(self.versions[name])}
        self.held[name] = {**resource, "meta": meta}
        self.history[name].append(self.held[name])
        self.deleted.discard(name)
        return self.versions[name]

    def delete(self, name: str) -> None:
        if self.held.pop(name, None) is not None:
            self.versions[name] += 1
            self.deleted.add(name)

    def server(self) -> FhirServer:
        settings = ServerSettings(base_url=BASE, retry=RetrySettings(attempts=2, wait_budget_seconds=5))
        transport = Transport(settings, http_transport=httpx.MockTransport(self.handle), sleep=lambda _seconds: None)
        return FhirServer(settings, transport=transport)

    def asked(self, method: str = "GET") -> list[str]:
        return [str(one.url).removeprefix(BASE) for one in self.requests if one.method == method]

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for fault in self.faults:
            refused = fault(request)
            if refused is not None:
                return refused
        return self.handle_again(request)

    def handle_again(self, request: httpx.Request) -> httpx.Response:
        """Answer past the faults."""
        path = request.url.path.removeprefix("/fhir").strip("/")
        answers = {"GET": self.get, "POST": self.post, "PUT": self.put_request, "DELETE": self.delete_request}
        return answers[request.method](path, request)

    def get(self, path: str, request: httpx.Request) -> httpx.Response:
        if path == "metadata":
            return answer(200, self.statement())
        if "/" not in path:
            return self.search(path, list(request.url.params.multi_items()))
        if path in self.deleted:
            return outcome(410, "deleted", "deleted")
        held = self.held.get(path)
        return answer(200, held, ETag=f'W/"{held["meta"]["versionId"]}"') if held else outcome(404, "not here")

    def post(self, path: str, request: httpx.Request) -> httpx.Response:
        if path.endswith("/_search"):
            return self.search(path.removesuffix("/_search"), parse_qsl(request.content.decode()))
        body = exact_json.loads(request.content)
        return self.create(path, body, request.headers.get("if-none-exist")) if path else self.transact(body)

    def put_request(self, path: str, request: httpx.Request) -> httpx.Response:
        body = exact_json.loads(request.content)
        if "/" in path:
            return self.put(path, body, dict(request.headers))
        return self.put_where(path, body, list(request.url.params.multi_items()))

    def delete_request(self, path: str, _request: httpx.Request) -> httpx.Response:
        self.delete(path)
        return answer(200)

    def statement(self) -> dict[str, Any]:
        capability = {
            "interaction": [{"code": code} for code in ("read", "create", "update", "search-type")],
            "conditionalCreate": self.conditional,
            "conditionalUpdate": self.conditional,
            **({} if self.update_create is None else {"updateCreate": self.update_create}),
            "searchParam": [{"name": name} for name in ("patient", "subject", "link", "_id")],
        }
        rest = {
            "mode": "server",
            "resource": [
                {
                    "type": name,
                    **capability,
                    "searchInclude": [one for one in self.includes if one.startswith(f"{name}:")],
                }
                for name in self.types
            ],
            "interaction": [{"code": "transaction"}] if self.transaction_offered else [],
        }
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest]}

    def search(self, kind: str, parameters: list[tuple[str, str]]) -> httpx.Response:
        names = {name for name, _ in parameters}
        if names & self.refused_parameters:
            return outcome(400, "unknown parameter")
        used = [(name, value) for name, value in parameters if name not in self.ignored_parameters]
        start = int(dict(parameters).get("offset", "0"))
        found = self.matching_all(kind, used)
        query = "&".join(f"{name}={value}" for name, value in used if name != "offset")
        links = [{"relation": "self", "url": f"{BASE}/{kind}?{query}"}]
        if start + self.page < len(found):
            links.append({"relation": "next", "url": f"{BASE}/{kind}?{query}&offset={start + self.page}"})
        matches = found[start : start + self.page]
        entries = [
            {"fullUrl": f"{BASE}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in matches
        ]
        elements = [self.includes[value] for name, value in used if name == "_include" and value in self.includes]
        entries += self.along(matches, elements)
        return answer(200, {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})

    def along(self, matches: list[dict[str, Any]], elements: list[str]) -> list[dict[str, Any]]:
        """What some resources refer to by some elements, as entries."""
        values = [one[element] for one in matches for element in elements if element in one]
        references = {v["reference"] for value in values for v in (value if isinstance(value, list) else [value])}
        held = [self.held[name] for name in sorted(references & self.held.keys())]
        return [{"resource": one, "search": {"mode": "include"}} for one in held]

    def matching_all(self, kind: str, used: list[tuple[str, str]]) -> list[dict[str, Any]]:
        return [one for one in self.held.values() if one["resourceType"] == kind and self.fits(one, kind, used)]

    def fits(self, one: dict[str, Any], kind: str, parameters: list[tuple[str, str]]) -> bool:
        return all(self.matches(one, kind, name, value.split(",")) for name, value in parameters)

    def matches(self, one: dict[str, Any], kind: str, name: str, values: list[str]) -> bool:
        if name == "_id":
            return one["id"] in values
        if name in {"patient", "subject"}:
            reference = one.get(PATIENT_ELEMENTS.get(kind, "subject"), {}).get("reference", "")
            return reference in {f"Patient/{value.rpartition('/')[2]}" for value in values}
        if name == "practitioner":
            return one.get("practitioner", {}).get("reference") in values
        if name == "link":
            return any(link["other"]["reference"] in values for link in one.get("link", ()))
        if name in {"type", "category"}:
            concepts = one.get(name, ())
            tokens = {f"{c['system']}|{c['code']}" for concept in concepts for c in concept["coding"]}
            return any(token in values or token.partition("|")[0] + "|" in values for token in tokens)
        if name == "identifier":
            marks = one.get("identifier", ())
            return any({f"{i.get('system')}|", f"{i.get('system')}|{i.get('value')}"} & set(values) for i in marks)
        if name == "_tag":
            tags = one.get("meta", {}).get("tag", ())
            return any(f"{tag.get('system')}|{tag.get('code')}" in values for tag in tags)
        if name == "date":
            start = one.get("period", {}).get("start", "")[:10]
            return all(start >= v[2:] if v.startswith("ge") else start <= v[2:] for v in values)
        return True

    def put(self, path: str, resource: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        if_match = re.sub(r'W/|"', "", headers.get("if-match", ""))
        refusal = self.refusal(path, resource, if_match or None, star=headers.get("if-none-match") == "*")
        return refusal or self.kept(resource)

    def create(self, kind: str, resource: dict[str, Any], condition: str | None) -> httpx.Response:
        """POST, with If-None-Exist where there is a condition."""
        found = self.matching(kind, parse_qsl(condition)) if condition else []
        if len(found) > 1:
            return outcome(412, "several match", "conflict")
        if found:
            return self.where(200, f"{kind}/{found[0]['id']}")
        return self.invalid(resource) or self.kept({**resource, "id": self.new_id()})

    def put_where(self, kind: str, resource: dict[str, Any], condition: list[tuple[str, str]]) -> httpx.Response:
        """Conditional update."""
        found = self.matching(kind, condition)
        if len(found) > 1:
            return outcome(412, "several match", "conflict")
        return self.invalid(resource) or self.kept({**resource, "id": found[0]["id"] if found else self.new_id()})

    def matching(self, kind: str, condition: list[tuple[str, str]]) -> list[dict[str, Any]]:
        return self.matching_all(kind, condition)

    def new_id(self) -> str:
        return f"s{len(self.versions) + 1}"

    def kept(self, resource: dict[str, Any]) -> httpx.Response:
        path = f"{resource['resourceType']}/{resource['id']}"
        created = path not in self.held
        self.keep(resource)
        return self.where(201 if created else 200, path)

    def where(self, status: int, path: str) -> httpx.Response:
        version = self.versions[path]
        return answer(status, None, ETag=f'W/"{version}"', Location=f"{BASE}/{path}/_history/{version}")

    def invalid(self, resource: dict[str, Any]) -> httpx.Response | None:
        known = STATUSES.get(resource["resourceType"])
        if known is None or resource.get("status") in known:
            return None
        return outcome(400, "Unknown status", "processing")

    def refusal(
        self, path: str, resource: dict[str, Any], if_match: str | None, *, star: bool
    ) -> httpx.Response | None:
        now = self.held.get(path)
        if now is None and not self.client_ids:
            return outcome(404, "client-assigned ids are not enabled", "processing")
        if star and self.honours_star and now is not None:
            return outcome(412, "exists", "conflict")
        if if_match is not None and now is not None and now["meta"]["versionId"] != if_match:
            return outcome(409, "another version", "conflict")
        if if_match is not None and now is None and self.honours_star:
            return outcome(412, "not here", "conflict")
        return self.invalid(resource)

    def transact(self, bundle: dict[str, Any]) -> httpx.Response:
        for entry in bundle["entry"]:
            request = entry["request"]
            if_match = re.sub(r'W/|"', "", request.get("ifMatch", "")) or None
            star = request.get("ifNoneMatch") == "*"
            refusal = self.refusal(request["url"], entry["resource"], if_match, star=star)
            if refusal:
                return refusal
        answers = []
        for entry in bundle["entry"]:
            path = entry["request"]["url"]
            status = "200 OK" if path in self.held else "201 Created"
            version = self.keep(entry["resource"])
            answers.append(
                {"response": {"status": status, "etag": str(version), "location": f"{path}/_history/{version}"}}
            )
        return answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": answers})


def _plain(resource: dict[str, Any]) -> bytes:
    meta = {key: value for key, value in resource.get("meta", {}).items() if key != "versionId"}
    return exact_json.canonical({**resource, "meta": meta})
