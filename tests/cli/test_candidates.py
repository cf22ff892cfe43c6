"""The list of who could be served, from the command line: a folder, narrowed, and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, inside

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("candidates", DEMO, "--month", "2025-01", "--as-of", "2025-01-20", "--config", CONFIG, "--quiet")


def test_the_demonstration_practice(tmp_path: Path) -> None:
    before = sorted(path.name for path in DEMO.iterdir())
    done = inside(*WORDS, "--json", XDG_STATE_HOME=str(tmp_path))
    assert done.code == 0
    document = done.json()
    assert (document["days_left"], document["patients"]) == (12, 12)
    lacking = {c["patient"]: [m["step"] for m in c["missing"]] for c in document["candidates"]}
    assert lacking["Patient/demo-fir"] == ["consent"]
    assert lacking["Patient/demo-ginkgo"] == ["initiating-visit"]
    elder = next(p for p in document["projection"] if p["patient"] == "Patient/demo-elder")
    assert (elder["next_code"], elder["seconds_missing"]) == ("99490", 600), "what is dated after the day is not done"
    assert sorted(path.name for path in DEMO.iterdir()) == before
    assert not list(tmp_path.rglob("*.sqlite"))


def test_the_list_for_a_person_and_one_patient_of_it() -> None:
    done = inside(*WORDS, "--patient", "demo-fir")
    assert done.code == 0
    assert "demo-fir" in done.out
    assert "1 candidate: conditions are met, something is missing" in done.out
    assert "demo-fir  ccm-staff  25 min counted: 99490 reached, 15 min to 99439, 12 days left" in done.out
    assert "demo-ginkgo" not in done.out


def test_one_practitioner_only() -> None:
    document = inside(*WORDS, "--json", "--practitioner", "np-brook").json()
    assert {c["practitioner"] for c in document["candidates"]} <= {"Practitioner/np-brook"}
    assert {p["practitioner"] for p in document["projection"]} == {"Practitioner/np-brook"}
