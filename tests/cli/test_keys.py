"""Keys are made once, kept from others, and shown in public only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from caretally.fhir.keys import read_private_key
from tests.cli.running import inside as run


@pytest.mark.parametrize("algorithm", ["ES384", "rs384"])
def test_a_pair_is_made_and_its_public_half_printed_again(tmp_path: Path, algorithm: str) -> None:
    folder = tmp_path / "keys"
    made = run("keys", "make", "--out", str(folder), "--algorithm", algorithm, "--json")
    assert made.code == 0, made.err
    found = json.loads(made.out)
    private = folder / "private-key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    registered = json.loads((folder / "jwks.json").read_text())
    assert [key["kid"] for key in registered["keys"]] == [found["key_id"]]
    assert registered["keys"][0]["alg"] == algorithm.upper()
    assert "d" not in registered["keys"][0]
    read_private_key(private.read_text(), origin="k")
    again = run("keys", "jwks", str(private))
    assert json.loads(again.out) == registered


def test_two_keys_stand_in_one_set_while_one_replaces_the_other(tmp_path: Path) -> None:
    for name in ("old", "new"):
        run("keys", "make", "--out", str(tmp_path / name))
    shown = run("keys", "jwks", str(tmp_path / "old" / "private-key.pem"), str(tmp_path / "new" / "private-key.pem"))
    assert len(json.loads(shown.out)["keys"]) == 2


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    run("keys", "make", "--out", str(tmp_path))
    before = (tmp_path / "private-key.pem").read_bytes()
    second = run("keys", "make", "--out", str(tmp_path))
    assert second.code == 2
    assert "never overwritten" in second.err
    assert (tmp_path / "private-key.pem").read_bytes() == before


def test_what_cannot_be_is_named(tmp_path: Path) -> None:
    unknown = run("keys", "make", "--out", str(tmp_path), "--algorithm", "HS256")
    assert (unknown.code, "ES384" in unknown.err) == (2, True)
    text = tmp_path / "no-key.pem"
    text.write_text("hello")
    text.chmod(0o600)
    assert run("keys", "jwks", str(text)).code == 3
    assert run("keys", "jwks", str(tmp_path / "missing.pem")).code == 3
