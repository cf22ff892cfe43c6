"""docker/Dockerfile copies what exists and what .dockerignore lets through, pins its base, and does not run as root."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def instructions() -> list[list[str]]:
    """The instructions of the Dockerfile as lists of words, continued lines joined, comments gone."""
    text = re.sub(r"\\\n", " ", (ROOT / "docker" / "Dockerfile").read_text())
    lines = (line.strip() for line in text.splitlines())
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


def copied_from_the_checkout() -> list[str]:
    copies = [words[1:] for words in instructions() if words[0] == "COPY"]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def sent_to_the_builder(path: str) -> bool:
    """Whether .dockerignore lets `path` through: the last line that fits decides, as Docker has it."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!").rstrip("/")
        if not pattern or line.startswith("#"):
            continue
        above = [path, *(str(parent) for parent in Path(path).parents)]
        if any(fnmatch(part, pattern) and part.count("/") == pattern.count("/") for part in above):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("source", copied_from_the_checkout())
def test_what_is_copied_exists_and_is_sent(source: str) -> None:
    assert (ROOT / source).exists()
    assert sent_to_the_builder(source.rstrip("/"))


@pytest.mark.parametrize(
    "path", ["docker/secrets/database_password.txt", ".git/config", ".venv/bin/python", "tests/a.py"]
)
def test_nothing_else_is_sent(path: str) -> None:
    assert not sent_to_the_builder(path)


def test_bases_are_pinned_to_a_release() -> None:
    for words in instructions():
        if words[0] == "FROM":
            assert re.fullmatch(r"python:3\.\d+-slim-\w+", words[1])


def test_it_does_not_run_as_root() -> None:
    users = [words[1] for words in instructions() if words[0] == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_dependencies_are_installed_by_hash() -> None:
    runs = [" ".join(words) for words in instructions() if words[0] == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "pip install" in part and "/wheels/" not in part]
    assert installs
    assert all("--require-hashes" in part and "--requirement" in part for part in installs)
