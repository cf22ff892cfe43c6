"""Practices for the run, made of golden cases: one patient a case, each with a prefix of its own."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Resources = dict[str, list[dict[str, Any]]]


@cache
def _to_fhir() -> Any:
    path = ROOT / "fixtures" / "golden" / "to_fhir.py"
    spec = importlib.util.spec_from_file_location("to_fhir", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _cases() -> dict[str, dict[str, Any]]:
    text = (ROOT / "fixtures" / "golden" / "cases.jsonl").read_text()
    return {case["id"]: case for case in map(json.loads, text.splitlines())}


def made(case: dict[str, Any], prefix: str = "") -> Resources:
    """Return the resources of a case in the compact form of cases.jsonl."""
    resources: Resources = _to_fhir().Case(case, prefix).build()
    return resources


def golden(name: str, prefix: str = "", **changed: Any) -> Resources:
    """Return the resources of a golden case, with some of its facts changed."""
    return made({**_cases()[name], **changed}, prefix)


def expected(name: str) -> dict[str, Any]:
    """Return what a golden case is expected to give."""
    wanted: dict[str, Any] = _cases()[name]["expect"]
    return wanted


def together(*practices: Resources) -> Resources:
    """Put several practices into one."""
    found: Resources = {}
    for practice in practices:
        for kind, rows in practice.items():
            found.setdefault(kind, []).extend(rows)
    return found


def write(folder: Path, resources: Resources) -> Path:
    """Write a practice as a folder of NDJSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.ndjson"):
        path.unlink()
    for kind, rows in resources.items():
        (folder / f"{kind}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
