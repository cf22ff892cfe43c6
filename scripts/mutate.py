#!/usr/bin/env python3
"""Mutation testing of the rules: how many small faults in src/caretally/rules the tests find.

    python scripts/mutate.py [--children N] [--share K/N] [--only TEXT]

mutmut makes the mutants (configuration: pyproject.toml, [tool.mutmut]). Each one then runs against the answers to all
cases (tests/rules/answers.py), the cases first that call the changed function, and, where those are all the same,
against the tests of what has no answer of its own. The figures and the list of survivors go to docs/mutation.md; what
each survivor means stands in scripts/mutation_reasons.toml. --share 1/8 tries every eighth mutant only and writes
nothing; so does --only. The exit code is 1 when fewer than 95 of 100 are found.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "mutants"
PAGE = ROOT / "docs" / "mutation.md"
REASONS = ROOT / "scripts" / "mutation_reasons.toml"
WANTED = 95
SECONDS = 60
"""For one mutant; one that takes longer is found: it does not end."""
APART = {
    "rules.paper.": ("tests/rules/test_paper.py",),
    "rules.candidates.": ("tests/rules/test_candidates.py",),
    "rules.enrolment.": ("tests/rules/test_candidates.py",),
    "rules.visit.": ("tests/rules/test_candidates.py",),
    "rules.payments.": ("tests/rules/test_payments.py",),
    "rules.double_booking.": ("tests/rules/test_double_booking.py",),
    "rules.": ("tests/rules/test_settled.py", "tests/rules/test_reasons.py"),
}
"""Tests beside the answers, by what is changed."""


def generate(children: int) -> None:
    """Writes the mutants into mutants/, beside copies of everything else."""
    from mutmut import __main__ as mutmut  # noqa: PLC0415 -- only where mutants are made

    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    mutmut.set_mutant_under_test("mutant_generation")
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(children)


def mutants() -> list[str]:
    """The names of all mutants."""
    found: list[str] = []
    for path in sorted(WORK.glob("src/caretally/rules/**/*.meta")):
        found += json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def function_of(mutant: str) -> str:
    """The function that a mutant changes."""
    return mutant.rpartition("__mutmut_")[0]


# -- in a process of its own, inside mutants/ --------------------------------------------------------------------


def try_all(names: list[str], children: int) -> dict[str, str]:
    """What became of each mutant: ``found``, ``survived`` or ``time`` (it did not end)."""
    from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415 -- only inside mutants/
    from tests.rules import answers  # noqa: PLC0415 -- the copy inside mutants/

    set_mutant_under_test("")
    kept = answers.kept()
    cases = list(answers.names())
    random.Random(1).shuffle(cases)  # noqa: S311 -- an order, not a secret
    wrong = [name for name in cases if answers.told(name, answers.answer(name)) != kept[name]]
    if wrong:
        sys.exit(f"mutate: without a fault the answers are not those that are kept: {wrong[:3]}")
    called = _called(cases)
    running: dict[int, str] = {}
    result: dict[str, str] = {}

    def one_ends() -> None:
        pid, status = os.wait()
        name = running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        result[name] = {0: "survived", 1: "found"}.get(code, "time" if code == -signal.SIGALRM else "found")
        if len(result) % 200 == 0:
            missed = sum(1 for value in result.values() if value == "survived")
            print(f"{len(result)} of {len(names)} tried, {missed} survived", flush=True)

    for name in names:
        while len(running) >= children:
            one_ends()
        pid = os.fork()
        if pid == 0:
            signal.alarm(SECONDS)
            set_mutant_under_test(name)
            os._exit(1 if _is_found(name, called[function_of(name)], kept) else 0)
        running[pid] = name
    while running:
        one_ends()
    return result


def _called(cases: list[str]) -> dict[str, list[str]]:
    """The cases that call each function."""
    from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415 -- only inside mutants/
    from mutmut.state import state  # noqa: PLC0415 -- as above
    from tests.rules import answers  # noqa: PLC0415 -- as above

    found: dict[str, list[str]] = defaultdict(list)
    set_mutant_under_test("stats")
    for name in cases:
        state()._stats.clear()  # noqa: SLF001 -- where mutmut writes down what was called
        answers.answer(name)
        for function in state()._stats:  # noqa: SLF001 -- as above
            found[function].append(name)
    set_mutant_under_test("")
    return found


def _is_found(mutant: str, cases: list[str], kept: dict[str, list[str]]) -> bool:
    from tests.rules import answers  # noqa: PLC0415 -- the copy inside mutants/

    try:
        if any(answers.told(name, answers.answer(name)) != kept[name] for name in cases):
            return True
    except Exception:  # noqa: BLE001 -- whatever a fault leads to, it was found
        return True
    tests = dict.fromkeys(test for part, paths in APART.items() if part in mutant for test in paths)
    import pytest  # noqa: PLC0415 -- only where the answers did not find it

    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider", "-m", "not prove"])
    return code != 0


# -- what is written about it ------------------------------------------------------------------------------------


def shown(mutant: str) -> list[str]:
    """The lines of a mutant that differ."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", mutant], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if line[:1] in {"+", "-"} and not line.startswith(("+++", "---"))]


def reason_of(mutant: str, lines: list[str], reasons: list[dict[str, Any]]) -> str | None:
    """Why a survivor is no gap, from the file of reasons."""
    text = "\n".join(line.strip() for line in lines)
    for row in reasons:
        if fnmatch.fnmatch(function_of(mutant), row["function"]) and row.get("part", "") in text:
            return str(row["reason"])
    return None


def page(result: dict[str, str], seconds: int) -> str:
    """The text of docs/mutation.md."""
    reasons = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", [])
    survivors = sorted(name for name, state in result.items() if state == "survived")
    found = len(result) - len(survivors)
    files: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, state in result.items():
        module = name.partition(".x")[0].removeprefix("caretally.")
        files[module][0] += 1
        files[module][1] += state != "survived"
    lines = [
        "# Faults that the tests find",
        "",
        "Written by `scripts/mutate.py` (`make prove`): mutmut changes the rules in one place after the other, and",
        "the answers to all cases and the tests of the rules are looked at again. A change that nothing notices is a",
        "survivor.",
        "",
        "| | |",
        "| --- | --- |",
        f"| date | {datetime.now(UTC):%Y-%m-%d} |",
        f"| faults tried | {len(result):,} |",
        f"| found | {found:,} |",
        f"| score | {100 * found / len(result):.1f} % |",
        f"| time | {seconds:,} s |",
        "",
        "| module | faults | found | score |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {m} | {n:,} | {k:,} | {100 * k / n:.1f} % |" for m, (n, k) in sorted(files.items())),
        "",
        "## Survivors",
        "",
        "| fault | change | why it is no gap |",
        "| --- | --- | --- |",
    ]
    for name in survivors:
        changed = shown(name)
        why = reason_of(name, changed, reasons) or "to be looked at"
        told = "<br>".join(line.replace("|", "\\|").replace("    ", "") for line in changed[:6])
        lines.append(f"| {name.removeprefix('caretally.rules.')} | {told} | {why} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Tries the mutants and writes the page."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--children", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--share", default="1/1", help="try every n-th mutant: k/n")
    asked.add_argument("--only", default="", help="try mutants whose name holds this text")
    asked.add_argument("--kept", action="store_true", help="take the mutants that are there")
    asked.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.inside:
        names = json.loads(Path("names.json").read_text(encoding="utf-8"))
        Path("result.json").write_text(json.dumps(try_all(names, given.children)), encoding="utf-8")
        return 0
    os.chdir(ROOT)
    begun = datetime.now(UTC)
    if not given.kept:
        generate(given.children)
    first, every = (int(part) for part in given.share.split("/"))
    names = [name for name in mutants() if given.only in name][first - 1 :: every]
    (WORK / "names.json").write_text(json.dumps(names), encoding="utf-8")
    subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--inside", "--children", str(given.children)],
        cwd=WORK,
        env={**os.environ, "PYTHONPATH": "src:."},
        check=True,
    )
    result = json.loads((WORK / "result.json").read_text(encoding="utf-8"))
    survivors = sum(1 for state in result.values() if state == "survived")
    score = 100 * (len(result) - survivors) / max(len(result), 1)
    print(f"{len(result)} faults tried, {survivors} survived, score {score:.1f} %")
    if given.share == "1/1" and not given.only:
        PAGE.write_text(page(result, round((datetime.now(UTC) - begun).total_seconds())), encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0 if score >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
