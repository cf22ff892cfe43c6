"""Two adapters at once over the same months, in numbers: one claim and its charges for each patient-month.

On the server in memory, which lets in what HAPI lets in (tests/live/test_contract.py); two hundred patient-months also
race on HAPI itself (tests/live/test_kill.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from caretally.errors import LockedError
from caretally.sync.pulling import types_to_read
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from tests.faults.population import CHARGES, population
from tests.sync.practices import write
from tests.sync.small_server import SmallServer

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
PATIENTS = int(os.environ.get("CARETALLY_PROVE_MONTHS", "10000")) if PROVING else 40
Values = dict[str, Any]


class OneAtATime(SmallServer):
    """Takes one request after the other, from any thread."""

    def __init__(self) -> None:
        super().__init__(page=1_000)
        self.honours_star = False
        self._door = threading.Lock()
        self.by_patient: dict[tuple[str, str], list[str]] = {}

    def handle(self, request: httpx.Request) -> httpx.Response:
        with self._door:
            answered = super().handle(request)
            self.requests.clear()
            return answered

    def keep(self, resource: dict[str, Any]) -> int:
        kind, name = resource["resourceType"], f"{resource['resourceType']}/{resource['id']}"
        if name not in self.held and kind in {"Claim", "ChargeItem"}:
            patient = resource["patient" if kind == "Claim" else "subject"]["reference"]
            self.by_patient.setdefault((kind, patient), []).append(name)
        return super().keep(resource)

    def matching_all(self, kind: str, used: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Looked up by patient: ten thousand patients would else be searched through for each of them."""
        patients = dict(used).get("patient") or dict(used).get("subject")
        if patients is None:
            return super().matching_all(kind, used)
        names = [name for one in patients.split(",") for name in self.by_patient.get((kind, f"Patient/{one}"), ())]
        return [self.held[name] for name in names]


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in population("r", PATIENTS):
        rows.setdefault(one["resourceType"], []).append(one)
    return write(tmp_path_factory.mktemp("races") / "practice", rows)


@pytest.mark.prove
@pytest.mark.parametrize("stores", [1, 2])
def test_two_adapters_at_once(
    practice: Path, tmp_path: Path, run_values: Values, record_property: Callable[[str, object], None], stores: int
) -> None:
    small = OneAtATime()

    def adapter(number: int) -> RunReport:
        writeback = run_values["configuration"].writeback
        sink = ServerSink(
            server=small.server(),
            resource_types=types_to_read(run_values["tables"]),
            in_flight=writeback.in_flight,
            together=writeback.months_per_transaction,
        )
        store = str(tmp_path / f"store-{number if stores == 2 else 0}")
        while True:
            try:
                return run_month(RunRequest(source=FolderSource(practice), sink=sink, store=store, **run_values))
            except LockedError:  # one store: the other one is at work
                time.sleep(0.2)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(adapter, range(2)))
    assert [report.error() for report in reports] == [None, None]
    claims = Counter(one["patient"]["reference"] for one in small.held.values() if one["resourceType"] == "Claim")
    charges = Counter(one["subject"]["reference"] for one in small.held.values() if one["resourceType"] == "ChargeItem")
    assert (len(claims), set(claims.values())) == (PATIENTS, {1})
    assert (len(charges), set(charges.values())) == (PATIENTS, {CHARGES})
    assert {small.versions[name] for name in small.held if not name.startswith("Provenance/")} == {1}
    before = dict(small.versions)
    assert adapter(0).writes == {}
    assert dict(small.versions) == before
    record_property("cases", PATIENTS)
