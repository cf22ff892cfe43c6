"""The lock files fit pyproject.toml, are complete, and speak of packages only: no addresses, no folders."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime.txt", "build.txt", "dev.txt")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
BUILD: list[str] = PROJECT["build-system"]["requires"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]


def blocks(name: str) -> list[str]:
    """One text for each locked requirement: its line and its hashes."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "requirements" / name).read_text())
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def locked(name: str) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for block in blocks(name):
        requirement = Requirement(block.split(" --hash")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found[canonicalize_name(requirement.name)] = Version(pin.version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_and_no_folder(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"https?:|file:|@ |--(extra-)?index-url|--find-links|^-", text, re.MULTILINE)
    assert "/" not in re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes(name: str) -> None:
    assert blocks(name)
    assert [block for block in blocks(name) if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize(
    ("name", "wanted"), [("runtime.txt", RUNTIME), ("build.txt", BUILD), ("dev.txt", RUNTIME + BUILD + DEV)]
)
def test_every_requirement_of_the_project_is_met(name: str, wanted: list[str]) -> None:
    have = locked(name)
    for text in wanted:
        requirement = Requirement(text)
        version = have.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is not in requirements/{name}: run make lock"
        assert requirement.specifier.contains(version), f"{text} is locked at {version}: run make lock"


@pytest.mark.parametrize("name", ["runtime.txt", "build.txt"])
def test_dev_has_the_same_versions(name: str) -> None:
    assert locked(name).items() <= locked("dev.txt").items()
