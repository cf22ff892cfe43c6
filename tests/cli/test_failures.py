"""Every way in which a command can end badly: the documented exit code, and words for a person."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from caretally.cli import run_command
from caretally.store.locking import file_lock
from tests.cli.conftest import CONFIG
from tests.cli.running import DEMO, caretally, inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEBRUARY = ("--month", "2025-02", "--as-of", "2025-03-10", "--quiet")
SECRET = "Jane Roe 1950-03-01"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["apply", DEMO], "--out FOLDER or --to URL"),
        (["apply", DEMO, "--out", "o", "--to", "http://127.0.0.1:1/fhir"], "keep one of them"),
        (["apply", DEMO, "--to", "folder"], "not a web address"),
        (["apply", DEMO, "--out", "https://fhir.example/r4"], "named with --to"),
        (["apply", "ftp://somewhere/else", "--out", "o"], "neither a folder nor an address"),
        (["plan", DEMO, "--site", "nowhere"], "its sites: none"),
        (["plan", DEMO, "--patient", "Group/1"], "not a Patient"),
        (["plan", DEMO, "--patient", "demo-nobody"], "demo-nobody"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(words: list[str | Path], said: str) -> None:
    done = inside(*words, *FEBRUARY)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("month", "said"),
    [
        ("2025-13", "not a calendar month"),
        ("202501", "wanted YYYY-MM"),
        ("2025-1", "wanted YYYY-MM"),
        ("2031-01", "the tables go from 2024-01 to 2026-12"),
        ("1999-12", "the tables go from 2024-01 to 2026-12"),
    ],
)
def test_a_month_that_is_none_or_has_no_tables(month: str, said: str) -> None:
    done = inside("plan", DEMO, "--month", month)
    assert done.code == 2
    assert said in " ".join(done.err.split())


@pytest.mark.parametrize("day", ["2025-02-30", "20250304", "2025-W10-1", "tomorrow"])
def test_a_day_that_is_none(day: str) -> None:
    done = inside("plan", DEMO, "--month", "2025-01", "--as-of", day)
    assert done.code == 2
    assert "not a date" in done.err


def test_a_month_must_be_given() -> None:
    assert inside("plan", DEMO).code == 2
    assert inside("apply").code == 2


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def without_patients(folder: Path) -> None:
    (folder / "Patient.ndjson").unlink()


def absent(folder: Path) -> None:
    empty(folder)
    folder.rmdir()


def a_file(folder: Path) -> None:
    absent(folder)
    folder.write_text("{}")


@pytest.mark.parametrize("spoil", [empty, without_patients, absent, a_file])
def test_a_source_that_cannot_be_read_at_all(spoil: Callable[[Path], None], practice: Path) -> None:
    spoil(practice)
    done = inside("apply", practice, "--out", "o", *FEBRUARY)
    assert done.code == 4
    assert str(practice) in done.err


def test_a_server_that_does_not_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/fhir"
        done = inside("plan", address, *FEBRUARY, CARETALLY_SERVER__RETRY__ATTEMPTS="1")
    assert done.code == 4
    assert "error: " in done.err


def test_a_source_of_which_a_part_is_missing(practice: Path) -> None:
    packed = gzip.compress((practice / "Encounter.ndjson").read_bytes())
    (practice / "Encounter.ndjson").unlink()
    (practice / "Encounter.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    done = inside("apply", practice, "--out", "o", *FEBRUARY)
    assert done.code == 5
    assert "Encounter.ndjson.gz" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[policy]\ndoss = "threshold"\n', "did you mean dos?"),
        ('[policy]\ndos = "treshold"\n', "did you mean threshold?"),
        ("[sites.main]\n", "did you mean site?"),
        ("[policy\n", "not valid TOML"),
        ('[site.main]\nnpi = "1999900017"\n', "check digit"),
        ('[server]\ntoken = "abc"\n', "a secret does not belong into this file"),
    ],
)
def test_a_configuration_that_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "caretally.toml"
    file.write_text(text)
    for words in (["apply", DEMO, "--out", "o", *FEBRUARY], ["rules", "check"]):
        done = inside(*words, "--config", file)
        assert done.code == 3, done.err
        assert said in done.err
        assert str(file) in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "absent.toml"], "absent.toml: no such configuration file"),
        (["--profile", "test"], "no configuration file"),
        (["--config", CONFIG, "--profile", "test"], "no [profile.test]"),
    ],
)
def test_a_configuration_that_is_missing(words: list[str | Path], said: str) -> None:
    done = inside(*words, "rules", "check")
    assert done.code == 3
    assert said in done.err


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = inside("apply", DEMO, "--out", tmp_path / "file" / "inside", *FEBRUARY)
    assert done.code == 6
    assert inside("apply", DEMO, "--out", tmp_path / "file", *FEBRUARY).code == 2


def test_a_sink_that_another_run_holds(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with file_lock(tmp_path / "out" / ".caretally.lock", held="the test"):
        done = inside("apply", DEMO, "--out", tmp_path / "out", *FEBRUARY)
    assert done.code == 7
    assert "another run" in done.err


def test_strict_writes_nothing_when_something_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = inside("apply", DEMO, "--out", out, "--strict", *FEBRUARY)
    assert done.code == 4
    assert "entry-without-end 1" in done.err
    assert not out.exists()
    assert inside("apply", DEMO, "--out", out, *FEBRUARY).code == 0


def test_strict_is_content_with_a_sound_source(practice: Path, tmp_path: Path) -> None:
    encounters = practice / "Encounter.ndjson"
    lines = [line for line in encounters.read_text().splitlines() if "juniper-time-4" not in line]
    encounters.write_text("\n".join(lines) + "\n")
    assert inside("apply", practice, "--out", tmp_path / "out", "--strict", *FEBRUARY).code == 0


def fault(*_: Any, **__: Any) -> None:
    raise ValueError(SECRET)


def test_a_fault_of_ours_tells_its_place_and_no_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "run_month", fault)
    short = inside("plan", DEMO, *FEBRUARY)
    assert short.code == 1
    assert "ValueError at test_failures.py" in short.err
    assert "Traceback" not in short.err
    assert len(short.err.splitlines()) == 1
    for long in (inside("plan", DEMO, "--verbose", *FEBRUARY), inside("plan", DEMO, *FEBRUARY, CARETALLY_DEBUG="1")):
        assert "in run_month_command" in long.err
        assert SECRET not in short.err + long.err + long.out


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_command, "run_month", interrupted)
    done = inside("plan", DEMO, *FEBRUARY)
    assert done.code == 130
    assert "stopped" in done.err


def test_ctrl_c_while_a_server_is_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        command = [sys.executable, "-m", "caretally", "plan", address, "--month", "2025-01"]
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    program = f"{sys.executable} -m caretally rules check | head -1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("File")
    assert done.stderr == ""


def test_a_failure_in_json_is_one_document() -> None:
    done = inside("apply", DEMO, "--month", "2025-01", "--json")
    assert done.code == 2
    assert done.json()["error"]["kind"] == "UsageError"
    assert done.json()["error"]["exit_code"] == 2
    strict = inside("apply", DEMO, "--out", "o", "--json", "--strict", *FEBRUARY)
    assert strict.json()["error"]["exit_code"] == 4
    planned = inside("plan", DEMO, "--json", "--strict", *FEBRUARY)
    assert planned.code == 4
    assert planned.json()["error"]["exit_code"] == 4
    assert planned.json()["answers"]


def test_the_same_from_outside(tmp_path: Path) -> None:
    done = caretally("apply", DEMO, "--month", "2025-01", state=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: SOURCE ")
    assert json.loads(caretally("apply", DEMO, "--month", "2025-01", "--json", state=tmp_path).out)
