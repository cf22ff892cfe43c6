"""What the help says, and what it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import caretally

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"
HEAVY = ["fhir", "fhirpy", "httpx", "jinja2", "orjson", "pydantic", "rich", "sqlalchemy", "structlog", "tenacity"]
PROGRAM = "import sys; sys.argv = ['caretally', *sys.argv[1:]]; from caretally.cli import main\n"


def listed(text: str) -> list[str]:
    block = text.partition("Commands:\n")[2]
    return re.findall(r"^  (\S+)", block, re.MULTILINE)


def documented() -> list[tuple[str, ...]]:
    """The commands that the reference documents, as words."""
    return [tuple(words.split()) for words in re.findall(r"^## caretally ?(.*)$", REFERENCE.read_text(), re.MULTILINE)]


def test_help_lists_the_documented_commands_and_no_others(tmp_path: Path) -> None:
    below: dict[tuple[str, ...], set[str]] = {}
    for words in documented():
        for length in range(len(words)):
            below.setdefault(words[:length], set()).add(words[length])
    assert below
    for words, names in below.items():
        assert set(listed(caretally(*words, "--help", state=tmp_path).out)) == names, words


def test_what_does_not_exist_is_not_pretended(tmp_path: Path) -> None:
    assert caretally("no-such-command", state=tmp_path).code == 2


@pytest.mark.parametrize("words", [["--help"], ["apply", "--help"], ["explain", "--help"], ["rules", "show", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = PROGRAM + (
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted(m for m in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.rpartition("LOADED")[2].split()}
    # typer itself loads pydantic to look at the options of a command; nothing of ours does.
    allowed = {"pydantic"} if len(words) > 1 else set()
    assert "caretally" in loaded
    assert loaded.intersection(HEAVY) <= allowed
    assert "caretally.facts" not in done.stderr


def test_version_and_module_are_the_same_program(tmp_path: Path) -> None:
    from caretally import __version__  # noqa: PLC0415

    assert caretally("--version", state=tmp_path).out == f"caretally {__version__}\n"


@pytest.mark.parametrize("command", ["demo", "plan", "apply", "explain"])
def test_every_command_speaks_json_and_can_be_quiet(command: str, tmp_path: Path) -> None:
    text = caretally(command, "--help", state=tmp_path).out
    for option in ("--json", "--quiet", "--verbose"):
        assert option in text
