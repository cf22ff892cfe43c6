#!/usr/bin/env python3
"""Writes docs/reference/faults.md from the tables of faults and the figures of a run of their tests.

python scripts/make_faults.py [FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.faults_before_hapi import READING, WRITING_FAULTS  # noqa: E402 -- after the path
from tests.faults.server_faults import FAULTS  # noqa: E402 -- after the path

if TYPE_CHECKING:
    from tests.faults.fault import Fault

PAGE = ROOT / "docs" / "reference" / "faults.md"
TESTS = ("tests/faults/test_server_faults.py", "tests/faults/test_short_tokens.py", "tests/live/test_server_faults.py")
BEFORE = {"small": FAULTS, "hapi": (*READING, *WRITING_FAULTS)}
SERVERS = {"small": "a small server of the tests", "hapi": "HAPI FHIR"}
HEAD = """# What a server can do wrong, and what comes of it

Written by `scripts/make_faults.py` from `tests/faults/server_faults.py` and `faults_before_hapi.py`, with the
figures of a run of their tests; every row held. The command is the real one, over real sockets, and a front before the
server spoils its answers.

*Requests*: how many the command sent, and of how many the answer was spoilt. *Early*: requests that came before the
server wanted any. *Elsewhere*: connections to, and look-ups of, anything but the server, as the process itself and a
listening neighbour saw them, and tokens that they brought. *Memory*: what the command needed more than in a run without
faults. "The same bytes" are those of the determinations, claims, charges, Provenances and issues, and of the resources
held of the server. After a fault that ends a command a run without it gives the same lines too.
"""
COLUMNS = "| Fault | What happens | What comes of it | Requests (spoilt) | Early | Elsewhere | Memory |\n"
RULE = "| --- | --- | --- | ---: | ---: | ---: | ---: |\n"


def measured() -> dict[str, Any]:
    """Run the tests and give the figures that they left."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "figures"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *TESTS],
            cwd=ROOT,
            env={**os.environ, "CARETALLY_FAULT_FIGURES": str(target)},
            check=False,
        )
        if done.returncode != 0:
            sys.exit("make_faults: not everything held, so nothing was written")
        return {name: json.loads(Path(f"{target}.{name}.json").read_text()) for name in (*BEFORE, "tokens")}


def row(fault: Fault, figures: dict[str, int]) -> str:
    """One fault with its figures."""
    numbers = f"{figures['requests']} ({figures['spoilt']}) | {figures['too_early']} | {figures['elsewhere']}"
    return f"| `{fault.name}` | {fault.what} | {fault.outcome} | {numbers} | {figures['more_mebibytes']} MiB |\n"


def page(found: dict[str, Any]) -> str:
    """The text of the page."""
    parts = [HEAD]
    for against, faults in BEFORE.items():
        parts.append(f"\n## Before {SERVERS[against]}\n")
        for group, members in groupby(sorted(faults, key=lambda one: GROUPS.index(one.group)), lambda one: one.group):
            parts += [f"\n### {group[0].upper()}{group[1:]}\n\n", COLUMNS, RULE]
            parts += [row(fault, found[against][fault.name]) for fault in members]
    tokens = found["tokens"]
    parts.append(
        f"\n## A token that ends every {tokens['life_seconds']} seconds\n\n"
        f"A pull of {tokens['pages']} pages used {tokens['tokens']} tokens of SMART Backend Services; "
        f"{tokens['refused']} requests were refused because a token had ended and sent again with the next one. The "
        "results have the bytes of a run with one token.\n"
    )
    return "".join(parts)


GROUPS = list(dict.fromkeys(fault.group for fault in FAULTS))

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(measured()), encoding="utf-8")
    print(f"wrote {target}")
