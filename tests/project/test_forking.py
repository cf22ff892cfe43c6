"""A forked run is a process of its own: environment, folder, streams, exit code and end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.forking import program


def test_a_run_has_an_environment_a_folder_and_an_exit_code_of_its_own(tmp_path: Path) -> None:
    words = [program(), "config", "show"]
    with_setting = {**os.environ, "CARETALLY_SERVER__PAGE_SIZE": "7"}
    done = subprocess.run(words, env=with_setting, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "environment CARETALLY_SERVER__PAGE_SIZE" in done.stdout
    after = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "CARETALLY_SERVER__PAGE_SIZE" not in after.stdout
    (tmp_path / "broken.toml").write_text("[server]\npage_size = 'many'\n")
    words += ["--config", "broken.toml"]
    refused = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "broken.toml" in refused.stderr


def test_a_run_ends_with_its_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        words = [program(), "plan", address, "--month", "2025-01"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
            connection, _ = silent.accept()
            caller.send_signal(signal.SIGKILL)
        connection.settimeout(60)
        with connection:
            while connection.recv(65536):
                pass  # the run's request, and then the end of what it had open
    assert caller.returncode == -signal.SIGKILL
