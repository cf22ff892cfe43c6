"""The demo: what each patient of the practice shows, and that a second run writes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.running import caretally, inside

if TYPE_CHECKING:
    from pathlib import Path

# Patient and month to status, codes with units, reasons, excluded seconds by code.
SHOWN: dict[tuple[str, str], tuple[str, dict[str, int], list[str], dict[str, int]]] = {
    ("ash", "2025-01"): ("billable", {"99490": 1, "99439": 2}, [], {}),
    ("ash", "2025-02"): ("billable", {"99490": 1}, [], {}),
    ("birch", "2025-01"): ("billable", {"99491": 1}, [], {}),
    ("birch", "2025-02"): ("billable", {"99490": 1}, [], {}),
    ("cedar", "2025-01"): ("billable", {"99487": 1, "99489": 1}, [], {}),
    ("cedar", "2025-02"): ("billable", {"99490": 1, "99439": 1}, [], {}),
    ("dogwood", "2025-01"): ("billable", {"99426": 1}, [], {}),
    ("dogwood", "2025-02"): ("billable", {"99426": 1, "99427": 1}, [], {}),
    ("elder", "2025-01"): ("not-billable", {}, ["R-TIME-MIN"], {}),
    ("elder", "2025-02"): ("billable", {"99490": 1}, [], {}),
    ("fir", "2025-01"): ("not-billable", {}, ["R-CONSENT-MISSING"], {}),
    ("fir", "2025-02"): ("billable", {"99490": 1}, [], {"X-BEFORE-CONSENT": 720}),
    ("ginkgo", "2025-01"): ("not-billable", {}, ["R-INIT-VISIT-MISSING"], {}),
    ("ginkgo", "2025-02"): ("not-billable", {}, ["R-INIT-VISIT-MISSING"], {}),
    ("hazel", "2025-01"): ("not-billable", {}, ["R-TIME-MIN"], {"X-ROLE": 900}),
    ("hazel", "2025-02"): ("billable", {"99490": 1}, [], {}),
    ("ironwood", "2025-01"): ("not-billable", {}, ["R-OTHER-CLINICIAN-CCM"], {}),
    ("ironwood", "2025-02"): ("billable", {"99490": 1}, [], {}),
    ("juniper", "2025-01"): ("billable", {"99490": 1}, [], {"X-INPATIENT": 900}),
    ("juniper", "2025-02"): ("not-billable", {}, ["R-TIME-MIN"], {}),
    ("katsura", "2025-01"): ("billable", {"99490": 1}, [], {}),
    ("katsura", "2025-02"): ("hold", {}, ["R-CCM-PCM-SAME-PRACTITIONER"], {}),
    ("linden", "2025-01"): ("billable", {"99490": 1}, [], {"X-OVERLAP": 600, "X-STATUS": 900}),
    ("linden", "2025-02"): ("billable", {"99490": 1}, [], {"X-SEPARATE-CODE": 1500}),
}


def answers(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "determinations.ndjson").read_text().splitlines()]
    return {(line["patient"].removeprefix("Patient/demo-"), line["service_month"]): line for line in lines}


def test_every_patient_shows_what_it_is_for(demo_once: Path) -> None:
    found = answers(demo_once)
    assert found.keys() == SHOWN.keys()
    for key, (status, codes, reasons, excluded) in SHOWN.items():
        answer = found[key]
        seen: dict[str, int] = {}
        for line in answer["lines"]:
            seen[line["code"]] = seen.get(line["code"], 0) + line["units"]
        out: dict[str, int] = {}
        for item in answer["time"]["excluded"]:
            if item["seconds"]:
                out[item["code"]] = out.get(item["code"], 0) + item["seconds"]
        assert (answer["status"], seen, [r["code"] for r in answer["reasons"]], out) == (
            status,
            codes,
            reasons,
            excluded,
        ), key


def test_charges_are_those_of_the_fee_schedule(demo_once: Path) -> None:
    lines = {line["code"]: line for line in answers(demo_once)["cedar", "2025-01"]["lines"]}
    assert (lines["99487"]["amount"], lines["99487"]["charge"]) == ("131.65", "205.00")
    assert not any(
        notice["code"] == "W-CHARGE-IS-RATE" for answer in answers(demo_once).values() for notice in answer["notices"]
    )


def test_the_second_run_writes_nothing(results: Path) -> None:
    names = ("Claim.ndjson", "ChargeItem.ndjson", "Provenance.ndjson")
    before = {name: (results / name).read_bytes() for name in names}
    done = inside("demo", "--out", results)
    assert done.code == 0
    assert done.out.count("nothing had to be written") == 2
    assert {name: (results / name).read_bytes() for name in names} == before


def test_the_table_and_the_way_on(tmp_path: Path) -> None:
    done = caretally("demo", state=tmp_path)
    assert done.code == 0
    assert done.err == ""
    assert "R-TIME-MIN: Not enough counted time" in done.out
    assert "19 min 59 s" in done.out
    assert "16 billable, 1 on hold, 7 not billable" in done.out
    for command in ("caretally explain demo-elder", "caretally review list", "caretally plan "):
        assert command in done.out
    assert (tmp_path / "caretally-demo" / "Claim.ndjson").exists()


def test_the_demo_does_not_look_at_the_users_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARETALLY_POLICY__DOS", "month_end")
    monkeypatch.setenv("CARETALLY_CONFIG", str(tmp_path / "absent.toml"))
    done = inside("demo", "--out", tmp_path / "out", "--json")
    assert done.code == 0
    assert done.json()["summary"]["statuses"] == {"billable": 16, "hold": 1, "not-billable": 7}
    dates = {line["service_date"] for answer in done.json()["determinations"] for line in answer["lines"]}
    assert "2025-01-06" in dates


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert inside("demo", "--out", tmp_path / "file").code == 2
