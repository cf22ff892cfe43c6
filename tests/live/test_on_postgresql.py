"""A server that keeps its data in PostgreSQL: what the tests of `practice` read lies there; a month is written once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.live.conftest import CASES, COPIES
from tests.live.test_synchronizing import command
from tests.sync.practices import expected

PATIENT = f"s{COPIES - 1}-g02-pat"
"""Of whom no other test reads a claim."""


def applied(base: str, state: Path) -> dict[str, Any]:
    done = command("apply", base, "--month", "2025-01", "--patient", PATIENT, "--json", state=state)
    told, _ = done.communicate(timeout=300)
    assert done.returncode == 0, told
    writes: dict[str, Any] = json.loads(told)["report"]["writes"]
    return writes


def claims(base: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{base}/Claim", params={"patient": PATIENT}, headers={"Cache-Control": "no-cache"}).json()
    return [one["resource"] for one in found.get("entry", ())]


@pytest.mark.usefixtures("practice")
def test_the_patients_lie_in_the_database(practice_database: str) -> None:
    with psycopg.connect(practice_database.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT count(*) FROM hfj_resource WHERE res_type = 'Patient'").fetchone()
    assert rows is not None
    assert rows[0] >= len(CASES) * COPIES


def test_a_month_is_written_once(practice: str, tmp_path: Path) -> None:
    written = applied(practice, tmp_path / "one")["create"]
    (claim,) = claims(practice)
    assert (written["Claim"], written["ChargeItem"]) == (1, len(expected("G02")["lines"]))
    codes = [line["productOrService"]["coding"][0]["code"] for line in claim["item"]]
    assert codes == [code for code, _, _ in expected("G02")["lines"]]
    # Neither the same store nor another one finds anything to do.
    for state in ("one", "two"):
        again = applied(practice, tmp_path / state)
        assert again["create"] == again["update"] == {}
    assert [one["meta"]["versionId"] for one in claims(practice)] == ["1"]
