"""The committed profiles are what their sources give, and say what the program does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caretally.facts.codes import CANONICAL
from caretally.fhir.capability import WriteStrategy, parse_capabilities, write_strategy
from caretally.tables import load_tables

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "profiles" / "resources"


def committed(kind: str) -> dict[str, dict[str, Any]]:
    return {r["id"]: r for path in RESOURCES.glob(f"{kind}-*.json") for r in [json.loads(path.read_bytes())]}


def test_the_committed_resources_are_what_sushi_and_the_tables_give(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_profiles.py", "--check", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    shipped = {path.name: path.read_text() for path in RESOURCES.glob("*.json")}
    assert sorted(made) == sorted(shipped), "run make profiles"
    assert [name for name in made if made[name] != shipped[name]] == [], "run make profiles"


def test_the_lock_of_npm_has_hashes_and_no_addresses() -> None:
    packages = json.loads((ROOT / "profiles" / "package-lock.json").read_text())["packages"]
    # What lies bundled inside another package is covered by the hash of that one.
    own = [p for name, p in packages.items() if name and not p.get("inBundle")]
    assert len(own) > 100
    assert all(re.fullmatch(r"sha512-\S+", package["integrity"]) for package in own)
    assert not [name for name, package in packages.items() if "resolved" in package]


@pytest.mark.parametrize("strategy", list(WriteStrategy))
def test_a_server_that_offers_what_a_statement_asks_is_written_that_way(strategy: WriteStrategy) -> None:
    statement = committed("CapabilityStatement")["server-" + strategy.value.replace("_", "-")]
    assert write_strategy(parse_capabilities(statement)).strategy is strategy


def shall(node: Any) -> bool:
    return any(e.get("valueCode") == "SHALL" for e in node.get("extension", []))


@pytest.mark.parametrize("strategy", [s for s in WriteStrategy if s is not WriteStrategy.EXPORT_ONLY])
def test_a_statement_asks_for_nothing_that_is_not_needed_to_write(strategy: WriteStrategy) -> None:
    """Whatever SHALL be updated or created goes: then there is another way of writing, or none."""
    statement = committed("CapabilityStatement")["server-" + strategy.value.replace("_", "-")]
    for resource in statement["rest"][0]["resource"]:
        for interaction in list(resource["interaction"]):
            if interaction["code"] in {"update", "create"}:
                assert shall(interaction)
                resource["interaction"].remove(interaction)
                assert write_strategy(parse_capabilities(statement)).strategy is not strategy
                resource["interaction"].append(interaction)


def test_every_type_that_is_read_stands_in_the_statements() -> None:
    read = {kind.name for kind in load_tables().resource_types}
    for statement in committed("CapabilityStatement").values():
        assert read <= {r["type"] for r in statement["rest"][0]["resource"]}


def test_the_price_of_each_code_and_year_is_that_of_the_tables() -> None:
    services = load_tables().services
    definitions = committed("ChargeItemDefinition")
    assert {(d["url"].rsplit("/", 1)[1], d["version"]) for d in definitions.values()} == {
        (row.code, str(row.valid_from.year)) for row in services.codes
    }
    for path in RESOURCES.glob("ChargeItemDefinition-*.json"):
        text = path.read_text()
        # Every digit of an amount stands in the file: 60.50 is not 60.5.
        assert all(re.fullmatch(r"\d+\.\d\d", amount) for amount in re.findall(r'"value": ([^,\n]+)', text))


def test_everything_of_ours_that_the_program_uses_is_defined() -> None:
    defined = {json.loads(path.read_bytes())["url"] for path in RESOURCES.glob("*.json")}
    used = set()
    for folder, pattern in (("src", "*.py"), ("mappings", "*.json"), ("fixtures", "*.ndjson"), ("fixtures", "*.py")):
        for path in (ROOT / folder).rglob(pattern):
            text = path.read_text()
            used |= set(re.findall(rf"{CANONICAL}/(?:StructureDefinition|CodeSystem)/[a-z0-9-]+", text))
            head = r'(?:CANONICAL\}|_EXTENSION\}|EXT \+ "|EXTENSION \+ ")'
            used |= {
                f"{CANONICAL}/StructureDefinition/{name}"
                for name in re.findall(rf"{head}(?:/StructureDefinition)?/?([a-z][a-z0-9-]+)\"", text)
                if "/" not in name
            }
    used -= {f"{CANONICAL}/StructureDefinition"}
    assert len(used) > 20
    assert used - defined == set()


def test_no_descriptor_of_cpt_stands_in_the_profiles() -> None:
    for path in RESOURCES.glob("*.json"):
        resource = json.loads(path.read_bytes())
        for coding in codings(resource):
            if coding.get("system") == "http://www.ama-assn.org/go/cpt":
                assert "display" not in coding


def codings(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        inner = [c for value in node.values() for c in codings(value)]
        concepts = [{"system": node.get("system"), **c} for c in node.get("concept", []) if isinstance(c, dict)]
        return [*inner, *concepts, *([node] if "code" in node and "system" in node else [])]
    return [c for value in node for c in codings(value)] if isinstance(node, list) else []
