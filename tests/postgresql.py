"""A PostgreSQL server for tests: a cluster of its own on loopback, without durability, ended by its own process id."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg

START_SECONDS = 60
_PLACES = (Path("/usr/lib/postgresql"), Path("/usr/pgsql"))
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "logging_collector": "off",
}


def program(name: str) -> str:
    """Where a program of the server is: on the path, or where distributions put it."""
    found = shutil.which(name)
    if found is None:
        found = next((str(p) for place in _PLACES for p in sorted(place.glob(f"*/bin/{name}"), reverse=True)), None)
    assert found is not None, f"{name} is missing; PostgreSQL's server programs are needed (apt-get install postgresql)"
    return str(Path(found).resolve())


class PostgresServer:
    """One cluster with one server process; `start`, `kill` and `stop` may follow one another."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="caretally-pg-"))
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        account = pwd.getpwnam(self.user)
        # The server refuses to run as root.
        root = os.geteuid() == 0
        self._uid: int | None = account.pw_uid if root else None
        self._gid: int | None = account.pw_gid if root else None
        if os.geteuid() == 0:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        done = subprocess.run(
            [program("initdb"), "-D", self.folder / "data", "-U", "caretally", "-A", "trust", "-E", "UTF8", "-N"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=self._uid,
            group=self._gid,
        )
        assert done.returncode == 0, done.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        """Starts the server and waits until it takes connections."""
        settings = [word for key, value in _FAST.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
                    *("-h", "127.0.0.1", "-k", str(self.folder)),
                    *settings,
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=self._uid,
                group=self._gid,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"d{uuid4().hex}"
        with psycopg.connect(self._address(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://caretally@127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """Ends the server at once, as a loss of power would; its children notice and end too."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=START_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Ends the server, where it runs, and removes the cluster."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=START_SECONDS)
        self._process = None
        atexit.unregister(self.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address()).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=caretally dbname=postgres connect_timeout=5"
