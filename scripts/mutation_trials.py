"""Tries the mutants: started by scripts/mutate.py inside the folder that holds them.

A trial is a case of tests/rules/answers.py (what is determined, or who could be served) or a test beside them. First
all trials are run with the rules as they are, and each mutant is compared with its function, call by call
(scripts/mutation_comparison.py): that says which trials can tell it from the rules at all. Then these are run with the
mutant, until one of them finds it. It has survived when no trial can tell it, or when all that could have been run.

From an earlier run it is known which trial found a mutant: it is run first. What survived, is tried in new trials only,
as long as nothing else has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mutation_comparison import Comparison, out_of_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType

TESTS = (
    "tests/rules/test_boundaries.py",
    "tests/rules/test_candidates.py",
    "tests/rules/test_code_sets_by_date.py",
    "tests/rules/test_double_booking.py",
    "tests/rules/test_enrolment.py",
    "tests/rules/test_institutional.py",
    "tests/rules/test_other_tables.py",
    "tests/rules/test_paper.py",
    "tests/rules/test_payments.py",
    "tests/rules/test_pricing.py",
    "tests/rules/test_reasons.py",
    "tests/rules/test_risk_statements.py",
    "tests/rules/test_settled.py",
    "tests/rules/test_windows.py",
    "tests/rules/test_conditions.py",
    "tests/rules/test_trace.py::test_an_answer_is_json_without_help",
)
"""Tests beside the answers to the cases: what the rules say apart from an answer, and to the second."""
PATIENCE = 5.0
"""Seconds of the processor after which a trial is taken not to end, so that its mutant is found; most take a hundredth
of one."""
MEMORY = 4 << 30
ENOUGH = 3
"""Trials in which a mutant may differ, before it is tried in them; only one that they do not find is compared on."""

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


@contextlib.contextmanager
def in_place(mutant: str) -> Iterator[None]:
    """Puts one mutant in the place of its function, for a time."""
    function, mutants = SWITCHES[mutant]
    found = mutants[mutant.rpartition(".")[2]]
    found = getattr(found, "__func__", found)
    kept = function.__code__, function.__defaults__, function.__kwdefaults__
    function.__code__, function.__defaults__ = found.__code__, found.__defaults__
    function.__kwdefaults__ = found.__kwdefaults__
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = kept


def function_of(mutant: str) -> str:
    """The function that a mutant changes."""
    return mutant.rpartition("__mutmut_")[0]


def is_compared(mutant: str) -> bool:
    """Whether a mutant can be compared: its function needs nothing of the place where it was made."""
    function, _ = SWITCHES[mutant]
    return not function.__code__.co_freevars


# -- trials ------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Trial:
    """Something that can tell a mutant from the rules."""

    name: str
    identity: str
    """What it looks at: a trial with another one is another trial."""
    fails: Callable[[], bool]
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
        question = month, context = asked()
        identity = hashlib.sha256(f"{month!r} {context.policies!r} {context.practice!r}".encode()).hexdigest()
        for kind, decide, lines_of in (
            ("case", determine, answers.lines_of),
            ("candidates of", candidates, lines_of_candidates),
        ):
            fails = _differs(decide, question, lines_of)
            yield Trial(name=f"{kind} {name}", identity=f"{kind} {identity}", fails=fails)


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
        identity = f"{item.nodeid} {_digest(item.path.read_text(encoding='utf-8')).hex()}"
        yield Trial(name=f"test {item.nodeid}", identity=identity, fails=fails_with(item))


# -- one mutant after the other ----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Seen:
    """What comparing has shown: by mutant the trials in which it differs, by function the trials that call it."""

    differed: dict[str, list[int]] = field(default_factory=dict)
    called: dict[str, list[int]] = field(default_factory=dict)


def compare(trials: list[Trial], which: list[int], names: list[str], children: int, enough: int | None) -> Seen:
    """Runs some trials with the rules as they are, and compares mutants; each trial's time is noted."""

    def work(child: int, write: Callable[[object], None]) -> None:
        comparison = Comparison(SWITCHES, enough)
        for index in which[child::children]:
            begun = time.process_time()
            comparison.run(index, trials[index].fails, names)
            write({"trial": index, "seconds": time.process_time() - begun})
        write({"differed": comparison.differed, "called": comparison.called})

    seen = Seen(differed={name: [] for name in names}, called=defaultdict(list))
    for child in range(children):
        _in_a_process(f"compared-{child}.jsonl", partial(work, child))
    if not _all_end():
        sys.exit("mutate: the comparison failed")
    for child in range(children):
        for row in _rows(f"compared-{child}.jsonl"):
            if "trial" in row:
                trials[row["trial"]].seconds = row["seconds"]
                continue
            for name, found in row["differed"].items():
                seen.differed.setdefault(name, []).extend(found)
            for name, found in row["called"].items():
                seen.called[name].extend(found)
    return seen


def run_with(trials: list[Trial], which: dict[str, list[int]], children: int, told: str) -> dict[str, dict[str, Any]]:
    """Runs with each mutant the trials that are named for it, until one finds it.

    Args:
        trials: all of them.
        which: by mutant, the trials to run.
        children: processes at once.
        told: what is going on, for the lines that are printed.

    Returns:
        By mutant its state, the trial that found it, and the seconds that it took.
    """

    def work(names: list[str], write: Callable[[object], None]) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGVTALRM, out_of_time)
        powers: dict[str, Counter[int]] = defaultdict(Counter)
        for name in names:
            write({"begun": name})
            power, lot = powers[function_of(name)], random.Random(name)  # noqa: S311 -- an order, not a secret
            order = sorted(
                set(which[name]),
                key=lambda i: (-power[i], trials[i].seconds > 1, lot.random()),
            )
            begun = time.process_time()
            with in_place(name):
                state, index = _first_that_fails(trials, order)
            if index is not None:
                power[index] += 1
            trial = None if index is None else trials[index].name
            write({"name": name, "state": state, "trial": trial, "seconds": round(time.process_time() - begun, 3)})

    result: dict[str, dict[str, Any]] = {}
    left = list(which)
    while left:
        # Neighbours stay together: what finds one mutant of a function often finds the next.
        share = -(-len(left) // children)
        parts = [left[start : start + share] for start in range(0, len(left), share)]
        for child, names in enumerate(parts):
            _in_a_process(f"tried-{child}.jsonl", partial(work, names))
        _all_end()
        for child, _ in enumerate(parts):
            begun = None
            for row in _rows(f"tried-{child}.jsonl"):
                begun = row.get("begun")
                if begun is None:
                    result[row.pop("name")] = row
            if begun is not None:  # it took its process with it
                result[begun] = {"state": "found", "trial": None, "seconds": 0.0}
        left = [name for name in left if name not in result]
    states = Counter(one["state"] for one in result.values())
    used = sum(one["seconds"] for one in result.values())
    print(f"{told}: {len(which)} mutants, {dict(states)}, {used:.0f} s", flush=True)
    return result


def _first_that_fails(trials: list[Trial], order: list[int]) -> tuple[str, int | None]:
    for index in order:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            if trials[index].fails():
                return "found", index
        except TimeoutError:
            return "time", index
        except BaseException:  # noqa: BLE001 -- whatever a fault leads to, it was found
            return "found", index
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "survived", None


def _in_a_process(file: str, work: Callable[[Callable[[object], None]], None]) -> None:
    """Does some work in a forked process that writes lines of JSON."""
    pid = os.fork()
    if pid:
        return
    code = 1
    try:
        with Path(file).open("w", encoding="utf-8") as stream, Path(os.devnull).open("w", encoding="utf-8") as nowhere:

            def write(row: object) -> None:
                stream.write(json.dumps(row) + "\n")
                stream.flush()

            with contextlib.redirect_stdout(nowhere):
                work(write)
        code = 0
    except BaseException:  # noqa: BLE001 -- told by the parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _all_end() -> bool:
    """Waits for every forked process; whether all of them ended well."""
    well = True
    with contextlib.suppress(ChildProcessError):
        while True:
            _, status = os.wait()
            well = well and status == 0
    return well


def _rows(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


Result = dict[str, dict[str, Any]]


def tried(trials: list[Trial], names: list[str], given: dict[str, Any], children: int) -> Result:
    """What became of each mutant: ``found``, ``time`` (it did not end) or ``survived``.

    Args:
        trials: all of them.
        names: the mutants.
        given: their ``keys``, what they change; from earlier runs the ``finders`` by key, and in ``known`` the
            identities of ``trials`` in which the mutants with the keys ``survived`` could not be told from the rules.
        children: processes at once.
    """
    keys, known = given["keys"], given["known"]
    places = {trial.name: index for index, trial in enumerate(trials)}
    found_last = {n: [places[f]] for n in names if (f := given["finders"].get(keys[n])) in places}
    result = run_with(trials, found_last, children, "with the trial that found it last")
    rest = [name for name in names if result.get(name, {}).get("state", "survived") == "survived"]
    old, identities = set(known["survived"]), set(known["trials"])
    survivors = [name for name in rest if keys[name] in old]
    fresh = [index for index, trial in enumerate(trials) if trial.identity not in identities]
    for group, which in ((survivors, fresh), ([n for n in rest if keys[n] not in old], list(range(len(trials))))):
        result |= tried_in_rounds(trials, which, group, children)
        finders = {keys[n]: one["trial"] for n, one in result.items() if one["trial"] is not None}
        # A run that is broken off has not been for nothing.
        Path("finders.json").write_text(json.dumps(given["finders"] | finders), encoding="utf-8")
    return result


def tried_in_rounds(trials: list[Trial], which: list[int], names: list[str], children: int) -> Result:
    """What became of mutants in some of the trials, a part of these after the other."""
    result: Result = {}
    left, often = names, set[str]()
    for part in rounds(which):
        if not left:
            break
        result |= tried_in(trials, part, left, ENOUGH, children)
        left = [name for name in left if result[name]["state"] == "survived"]
        often |= {name for name in left if result[name]["differed"] >= ENOUGH}
    again = [name for name in left if name in often]
    # They differ so often that not every trial in which they do has been run.
    return result | tried_in(trials, which, again, None, children) if again else result


def rounds(which: list[int]) -> Iterator[list[int]]:
    """Parts of the trials, each much longer than the one before: most mutants are found in the first ones."""
    order = sorted(which)
    random.Random(1).shuffle(order)  # noqa: S311 -- an order, not a secret
    size = 60
    while order:
        yield order[:size]
        order, size = order[size:], 4 * size


def tried_in(trials: list[Trial], which: list[int], names: list[str], enough: int | None, children: int) -> Result:
    """What became of mutants in some of the trials: compared first, then run where they differ."""
    compared = [name for name in names if is_compared(name)]
    begun = os.times()
    seen = compare(trials, which, compared, children, enough)
    now = os.times()
    used = now.children_user + now.children_system - begun.children_user - begun.children_system
    told = f"{len(compared)} of {len(names)} mutants compared in {len(which)} trials"
    print(f"{told}: {sum(map(bool, seen.differed.values()))} differ, {used:.0f} s", flush=True)
    to_run = {n: seen.differed[n] if n in seen.differed else seen.called.get(function_of(n), []) for n in names}
    result = run_with(trials, to_run, children, "run")
    for name, one in result.items():
        one["seconds"] = round(one["seconds"] + used / len(names), 3)
        one["differed"] = len(to_run[name]) if name in seen.differed else 0
    return result


class Runner:
    """A plugin for pytest: collects the tests once, and tries the mutants instead of running them."""

    def __init__(self, children: int) -> None:
        self.children = children

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tries the mutants."""
        given = json.loads(Path("names.json").read_text(encoding="utf-8"))
        register()
        trials = [*case_trials(), *test_trials(session.items)]
        result = tried(trials, list(given["keys"]), given, self.children)
        known = {"result": result, "trials": [trial.identity for trial in trials]}
        Path("result.json").write_text(json.dumps(known), encoding="utf-8")
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
