"""Synthea's patients: no claim as they are, exactly the codes of what a practice adds, and everything accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import inside
from tests.synthea import ADDED, CONFIGURATION, ROOT, Resource, additions, chosen, day_of, sample, write


def applied(folder: Path, resources: list[Resource]) -> tuple[list[Resource], Resource, list[Resource]]:
    """The answers, the report and the issue rows of January 2025 in all layers."""
    write(folder / "source", resources)
    (folder / "caretally.toml").write_text(CONFIGURATION)
    words = (
        "apply",
        folder / "source",
        "--month",
        "2025-01",
        "--as-of",
        "2025-02-10",
        "--out",
        folder / "out",
        "--json",
    )
    done = inside("--config", folder / "caretally.toml", *words)
    assert done.code == 0, done.err

    def rows(name: str) -> list[Resource]:
        return [json.loads(text) for text in (folder / "out" / name).read_text().splitlines()]

    return rows("determinations.ndjson"), json.loads(done.out)["report"], rows("issues.ndjson")


def kinds(resources: list[Resource]) -> Counter[str]:
    return Counter(r["resourceType"] for r in resources)


def check_accounts(report: Resource, resources: list[Resource], issues: list[Resource]) -> None:
    """Every resource is read or of a type that is not, every one that was read is a fact, refused or of no use."""
    counts = report["resources"]
    assert Counter(counts["read"]) + Counter(counts["other"]) == kinds(resources)
    assert counts["refused"] == {}
    mapped: Counter[str] = Counter()
    for key, number in counts["mapped"].items():
        mapped[key.partition(".")[0]] += number
    assert mapped == Counter(counts["read"])
    assert {i["element"] for i in issues if i["code"] == "type-not-read"} == set(counts["other"])
    assert report["faults"] == {}


def check_answers(answers: list[Resource], wanted: dict[str, str]) -> None:
    """Exactly the codes that were worked out by hand, on the day of the work; and the reason where there is none."""
    found = {a["patient"]: a for a in answers}
    assert sorted(found) == sorted(f"Patient/{i}" for i in wanted.values())
    for number, row in enumerate(ADDED):
        if row.patient not in wanted:
            continue
        answer = found[f"Patient/{wanted[row.patient]}"]
        lines = [(line["code"], line["units"], line["service_date"]) for line in answer["lines"]]
        assert lines == [(code, units, day_of(number)) for code, units in row.codes], (row, answer["reasons"])
        assert {r["code"] for r in answer["reasons"]} == ({row.reason} if row.reason else set()), row
        assert answer["time"]["logged_seconds"] == 60 * sum(minutes for _, minutes in row.entries)


def test_patients_of_synthea_as_they_are_make_no_claim_and_with_what_is_added_exactly_theirs(tmp_path: Path) -> None:
    resources: list[Resource] = [json.loads(line) for line in sample()]
    answers, report, issues = applied(tmp_path / "plain", resources)
    assert answers == []
    assert not (tmp_path / "plain" / "out" / "Claim.ndjson").exists()
    check_accounts(report, resources, issues)
    print(f"synthea\tresources {len(resources)}, accounted {sum(kinds(resources).values())}, claims 0")

    full = [*resources, *additions(resources)]
    answers, report, issues = applied(tmp_path / "added", full)
    check_accounts(report, full, issues)
    check_answers(answers, chosen(resources))
    told = {(i["resource"].partition("/")[0], i["code"]) for i in issues}
    assert ("DocumentReference", "consent-without-effect") in told
    assert ("QuestionnaireResponse", "consent-refused") in told
    claims = [json.loads(x) for x in (tmp_path / "added" / "out" / "Claim.ndjson").read_text().splitlines()]
    evidence = {
        row["valueReference"]["reference"].partition("/")[0]
        for claim in claims
        for row in claim["supportingInfo"]
        if "valueReference" in row
    }
    assert {"Consent", "DocumentReference", "QuestionnaireResponse", "RiskAssessment", "Flag"} <= evidence


def test_synthea_ships_its_own_words_for_the_map() -> None:
    """The map of the layer is about concepts that Synthea writes, not about look-alikes."""
    codes = {
        c["code"]
        for line in sample()
        if b'"Condition"' in line
        for c in json.loads(line).get("code", {}).get("coding", ())
    }
    rows = json.loads((ROOT / "mappings" / "terminology" / "synthea" / "snomed-to-icd10cm.json").read_text())
    mapped = {e["code"] for group in rows["group"] for e in group["element"]}
    assert len(mapped & codes) >= 8


def generated(folder: Path, *options: str) -> list[bytes]:
    """What Synthea makes, from Maven Central, in the order of the names of its files."""
    subprocess.run([sys.executable, str(ROOT / "docker" / "synthea" / "synthea.py"), str(folder), *options], check=True)
    return [line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines()]


@pytest.mark.prove
def test_the_sample_is_what_synthea_makes(tmp_path: Path, record_property: Any) -> None:
    """The sample is whole; with CARETALLY_PROVE it is made again, and forty other people make no claim either."""
    found = kinds([json.loads(line) for line in sample()])
    assert (found.total(), len(found), found["Patient"]) == (8704, 24, 15)
    if not os.environ.get("CARETALLY_PROVE"):
        return
    assert tuple(generated(tmp_path / "again")) == sample()
    others = [json.loads(line) for line in generated(tmp_path / "others", "--patients", "40", "--seed", "7")]
    answers, report, issues = applied(tmp_path / "applied", others)
    assert answers == []
    check_accounts(report, others, issues)
    record_property("cases", len(others))
