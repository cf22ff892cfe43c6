"""How long the command takes to say its help, beside a bare Python and the import of its option library.

    python bench/startup.py [RUNS]

Whole processes, interleaved; medians, and the ratio to the option library alone, which no command built on it beats.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CANDIDATES = {
    "python -c pass": ["-c", "pass"],
    "import argparse": ["-c", "import argparse"],
    "import typer": ["-c", "import typer"],
    "all tables read": ["-c", "from caretally.tables.loading import load_tables; load_tables()"],
    "caretally --help": ["-m", "caretally", "--help"],
    "caretally explain --help": ["-m", "caretally", "explain", "--help"],
}


def main() -> None:
    """Time each candidate in turn."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seconds: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(runs + 1):
        for name, words in CANDIDATES.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["import typer"][1:])
    for name, all_runs in seconds.items():
        counted = all_runs[1:]  # the first one filled the caches
        middle = statistics.median(counted)
        shown = f"median {middle * 1000:5.0f} ms  fastest {min(counted) * 1000:5.0f} ms  ratio {middle / base:.2f}"
        print(f"{name:26} {shown}")


if __name__ == "__main__":
    main()
