"""Pulling many patients from HAPI: ours beside a bare loop, fhirpy's fetch_all(), and smart-fetch.

    python bench/pull.py [PATIENTS [ROUNDS [MANY]]]        1000 patients, 3 rounds, memory also with 20000

Everybody pulls the same resources of the same patients with five connections, each in a process of its own, in rounds
that take turns. Ours, the bare loop and fhirpy ask for fifty patients at a time; smart-fetch asks for one, which is how
it works. smart-fetch is installed into a folder that is deleted afterwards. Told are medians: seconds, requests,
processor time and memory, all without the time to start and to import. Memory is told once more with MANY patients,
from a server of pages of our own, for a real one would be loaded for an hour. Exit code 1 where a goal is missed: 110 %
of the bare loop's time, a third of smart-fetch's, memory with MANY patients at most a quarter above that with 1000.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.pulling.patients import PER_PATIENT, TYPES, patient_id, resources_of  # noqa: E402 -- after the path
from tests.live.hapi_server import HapiServer, load  # noqa: E402

PATIENTS, ROUNDS, MANY, FEW = 1_000, 3, 20_000, 1_000
BARE_GOAL, SMART_FETCH_GOAL, MEMORY_GOAL = 1.10, 3.0, 1.25
SMART_FETCH = "smart-fetch==1.0.3"
NAMES = {
    "ours": "caretally",
    "bare": "bare httpx loop",
    "fetch_all": "fhirpy fetch_all()",
    "smart_fetch": "smart-fetch 1.0.3",
}
LOADED_AT_ONCE, WARM_UP = 250, 500
MEBIBYTE = 1024 * 1024
COUNTS_REQUESTS = """
import atexit, os, httpx
sent = 0
def counted(self, *given, _send=httpx.AsyncClient.send, **named):
    global sent
    sent += 1
    return _send(self, *given, **named)
httpx.AsyncClient.send = counted
atexit.register(lambda: open(os.environ["SENT"], "w").write(str(sent)))
"""


@dataclass(frozen=True)
class Measured:
    """One pull: seconds, requests, resources, seconds of processor time, bytes of memory at most."""

    seconds: float
    requests: int
    resources: int
    processor: float
    memory: int


Contestant = Callable[[str, int, Path], Measured]


def python_contestant(name: str) -> Contestant:
    """One of `bench.pulling.contestants`."""

    def run(base: str, count: int, folder: Path) -> Measured:
        words = [sys.executable, "-m", "bench.pulling.contestants", name, base, str(count), str(folder)]
        told = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        if told.returncode:
            sys.exit(f"{NAMES[name]} failed:\n{told.stderr[-2000:]}")
        return Measured(**json.loads(told.stdout))

    return run


def environment(**more: str) -> dict[str, str]:
    """Everybody may keep compiled modules: who starts from source would be measured at compiling."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | more


def smart_fetch_in(folder: Path) -> Contestant:
    """Install smart-fetch, out of everybody's way, with a counter of requests."""
    venv.create(folder, with_pip=True)
    python, program = folder / "bin" / "python", folder / "bin" / "smart-fetch"
    subprocess.run([python, "-m", "pip", "install", "--quiet", SMART_FETCH], check=True)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    (packages / "sitecustomize.py").write_text(COUNTS_REQUESTS)

    def timed(words: Sequence[str | Path], count_file: Path) -> tuple[float, float, int]:
        started = time.perf_counter()
        with (count_file.parent / "said").open("wb") as said:
            process = subprocess.Popen(words, stdout=said, stderr=said, env=environment(SENT=str(count_file)))
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"smart-fetch failed:\n{(count_file.parent / 'said').read_text()[-2000:]}")
        return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024

    def run(base: str, count: int, work: Path) -> Measured:
        ids, sent, out = work / "ids", work / "sent", work / "out"
        ids.write_text("".join(f"{patient_id(number)}\n" for number in range(count)))
        idle_seconds, idle_processor, _ = timed([program, "--version"], sent)
        words: list[str | Path] = [program, "crawl", out, "--fhir-url", base, "--id-file", ids, "--no-compression"]
        seconds, processor, memory = timed([*words, "--type", ",".join(TYPES)], sent)
        pulled = (path for path in out.glob("*.ndjson") if path.name != "log.ndjson")
        lines = sum(len(path.read_bytes().splitlines()) for path in pulled)
        return Measured(seconds - idle_seconds, int(sent.read_text()), lines, processor - idle_processor, memory)

    return run


def main(patients: int, rounds: int, many: int) -> int:
    """Measures and tells; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: python_contestant(name) for name in ("ours", "bare", "fetch_all")}
        contestants["smart_fetch"] = smart_fetch_in(Path(folder) / "smart-fetch")
        # A search that was stored for one contestant must not answer another one.
        hapi = HapiServer(integrity=False, search_reuse_ms=0)
        try:
            base = hapi.wait()
            for start in range(0, patients, LOADED_AT_ONCE):
                numbers = range(start, min(start + LOADED_AT_ONCE, patients))
                load(base, [one for number in numbers for kind in TYPES for one in resources_of(number, kind)])
            found = in_turns(contestants, base, patients, rounds)
        finally:
            hapi.stop()
        print(f"{patients} patients, {PER_PATIENT} resources each, from HAPI; medians of {rounds} rounds, in turns;")
        print(f"load of the machine at the end {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
        table(found)
        goals = told(found)
        memory = {count: memory_with(contestants, count) for count in (FEW, many)}
    print(f"\nmemory, MiB      {FEW} patients   {many} patients")
    for name in ("ours", "bare"):
        print(f"{NAMES[name]:16} {memory[FEW][name] / MEBIBYTE:13.0f} {memory[many][name] / MEBIBYTE:15.0f}")
    if memory[many]["ours"] > MEMORY_GOAL * memory[FEW]["ours"]:
        goals.append(f"memory grew to {memory[many]['ours'] / memory[FEW]['ours']:.2f}, wanted {MEMORY_GOAL}")
    for goal in goals:
        print(f"goal missed: {goal}")
    return 1 if goals else 0


def in_turns(contestants: dict[str, Contestant], base: str, patients: int, rounds: int) -> dict[str, list[Measured]]:
    """Everybody in each round, another one first each time; a small round before warms everybody up."""
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(rounds + 1):
        turn, count = number % len(order), patients if number else min(patients, WARM_UP)
        for name in (*order[turn:], *order[:turn]):
            with tempfile.TemporaryDirectory() as folder:
                measured = contestants[name](base, count, Path(folder))
            if measured.resources != count * PER_PATIENT:
                sys.exit(f"{NAMES[name]} pulled {measured.resources} resources of {count * PER_PATIENT}")
            if number:
                found[name].append(measured)
                print(f"round {number}: {NAMES[name]} {measured.seconds:.1f} s", file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[Measured]]) -> None:
    """Print the medians."""
    ours = statistics.median(one.seconds for one in found["ours"])
    print("| who pulls | seconds | to caretally | requests | µs of processor per resource | memory, MiB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, measured in found.items():
        seconds = statistics.median(one.seconds for one in measured)
        each = statistics.median(one.processor / one.resources for one in measured) * 1e6
        memory = statistics.median(one.memory for one in measured) / MEBIBYTE
        requests = measured[0].requests
        print(f"| {NAMES[name]} | {seconds:.1f} | {seconds / ours:.2f} | {requests:,} | {each:.0f} | {memory:.0f} |")


def told(found: dict[str, list[Measured]]) -> list[str]:
    """Which goals of speed were missed."""
    seconds = {name: statistics.median(one.seconds for one in measured) for name, measured in found.items()}
    beside = [ours.seconds / bare.seconds for ours, bare in zip(found["ours"], found["bare"], strict=True)]
    print(f"to the bare loop, round by round: {', '.join(f'{one:.2f}' for one in beside)}")
    missed = []
    if seconds["ours"] > BARE_GOAL * seconds["bare"]:
        missed.append(f"{seconds['ours'] / seconds['bare']:.2f} times the bare loop, wanted {BARE_GOAL}")
    if seconds["smart_fetch"] < SMART_FETCH_GOAL * seconds["ours"]:
        missed.append(f"smart-fetch took {seconds['smart_fetch'] / seconds['ours']:.2f} of our time, wanted "
                      f"{SMART_FETCH_GOAL}")  # fmt: skip
    return missed


def memory_with(contestants: dict[str, Contestant], count: int) -> dict[str, int]:
    """Memory of ours and of the bare loop with so many patients."""
    found = {}
    with pages() as base:
        for name in ("ours", "bare"):
            with tempfile.TemporaryDirectory() as folder:
                found[name] = contestants[name](base, count, Path(folder)).memory
    return found


@contextmanager
def pages() -> Iterator[str]:
    """The server of pages; gives its base URL."""
    words = [sys.executable, "-m", "bench.pulling.paging_server"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 -- narrows the types: pipes were asked for
        assert server.stdout is not None  # noqa: S101
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


if __name__ == "__main__":
    if len(sys.argv) > 4:  # noqa: PLR2004
        sys.exit(__doc__)
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*given, *(PATIENTS, ROUNDS, MANY)[len(given) :]))
