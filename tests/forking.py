"""The program for tests that run it again and again: each run is a fork of a process that has imported everything.

A run has its own memory, streams, folder, environment and exit code, as if a shell had started it; what it does not do
is two seconds of imports, so that it cannot show a module which nobody imports. That is shown by the tests that start
``python -m caretally``: the README's commands, plan and apply on a server (``tests/live/test_synthea.py``), Ctrl-C, and
the wheel.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LATE = ("fhirpy", "httpcore", *(f"fhir.resources.R4B.{name}" for name in ("chargeitem", "claim", "provenance")))
"""What is imported by some commands only, and not by a module of ours as it is loaded."""

SHIM = """\
import array, json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
job = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
streams = array.array("i", [0, 1, 2])
server.sendmsg([len(job).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(job)
told = server.recv(8)
if len(told) < 8:
    sys.exit("the process that the tests fork from is gone")
code = int.from_bytes(told, "big", signed=True)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""Stands for the program: hands its words and streams over, and ends as the run ends."""


@cache
def program() -> str:
    """Path of a program that does what ``caretally`` does; it lives as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="caretally-tests-"))
    path, address = folder / "caretally", str(folder / "socket")
    (folder / "shim.py").write_text(SHIM.format(address=address))
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{folder / "shim.py"}" "$@"\n')
    path.chmod(0o700)
    # Its standard input is a pipe of ours: it ends when we do, however we do.
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forking", address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("CARETALLY_")},
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.kill()
        server.wait()
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    atexit.register(end)
    return str(path)


def warm() -> None:
    """Import what a run can need, and run nothing: what a run computes, it computes itself."""
    import caretally  # noqa: PLC0415

    for module in pkgutil.walk_packages(caretally.__path__, "caretally."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)


def run(connection: socket.socket, job: list[Any], streams: list[int]) -> NoReturn:
    """Become the program; this process ends as its own would."""
    from caretally.cli import main  # noqa: PLC0415

    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    words, environment, folder = job
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["caretally", *words]
    main()
    sys.exit(0)


def handle(connection: socket.socket) -> None:
    """Fork a run, wait for it, and tell how it ended; one whose caller has gone is killed."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    wanted, job = int.from_bytes(size, "big"), b""
    while len(job) < wanted:
        job += connection.recv(wanted - len(job))
    ended, alive = os.pipe()  # the run holds the other end until it ends, however it does
    pid = os.fork()
    if pid == 0:
        os.close(ended)
        run(connection, json.loads(job), list(streams))
    for end in (alive, *streams):
        os.close(end)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(code.to_bytes(8, "big", signed=True))


def serve(address: str) -> None:
    """Take one job after the other, each in processes of its own, until standard input ends."""
    warm()
    gc.freeze()  # else each run copies the memory that it only looks through
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who handle a job
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([listener, sys.stdin.fileno()], [], [])
            if listener not in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                handle(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    serve(sys.argv[1])
