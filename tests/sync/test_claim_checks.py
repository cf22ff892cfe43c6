"""A claim that a payer must deny is not released by itself; mended, the next run releases it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.sync.practices import golden, write

from caretally.facts import exact_json
from caretally.facts.calendar import ServiceMonth
from caretally.sync.pulling import types_to_read
from caretally.sync.report import RunReport
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sources.folder import FolderSource
from caretally.tables import Configuration, load_tables, policy_book

TABLES = load_tables()


def run(folder: Path, practice: dict[str, list[dict[str, Any]]], release: str = "automatic") -> RunReport:
    configuration = Configuration.model_validate(
        {"policy": {"other_claims_known": "full"}, "writeback": {"release": release}}
    )
    return run_month(
        RunRequest(
            source=FolderSource(write(folder / "source", practice)),
            sink=FolderSink(path=folder / "out", resource_types=types_to_read(TABLES)),
            month=ServiceMonth(2025, 1),
            as_of=date(2025, 2, 10),
            now=lambda: datetime(2025, 2, 10, 9, 0, tzinfo=UTC),
            tables=TABLES,
            configuration=configuration,
            policies=policy_book(TABLES, configuration),
            software_version="test",
        )
    )


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [exact_json.loads(line) for line in (folder / "out" / name).read_bytes().splitlines()]


def without_birth_date() -> dict[str, list[dict[str, Any]]]:
    practice = golden("G01")
    del practice["Patient"][0]["birthDate"]
    return practice


def test_it_stays_a_draft_until_it_is_mended(tmp_path: Path) -> None:
    first = run(tmp_path, without_birth_date())
    assert first.error() is None
    assert first.claim_checks["release"] == {"K-PATIENT-BIRTH-DATE": 1}
    assert [claim["status"] for claim in lines(tmp_path, "Claim.ndjson")] == ["draft"]
    assert {charge["status"] for charge in lines(tmp_path, "ChargeItem.ndjson")} == {"planned"}
    (answer,) = lines(tmp_path, "determinations.ndjson")
    assert answer["status"] == "billable", "an incomplete claim says nothing about the month"
    assert "K-PATIENT-BIRTH-DATE" in [check["code"] for check in answer["claim_checks"]["failed"]]

    again = run(tmp_path, without_birth_date())
    assert again.writes.total() == 0

    mended = run(tmp_path, golden("G01"))
    assert "release" not in mended.claim_checks
    assert [claim["status"] for claim in lines(tmp_path, "Claim.ndjson")] == ["active"]
    assert {charge["status"] for charge in lines(tmp_path, "ChargeItem.ndjson")} == {"billable"}


@pytest.mark.parametrize("release", ["automatic", "review"])
def test_what_only_a_form_needs_keeps_no_claim_back(tmp_path: Path, release: str) -> None:
    done = run(tmp_path, golden("G01"), release)
    assert set(done.claim_checks) == {"export"}
    assert set(done.to_json()["claim_checks"]["export"]) == {"K-ASSIGNMENT", "K-PAYER-ID"}
    status = "active" if release == "automatic" else "draft"
    assert [claim["status"] for claim in lines(tmp_path, "Claim.ndjson")] == [status]
