"""The functions of the subset: their names, how many arguments they take, and how each is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from caretally.mapping.view.fhirpath import navigation, text_functions
from caretally.mapping.view.fhirpath.boundaries import boundary
from caretally.mapping.view.fhirpath.compiled import Compiled, condition
from caretally.mapping.view.fhirpath.errors import EvaluationError, ExpressionError
from caretally.mapping.view.fhirpath.fhir_types import RESOURCE_TYPES
from caretally.mapping.view.fhirpath.operators import OPERATORS, exists, negation
from caretally.mapping.view.fhirpath.parser import type_specifier
from caretally.mapping.view.fhirpath.syntax import Call, Member, Node
from caretally.mapping.view.fhirpath.text_functions import over_texts, whole_number
from caretally.mapping.view.fhirpath.values import (
    Run,
    Scope,
    collection,
    distinct,
    is_empty,
    items,
    single,
)


class CompilesNodes(Protocol):
    """The part of the compiler that functions need for their arguments."""

    def compile(self, node: Node) -> Compiled:
        """Return the compiled node."""

    def typed(self, operand: Node, type_name: str, position: int) -> Compiled:
        """Return those items of the operand that are of a type."""

    def has_type(self, operand: Node, type_name: str, position: int) -> Compiled:
        """Return whether the operand is of a type."""


Build = Callable[[CompilesNodes, Call], Compiled]


@dataclass(frozen=True, slots=True)
class Function:
    """One function: how it is compiled, and its least and greatest number of arguments."""

    build: Build
    least: int = 0
    most: int = 0


def _plain(
    function: Callable[..., Any],
    least: int = 0,
    most: int | None = None,
    *,
    kind: str | None = None,
    keeps: bool = False,
) -> Function:
    """A function of collections. `keeps`: the items keep the type of the input."""

    def build(compiler: CompilesNodes, call: Call) -> Compiled:
        source = compiler.compile(call.source)
        start = source.run
        arguments = tuple(compiler.compile(argument).run for argument in call.arguments)
        result_kind = source.kind if keeps else kind
        if not arguments:

            def run(focus: Any, scope: Scope) -> Any:
                return function(start(focus, scope))

        else:

            def run(focus: Any, scope: Scope) -> Any:
                return function(start(focus, scope), *[argument(focus, scope) for argument in arguments])

        return Compiled(run=run, kind=result_kind, is_condition=result_kind == "boolean" and not keeps)

    return Function(build, least, least if most is None else most)


def _first(value: Any) -> Any:
    if type(value) is list:
        return value[0] if value else None
    return value


def _last(value: Any) -> Any:
    if type(value) is list:
        return value[-1] if value else None
    return value


def _skip(value: Any, count: Any) -> Any:
    number = whole_number(count)
    return None if number is None else collection(items(value)[max(number, 0) :])


def _take(value: Any, count: Any) -> Any:
    number = whole_number(count)
    return None if number is None else collection(items(value)[: max(number, 0)])


def _has_value(value: Any) -> bool:
    found = items(value)
    return len(found) == 1 and type(found[0]) in (str, int, float, Decimal, bool)


def _filter(compiler: CompilesNodes, call: Call) -> Compiled:
    source = compiler.compile(call.source)
    start, holds = source.run, condition(compiler.compile(call.arguments[0]))

    def run(focus: Any, scope: Scope) -> Any:
        value = start(focus, scope)
        if type(value) is list:
            return [item for item in value if holds(item, scope) is True]
        return value if value is not None and holds(value, scope) is True else None

    return Compiled(run=run, kind=source.kind)


def _exists(compiler: CompilesNodes, call: Call) -> Compiled:
    found = (_filter(compiler, call) if call.arguments else compiler.compile(call.source)).run
    return Compiled(run=lambda focus, scope: exists(found(focus, scope)), kind="boolean", is_condition=True)


def _all(compiler: CompilesNodes, call: Call) -> Compiled:
    start, holds = compiler.compile(call.source).run, condition(compiler.compile(call.arguments[0]))
    return Compiled(
        run=lambda focus, scope: all(holds(item, scope) is True for item in items(start(focus, scope))),
        kind="boolean",
        is_condition=True,
    )


def _select(compiler: CompilesNodes, call: Call) -> Compiled:
    start, projection = compiler.compile(call.source).run, compiler.compile(call.arguments[0])
    project = projection.run

    def run(focus: Any, scope: Scope) -> Any:
        found: list[Any] = []
        for item in items(start(focus, scope)):
            found.extend(items(project(item, scope)))
        return collection(found)

    return Compiled(run=run, kind=projection.kind)


def _conditional(compiler: CompilesNodes, call: Call) -> Compiled:
    start = compiler.compile(call.source).run
    holds = condition(compiler.compile(call.arguments[0]))
    branches = [compiler.compile(argument) for argument in call.arguments[1:]]
    then = branches[0].run
    otherwise = branches[1].run if len(branches) > 1 else None

    def run(focus: Any, scope: Scope) -> Any:
        subject = single(start(focus, scope))
        if holds(subject, scope) is True:
            return then(subject, scope)
        return otherwise(subject, scope) if otherwise is not None else None

    kinds = {branch.kind for branch in branches}
    return Compiled(run=run, kind=kinds.pop() if len(kinds) == 1 else None)


def _of_type(compiler: CompilesNodes, call: Call) -> Compiled:
    argument = call.arguments[0]
    return compiler.typed(call.source, type_specifier(argument), argument.position)


def _is(compiler: CompilesNodes, call: Call) -> Compiled:
    argument = call.arguments[0]
    return compiler.has_type(call.source, type_specifier(argument), argument.position)


def _extension(compiler: CompilesNodes, call: Call) -> Compiled:
    url = compiler.compile(call.arguments[0])
    if url.is_constant and type(url.constant) is not str:
        raise ExpressionError("found no text, wanted the url of an extension", call.arguments[0].position)
    return Compiled(run=navigation.with_url(extension_elements(compiler, call.source), url.run), kind="Extension")


def extension_elements(compiler: CompilesNodes, source: Node) -> Run:
    """Return ``source.extension``; that of a primitive element stands beside it in JSON, under ``_element``."""
    if isinstance(source, Member):
        return navigation.primitive_extensions(compiler.compile(source.source), source.name)
    return navigation.extensions(compiler.compile(source))


def _resource_key(compiler: CompilesNodes, call: Call) -> Compiled:
    return Compiled(run=navigation.resource_key(compiler.compile(call.source)), kind="id")


def _reference_key(compiler: CompilesNodes, call: Call) -> Compiled:
    resource_type = None
    if call.arguments:
        argument = call.arguments[0]
        resource_type = type_specifier(argument)
        if resource_type not in RESOURCE_TYPES:
            raise ExpressionError(
                f"found {resource_type!r}, wanted a resource type of FHIR such as Patient", argument.position
            )
    return Compiled(run=navigation.reference_key(compiler.compile(call.source), resource_type), kind="id")


def _boundary(*, low: bool) -> Function:
    def build(compiler: CompilesNodes, call: Call) -> Compiled:
        source = compiler.compile(call.source)
        return Compiled(run=boundary(source, low=low), kind=source.kind)

    return Function(build)


def _pattern(function: Callable[..., Any], arguments: int, kind: str) -> Function:
    plain = _plain(over_texts(function), arguments, kind=kind)

    def build(compiler: CompilesNodes, call: Call) -> Compiled:
        pattern = compiler.compile(call.arguments[0])
        if type(pattern.constant) is str:
            try:
                text_functions.expression(pattern.constant)
            except EvaluationError as error:
                raise ExpressionError(str(error), call.arguments[0].position) from None
        return plain.build(compiler, call)

    return Function(build, arguments, arguments)


FUNCTIONS: Mapping[str, Function] = {
    "all": Function(_all, 1, 1),
    "as": Function(_of_type, 1, 1),
    "combine": _plain(lambda left, right: collection([*items(left), *items(right)]), 1),
    "contains": _plain(over_texts(lambda text, part: part in text), 1, kind="boolean"),
    "count": _plain(lambda value: len(items(value)), kind="integer"),
    "distinct": _plain(lambda value: collection(distinct(items(value))), keeps=True),
    "empty": _plain(is_empty, kind="boolean"),
    "endsWith": _plain(over_texts(str.endswith), 1, kind="boolean"),
    "exists": Function(_exists, 0, 1),
    "extension": Function(_extension, 1, 1),
    "first": _plain(_first, keeps=True),
    "getReferenceKey": Function(_reference_key, 0, 1),
    "getResourceKey": Function(_resource_key),
    "hasValue": _plain(_has_value, kind="boolean"),
    "highBoundary": _boundary(low=False),
    "iif": Function(_conditional, 2, 3),
    "indexOf": _plain(over_texts(str.find), 1, kind="integer"),
    "is": Function(_is, 1, 1),
    "join": _plain(text_functions.join, 0, 1, kind="string"),
    "last": _plain(_last, keeps=True),
    "length": _plain(over_texts(len), kind="integer"),
    "lowBoundary": _boundary(low=True),
    "lower": _plain(over_texts(str.lower), kind="string"),
    "matches": _pattern(text_functions.matches, 1, "boolean"),
    "not": _plain(negation, kind="boolean"),
    "ofType": Function(_of_type, 1, 1),
    "replace": _plain(over_texts(str.replace), 2, kind="string"),
    "replaceMatches": _pattern(text_functions.replace_matches, 2, "string"),
    "select": Function(_select, 1, 1),
    "single": _plain(single, keeps=True),
    "skip": _plain(_skip, 1, keeps=True),
    "split": _plain(over_texts(text_functions.split), 1, kind="string"),
    "startsWith": _plain(over_texts(str.startswith), 1, kind="boolean"),
    "substring": _plain(text_functions.substring, 1, 2, kind="string"),
    "tail": _plain(lambda value: collection(items(value)[1:]), keeps=True),
    "take": _plain(_take, 1, keeps=True),
    "toBoolean": _plain(text_functions.to_boolean, kind="boolean"),
    "toDecimal": _plain(text_functions.to_decimal, kind="decimal"),
    "toInteger": _plain(text_functions.to_integer, kind="integer"),
    "toString": _plain(text_functions.to_text, kind="string"),
    "trim": _plain(over_texts(str.strip), kind="string"),
    "union": _plain(OPERATORS["|"], 1),
    "upper": _plain(over_texts(str.upper), kind="string"),
    "where": Function(_filter, 1, 1),
}

_REFUSED = {
    **dict.fromkeys(("now", "today", "timeOfDay"), "a view must give the same rows on every day"),
    "resolve": "a view sees one resource; use getReferenceKey() and join the tables",
    **dict.fromkeys(("memberOf", "subsumes", "subsumedBy"), "a view asks no terminology server; give the codes"),
    **dict.fromkeys(("repeat", "children", "descendants"), "use the repeat element of a select"),
}


def build_call(compiler: CompilesNodes, call: Call) -> Compiled:
    """Return a compiled function call.

    Raises:
        ExpressionError: an unknown function or a wrong number of arguments, with the offset of its name.
    """
    if call.name in _REFUSED:
        raise ExpressionError(f"found {call.name}(), which is not supported: {_REFUSED[call.name]}", call.position)
    function = FUNCTIONS.get(call.name)
    if function is None:
        raise ExpressionError(f"found the function {call.name}(), wanted one of {', '.join(FUNCTIONS)}", call.position)
    count = len(call.arguments)
    if not function.least <= count <= function.most:
        wanted = str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
        raise ExpressionError(f"found {call.name}() with {count} arguments, wanted {wanted}", call.position)
    return function.build(compiler, call)
