"""Tries the mutants: started by scripts/mutate.py inside the folder that holds them.

A trial is a case of tests/rules/answers.py (what is determined, or who could be served) or a test beside them. All are
run once without a fault, and it is noted which lines of the rules each one runs. A mutant changes one statement: only
the trials that run that statement can tell it from the rules, so only those are tried, each in a process forked for
the mutant, until one of them finds it. A mutant has survived when none of them did. First comes the trial that found
it in the last run, then those that found other mutants of the same function.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import hashlib
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mutation_comparison import ENOUGH, Comparison, changes_what_it_was_given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, FunctionType

RULES = "src/caretally/rules/"
TESTS = (
    "tests/rules/test_boundaries.py",
    "tests/rules/test_candidates.py",
    "tests/rules/test_double_booking.py",
    "tests/rules/test_paper.py",
    "tests/rules/test_payments.py",
    "tests/rules/test_reasons.py",
    "tests/rules/test_settled.py",
)
"""Tests beside the answers to the cases: what the rules say apart from an answer, and to the second."""
PATIENCE = 10.0
"""A trial that takes more than a second and so many times its usual time does not end: its mutant is found."""
MEMORY = 6 << 30
FIRST = 40
"""Trials that are run with a mutant before it is compared."""

SWITCHES: dict[str, tuple[FunctionType, dict[str, Any]]] = {}
"""By the name of a mutant: the function that it changes, and the mutants of that function."""


def without_trampolines(mutants: dict[str, Any], *_: Any, **__: Any) -> Callable[[Any], Any]:
    """Stands in for mutmut's decorator: the rules run as written; a mutant is put in by exchanging the code."""

    def keep(function: Any) -> Any:
        PENDING.append((function, mutants))
        return function

    return keep


PENDING: list[tuple[Any, dict[str, Any]]] = []


def register() -> None:
    """Notes, after the import of the rules, which function each mutant changes."""
    for decorated, mutants in PENDING:
        function = getattr(decorated, "__func__", decorated)
        for name in mutants:
            if name != "_mutmut_orig":
                SWITCHES[f"{function.__module__}.{name}"] = (function, mutants)
    PENDING.clear()


def activate(mutant: str) -> None:
    """Puts one mutant in the place of its function, in this process."""
    function, mutants = SWITCHES[mutant]
    found = mutants[mutant.rpartition(".")[2]]
    found = getattr(found, "__func__", found)
    function.__code__ = found.__code__
    function.__defaults__ = found.__defaults__
    function.__kwdefaults__ = found.__kwdefaults__


# -- which statement a mutant changes ----------------------------------------------------------------------------


def _plain(node: ast.AST) -> str:
    return ast.dump(node, include_attributes=False)


def _bodies(node: ast.AST) -> list[tuple[str, list[ast.stmt]]]:
    fields = ("body", "orelse", "finalbody")
    return [(name, value) for name in fields if isinstance(value := getattr(node, name, None), list) and value]


def _head(node: ast.AST) -> str:
    """What a compound statement says beside its bodies."""
    bodies = {name for name, _ in _bodies(node)}
    return "".join(
        ast.dump(part) if isinstance(part, ast.AST) else repr(part)
        for name, value in ast.iter_fields(node)
        if name not in bodies
        for part in (value if isinstance(value, list) else [value])
    )


def changed_lines(plain: ast.stmt, mutant: ast.stmt) -> tuple[int, int]:
    """The lines of the innermost statement, or head of a statement, in which a mutant differs."""
    compound = isinstance(plain, ast.If | ast.For | ast.While | ast.With | ast.FunctionDef)
    same_shape = type(plain) is type(mutant) and [(n, len(b)) for n, b in _bodies(plain)] == [
        (n, len(b)) for n, b in _bodies(mutant)
    ]
    if compound and same_shape:
        if not isinstance(plain, ast.FunctionDef) and _head(plain) != _head(mutant):
            return plain.lineno, max(plain.lineno, _bodies(plain)[0][1][0].lineno - 1)
        for (_, ours), (_, theirs) in zip(_bodies(plain), _bodies(mutant), strict=True):
            for one, other in zip(ours, theirs, strict=True):
                if _plain(one) != _plain(other):
                    return changed_lines(one, other)
    return plain.lineno, plain.end_lineno or plain.lineno


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Every function of a file with mutants, by name; of two of one name the one that is decorated for mutmut."""
    found: dict[str, ast.FunctionDef] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
    return found


def places(names: list[str]) -> dict[str, tuple[str, int, int]]:
    """For each mutant: the file, and the first and last line of what it changes in the function as written."""
    found: dict[str, tuple[str, int, int]] = {}
    files: dict[str, dict[str, ast.FunctionDef]] = {}
    for name in names:
        function, _ = SWITCHES[name]
        file = function.__code__.co_filename
        if file not in files:
            files[file] = functions(Path(file))
        mutant = files[file][name.rpartition(".")[2]]
        plain = files[file][name.rpartition(".")[2].rpartition("__mutmut_")[0] + "__mutmut_orig"]
        first, last = changed_lines(plain, mutant)
        if first == plain.lineno:
            last = plain.end_lineno or plain.lineno
        # The written function stands above its copies, decorated: its lines are those that a trial is seen to run.
        # Both begin with their "def", and have the same lines below it.
        shift = _def_line(function) - plain.lineno
        found[name] = (file, first + shift, last + shift)
    return found


@functools.cache
def _source(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines()


def _def_line(function: FunctionType) -> int:
    """The line of "def": a code object begins at its first decorator."""
    lines = _source(function.__code__.co_filename)
    line = function.__code__.co_firstlineno
    while not lines[line - 1].lstrip().startswith("def "):
        line += 1
    return line


# -- trials ------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Trial:
    """Something that can tell a mutant from the rules."""

    name: str
    fails: Callable[[], bool]
    lines: set[tuple[str, int]] = field(default_factory=set)
    seconds: float = 0.0


def case_trials() -> Iterator[Trial]:
    """What is determined in each case, and who could be served in it: each has to give the answer that it gives now.

    That it is the one that is kept is for tests/rules/test_answers.py to say.
    """
    from tests.rules import answers  # noqa: PLC0415 -- as above

    from caretally.rules import determine  # noqa: PLC0415 -- the copies inside mutants/
    from caretally.rules.candidates import candidates  # noqa: PLC0415 -- as above

    def lines_of_candidates(found: Any) -> list[str]:
        return [f"candidates {answers._text(asdict(one))}" for one in found]  # noqa: SLF001 -- as it writes them

    for name, asked in answers.cases().items():
        question = asked()
        yield Trial(name=f"case {name}", fails=_differs(determine, question, answers.lines_of))
        yield Trial(name=f"candidates of {name}", fails=_differs(candidates, question, lines_of_candidates))


def _differs(
    decide: Callable[..., Any], question: tuple[Any, ...], lines_of: Callable[[Any], list[str]]
) -> Callable[[], bool]:
    """Whether a decision now reads differently; that of two equal objects does not."""
    found = decide(*question)
    object_then, text_then = _digest(repr(found)), _digest("\n".join(lines_of(found)))

    def fails() -> bool:
        now = decide(*question)
        return _digest(repr(now)) != object_then and _digest("\n".join(lines_of(now))) != text_then

    return fails


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_trials(items: list[pytest.Item]) -> Iterator[Trial]:
    """Every collected test."""
    from _pytest.runner import runtestprotocol  # noqa: PLC0415 -- pytest has no public name for it

    def fails_with(item: pytest.Item) -> Callable[[], bool]:
        def fails() -> bool:
            return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))

        return fails

    for item in items:
        yield Trial(name=f"test {item.nodeid}", fails=fails_with(item))


def observe(trial: Trial) -> None:
    """Runs a trial without a fault, and notes its lines and its time.

    Raises:
        SystemExit: it does not hold even so.
    """

    def on_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            trial.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, *_: Any) -> Any:
        return on_line if RULES in frame.f_code.co_filename else None

    begun = time.process_time()
    sys.settrace(on_call)
    try:
        failed = trial.fails()
    finally:
        sys.settrace(None)
    trial.seconds = time.process_time() - begun
    if failed:
        sys.exit(f"mutate: it does not hold without a fault: {trial.name}")


# -- one mutant after the other ----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Tries:
    """What is known while mutants are tried."""

    trials: list[Trial]
    by_line: dict[tuple[str, int], int]
    """The trials that run a line: the bits of a number, since a process is copied for each mutant."""
    places: dict[str, tuple[str, int, int]]
    finders: dict[str, str]
    """The trial that found a mutant in an earlier run, by what the mutant changes."""
    keys: dict[str, str]
    found_by: mmap.mmap
    only: dict[str, list[int]] = field(default_factory=dict)
    """The trials that are left for a mutant, where it has been compared."""
    powers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """How many mutants of a function each trial has found."""

    def relevant(self, mutant: str) -> set[int]:
        """The trials that run what a mutant changes."""
        file, first, last = self.places[mutant]
        bits = 0
        for line in range(first, last + 1):
            bits |= self.by_line.get((file, line), 0)
        return {index for index, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"}

    def order(self, mutant: str) -> list[int]:
        """The trials that run what a mutant changes, in the order in which they are tried."""
        relevant = set(self.only[mutant]) if mutant in self.only else self.relevant(mutant)
        power, last_finder = self.powers[function_of(mutant)], self.finders.get(self.keys[mutant])
        lot = random.Random(mutant)  # noqa: S311 -- an order, not a secret
        return sorted(
            sorted(relevant),
            key=lambda i: (
                self.trials[i].name != last_finder,
                -power[i],
                self.trials[i].seconds > 0.5,  # noqa: PLR2004 -- slow ones last
                lot.random(),
            ),
        )

    def attempt(self, place: int, mutant: str, limit: int | None) -> int:
        """In a child: tries a mutant; 1 when it is found, 0 when it survives, 2 when trials are left."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        order = self.order(mutant)
        activate(mutant)
        for index in order[:limit]:
            self.found_by[4 * place : 4 * place + 4] = struct.pack("i", index)
            signal.setitimer(signal.ITIMER_VIRTUAL, 1 + PATIENCE * self.trials[index].seconds)
            try:
                if self.trials[index].fails():
                    return 1
            except BaseException:  # noqa: BLE001 -- whatever a fault leads to, it was found
                return 1
        self.found_by[4 * place : 4 * place + 4] = struct.pack("i", -1)
        return 0 if limit is None or len(order) <= limit else 2


def function_of(mutant: str) -> str:
    """The function that a mutant changes."""
    return mutant.rpartition("__mutmut_")[0]


Result = dict[str, dict[str, Any]]


def try_all(tries: Tries, names: list[str], children: int, *, limit: bool) -> Result:
    """What became of each mutant: ``found`` (or ``time``: it did not end) by which trial, ``survived`` or ``left``."""
    running: dict[int, tuple[int, str]] = {}
    result: Result = {}
    states = {0: "survived", 1: "found", 2: "left", -signal.SIGVTALRM: "time"}

    def one_ends() -> None:
        pid, status, used = os.wait3(0)
        place, name = running.pop(pid)
        (index,) = struct.unpack("i", tries.found_by[4 * place : 4 * place + 4])
        state = states.get(os.waitstatus_to_exitcode(status), "found")
        trial = None if state in {"survived", "left"} else tries.trials[index].name
        result[name] = {"state": state, "trial": trial, "seconds": round(used.ru_utime + used.ru_stime, 3)}
        if trial is not None:
            tries.powers[function_of(name)][index] += 1
        if len(result) % 100 == 0 or len(result) == len(names):
            states_now = Counter(one["state"] for one in result.values())
            print(f"{len(result)} of {len(names)} tried: {dict(states_now)}", flush=True)

    for place, name in enumerate(names):
        while len(running) >= children:
            one_ends()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = tries.attempt(place, name, FIRST if limit and not changes(name) else None)
            finally:
                os._exit(code)
        running[pid] = (place, name)
    while running:
        one_ends()
    return result


def changes(mutant: str) -> bool:
    """Whether a mutant is of a module that changes what it was given, or cannot be compared."""
    function, _ = SWITCHES[mutant]
    return bool(function.__code__.co_freevars) or _changing_module(function.__code__.co_filename)


@functools.cache
def _changing_module(file: str) -> bool:
    tree = ast.parse("\n".join(_source(file)))
    named = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.endswith("__mutmut_orig")
    ]
    return any(changes_what_it_was_given(node) for node in named)


def compare_all(tries: Tries, names: list[str], children: int) -> tuple[dict[str, list[int]], float]:
    """In which of its trials each mutant differs from its function, and the time that it took to see it."""
    by_trial: dict[int, list[str]] = defaultdict(list)
    for name in names:
        for index in tries.relevant(name):
            by_trial[index].append(name)
    order = sorted(by_trial)
    random.Random(1).shuffle(order)  # noqa: S311 -- so that each child has as much to do
    pids = []
    for child in range(children):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                comparison = Comparison(SWITCHES)
                comparison.watch(names)
                for index in order[child::children]:
                    comparison.run(index, tries.trials[index].fails, by_trial[index])
                Path(f"differed-{child}.json").write_text(json.dumps(comparison.differed), encoding="utf-8")
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    seconds = 0.0
    for pid in pids:
        _, status, used = os.wait4(pid, 0)
        if status:
            sys.exit("mutate: the comparison failed")
        seconds += used.ru_utime + used.ru_stime
    found: dict[str, list[int]] = defaultdict(list)
    for child in range(children):
        for name, trials in json.loads(Path(f"differed-{child}.json").read_text(encoding="utf-8")).items():
            found[name] += trials
    return found, seconds


def tried(tries: Tries, names: list[str], children: int) -> Result:
    """What became of each mutant: ``found``, ``time`` or ``survived``."""
    result = try_all(tries, names, children, limit=True)
    left = [name for name, one in result.items() if one["state"] == "left"]
    differed, seconds = compare_all(tries, left, children)
    print(
        f"{len(left)} compared call by call, in {seconds:.0f} s; {sum(map(bool, differed.values()))} differ somewhere",
        flush=True,
    )
    for name in left:
        result[name]["seconds"] += seconds / len(left)
        result[name]["state"] = "survived"
    again = [name for name in left if differed.get(name)]
    # One that differed often was no longer compared: it has to be tried everywhere.
    tries.only = {name: differed[name] for name in again}
    last = try_all(tries, again, children, limit=False)
    often = [name for name in again if last[name]["state"] == "survived" and len(differed[name]) >= ENOUGH]
    tries.only = {}
    everywhere = try_all(tries, often, children, limit=False)
    for part in (last, everywhere):
        for name, one in part.items():
            result[name] = {**one, "seconds": round(one["seconds"] + result[name]["seconds"], 3)}
    return result


class Runner:
    """A plugin for pytest: collects the tests once, and tries the mutants instead of running them."""

    def __init__(self, children: int) -> None:
        self.children = children

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tries the mutants."""
        given = json.loads(Path("names.json").read_text(encoding="utf-8"))
        keys: dict[str, str] = given["keys"]
        register()
        trials = [*case_trials(), *test_trials(session.items)]
        begun = time.process_time()
        by_line: dict[tuple[str, int], int] = defaultdict(int)
        for index, trial in enumerate(trials):
            observe(trial)
            for line in trial.lines:
                by_line[line] |= 1 << index
            trial.lines.clear()
        told = f"{len(trials)} trials, {time.process_time() - begun:.0f} s to see what they run"
        print(f"{told}, {sum(t.seconds for t in trials):.0f} s in all", flush=True)
        for trial in sorted(trials, key=lambda t: -t.seconds)[:5]:
            print(f"  {trial.seconds:.1f} s {trial.name}", flush=True)
        tries = Tries(
            trials=trials,
            by_line=by_line,
            places=places(list(keys)),
            finders=given["finders"],
            keys=keys,
            found_by=mmap.mmap(-1, 4 * max(len(keys), 1)),
        )
        gc.collect()
        gc.freeze()
        result = tried(tries, list(keys), self.children)
        Path("result.json").write_text(json.dumps(result), encoding="utf-8")
        return True


def main() -> int:
    """Tries the mutants of names.json and writes result.json."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--children", type=int, required=True)
    given = asked.parse_args()
    from mutmut.mutation import trampoline  # noqa: PLC0415 -- before the rules are imported

    trampoline.wrap_in_trampoline = without_trampolines  # type: ignore[assignment]
    options = ["-q", "-s", "-p", "no:cacheprovider", "-m", "not prove", "--tb=no", "--assert=plain"]
    return int(pytest.main([*TESTS, *options], plugins=[Runner(given.children)]))


if __name__ == "__main__":
    sys.exit(main())
