"""Compares mutants with the function that they change, call by call: what a call never tells apart, no answer can.

The rules are pure: a function's result is all that its callers see of it. So, while a trial runs with the rules as they
are, each call of a function also goes to the mutants of that function, with the same arguments. A mutant whose results
were the same in every call of every trial survives; to run all trials with it would cost hundreds of times as much.
A mutant whose result differed says nothing yet: the trials in which it did are to be run with it. In doubt results
count as different. Where a function changes what it was given (time credit marks its pieces), a mutant gets a copy of
that as it was before the call, and what became of it is compared as well.
"""

from __future__ import annotations

import ast
import collections.abc
import copy
import dataclasses
import functools
import signal
from collections import defaultdict
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = (str, int, float, bool, bytes, type(None), date, time, timedelta, tzinfo, Enum, type)
SIMPLE = (str, int, bool, type(None), date, Enum)
CHANGING = frozenset(
    {"append", "add", "extend", "pop", "remove", "update", "setdefault", "insert", "clear", "discard", "sort"}
)
SECONDS = 1.0
"""For one call of a mutant; one that takes longer differs."""


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same to any reader; stricter than ``==``: 1 is not True, 1.0 not 1.00."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Decimal):
        return bool(one.as_tuple() == other.as_tuple())
    if isinstance(one, PLAIN):
        return bool(one == other)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return one == other and {type(x) for x in one} == {type(x) for x in other}
    return is_ours(one) and same(vars(one), vars(other))


def is_ours(value: object) -> bool:
    """Whether an object is one of the rules' own classes without declared fields."""
    return type(value).__module__.startswith("caretally.rules") and hasattr(value, "__dict__")


def copied(value: Any, known: dict[int, Any]) -> Any:
    """A copy of all that can change in what a function is given; what never changes stays the same object."""
    if isinstance(value, PLAIN) or is_frozen(value):
        return value
    if id(value) in known:
        return known[id(value)]
    made: Any = value
    if isinstance(value, tuple):
        made = tuple(copied(x, known) for x in value)
    elif isinstance(value, list):
        made = [copied(x, known) for x in value]
    elif isinstance(value, dict):
        made = copy.copy(value)
        made.update({key: copied(x, known) for key, x in value.items()})
    elif isinstance(value, set):
        made = set(value)
    elif dataclasses.is_dataclass(value):
        made = copy.copy(value)
        known[id(value)] = made
        for one in dataclasses.fields(value):
            setattr(made, one.name, copied(getattr(value, one.name), known))
    elif is_ours(value):
        made = object.__new__(type(value))
        known[id(value)] = made
        vars(made).update({name: copied(x, known) for name, x in vars(value).items()})
    known[id(value)] = made
    return made


def changes_what_it_was_given(function: ast.FunctionDef) -> bool:
    """Whether a function sets anything but its own names, as far as its text shows."""
    own = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(function):
        where = None
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            where = node.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            where = node.func.value
        if isinstance(node, ast.Global | ast.Nonlocal):
            return True
        while isinstance(where, ast.Call | ast.Attribute):
            where = where.func if isinstance(where, ast.Call) else where.value
        if where is not None and not (isinstance(where, ast.Name) and where.id in own):
            return True
    return False


def is_frozen(value: object) -> bool:
    """Whether an object never changes."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


@functools.cache
def changing(file: str) -> frozenset[str]:
    """The functions of a file (as mutmut names them) that change what they were given, and those that use these."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    functions = {
        node.name.removesuffix("__mutmut_orig"): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.endswith("__mutmut_orig")
    }
    plain = {name: name.rpartition("ǁ")[2] if "ǁ" in name else name.removeprefix("x_") for name in functions}
    found = {name for name, node in functions.items() if changes_what_it_was_given(node)}
    while True:
        said = {plain[name] for name in found}
        more = {
            name
            for name, node in functions.items()
            if name not in found
            and any(
                (isinstance(part, ast.Name) and part.id in said)
                or (isinstance(part, ast.Attribute) and part.attr in said)
                for part in ast.walk(node)
            )
        }
        if not more:
            return frozenset(found)
        found |= more


class Comparison:
    """The mutants that are compared, and where each differed.

    Attributes:
        differed: the trials in which a mutant's result was another.
        called: the trials that call a function.
    """

    def __init__(self, functions: dict[str, tuple[FunctionType, dict[str, Any]]], enough: int | None) -> None:
        """Watches every function that a mutant changes.

        Args:
            functions: by the name of a mutant, the function that it changes and the mutants of that function.
            enough: trials in which a mutant differed, before it is no longer compared; None: every one.
        """
        self.differed: dict[str, list[int]] = defaultdict(list)
        self.called: dict[str, list[int]] = defaultdict(list)
        self.enough = enough
        self.functions = functions
        self.plain: dict[str, FunctionType] = {}
        self.mutants: dict[str, Any] = {}
        self.alive: dict[str, list[str]] = {}
        self.pure: set[str] = set()
        self.known: dict[object, tuple[object, Any, bool]] = {}
        self.active: str | None = None
        self.active_key = ""
        self.index = -1
        signal.signal(signal.SIGVTALRM, out_of_time)
        for name, (function, mutants) in functions.items():
            found = mutants[name.rpartition(".")[2]]
            self.mutants[name] = getattr(found, "__func__", found)
            key = name.rpartition("__mutmut_")[0]
            if key not in self.plain and not function.__code__.co_freevars:
                self._watch(key, function)

    def _watch(self, key: str, function: FunctionType) -> None:
        """Send every call of a function through here."""
        self.plain[key] = copy_of(function)
        if key.rpartition(".")[2] not in changing(function.__code__.co_filename):
            self.pure.add(key)
        function.__globals__["_mutation_comparison"] = self
        text = f"def watched(*given, **named):\n    return _mutation_comparison.call({key!r}, given, named)\n"
        made: dict[str, Any] = {}
        exec(text, made)  # noqa: S102 -- a function that has no text but this
        function.__code__ = made["watched"].__code__
        function.__defaults__ = function.__kwdefaults__ = None

    def run(self, index: int, trial: Callable[[], bool], names: list[str]) -> None:
        """Runs a trial and compares these mutants in it.

        Raises:
            RuntimeError: the trial fails, though the rules are as they are.
        """
        self.known.clear()
        self.alive = defaultdict(list)
        for name in names:
            if self.enough is None or len(self.differed[name]) < self.enough:
                self.alive[name.rpartition("__mutmut_")[0]].append(name)
        self.index = index
        if trial():
            raise RuntimeError(f"the comparison disturbs trial {index}")

    def call(self, key: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call of a function that is compared: its result, after its mutants were asked, too."""
        asked = self._asked(key, given, named)
        if self.active is not None and key == self.active_key:
            return self.mutants[self.active](*given, **named)
        if asked in self.known:
            return self._again(asked)
        if self.active is not None:
            return self.plain[key](*given, **named)
        if not self.called[key] or self.called[key][-1] != self.index:
            self.called[key].append(self.index)
        given = tuple(tuple(x) if isinstance(x, collections.abc.Iterator) else x for x in given)
        named = {k: tuple(x) if isinstance(x, collections.abc.Iterator) else x for k, x in named.items()}
        return self._called(key, asked, given, named)

    def _again(self, asked: object) -> Any:
        _, result, steps = self.known[asked]
        if steps:
            return iter(result)
        return copy.copy(result) if isinstance(result, list | dict | set) else result

    def _called(self, key: str, asked: object, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        alive = self.alive.get(key, [])
        before = copied((given, named), {}) if alive and key not in self.pure else None
        try:
            result = self.plain[key](*given, **named)
        except Exception:
            for name in alive:
                self.differed[name].append(self.index)
            alive.clear()
            raise
        steps = isinstance(result, collections.abc.Iterator)
        if steps:
            result = list(result)
        for name in tuple(alive):
            theirs = (given, named) if before is None else copied(before, {})
            if not (self._agrees(key, name, theirs, result) and (before is None or same((given, named), theirs))):
                alive.remove(name)
                self.differed[name].append(self.index)
        if asked is None:
            return iter(result) if steps else result
        # What was given is kept, too: the identity of something that is gone could be given to something else.
        self.known[asked] = ((given, named), result, steps)
        return self._again(asked)

    def _asked(self, key: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...] | None:
        """A call, so that the same one need not be made twice in a trial; None where what was given may change."""
        if key not in self.pure:
            return None
        found: list[Any] = [key]
        for name, value in (*enumerate(given), *named.items()):
            if isinstance(value, SIMPLE):
                found.append((name, type(value), value))
            elif isinstance(value, tuple | frozenset) or is_frozen(value):
                found.append((name, id(value)))
            else:
                return None
        return tuple(found)

    def _agrees(self, key: str, name: str, theirs: tuple[Any, Any], result: Any) -> bool:
        self.active, self.active_key = name, key
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            found = self.mutants[name](*theirs[0], **theirs[1])
            if isinstance(found, collections.abc.Iterator):
                found = list(found)
        except TimeoutError:
            # Once is enough: it would take as long in every trial.
            self.differed[name] += [self.index] * ((self.enough or 1) - 1)
            return False
        except Exception:  # noqa: BLE001 -- the function itself gave a result
            return False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self.active = None
        return same(result, found)


def copy_of(function: FunctionType) -> FunctionType:
    """A function of its own with the same code."""
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def out_of_time(*_: object) -> None:
    """Ends what does not end by itself."""
    raise TimeoutError
