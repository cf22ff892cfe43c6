"""Every way of writing on a real HAPI: with ids of ours, and configured so that it chooses all ids itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import orjson
import pytest
from tests.faults.on_server import holdings
from tests.faults.population import CHARGES, MONTHS, patient_ids, population
from tests.faults.runner import Runner
from tests.live.hapi_server import FHIR_JSON, load

if TYPE_CHECKING:
    from tests.live.conftest import HapiFactory

PATIENTS = 3
MONTH = MONTHS[0]


def a_mark() -> str:
    return "s" + "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex[:8])


def load_with_ids_of_the_server(base: str, resources: list[dict[str, Any]]) -> list[str]:
    """Post everything in one transaction; the ids that the server gave the patients."""
    names = {f"{one['resourceType']}/{one['id']}": f"urn:uuid:{uuid4()}" for one in resources}
    entries = []
    for one in resources:
        text = json.dumps({key: value for key, value in one.items() if key != "id"})
        for name, urn in names.items():
            text = text.replace(f'"{name}"', f'"{urn}"')
        request = {"method": "POST", "url": one["resourceType"]}
        key = f"{one['resourceType']}/{one['id']}"
        entries.append({"fullUrl": names[key], "resource": json.loads(text), "request": request})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = httpx.post(base, content=orjson.dumps(bundle), headers=FHIR_JSON, timeout=300)
    assert answer.status_code == httpx.codes.OK, answer.text[:2000]
    places = [entry["response"]["location"] for entry in answer.json()["entry"]]
    return [place.split("/")[1] for place in places if place.startswith("Patient/")]


def check(base: str, patients: list[str], folder: Path, strategy: str | None, expected: str) -> None:
    """Apply, look, apply again from the same store and from another one."""
    with Runner(folder) as runner:

        def apply(store: str) -> dict[str, Any]:
            code = runner.run(base=base, store=str(folder / store), month=MONTH, patients=patients, strategy=strategy)
            assert code == 0, runner.told()
            return runner.report()

        first = apply("one")
        assert first["write_strategy"]["strategy"] == expected
        assert first["writes"]["create"] == {
            "ChargeItem": CHARGES * len(patients),
            "Claim": len(patients),
            "Provenance": len(patients),
        }
        held = holdings(base, patients, MONTH)
        assert held.claims == Counter({(f"Patient/{name}", MONTH): 1 for name in patients})
        assert held.charges == Counter({(f"Patient/{name}", MONTH): CHARGES for name in patients})
        assert held.provenances == len(patients)
        assert set(held.versions.values()) == {1}
        for store in ("one", "another"):
            writes = apply(store)["writes"]
            assert (writes["create"], writes["update"]) == ({}, {})
        assert holdings(base, patients, MONTH) == held


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [(None, "transaction"), ("single_put", "single_put"), ("conditional_create", "conditional_create")],
)
def test_with_ids_of_ours(hapi: str, tmp_path: Path, strategy: str | None, expected: str) -> None:
    mark = a_mark()
    load(hapi, population(mark, PATIENTS))
    check(hapi, patient_ids(mark, PATIENTS), tmp_path, strategy, expected)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (None, "conditional_update"),
        ("conditional_update", "conditional_update"),
        ("conditional_create", "conditional_create"),
    ],
)
def test_where_client_ids_are_refused(
    hapi_factory: HapiFactory, tmp_path: Path, strategy: str | None, expected: str
) -> None:
    base = hapi_factory(client_ids="NOT_ALLOWED")
    patients = load_with_ids_of_the_server(base, population(a_mark(), PATIENTS))
    check(base, patients, tmp_path, strategy, expected)
