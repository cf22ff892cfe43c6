"""docker/hapi/hapi: a server that cannot start says why and leaves nothing behind; a stop is safe at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.live.hapi_server import COMMAND, HapiServer, HapiStartError

pytestmark = pytest.mark.live


def hapi_command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, COMMAND, *words], capture_output=True, text=True, check=False)


def process_of(server: HapiServer, *, within_s: float = 60) -> int:
    """The process id of a server that is being started."""
    deadline = time.monotonic() + within_s
    state = server.folder / "server.json"
    while not state.exists() or not state.read_text():
        assert time.monotonic() < deadline, "no server process was started"
        time.sleep(0.1)
    return int(json.loads(state.read_text())["pid"])


def gone(pid: int, *, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not Path(f"/proc/{pid}").exists()


def test_a_server_that_cannot_start_fails_with_the_end_of_its_log() -> None:
    server = HapiServer(client_ids="NO_SUCH_STRATEGY")
    try:
        with pytest.raises(HapiStartError, match=r"No enum constant .*NO_SUCH_STRATEGY"):
            server.wait()
        assert not (server.folder / "server.json").exists()
    finally:
        server.stop()
    assert not server.folder.exists()


def test_a_server_is_stopped_while_it_starts_and_again() -> None:
    server = HapiServer()
    server.begin()
    pid = process_of(server)
    server.stop()
    assert gone(pid)
    server.stop()


def test_a_server_ends_when_its_owner_was_killed(tmp_path: Path) -> None:
    """The owner is a process that starts a server and is then killed without a chance to clean up."""
    owner = subprocess.Popen(["sleep", "600"])
    state = tmp_path / "server.json"
    start = subprocess.Popen(
        [sys.executable, COMMAND, "start", "--state", state, "--owner", str(owner.pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not state.exists() or not state.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    pid = int(json.loads(state.read_text())["pid"])
    owner.kill()
    owner.wait()
    assert gone(pid)
    assert start.wait(timeout=30) == 1


def test_stop_never_ends_a_stranger_with_the_same_process_id(tmp_path: Path) -> None:
    state = tmp_path / "server.json"
    state.write_text(json.dumps({"pid": str(os.getpid()), "start_time": "1", "log": ""}))
    assert hapi_command("status", "--state", state).returncode == 3
    assert hapi_command("stop", "--state", state).returncode == 0
    assert not state.exists()


def test_stop_ends_a_process_that_does_not_listen(tmp_path: Path) -> None:
    deaf = subprocess.Popen(["bash", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"], stdout=subprocess.PIPE)
    assert deaf.stdout
    deaf.stdout.readline()
    started = Path(f"/proc/{deaf.pid}/stat").read_text().rpartition(")")[2].split()[19]
    state = tmp_path / "server.json"
    state.write_text(json.dumps({"pid": str(deaf.pid), "start_time": started, "log": ""}))
    assert hapi_command("stop", "--state", state, "--timeout", "0.5").returncode == 0
    assert deaf.wait(timeout=5) == -signal.SIGKILL
    deaf.stdout.close()


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    done = hapi_command("start", "--state", tmp_path / "server.json", "--set", "page.maxx=3")
    assert done.returncode == 2
    assert "page.max" in done.stderr
