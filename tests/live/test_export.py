"""Bulk Data export of a real server: of everything, of its patients and of a Group, from kick-off to deletion."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from tests.live.conftest import HapiFactory
from tests.live.hapi_server import load, reset
from tests.live.test_harness import OTHER_SETTINGS
from tests.live.test_synchronizing import answers, synced
from tests.sync.practices import expected, golden, together

from caretally.fhir import FhirServer, ServerSettings, bulk
from caretally.fhir.bulk import ExportScope

TYPES = ("Patient", "Encounter", "Consent")
MEMBERS = [f"Patient/s{number}-g{case}-pat" for number in range(3) for case in ("02", "36")]


@pytest.fixture(scope="module")
def group(practice: str) -> str:
    members = [{"entity": {"reference": name}} for name in MEMBERS]
    load(practice, [{"resourceType": "Group", "id": "few", "type": "person", "actual": True, "member": members}])
    return "few"


def exported(base: str, scope: ExportScope, folder: Path) -> list[dict[str, Any]]:
    """What an export brings."""
    with FhirServer(ServerSettings(base_url=base)) as server:
        started = bulk.start(server.transport, scope)
        assert started.server_time is not None
        manifest = bulk.wait(
            server.transport,
            started.status_url,
            clock=time.monotonic,
            sleep=time.sleep,
            now=lambda: datetime.now(UTC),
            budget_seconds=120,
            told=lambda _words: None,
        )
        true_of = bulk.transaction_time(manifest)
        assert true_of is not None
        assert abs(true_of - started.server_time) < timedelta(minutes=2)
        rows = []
        for number, file in enumerate(bulk.files_of(manifest)):
            assert file.kind == "output"
            bulk.fetch(server.transport, file, folder / str(number))
            rows += [orjson.loads(line) for line in (folder / str(number)).read_bytes().splitlines()]
        bulk.delete(server.transport, started.status_url)  # HAPI has nothing to delete where a job has ended
    return rows


def total(base: str, kind: str, **parameters: str) -> int:
    return int(httpx.get(f"{base}/{kind}", params={**parameters, "_summary": "count"}).json()["total"])


@pytest.mark.parametrize("level", ["system", "patient", "group"])
def test_each_level_brings_what_a_search_counts(practice: str, group: str, tmp_path: Path, level: str) -> None:
    scope = {
        "system": ExportScope(whole_system=True, types=(*TYPES, "Practitioner")),
        "patient": ExportScope(types=TYPES),
        "group": ExportScope(group=group, types=TYPES),
    }[level]
    rows = exported(practice, scope, tmp_path)
    found = Counter(row["resourceType"] for row in rows)
    assert len({(row["resourceType"], row["id"]) for row in rows}) == len(rows)
    if level == "group":
        assert {f"Patient/{row['id']}" for row in rows if row["resourceType"] == "Patient"} == set(MEMBERS)
        names = ",".join(name.partition("/")[2] for name in MEMBERS)
        assert found["Encounter"] == total(practice, "Encounter", patient=names) > 0
    else:
        assert found == {kind: total(practice, kind) for kind in scope.types}


def test_only_what_changed_since_comes(practice: str, tmp_path: Path) -> None:
    """At system level; HAPI 8.8 exports everything at Patient level, whatever `_since` says."""
    time.sleep(1)  # `_since` is given in seconds, and what was loaded last may be younger than the present one
    before = datetime.now(UTC)
    httpx.put(f"{practice}/Patient/late", json={"resourceType": "Patient", "id": "late"}).raise_for_status()
    try:
        scope = ExportScope(whole_system=True, types=TYPES, since=before.isoformat(timespec="seconds"))
        rows = exported(practice, scope, tmp_path)
    finally:
        httpx.delete(f"{practice}/Patient/late").raise_for_status()
    assert [(row["resourceType"], row["id"]) for row in rows] == [("Patient", "late")]


def test_one_that_is_cancelled_is_lost_and_none_that_never_was_is_waited_for(practice: str) -> None:
    with FhirServer(ServerSettings(base_url=practice)) as server:
        started = bulk.start(server.transport, ExportScope(types=TYPES))
        assert bulk.delete(server.transport, started.status_url)
        with pytest.raises((bulk.LostExportError, bulk.FailedExportError)):
            bulk.state(server.transport, started.status_url, now=datetime.now(UTC))
        never = started.status_url.rpartition("=")[0] + "=00000000-0000-0000-0000-000000000000"
        with pytest.raises((bulk.LostExportError, bulk.FailedExportError)):
            bulk.state(server.transport, never, now=datetime.now(UTC))


def test_a_month_of_a_group_is_the_month_of_its_members(practice: str, group: str, tmp_path: Path) -> None:
    assert total(practice, "Patient") > len(MEMBERS)
    few = synced(practice, tmp_path / "few", "--by", "export", CARETALLY_SERVER__EXPORT_GROUP=group)
    assert (few["mode"], few["held"]["Patient"]) == ("export", len(MEMBERS))
    decided = answers(tmp_path / "few")
    assert decided.keys() == set(MEMBERS)
    for case in ("G02", "G36"):
        found = [decided[name] for name in MEMBERS if case.lower() in name]
        assert {status.upper() for status, _, _ in found} == {expected(case)["status"]}
        assert [one["code"] for one in found[0][1]] == [code for code, _, _ in expected(case)["lines"]]


def test_what_hapi_leaves_out_of_an_export_without_a_word_is_read_by_search(
    hapi_factory: HapiFactory, tmp_path: Path
) -> None:
    """With a largest fetch (``max_page_size`` of its starter) HAPI's export of patients brings so many of each type."""
    base, most, count = hapi_factory(**OTHER_SETTINGS), OTHER_SETTINGS["page_max"], 5
    reset(base)
    load(base, together(*(golden("G02", f"x{number}-") for number in range(count))))
    members = [{"entity": {"reference": f"Patient/x{number}-pat"}} for number in range(1, count)]
    load(base, [{"resourceType": "Group", "id": "most", "type": "person", "actual": True, "member": members}])
    time.sleep(1.1)  # what was written in the second of the kick-off may belong to the next reading
    by_search = synced(base, tmp_path / "search" / "out", "--by", "search")
    by_export = synced(base, tmp_path / "export" / "out", "--by", "export")
    assert by_search["held"]["Patient"] == count
    assert (by_export["mode"], by_export["held"]) == ("export", by_search["held"])
    assert answers(tmp_path / "export" / "out") == answers(tmp_path / "search" / "out")
    rows = [orjson.loads(line) for line in (tmp_path / "export" / "out" / "issues.ndjson").read_bytes().splitlines()]
    short = {row["resource"]: row["found"] for row in rows if row["code"] == "export-short"}
    assert short["Patient"].startswith(f"the export brought {most} of {count}")
    assert "Encounter" in short
    of_group = synced(base, tmp_path / "group" / "out", "--by", "export", CARETALLY_SERVER__EXPORT_GROUP="most")
    assert of_group["held"]["Patient"] == len(members)
    wanted = answers(tmp_path / "search" / "out")
    del wanted["Patient/x0-pat"]
    assert answers(tmp_path / "group" / "out") == wanted
