"""What people decide, what changes afterwards, and what payers answer, on a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
from tests.forking import program
from tests.live.hapi_server import load
from tests.sync.practices import golden

CONFIG = """
[policy]
zone = "America/New_York"
other_claims_known = "full"

[writeback]
tenant = "people-live"
"""
MONTH = ("--month", "2025-08")
RN = {"role": "RN", "who": "N1"}
CASE = {"month": "2025-08", "entries": [{**RN, "date": "2025-08-13", "min": 25}]}
ACCOUNT = "https://caretally.example/fhir/identifier/account-number"


def resources(**case: Any) -> list[dict[str, Any]]:
    return [row for rows in golden("G02", "ppl-", **{**CASE, **case}).values() for row in rows]


class Live:
    def __init__(self, base_url: str, folder: Path) -> None:
        self.base_url, self.folder = base_url, folder
        (folder / "c.toml").write_text(CONFIG)

    def call(self, *words: str, code: int = 0) -> str:
        command = [program(), "--config", str(self.folder / "c.toml")]
        done = subprocess.run(
            [*command, "--store", str(self.folder / "store"), *words],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr[-3000:]}{done.stdout[-2000:]}"
        return done.stdout + done.stderr

    def run(self, command: str) -> str:
        return self.call(command, self.base_url, *MONTH, "--as-of", "2025-09-10", "--patient", "ppl-pat")

    def review(self, command: str, *words: str, code: int = 0) -> str:
        return self.call("review", command, self.base_url, *words, "--by", "R. Example", code=code)

    def claims(self) -> list[dict[str, Any]]:
        bundle = httpx.get(
            f"{self.base_url}/Claim?patient=ppl-pat", headers={"Cache-Control": "no-cache"}, timeout=60
        ).json()
        return [entry["resource"] for entry in bundle.get("entry", [])]


def test_a_claim_lives_through_decisions_corrections_and_a_remittance(hapi: str, tmp_path: Path) -> None:
    load(hapi, resources())
    live = Live(hapi, tmp_path)
    live.run("apply")
    assert [claim["status"] for claim in live.claims()] == ["draft"]

    live.review("hold", "ppl-pat", *MONTH, "--why", "family called")
    live.run("apply")
    assert [claim["status"] for claim in live.claims()] == ["draft"]
    about = httpx.get(f"{hapi}/Provenance?target=Patient/ppl-pat", timeout=60).json()
    assert "family called" in json.dumps(about)
    assert "nothing of Patient/ppl-pat" in live.review("approve", "ppl-pat", *MONTH, code=2)
    live.review("release", "ppl-pat", *MONTH)
    live.run("apply")
    live.review("approve", "ppl-pat", *MONTH, "--as-of", "2025-09-10")
    assert "was approved already, by R. Example" in live.review("approve", "ppl-pat", *MONTH, code=2)

    load(hapi, resources(entries=[*CASE["entries"], {**RN, "date": "2025-08-21", "min": 20}]))
    said = live.run("plan")
    assert "replace, proposed: waits for a person" in said
    assert "because Encounter/ppl-time-2: new, 20 min counted" in said
    live.run("apply")
    assert [claim["status"] for claim in live.claims()] == ["active"]
    live.review("approve", "ppl-pat", *MONTH, "--as-of", "2025-09-10")
    active = [claim for claim in live.claims() if claim["status"] == "active"]
    assert [len(claim["item"]) for claim in active] == [2]
    assert len(live.claims()) == 2

    account = next(i["value"] for i in active[0]["identifier"] if i["system"] == ACCOUNT)
    (tmp_path / "era.csv").write_text(f"account_number,status,control_number,paid,carc\n{account},4,ICN1,0,CO-119\n")
    assert "claims moved along: 1 denied" in live.call("remittance", "import", hapi, str(tmp_path / "era.csv"))
    assert "CO-119" in live.call("denials", "list", hapi)
    before = {claim["id"]: claim["meta"]["versionId"] for claim in live.claims()}
    live.call("remittance", "import", hapi, str(tmp_path / "era.csv"))
    live.run("apply")
    assert {claim["id"]: claim["meta"]["versionId"] for claim in live.claims()} == before

    live.call("packet", hapi, f"Claim/{active[0]['id']}", "--format", "fhir", "--out", "packet.json")
    bundle = json.loads((tmp_path / "packet.json").read_text())
    assert {"Composition", "Claim", "Consent", "CarePlan", "Encounter"} <= {
        entry["resource"]["resourceType"] for entry in bundle["entry"]
    }
    checked = httpx.post(f"{hapi}/Composition/$validate", json=bundle["entry"][0]["resource"], timeout=120).json()
    errors = [issue["diagnostics"] for issue in checked["issue"] if issue["severity"] in {"error", "fatal"}]
    assert errors == []
    assert "whole; head" in live.call("ledger", "verify", hapi)
