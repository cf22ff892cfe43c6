"""Compares mutants with the function that they change, call by call: what a call never tells apart, no answer can.

The rules are pure: a function's result is all that its callers see of it. So, while a trial runs with the rules as they
are, each call of a function also goes to the mutants of that function, with the same arguments. A mutant whose results
were the same in every call of every trial survives; it would cost hundreds of times as much to run all trials with it.
A mutant whose result differed once says nothing yet: the trials in which it did are to be run with it. In doubt, and
in a module that changes what it was given (time credit marks its pieces), results count as different.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import signal
from collections import defaultdict
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = (str, int, float, bool, bytes, type(None), date, time, timedelta, tzinfo, Enum, type)
CHANGING = frozenset(
    {"append", "add", "extend", "pop", "remove", "update", "setdefault", "insert", "clear", "discard", "sort"}
)
ENOUGH = 20
"""Trials in which a mutant differed, before it is no longer compared."""
SECONDS = 5.0
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
    return False


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


class Comparison:
    """The mutants that are compared, and where each differed.

    Attributes:
        differed: the trials in which a mutant's result was another.
    """

    def __init__(self, functions: dict[str, tuple[FunctionType, dict[str, Any]]]) -> None:
        """Takes, by the name of a mutant, the function that it changes and the mutants of that function."""
        self.differed: dict[str, list[int]] = defaultdict(list)
        self.functions = functions
        self.plain: dict[str, FunctionType] = {}
        self.mutants: dict[str, Any] = {}
        self.alive: dict[str, list[str]] = {}
        self.active: str | None = None
        self.active_key = ""
        self.index = -1
        signal.signal(signal.SIGVTALRM, _out_of_time)

    def watch(self, names: list[str]) -> None:
        """Sends every call of the functions that these mutants change through here."""
        for name in names:
            function, mutants = self.functions[name]
            found = mutants[name.rpartition(".")[2]]
            self.mutants[name] = getattr(found, "__func__", found)
            key = f"{function.__module__}.{function.__qualname__}"
            if key in self.plain:
                continue
            self.plain[key] = _copy(function)
            scope = function.__globals__
            scope["_mutation_comparison"] = self
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
        self.alive = defaultdict(list)
        for name in names:
            if len(self.differed[name]) < ENOUGH:
                function, _ = self.functions[name]
                self.alive[f"{function.__module__}.{function.__qualname__}"].append(name)
        self.index = index
        if trial():
            raise RuntimeError(f"the comparison disturbs trial {index}")

    def call(self, key: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call of a function that is compared: its result, after its mutants were asked, too."""
        if self.active is not None:
            function, mutant = self.plain[key], self.mutants[self.active]
            mine = key == self.active_key
            return (mutant if mine else function)(*given, **named)
        alive = self.alive.get(key)
        if not alive:
            return self.plain[key](*given, **named)
        given = tuple(tuple(x) if isinstance(x, collections.abc.Iterator) else x for x in given)
        named = {k: tuple(x) if isinstance(x, collections.abc.Iterator) else x for k, x in named.items()}
        result = self.plain[key](*given, **named)
        steps = isinstance(result, collections.abc.Iterator)
        if steps:
            result = list(result)
        for name in tuple(alive):
            if not self._agrees(key, name, given, named, result):
                alive.remove(name)
                self.differed[name].append(self.index)
        return iter(result) if steps else result

    def _agrees(self, key: str, name: str, given: tuple[Any, ...], named: dict[str, Any], result: Any) -> bool:
        self.active, self.active_key = name, key
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            found = self.mutants[name](*given, **named)
            if isinstance(found, collections.abc.Iterator):
                found = list(found)
        except Exception:  # noqa: BLE001 -- the function itself gave a result
            return False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self.active = None
        return same(result, found)


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _out_of_time(*_: object) -> None:
    raise TimeoutError
