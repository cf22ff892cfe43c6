"""plan and apply: what they say, in words and in JSON, and how a run is narrowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, caretally, inside

if TYPE_CHECKING:
    from pathlib import Path

MONTH = ("--month", "2025-02", "--as-of", "2025-03-10", "--config", CONFIG)


def test_a_plan_shows_the_changes_and_leaves_no_trace(tmp_path: Path) -> None:
    done = inside("plan", DEMO, *MONTH)
    assert done.code == 0
    assert "create: Patient/demo-ash, 2025-02, Practitioner/dr-alvarez" in done.out
    assert "draft 99490 x1 2025-02-05, " in done.out or "draft 99490 x1 2025-02-05 95.00 USD" in done.out
    assert "R-CCM-PCM-SAME-PRACTITIONER: " in done.out
    assert "nothing was written: this is a plan" in done.out
    assert list((tmp_path / "work").iterdir()) == []
    assert list((tmp_path / "state").iterdir()) == []


def test_a_plan_against_a_folder_shows_only_what_differs(results: Path) -> None:
    done = inside("plan", DEMO, *MONTH, "--out", results)
    assert done.code == 0
    assert "create: " not in done.out
    assert "nothing to write: Patient/demo-ash" in done.out


def test_apply_says_what_it_wrote_and_what_waits(tmp_path: Path) -> None:
    done = inside("apply", DEMO, *MONTH, "--out", tmp_path / "out")
    assert done.code == 0
    assert "written to" in done.out
    assert f"caretally review list {tmp_path / 'out'}" in done.out
    assert "1 resource or fact refused or doubtful: entry-without-end 1" in done.out
    again = inside("apply", DEMO, *MONTH, "--out", tmp_path / "out")
    assert "nothing had to be written" in again.out
    assert "caretally review list" not in again.out


def test_json_is_one_document_and_logs_are_json_lines(tmp_path: Path) -> None:
    done = caretally("apply", DEMO, *MONTH, "--out", tmp_path / "out", "--json", state=tmp_path)
    document = done.json()
    assert document["summary"]["statuses"]["billable"] == 9
    assert document["report"]["writes"]["create"]["Claim"] == 9
    assert len(document["answers"]) == 12
    assert {"patient", "status", "lines", "reasons", "changes"} <= document["answers"][0].keys()
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert {line["phase"] for line in lines} >= {"reading", "deciding"}


def test_quiet_says_nothing_beside_the_result(tmp_path: Path) -> None:
    done = caretally("apply", DEMO, *MONTH, "--out", tmp_path / "out", "--quiet", state=tmp_path)
    assert done.err == ""
    assert done.out


def test_no_patient_stands_in_the_logs(tmp_path: Path) -> None:
    done = caretally("apply", DEMO, *MONTH, "--out", tmp_path / "out", "--verbose", state=tmp_path)
    for word in ("Demo-", "demo-ash", "Patient/", "1DM0AA", "1948-05-11"):
        assert word not in done.err


def test_a_run_is_narrowed(tmp_path: Path) -> None:
    two = inside("plan", DEMO, *MONTH, "--json", "--quiet", "--patient", "demo-ash", "--patient", "Patient/demo-fir")
    assert [answer["patient"] for answer in two.json()["answers"]] == ["Patient/demo-ash", "Patient/demo-fir"]
    brook = inside("plan", DEMO, *MONTH, "--json", "--quiet", "--practitioner", "np-brook")
    assert [answer["patient"] for answer in brook.json()["answers"]] == ["Patient/demo-birch"]
    site = inside("plan", DEMO, *MONTH, "--json", "--quiet", "--site", "main")
    assert len(site.json()["answers"]) == 12
    assert list((tmp_path / "work").iterdir()) == []


def test_an_option_after_the_command_wins(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[policy]\ndos = "month_end"\n')
    words = ("plan", DEMO, "--month", "2025-02", "--as-of", "2025-03-10", "--json", "--quiet")
    dates = {
        line["service_date"]
        for answer in inside("--config", CONFIG, *words, "--config", file).json()["answers"]
        for line in answer["lines"]
    }
    assert dates == {"2025-02-28"}
    assert inside(*words, CARETALLY_POLICY__DOS="month_end").json()["answers"][0]["lines"][0]["service_date"] == (
        "2025-02-28"
    )


def test_an_open_month_is_a_hold() -> None:
    done = inside("plan", DEMO, "--month", "2025-02", "--as-of", "2025-02-20", "--json", "--quiet")
    answer = next(a for a in done.json()["answers"] if a["patient"] == "Patient/demo-ash")
    assert answer["status"] == "hold"
    assert answer["projected"]
    assert "R-MONTH-OPEN" in answer["reasons"]


def test_a_long_month_is_summed_up_and_not_listed(tmp_path: Path) -> None:
    from caretally.cli import run_command  # noqa: PLC0415

    limit = run_command.ROWS_SHOWN
    try:
        run_command.ROWS_SHOWN = 3
        done = inside("apply", DEMO, *MONTH, "--out", tmp_path / "out", "--quiet")
    finally:
        run_command.ROWS_SHOWN = limit
    assert "demo-ash" not in done.out
    assert "12 answers for 12 patients" in done.out
