"""The wheel, installed with its locked dependencies into an environment that has nothing else, does the main job."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Nothing of this checkout or of the calling environment may help.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "CARETALLY_"))}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    env = {**CLEAN, **environment}
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the locked dependencies and the wheel."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True, symlinks=True)
    pip = (home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps")
    run(*pip, "--no-compile", "--require-hashes", "--requirement", ROOT / "requirements" / "runtime.txt", cwd=home)
    run(*pip, wheel, cwd=home)
    return home / "bin"


def test_it_carries_every_table_and_the_demonstration_practice(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("mappings", "fixtures/demo"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files, f"{folder} is empty"
        missing = {f"caretally/_data/{path.relative_to(ROOT)}" for path in files} - names
        assert not missing, f"in {folder} but not in the wheel (ignored by git?): {sorted(missing)}"


def test_it_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"caretally"}
    tests = [n for n in names if Path(n).name.startswith(("test_", "conftest")) or "tests" in Path(n).parts]
    assert not [*tests, *(name for name in names if name.endswith((".pyc", ".toml~")))]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_requirements_of_the_wheel_are_met_by_the_lock(installed: Path) -> None:
    assert "No broken requirements" in run(installed / "python", "-m", "pip", "check", cwd=installed)


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "python", "-c", "import caretally; print(caretally.__file__)", cwd=tmp_path)
    assert Path(told.strip()).is_relative_to(installed.parent)


def test_the_demonstration_runs_from_any_folder(installed: Path, tmp_path: Path) -> None:
    # A home of its own: what a person's earlier runs left there must not help.
    assert run(installed / "caretally", "demo", cwd=tmp_path, HOME=str(tmp_path)).strip()
