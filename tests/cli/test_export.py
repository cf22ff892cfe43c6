from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside
from tests.reports.reading_837p import accepted


@pytest.fixture
def released(results: Path) -> Path:
    """The results of the demo with the drafts of January released."""
    done = inside(
        "review", "approve", results, "--month", "2025-01", "--all", "--source", DEMO, "--config", CONFIG, "--by", "me"
    )
    assert done.code == 0, done.err
    return results


def export(*words: str | Path, config: Path = CONFIG) -> list[str | Path]:
    return ["export", *words, "--source", DEMO, "--config", config]


def charged(folder: Path) -> Decimal:
    """What the answers of January charge."""
    answers = [json.loads(line) for line in (folder / "determinations.ndjson").read_text().splitlines()]
    return sum(
        (Decimal(line["charge"]) for one in answers if one["service_month"] == "2025-01" for line in one["lines"]),
        Decimal(0),
    )


def test_released_claims_become_an_837p(released: Path, tmp_path: Path) -> None:
    done = inside(*export(released, "--format", "837p", "--out", tmp_path / "files"))
    assert done.code == 0, done.err
    (path,) = (tmp_path / "files").iterdir()
    assert path.name == "837p-000000001.x12"
    assert accepted(path.read_bytes())
    assert path.stat().st_mode & 0o077 == 0, "others could read patients' data"
    assert f"7 claims, 10 lines, ${charged(released):,}" in done.out
    assert "control number 000000001, usage test; not certified by a clearinghouse" in done.out
    assert "not released yet: 9 drafts (--include-drafts shows them)" in done.out


def test_json_says_what_was_made_and_what_was_not(released: Path, tmp_path: Path) -> None:
    done = inside(*export(released, "--format", "csv", "--out", tmp_path / "f", "--json")).json()
    assert (done["claims"], done["lines"], done["total"], done["unreleased"]) == (7, 10, str(charged(released)), 9)
    assert done["files"] == [str(tmp_path / "f" / "claim-lines.csv")]
    assert done["note"] is None
    drafts = inside(*export(released, "--format", "csv", "--out", tmp_path / "f", "--json", "--include-drafts")).json()
    assert (drafts["claims"], drafts["drafts"]) == (16, 9)


def test_what_a_claim_lacks_is_said_with_who_can_mend_it(released: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    text = CONFIG.read_text().replace("accepts_assignment = true\n", "").replace('payer_id = "DEMOB"', "")
    config.write_text(text)
    done = inside(*export(released, "-f", "837p", "--out", tmp_path / "f", config=config))
    assert done.code == 0
    assert "K-ASSIGNMENT  Nobody has said whether the practice accepts assignment" in done.out
    assert "biller: set payer_id in [payer.NAME.claim] of the configuration" in done.out
    assert not (tmp_path / "f").exists()
    strict = inside(*export(released, "-f", "837p", "--out", tmp_path / "f", "--strict", config=config))
    assert strict.code == 4
    assert "7 claims" in strict.err


def test_the_place_and_the_source_need_not_be_said_after_apply(tmp_path: Path) -> None:
    applied = inside(
        "apply", DEMO, "--month", "2025-01", "--as-of", "2025-02-10", "--out", tmp_path / "out", "--config", CONFIG
    )
    assert applied.code == 0, applied.err
    done = inside("export", "-f", "cms1500", "--include-drafts", "--config", CONFIG)
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("caretally-export").iterdir()) == ["cms1500.json", "cms1500.pdf"]
    assert f"from {tmp_path / 'out'}" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("x", "-f", "837p"), 2, "is no folder"),
        ((DEMO, "-f", "pdf"), 2, "wanted one of cms1500, 837p, csv, parquet"),
        ((DEMO, "-f", "csv", "--month", "2025"), 2, "2025"),
        ((DEMO, "-f", "csv", "--patient", "Group/1"), 2, "Patient"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: tuple[str | Path, ...], code: int, said: str) -> None:
    done = inside("export", *words, "--config", CONFIG)
    assert done.code == code
    assert said in done.err


def test_a_file_needs_a_clearinghouse(released: Path) -> None:
    done = inside("export", released, "-f", "837p", "--source", DEMO)
    assert done.code == 3
    assert "[clearinghouse] submitter_name" in done.err


def test_no_store_is_known_yet() -> None:
    done = inside("export", "-f", "csv")
    assert done.code == 2
    assert "run apply first" in done.err


def test_without_pyarrow_the_extra_is_named(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = inside(*export(released, "-f", "parquet", "--out", tmp_path / "f"))
    assert done.code == 3
    assert "caretally[parquet]" in done.err


def test_plan_names_what_a_payer_would_turn_down_and_who_can_mend_it(practice: Path) -> None:
    patients = practice / "Patient.ndjson"
    patients.write_text(patients.read_text().replace('"birthDate":"1948-05-11",', "", 1))
    words = ("--month", "2025-01", "--as-of", "2025-02-10", "--config", practice / "caretally.toml")
    done = inside("plan", practice, *words)
    assert done.code == 0, done.err
    assert "K-PATIENT-BIRTH-DATE  The patient's birth date is not known to the day (Patient/demo-ash:" in done.out
    assert "registration: complete Patient.birthDate" in done.out
    assert "claims that a payer would turn down: K-PATIENT-BIRTH-DATE 1; see: caretally explain" in done.out
    report = inside("plan", practice, *words, "--json").json()["report"]
    assert report["claim_checks"] == {"release": {"K-PATIENT-BIRTH-DATE": 1}}
