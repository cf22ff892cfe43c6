"""The configuration as it is in force: every value with its origin, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import inside as run

CANARY = "canary-5521"
FILE = """
[server]
base_url = "https://fhir.example/r4"
auth = "bearer"
token_file = "token"
[site.main]
zone = "America/New_York"
[policy]
dos = "with_last"
[profile.test.server]
page_size = 50
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(CANARY)
    (tmp_path / "token").chmod(0o600)
    path = tmp_path / "caretally.toml"
    path.write_text(FILE)
    return path


def test_values_and_origins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARETALLY_SERVER__MAX_IN_FLIGHT", "2")
    done = run("config", "show", "--config", str(file), "--profile", "test", "--json")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert shown["server.base_url"] == {"value": "https://fhir.example/r4", "origin": f"{file}, profile test"}
    assert shown["server.page_size"] == {"value": 50, "origin": f"{file}, profile test"}
    assert shown["server.max_in_flight"] == {"value": 2, "origin": "environment CARETALLY_SERVER__MAX_IN_FLIGHT"}
    assert shown["server.max_pages"]["origin"] == "default"
    assert shown["policy.dos"]["value"] == "with_last"
    assert shown["server.token"] == {"value": "***", "origin": f"file {file.parent / 'token'}"}


def test_no_secret_is_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARETALLY_SERVER__PASSWORD", CANARY)
    monkeypatch.setenv("CARETALLY_SERVER__PRIVATE_KEY", CANARY)
    monkeypatch.setenv("CARETALLY_SERVER__PROXY", f"http://user:{CANARY}@proxy.example:3128")
    monkeypatch.setenv("CARETALLY_STORE__URL", f"postgresql://user:{CANARY}@db.example/caretally")
    for form in ((), ("--json",)):
        done = run("config", "show", "--config", str(file), *form)
        assert done.code == 0, done.err
        assert CANARY not in done.out + done.err
        assert "user:***@proxy.example" in done.out
        assert "CARETALLY_SERVER__PASSWORD" in done.out
