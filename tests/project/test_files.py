"""What the repository's own scripts promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["scripts/bootstrap", "scripts/lock", "docker/hapi/hapi", ".ci/run"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_and_stop_at_the_first_failure(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert re.search(r"^set -eu", path.read_text(), re.MULTILINE)
    subprocess.run(["bash", "-n", path], check=True)


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line.strip() and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without Java and Maven, where apt-get only writes down what it was asked for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "readlink"):
        (programs / name).symlink_to(next(p for d in os.get_exec_path() if (p := Path(d, name)).exists()))
    stub(programs / "python3", f'exec {Path(sys.executable).resolve()} "$@"')
    stub(programs / "apt-get", f'echo "$*" >> {tmp_path}/asked; [ "$1" = update ]')
    return {
        "PATH": str(programs),
        "CARETALLY_VENV": str(tmp_path / "venv"),
        "CARETALLY_JDK": str(tmp_path),
    }


def stub(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def bootstrap(environment: dict[str, str], *, user: int) -> subprocess.CompletedProcess[str]:
    stub(Path(environment["PATH"], "id"), f"echo {user}")
    return subprocess.run(
        [ROOT / "scripts" / "bootstrap", "--test"], env=environment, capture_output=True, text=True, check=False
    )


def test_bootstrap_tells_in_one_message_what_is_missing_and_what_installs_it(
    bare_machine: dict[str, str], tmp_path: Path
) -> None:
    done = bootstrap(bare_machine, user=1000)
    assert done.returncode == 1
    assert "a JDK 17 or newer" in done.stderr
    assert "Maven" in done.stderr
    (command,) = re.findall(r"sudo apt-get install -y .*", done.stderr)
    assert {"default-jdk-headless", "maven"} <= set(command.split())
    assert not (tmp_path / "venv").exists()
    assert not (tmp_path / "asked").exists()


def test_bootstrap_installs_as_root_only_what_is_missing_and_stops_when_that_fails(
    bare_machine: dict[str, str], tmp_path: Path
) -> None:
    done = bootstrap(bare_machine, user=0)
    assert done.returncode != 0
    update, install = (tmp_path / "asked").read_text().splitlines()
    assert update.startswith("update")
    # PostgreSQL is there: bootstrap saw to that before these tests could run.
    assert [word for word in install.split()[1:] if not word.startswith("-")] == [
        "default-jdk-headless",
        "maven",
        "nodejs",
        "npm",
    ]
    assert not (tmp_path / "venv").exists()
