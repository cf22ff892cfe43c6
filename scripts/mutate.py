#!/usr/bin/env python3
"""Mutation testing of the rules: how many small faults in src/caretally/rules the tests find.

    python scripts/mutate.py [--children N] [--share K/N] [--only TEXT]

mutmut makes the mutants (configuration: pyproject.toml, [tool.mutmut]); scripts/mutation_trials.py tries them against
the answers to all cases (tests/rules/answers.py) and the tests beside them. The figures and the list of survivors go
to docs/mutation.md; why a survivor is no gap stands in scripts/mutation_reasons.toml. What found each mutant is kept
in mutants/finders.json and is tried first in the next run, so that only the first run is long. --share 1/8 tries
every eighth mutant only and does not write the page; neither does --only. The exit code is 1 when fewer than 95 of
100 are found, or when a survivor has no reason; those without are named, and reasons that no survivor needs any more.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import fnmatch
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from datetime import UTC, datetime
from multiprocessing import Pool
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "mutants"
RULES = Path("src/caretally/rules")
SOURCES = WORK / "sources.json"
FINDERS = WORK / "finders.json"
KNOWN = WORK / "known.json"
PAGE = ROOT / "docs" / "mutation.md"
REASONS = ROOT / "scripts" / "mutation_reasons.toml"
GROUND = (
    *("src/caretally/facts", "src/caretally/rules", "src/caretally/tables", "mappings"),
    *("tests/calculator", "tests/rules/builder.py", "tests/rules/deciding.py"),
)
"""What a trial rests on beside its own facts."""
WANTED = 95
UNEXPLAINED = "to be looked at"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def generate(children: int) -> None:
    """Writes the mutants into mutants/, beside copies of everything else; those of an unchanged file stay."""
    from mutmut import __main__ as mutmut  # noqa: PLC0415 -- only where mutants are made
    from mutmut.configuration import config  # noqa: PLC0415 -- as above
    from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415 -- as above

    set_mutant_under_test("mutant_generation")
    WORK.mkdir(exist_ok=True)
    maker = importlib.metadata.version("mutmut")
    before = json.loads(SOURCES.read_text(encoding="utf-8")) if SOURCES.is_file() else {}
    now = {
        str(path): hashlib.sha256(maker.encode() + path.read_bytes()).hexdigest()
        for path in sorted(RULES.rglob("*.py"))
    }
    SOURCES.unlink(missing_ok=True)
    for folder in ("src", *(str(path) for path in config().also_copy)):
        for old in sorted((WORK / folder).rglob("*"), reverse=True):
            if RULES not in old.relative_to(WORK).parents and not old.is_dir():
                old.unlink()
        if (ROOT / folder).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "rules") if folder == "src" else LEFT_OUT
            shutil.copytree(ROOT / folder, WORK / folder, ignore=ignore, dirs_exist_ok=True)
        elif (ROOT / folder).is_file():
            shutil.copy(ROOT / folder, WORK / folder)
    for old in (WORK / RULES).rglob("*.*"):
        source = str(old.relative_to(WORK)).removesuffix(".meta").removesuffix(".spans")
        if source not in now or now[source] != before.get(source):
            old.unlink()
    changed = [Path(path) for path in now if not (WORK / path).is_file()]
    with Pool(processes=children) as pool:
        for done in pool.imap_unordered(mutmut.create_file_mutants, changed, chunksize=1):
            if done.error:
                raise done.error
    SOURCES.write_text(json.dumps(now), encoding="utf-8")


def mutants() -> list[str]:
    """The names of all mutants."""
    found: list[str] = []
    for path in sorted((WORK / RULES).rglob("*.meta")):
        found += json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def ground() -> str:
    """A digest of what trials rest on: while it is the same, what survived a trial survives it again."""
    found = hashlib.sha256()
    for top in GROUND:
        path = ROOT / top
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def function_of(mutant: str) -> str:
    """The function that a mutant changes."""
    return mutant.rpartition("__mutmut_")[0]


class Texts:
    """The changes that mutants make, as lines."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, list[str]]] = {}

    def of(self, mutant: str) -> list[str]:
        """The lines of a mutant that differ."""
        module, _, name = mutant.rpartition(".")
        plain = self._function(module, name.rpartition("__mutmut_")[0] + "__mutmut_orig")
        differing = difflib.unified_diff(plain[1:], self._function(module, name)[1:], lineterm="", n=0)
        found = [line for line in differing if not line.startswith(("+++", "---", "@@"))]
        return found or ["+" + self._function(module, name)[0].strip()]

    def _function(self, module: str, name: str) -> list[str]:
        if module not in self.files:
            path = WORK / "src" / Path(*module.split("."))
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()
            self.files[module] = {
                node.name: lines[node.lineno - 1 : node.end_lineno]
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef)
            }
        return self.files[module][name]


def keys_of(names: list[str], texts: Texts) -> dict[str, str]:
    """What each mutant changes, the same from run to run; of two that change like lines the second one is numbered."""
    seen: Counter[str] = Counter()
    keys: dict[str, str] = {}
    for name in names:
        key = "\n".join([function_of(name), *(line.strip() for line in texts.of(name))])
        seen[key] += 1
        keys[name] = key if seen[key] == 1 else f"{key}\n{seen[key]}"
    return keys


# -- what is written about it ------------------------------------------------------------------------------------


def reason_of(mutant: str, lines: list[str], reasons: list[dict[str, Any]]) -> str | None:
    """Why a survivor is no gap, from the file of reasons."""
    text = "\n".join(line.strip() for line in lines)
    for row in reasons:
        if fnmatch.fnmatch(function_of(mutant), row["function"]) and row.get("part", "") in text:
            return str(row["reason"])
    return None


def explained(
    result: dict[str, dict[str, Any]], texts: Texts, reasons: list[dict[str, Any]]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The changes of every survivor, and why it is no gap: `UNEXPLAINED` where nobody has said."""
    changes = {name: texts.of(name) for name in sorted(result) if result[name]["state"] == "survived"}
    return changes, {name: reason_of(name, lines, reasons) or UNEXPLAINED for name, lines in changes.items()}


def stale(changes: dict[str, list[str]], reasons: list[dict[str, Any]]) -> list[str]:
    """The reasons that no survivor needs."""
    return [
        f"{row['function']} {row.get('part', '')}"
        for row in reasons
        if not any(reason_of(name, lines, [row]) for name, lines in changes.items())
    ]


def page(result: dict[str, dict[str, Any]], changes: dict[str, list[str]], why: dict[str, str]) -> str:
    """The text of docs/mutation.md."""
    survivors = list(changes)
    found = len(result) - len(survivors)
    files: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, one in result.items():
        module = name.partition(".x")[0].removeprefix("caretally.")
        files[module][0] += 1
        files[module][1] += one["state"] != "survived"
    lines = [
        "# Faults that the tests find",
        "",
        "Written by `scripts/mutate.py` (`make prove`): mutmut changes the rules in one place after the other, and the",
        "answers to all cases and the tests of the rules that run the changed place are looked at again. A change that",
        "none of them notices is a survivor.",
        "",
        "| | |",
        "| --- | --- |",
        f"| date | {datetime.now(UTC):%Y-%m-%d} |",
        f"| commit | {commit()} |",
        f"| faults tried | {len(result):,} |",
        f"| found | {found:,} |",
        f"| of those by not coming to an end | {sum(1 for one in result.values() if one['state'] == 'time'):,} |",
        f"| survived | {len(survivors):,} |",
        f"| of those without a reason | {sum(1 for reason in why.values() if reason == UNEXPLAINED):,} |",
        f"| score | {100 * found / len(result):.1f} % |",
        f"| processor time | {sum(one['seconds'] for one in result.values()) / 60:.0f} min |",
        "",
        "| module | faults | found | score |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {m} | {n:,} | {k:,} | {100 * k / n:.1f} % |" for m, (n, k) in sorted(files.items())),
        "",
        "## Why survivors are no gap",
        "",
        "| reason | survivors |",
        "| --- | ---: |",
        *(f"| {reason} | {count} |" for reason, count in sorted(Counter(why.values()).items(), key=lambda r: -r[1])),
        "",
        "## Survivors",
        "",
        "| fault | change | why it is no gap |",
        "| --- | --- | --- |",
    ]
    for name in survivors:
        told = "<br>".join(f"`{line[0]} {line[1:].strip()}`".replace("|", "\\|") for line in changes[name][:6])
        lines.append(f"| {name.removeprefix('caretally.rules.')} | {told} | {why[name]} |")
    return "\n".join([*lines, ""])


def commit() -> str:
    """The commit whose rules were changed, with a mark when files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def main() -> int:
    """Tries the mutants and writes the page."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--children", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--share", default="1/1", help="try every n-th mutant: k/n")
    asked.add_argument("--only", default="", help="try mutants whose name holds this text")
    given = asked.parse_args()
    os.chdir(ROOT)
    generate(given.children)
    first, every = (int(part) for part in given.share.split("/"))
    texts = Texts()
    keys = keys_of(mutants(), texts)
    names = [name for name in keys if given.only in name][first - 1 :: every]
    keys = {name: keys[name] for name in names}
    finders: dict[str, str] = json.loads(FINDERS.read_text(encoding="utf-8")) if FINDERS.is_file() else {}
    base, known = ground(), {"base": "", "trials": [], "survived": []}
    if KNOWN.is_file():
        known = json.loads(KNOWN.read_text(encoding="utf-8"))
    if known["base"] != base:
        known = {"base": base, "trials": [], "survived": []}
    (WORK / "names.json").write_text(json.dumps({"keys": keys, "finders": finders, "known": known}), encoding="utf-8")
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "mutation_trials.py"), "--children", str(given.children)],
        cwd=WORK,
        env={**os.environ, "PYTHONPATH": "src:.", "PYTHONHASHSEED": "0"},
        check=True,
    )
    told = json.loads((WORK / "result.json").read_text(encoding="utf-8"))
    result = told["result"]
    found = {keys[name]: one["trial"] for name, one in result.items() if one["trial"] is not None}
    FINDERS.write_text(json.dumps(finders | found), encoding="utf-8")
    survivors = sum(1 for one in result.values() if one["state"] == "survived")
    score = 100 * (len(result) - survivors) / max(len(result), 1)
    print(f"{len(result)} faults tried, {survivors} survived, score {score:.1f} %")
    reasons = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", [])
    changes, why = explained(result, texts, reasons)
    unexplained = [name for name, reason in why.items() if reason == UNEXPLAINED]
    for name in unexplained:
        print("no reason:", name, *(f"    {line[0]} {line[1:].strip()}" for line in changes[name]), sep="\n")
    if unexplained:
        print(f"{len(unexplained)} survivors without a reason: write a case that finds them, or say why in {REASONS}")
    if given.share == "1/1" and not given.only:
        for row in stale(changes, reasons):
            print("a reason that no survivor needs:", row)
        survived = [keys[name] for name, one in result.items() if one["state"] == "survived"]
        KNOWN.write_text(json.dumps({"base": base, "trials": told["trials"], "survived": survived}), encoding="utf-8")
        PAGE.write_text(page(result, changes, why), encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0 if score >= WANTED and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
