"""What waits for a person, and the release of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside

if TYPE_CHECKING:
    from pathlib import Path

BY = ("--by", "account of a test", "--config", CONFIG, "--quiet")


def claims(folder: Path) -> dict[str, str]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in (folder / "Claim.ndjson").read_text().splitlines()]
    return {
        f"{row['patient']['reference'].removeprefix('Patient/demo-')} {row['billablePeriod']['start'][:7]}": row[
            "status"
        ]
        for row in rows
    }


def test_drafts_are_listed(results: Path) -> None:
    done = inside("review", "list", results, "--config", CONFIG)
    assert done.code == 0
    assert done.out.count("draft to release") == 16
    assert "caretally review approve" in done.out
    january = inside("review", "list", results, "--month", "2025-01", "--config", CONFIG, "--json").json()
    assert len(january) == 7
    assert {item["kind"] for item in january} == {"release"}


def test_one_draft_is_released(results: Path) -> None:
    done = inside("review", "approve", results, "demo-ash", "--month", "2025-01", *BY)
    assert done.code == 0, done.err
    assert "1 approval carried out" in done.out
    after = claims(results)
    assert after["ash 2025-01"] == "active"
    assert sorted(after.values()).count("draft") == 15
    charges = (results / "ChargeItem.ndjson").read_text().splitlines()
    assert sum(json.loads(line)["status"] == "billable" for line in charges) == 3


def test_all_drafts_of_a_month_are_released_and_stay_so(results: Path) -> None:
    done = inside("review", "approve", results, "--all", "--month", "2025-02", "--json", *BY)
    assert done.code == 0, done.err
    assert done.json()["approved"] == 9
    assert {status for key, status in claims(results).items() if key.endswith("2025-02")} == {"active"}
    assert {status for key, status in claims(results).items() if key.endswith("2025-01")} == {"draft"}
    again = inside("review", "approve", results, "--all", "--month", "2025-02", *BY)
    assert again.code == 0
    assert "no draft of 2025-02 waits" in again.out
    applied = inside(
        "apply", DEMO, "--month", "2025-02", "--as-of", "2025-03-10", "--out", results, "--config", CONFIG, "--quiet"
    )
    assert "nothing had to be written" in applied.out


def test_a_changed_fact_is_not_released(results: Path, practice: Path) -> None:
    encounters = practice / "Encounter.ndjson"
    encounters.write_text(encounters.read_text().replace("2025-01-27T15:12:00", "2025-01-27T15:05:00"))
    done = inside("review", "approve", results, "demo-ash", "--month", "2025-01", "--source", practice, *BY)
    assert done.code == 6
    assert "refused: Patient/demo-ash" in done.out
    assert claims(results)["ash 2025-01"] == "draft"


def test_approving_nothing_or_too_much_is_a_usage_error(results: Path) -> None:
    assert inside("review", "approve", results, "--month", "2025-01", *BY).code == 2
    assert inside("review", "approve", results, "demo-ash", "--all", "--month", "2025-01", *BY).code == 2
    unknown = inside("review", "approve", results, "demo-elder", "--month", "2025-01", *BY)
    assert unknown.code == 2
    assert "nothing of Patient/demo-elder in 2025-01 waits" in unknown.err


def test_another_tenant_would_find_nothing_and_is_told_so(results: Path) -> None:
    done = inside("review", "list", results)
    assert done.code == 3
    assert "demo-oncology" in done.err


def test_a_folder_that_holds_no_results(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = inside("review", "list", tmp_path / "empty")
    assert done.code == 0
    assert "nothing waits" in done.out
    assert list((tmp_path / "empty").iterdir()) == []
    assert inside("review", "list", tmp_path / "absent").code == 2


def test_the_source_is_remembered_in_the_folder_and_asked_for_where_it_is_gone(results: Path) -> None:
    report = json.loads((results / "run-report.json").read_text())
    (results / "run-report.json").write_text(json.dumps({**report, "source": "/nowhere"}))
    done = inside("review", "approve", results, "demo-ash", "--month", "2025-01", *BY)
    assert done.code == 2
    assert "--source" in done.err
    named = inside("review", "approve", results, "demo-ash", "--month", "2025-01", "--source", DEMO, *BY)
    assert named.code == 0
