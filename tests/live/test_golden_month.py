"""The golden cases as one practice on a real server: pulled, decided and written back, once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.forking import program
from tests.live.hapi_server import load, read_folder
from tests.reports.reading_837p import accepted, acknowledgement, read_claims

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "fixtures" / "golden"
CASES = [json.loads(line) for line in (GOLDEN / "cases.jsonl").read_text().splitlines()]
MONTHS = sorted({c["month"] for c in CASES} | {c["expect_also"]["month"] for c in CASES if "expect_also" in c})
Line = tuple[str, str, int, str]


def as_of(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02d}-10"


def expected(month: str) -> list[Line]:
    """Every line that the cases expect in a month: patient, code, units, date."""
    found: list[Line] = []
    for case in CASES:
        patient = f"Patient/{case['id'].lower()}-pat"
        for want, wanted_month in (
            (case["expect"], case["month"]),
            (case.get("expect_also"), case.get("expect_also", {}).get("month")),
        ):
            if want is not None and wanted_month == month:
                found += [(patient, code, units, day) for code, units, day in want["lines"]]
    return sorted(found)


def caretally(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the practice's configuration and one store."""
    command = [program(), "--config", str(folder / "caretally.toml")]
    return subprocess.run(
        [*command, "--store", str(folder / "store"), *words], capture_output=True, text=True, timeout=300, check=False
    )


def apply(base_url: str, month: str, folder: Path) -> dict[str, Any]:
    """Apply a month and return what was written."""
    done = caretally(folder, "apply", base_url, "--month", month, "--as-of", as_of(month), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    writes: dict[str, Any] = json.loads(done.stdout)["report"]["writes"]
    return writes


def read_all(base_url: str, kind: str) -> list[dict[str, Any]]:
    """Every resource of a type on the server, and how many versions each has."""
    url: str | None = f"{base_url}/{kind}?_count=500"
    found: list[dict[str, Any]] = []
    while url:
        bundle = httpx.get(url, headers={"Cache-Control": "no-cache"}, timeout=60).json()
        found += [entry["resource"] for entry in bundle.get("entry", [])]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found


def ours(resource: dict[str, Any]) -> bool:
    return any(
        i.get("system", "").startswith("https://caretally.example/fhir/") for i in resource.get("identifier", [])
    )


def written_lines(base_url: str, month: str) -> tuple[list[Line], list[Line]]:
    """Lines of our live Claims, and of our live ChargeItems, as the server has them."""
    claims = [
        (
            c["patient"]["reference"],
            i["productOrService"]["coding"][0]["code"],
            int(i["quantity"]["value"]),
            i["servicedDate"],
        )
        for c in read_all(base_url, "Claim")
        if ours(c) and c["status"] in {"draft", "active"} and c["billablePeriod"]["start"][:7] == month
        for i in c["item"]
    ]
    charges = [
        (
            c["subject"]["reference"],
            c["code"]["coding"][0]["code"],
            int(c["quantity"]["value"]),
            c["occurrenceDateTime"][:10],
        )
        for c in read_all(base_url, "ChargeItem")
        if ours(c) and c["status"] in {"planned", "billable"} and c["occurrenceDateTime"][:7] == month
    ]
    return sorted(claims), sorted(charges)


def versions(base_url: str) -> Counter[str]:
    return Counter(
        {
            f"{kind}/{r['id']}": int(r["meta"]["versionId"])
            for kind in ("Claim", "ChargeItem", "Provenance")
            for r in read_all(base_url, kind)
        }
    )


@pytest.fixture(scope="module")
def golden(hapi: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("golden")
    subprocess.run(
        [sys.executable, str(GOLDEN / "to_fhir.py"), str(GOLDEN / "cases.jsonl"), str(folder), "--merged"], check=True
    )
    once = {(r["resourceType"], r["id"]): r for r in read_folder(folder / "all")}
    load(hapi, list(once.values()))
    return hapi, folder / "all"


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_of_the_golden_practice(golden: tuple[str, Path], month: str) -> None:
    base_url, folder = golden
    first = apply(base_url, month, folder)
    want = expected(month)
    claims, charges = written_lines(base_url, month)
    assert claims == want
    assert charges == want
    assert first["create"].get("ChargeItem", 0) == len(want)
    assert first["create"].get("Claim", 0) == len({patient for patient, *_ in want})
    assert first["update"] == {}
    before = versions(base_url)
    second = apply(base_url, month, folder)
    assert (second["create"], second["update"]) == ({}, {})
    assert versions(base_url) == before


def test_a_person_releases_a_draft_on_the_server_and_a_further_run_leaves_it_alone(golden: tuple[str, Path]) -> None:
    base_url, folder = golden
    month = "2025-02"
    apply(base_url, month, folder)
    done = caretally(
        folder, "review", "approve", base_url, "g05-pat", "--month", month, "--as-of", as_of(month), "--by", "biller-1"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    claims = [c for c in read_all(base_url, "Claim") if ours(c) and c["patient"]["reference"] == "Patient/g05-pat"]
    charges = [
        c for c in read_all(base_url, "ChargeItem") if ours(c) and c["subject"]["reference"] == "Patient/g05-pat"
    ]
    assert [c["status"] for c in claims] == ["active"]
    assert [c["status"] for c in charges] == ["billable"]
    before = versions(base_url)
    again = apply(base_url, month, folder)
    assert (again["create"], again["update"]) == ({}, {})
    assert versions(base_url) == before


EXPORT = """
[policy]
other_claims_known = "full"

[site.main]
accepts_assignment = true
signatures_on_file = true

[clearinghouse]
submitter_name = "Golden Practice"
submitter_id = "GOLDSUB"
contact_name = "Billing Office"
contact_phone = "5185550100"
receiver_name = "Golden Clearinghouse"
receiver_id = "GOLDRECV"

[payer.medicare.claim]
payer_id = "PAYER1"
"""


def test_claims_on_the_server_become_an_837p_that_another_program_reads(golden: tuple[str, Path]) -> None:
    base_url, folder = golden
    month = "2025-02"
    apply(base_url, month, folder)
    (folder / "export.toml").write_text(EXPORT)
    where = ("--month", month, "--config", str(folder / "export.toml"), "--out", str(folder / "files"), "--json")
    done = caretally(folder, "export", base_url, "--format", "837p", "--include-drafts", *where)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["left_out"] == []
    data = Path(said["files"][0]).read_bytes()
    assert accepted(data), acknowledgement(data)
    patients = {
        identifier["value"]: claim["patient"]["reference"]
        for claim in read_all(base_url, "Claim")
        if ours(claim)
        for identifier in claim["identifier"]
    }
    found = [
        (patients[claim["account"]], line["code"], int(line["units"]), f"{day[:4]}-{day[4:6]}-{day[6:]}")
        for claim in read_claims(data)
        for line in claim["lines"]
        for day in (line["days"][1],)
    ]
    assert sorted(found) == expected(month)
