"""What the adapter relies on in a FHIR server, and where HAPI differs from what one would expect."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.live.hapi_server import FHIR_JSON, load, reset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import HapiFactory

# One further server for all tests of this module that need one.
OTHER_SETTINGS: dict[str, str | int | bool] = {
    "client_ids": "ALPHANUMERIC",
    "page_max": 3,
    "page_default": 2,
    "export_file_max": 2,
    "search_reuse_ms": 60_000,
}
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.fixture
def client(hapi: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{hapi}/", headers=FHIR_JSON, timeout=60) as opened:
        yield opened


@pytest.fixture
def patient(hapi: str) -> dict[str, Any]:
    """A patient of this test alone, who is on the server."""
    resource = {"resourceType": "Patient", "id": f"p-{uuid.uuid4().hex[:12]}", "active": True}
    load(hapi, [resource])
    return resource


def condition(patient: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}-{patient['id']}",
        "subject": {"reference": f"Patient/{patient['id']}"},
        "code": {"coding": [{"system": ICD10, "code": f"E11.{number}"}]},
    }


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def next_link(bundle: dict[str, Any]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def test_metadata_tells_r4_and_the_types_we_need(client: httpx.Client) -> None:
    statement = client.get("metadata").json()
    assert statement["fhirVersion"] == "4.0.1"
    types = {resource["type"] for resource in statement["rest"][0]["resource"]}
    assert {"Encounter", "CarePlan", "Consent", "ChargeItem", "Claim", "Provenance"} <= types
    assert "export" in {operation["name"] for operation in statement["rest"][0]["operation"]}


def test_update_creates_under_the_clients_id(client: httpx.Client, patient: dict[str, Any]) -> None:
    resource = condition(patient, 1)
    answer = client.put(f"Condition/{resource['id']}", json=resource)
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"')
    assert client.get(f"Condition/{resource['id']}").json()["code"] == resource["code"]


def test_if_none_match_star_does_not_protect(client: httpx.Client, patient: dict[str, Any]) -> None:
    """HAPI ignores If-None-Match: * and overwrites, alone and in a transaction: creating needs another guard."""
    url = f"Patient/{patient['id']}"
    alone = client.put(url, json={**patient, "active": False}, headers={"If-None-Match": "*"})
    request = {"method": "PUT", "url": url, "ifNoneMatch": "*"}
    together = client.post("", json=transaction({"resource": patient, "request": request}))
    assert (alone.status_code, together.status_code) == (200, 200)
    assert client.get(url).json()["meta"]["versionId"] == "3"


def test_stale_if_match_is_a_conflict(client: httpx.Client, patient: dict[str, Any]) -> None:
    url = f"Patient/{patient['id']}"
    fresh = client.put(url, json={**patient, "active": False}, headers={"If-Match": 'W/"1"'})
    stale = client.put(url, json={**patient, "gender": "other"}, headers={"If-Match": 'W/"1"'})
    assert (fresh.status_code, stale.status_code) == (200, 409)
    assert client.get(url).json()["meta"]["versionId"] == "2"


def test_update_without_change_keeps_the_version(client: httpx.Client, patient: dict[str, Any]) -> None:
    answer = client.put(f"Patient/{patient['id']}", json=patient)
    assert (answer.status_code, answer.json()["meta"]["versionId"]) == (200, "1")


def test_transaction_answers_with_bare_etags_and_relative_locations(
    client: httpx.Client, patient: dict[str, Any]
) -> None:
    resource = condition(patient, 1)
    request = {"method": "PUT", "url": f"Condition/{resource['id']}"}
    answer = client.post("", json=transaction({"resource": resource, "request": request}))
    response = answer.json()["entry"][0]["response"]
    assert response["status"].startswith("201")
    assert response["etag"] == "1"
    assert response["location"] == f"Condition/{resource['id']}/_history/1"


def test_transaction_is_all_or_nothing(client: httpx.Client, patient: dict[str, Any]) -> None:
    good, bad = condition(patient, 1), condition(patient, 2)
    bad["subject"] = {"reference": "Patient/nobody"}
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"Condition/{r['id']}"}} for r in (good, bad)]
    assert client.post("", json=transaction(*entries)).status_code == 400
    assert client.get(f"Condition/{good['id']}").status_code == 404


def test_transaction_with_stale_if_match_changes_nothing(client: httpx.Client, patient: dict[str, Any]) -> None:
    new = condition(patient, 1)
    answer = client.post(
        "",
        json=transaction(
            {"resource": new, "request": {"method": "PUT", "url": f"Condition/{new['id']}"}},
            {
                "resource": {**patient, "active": False},
                "request": {"method": "PUT", "url": f"Patient/{patient['id']}", "ifMatch": 'W/"7"'},
            },
        ),
    )
    assert answer.status_code == 409
    assert client.get(f"Condition/{new['id']}").status_code == 404


def test_conditional_create_twice_makes_one(client: httpx.Client, patient: dict[str, Any]) -> None:
    value = uuid.uuid4().hex
    resource = {**condition(patient, 1), "identifier": [{"system": "urn:test", "value": value}]}
    del resource["id"]
    entry = {
        "resource": resource,
        "request": {"method": "POST", "url": "Condition", "ifNoneExist": f"identifier=urn:test|{value}"},
    }
    first, second = (client.post("", json=transaction(entry)).json()["entry"][0]["response"] for _ in range(2))
    assert (first["status"][:3], second["status"][:3]) == ("201", "200")
    assert first["location"] == second["location"]


def test_pages_are_followed_by_opaque_links_on_the_base_url(
    hapi: str, client: httpx.Client, patient: dict[str, Any]
) -> None:
    load(hapi, [condition(patient, number) for number in range(5)])
    url: str | None = f"Condition?subject=Patient/{patient['id']}&_count=2"
    found: list[str] = []
    pages = 0
    while url:
        page = client.get(url).json()
        found += ids(page)
        pages += 1
        url = next_link(page)
        assert url is None or url.startswith(f"{hapi}?_getpages=")
    assert (len(found), len(set(found)), pages) == (5, 5, 3)


def test_a_search_sees_what_was_just_written(hapi: str, client: httpx.Client, patient: dict[str, Any]) -> None:
    """HAPI's own default reuses the answer of an equal search for a minute."""
    url = f"Condition?subject=Patient/{patient['id']}"
    assert ids(client.get(url).json()) == []
    load(hapi, [condition(patient, 1)])
    assert len(ids(client.get(url).json())) == 1


def test_with_hapis_defaults_an_equal_search_answers_from_the_past_unless_told_not_to(
    hapi_factory: HapiFactory,
) -> None:
    base_url = hapi_factory(**OTHER_SETTINGS)
    patients = [{"resourceType": "Patient", "id": f"r{number}", "gender": "other"} for number in range(2)]
    with httpx.Client(base_url=f"{base_url}/", headers=FHIR_JSON, timeout=60) as client:
        load(base_url, patients[:1])
        assert ids(client.get("Patient?gender=other").json()) == ["r0"]
        load(base_url, patients[1:])
        assert ids(client.get("Patient?gender=other").json()) == ["r0"]
        fresh = client.get("Patient?gender=other", headers={"Cache-Control": "no-cache"}).json()
        assert sorted(ids(fresh)) == ["r0", "r1"]


def test_unknown_search_parameter_is_refused_unless_lenient(client: httpx.Client) -> None:
    url = "Condition?nosuchparameter=1"
    assert client.get(url).status_code == 400
    assert client.get(url, headers={"Prefer": "handling=lenient"}).status_code == 200


def test_group_export_gives_ndjson(hapi: str, client: httpx.Client, patient: dict[str, Any]) -> None:
    group = {
        "resourceType": "Group",
        "id": f"g-{patient['id']}",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{patient['id']}"}}],
    }
    load(hapi, [group, *(condition(patient, number) for number in range(3))])
    started = client.get(
        f"Group/{group['id']}/$export", params={"_type": "Patient,Condition"}, headers={"Prefer": "respond-async"}
    )
    assert started.status_code == 202
    deadline = time.monotonic() + 60
    while (status := client.get(started.headers["content-location"])).status_code == 202:
        assert time.monotonic() < deadline, "the export did not end within 60 s"
        time.sleep(0.2)
    rows = {
        output["type"]: client.get(output["url"], headers={"Accept": "application/fhir+ndjson"}).text.splitlines()
        for output in status.json()["output"]
    }
    assert {kind: len(lines) for kind, lines in rows.items()} == {"Patient": 1, "Condition": 3}


def test_load_takes_any_order_circles_and_more_than_one_transaction(hapi: str, client: httpx.Client) -> None:
    run = uuid.uuid4().hex[:8]
    patients = [
        {
            "resourceType": "Patient",
            "id": f"p{number}-{run}",
            "link": [{"other": {"reference": f"Patient/{other}"}, "type": "seealso"}],
        }
        for number, other in ((0, f"p1-{run}"), (1, f"p0-{run}"))
    ]
    conditions = [{**condition(patients[0], number % 10), "id": f"c{number}-{run}"} for number in range(250)]
    assert load(hapi, {"Condition": conditions, "Patient": patients}) == 252
    total = client.get(f"Condition?subject=Patient/p0-{run}&_summary=count").json()["total"]
    assert total == 250


def test_a_factory_server_has_its_own_settings_and_can_be_emptied(hapi_factory: HapiFactory) -> None:
    base_url = hapi_factory(**OTHER_SETTINGS)
    assert base_url == hapi_factory(**OTHER_SETTINGS)
    reset(base_url)
    patients = [{"resourceType": "Patient", "id": f"p{number}"} for number in range(5)]
    load(base_url, patients)
    with httpx.Client(base_url=f"{base_url}/", headers=FHIR_JSON, timeout=60) as client:
        assert client.put("Patient/123", json={"resourceType": "Patient", "id": "123"}).status_code == 400
        assert len(ids(client.get("Patient").json())) == 2
        assert len(ids(client.get("Patient?_count=100").json())) == 3
        reset(base_url)
        count = client.get("Patient?_summary=count", headers={"Cache-Control": "no-cache"}).json()
        assert count["total"] == 0
        assert client.get("Patient/p1/_history").status_code == 404
