"""Explaining stored answers, wherever they are stored."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside
from tests.rules.recompute import agrees

if TYPE_CHECKING:
    from pathlib import Path


def test_a_no_is_explained_to_the_second(results: Path) -> None:
    done = inside("explain", "demo-elder", "--month", "2025-01", "--store", results)
    assert done.code == 0
    assert "NOT BILLABLE: R-TIME-MIN" in done.out
    assert "source: ASCO guide, January 2025, Time Requirements" in done.out
    assert "evidence: Encounter/elder-time-1, Encounter/elder-time-2" in done.out
    assert "19 min 59 s counted + 0 min excluded = 19 min 59 s logged" in done.out
    assert "not reached: 1 s short (total 19 min 59 s)" in done.out
    assert "DOES NOT BALANCE" not in done.out
    assert "other_claims_known = full (default own_only)" in done.out
    assert "consent: Consent/elder-consent (version " in done.out


def test_a_yes_is_explained_with_lines_and_ladder(results: Path) -> None:
    done = inside("explain", "Patient/demo-ash", "--month", "2025-01", "--store", results)
    assert "BILLABLE: 99490 + 2 x 99439, $152.35" in done.out
    assert "2025-01-14  1 x 99439 (CCM by staff, each further 20 minutes)  amount $45.93, charge $72.00" in done.out
    assert "Why not" not in done.out


@pytest.mark.parametrize("patient", [f"demo-{name}" for name in ("birch", "cedar", "dogwood", "katsura", "linden")])
@pytest.mark.parametrize("month", ["2025-01", "2025-02"])
def test_every_ledger_balances_in_words(patient: str, month: str, results: Path) -> None:
    done = inside("explain", patient, "--month", month, "--store", results)
    assert done.code == 0
    assert " logged" in done.out
    assert "DOES NOT BALANCE" not in done.out


def test_json_is_the_stored_answer(results: Path) -> None:
    done = inside("explain", "demo-fir", "--month", "2025-02", "--store", results, "--json")
    stored = [json.loads(line) for line in (results / "determinations.ndjson").read_text().splitlines()]
    wanted = next(a for a in stored if (a["patient"], a["service_month"]) == ("Patient/demo-fir", "2025-02"))
    (answer,) = done.json()
    assert answer.pop("explanation")[0]["title"] == "Answer"
    assert answer == wanted
    assert answer["trace"]["gates"]


def test_the_lines_of_every_stored_answer_follow_from_what_explain_prints(results: Path) -> None:
    stored = [json.loads(line) for line in (results / "determinations.ndjson").read_text().splitlines()]
    billed = 0
    for patient, month in sorted({(a["patient"], a["service_month"]) for a in stored}):
        for answer in inside("explain", patient, "--month", month, "--store", results, "--json").json():
            billed += agrees(answer)
    assert billed > 10


def test_the_store_used_last_is_found_and_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    applied = inside("apply", DEMO, "--month", "2025-01", "--out", out, "--config", CONFIG, "--quiet")
    assert applied.code == 0
    done = inside("explain", "demo-ash", "--month", "2025-01")
    assert done.code == 0
    assert f"from {out} (the store used last)" in done.err


def test_the_configuration_may_name_the_store(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[store]\nurl = "{results}"\n')
    done = inside("explain", "demo-ash", "--month", "2025-01", "--config", file)
    assert f"from {results} (configuration)" in done.err
    before = inside("--store", results, "explain", "demo-ash", "--month", "2025-01")
    assert f"from {results} (--store)" in before.err


def test_nobody_named_a_store() -> None:
    done = inside("explain", "demo-ash", "--month", "2025-01")
    assert done.code == 2
    assert "no store is known yet" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo-nobody", "--month", "2025-01"], "no answer for Patient/demo-nobody in 2025-01"),
        (["demo-ash", "--month", "2025-03"], "no answer for Patient/demo-ash in 2025-03"),
        (["demo-ash", "--month", "2025-01", "--practitioner", "np-brook"], "by Practitioner/np-brook"),
        (["Encounter/1", "--month", "2025-01"], "not a Patient"),
    ],
)
def test_an_answer_that_is_not_there(words: list[str], said: str, results: Path) -> None:
    done = inside("explain", *words, "--store", results)
    assert done.code == 2
    assert said in done.err


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    done = inside("explain", "demo-ash", "--month", "2025-01", "--store", tmp_path / "absent")
    assert done.code == 3
    assert not (tmp_path / "absent").exists()


def test_an_output_folder_without_its_store_is_enough(results: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(results / "determinations.ndjson", alone)
    done = inside("explain", "demo-elder", "--month", "2025-01", "--store", alone, "--practitioner", "dr-alvarez")
    assert done.code == 0
    assert "19 min 59 s" in done.out
    assert inside("explain", "demo-elder", "--month", "2025-01", "--store", alone, "--practitioner", "x").code == 2


def test_a_password_in_a_database_address_is_not_shown() -> None:
    from caretally.cli.explain_command import _shown  # noqa: PLC0415

    assert _shown("postgresql+psycopg://user:secret@host/name") == "postgresql+psycopg://host/name"


def test_the_paper_and_the_checks_before_the_claim_are_explained(results: Path) -> None:
    done = inside("explain", "demo-ash", "--month", "2025-01", "--store", results)
    assert "one-clinician: passed; none on file" in done.out
    assert "add-on-on-base-date: FAILED, a warning; 99439 on 2025-01-14" in done.out
    assert "days left to file, until 2026-01-" in done.out
    assert "coinsurance 20 %: $30.47, when the deductible is met" in done.out
    assert "the model pays $110.00 a month for a beneficiary" in done.out
    assert "problem list: found; 2 on file" in done.out
    assert "evidence: Condition/ash-condition-1, Condition/ash-condition-2" in done.out
    assert "demographics, medications, allergies and problems in the record: found" in done.out
