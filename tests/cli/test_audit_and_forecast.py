"""Audit and forecast from the command line: a folder of results, a source, and what is not there."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = (DEMO, "--month", "2025-01", "--as-of", "2025-02-20", "--config", CONFIG, "--quiet")


def test_a_forecast_of_results_is_what_they_say(results: Path) -> None:
    done = inside("forecast", results, "--json", "--panel", "100")
    assert done.code == 0
    document = done.json()
    assert document["expected"]["amount"] == "1322.02"
    assert sum(Decimal(row["amount"]) for row in document["by_code"].values()) == Decimal("1322.02")
    assert set(document["by_practitioner"]) == {"Practitioner/dr-alvarez", "Practitioner/np-brook"}
    assert document["panel"]["patients"] == 100
    assert document["unbilled"]["by_reason"]["R-OTHER-CLINICIAN-CCM"]["amount"] is None
    assert document["oncology"]


def test_one_month_of_a_store_and_the_same_decided_anew(results: Path) -> None:
    stored = inside("forecast", "--store", results, "--month", "2025-01", "--json").json()
    anew = inside("forecast", *SOURCE, "--json").json()
    assert {k: v for k, v in stored.items() if k != "from"} == {k: v for k, v in anew.items() if k != "from"}


def test_a_forecast_needs_answers(tmp_path: Path) -> None:
    nothing = inside("forecast", tmp_path)
    assert nothing.code == 2
    assert "holds no determinations; to decide from it, give --month" in nothing.err
    assert inside("forecast").code == 2


def test_a_month_without_answers_is_said(results: Path) -> None:
    done = inside("forecast", results, "--month", "2025-07")
    assert done.code == 2
    assert "no answer for 2025-07" in done.err


def test_an_audit_of_the_practice_and_its_patients(tmp_path: Path) -> None:
    config = tmp_path / "practice.toml"
    config.write_text(
        CONFIG.read_text()
        + '\n[practice.attestations.access-24-7]\nfrom = 2024-01-01\nto = 2025-03-01\nby = "Dr A"\n'
        + '\n[practice.attestations.timely-folow-up]\nfrom = 2024-01-01\nby = "Dr A"\n'
    )
    words = [config if one is CONFIG else one for one in SOURCE]
    document = inside("audit", *words, "--json").json()
    held = next(r for r in document["requirements"] if r["id"] == "access-24-7")
    assert (held["state"], held["ends_soon"], held["by"]) == ("held", True, "Dr A")
    assert "access-24-7" not in document["to_settle"]
    assert document["unknown_attestations"] == {"timely-folow-up": "timely-follow-up"}
    assert document["paper"]["answers"] == 12
    fir = next(p for p in document["paper"]["patients"] if p["patient"] == "Patient/demo-fir")
    assert "permission" in {one["item"] for one in fir["not_found"]}
    text = inside("audit", *words)
    assert "access-24-7: held, from 2024-01-01 to 2025-03-01 by Dr A, ENDS SOON" in text.out
    assert "did you mean 'timely-follow-up'?" in text.out
    assert "    problem list: 12 found" in text.out


def test_a_plan_names_what_the_practice_does_not_vouch_for(tmp_path: Path) -> None:
    words = ("plan", DEMO, "--month", "2025-01", "--as-of", "2025-02-20", "--config", CONFIG, "--patient", "demo-ash")
    done = inside(*words, XDG_STATE_HOME=str(tmp_path))
    assert "not vouched for by the practice in this month: access-24-7" in done.err
    assert "before the claim: Every add-on has the date of its base code" in done.out
