"""Turns a syntax tree into closures. Everything that can be decided without a resource is decided here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath import navigation
from caretally.mapping.view.fhirpath.compiled import THIS, Compiled, condition, constant
from caretally.mapping.view.fhirpath.errors import ExpressionError
from caretally.mapping.view.fhirpath.fhir_types import choice_key, is_type, is_untagged, type_test
from caretally.mapping.view.fhirpath.functions import build_call, extension_elements
from caretally.mapping.view.fhirpath.operators import CONDITIONS, OPERATORS, both, either, exists, negate
from caretally.mapping.view.fhirpath.parser import parse
from caretally.mapping.view.fhirpath.syntax import (
    Binary,
    Call,
    Index,
    Literal,
    Member,
    Node,
    This,
    TypeOperation,
    Unary,
    Variable,
)
from caretally.mapping.view.fhirpath.temporal import parse_temporal
from caretally.mapping.view.fhirpath.text_functions import whole_number
from caretally.mapping.view.fhirpath.values import Run, Scope, equal, is_empty, is_number, items

if TYPE_CHECKING:
    from collections.abc import Mapping

VOCABULARIES: Mapping[str, str] = {
    "loinc": "http://loinc.org",
    "sct": "http://snomed.info/sct",
    "ucum": "http://unitsofmeasure.org",
}
"""Variables that FHIRPath itself defines."""

_SCOPE_VARIABLES: Mapping[str, Compiled] = {
    "rowIndex": Compiled(run=lambda _focus, scope: scope.row_index, kind="integer"),
    "resource": Compiled(run=lambda _focus, scope: scope.resource),
    "context": Compiled(run=lambda _focus, scope: scope.context),
}

RESERVED_NAMES = frozenset({*VOCABULARIES, *_SCOPE_VARIABLES, "rootResource"})
"""Names that a view's own constants may not take."""


def compile_expression(
    expression: str, constants: Mapping[str, tuple[Any, str]], resource_type: str
) -> tuple[Compiled, Node]:
    """Return the compiled expression and its syntax tree.

    Args:
        expression: the FHIRPath text.
        constants: value and FHIR type of each ``%name``.
        resource_type: type of the resource at the root, which a path may begin with.

    Raises:
        ExpressionError: what was found, what was wanted and at which offset.
    """
    tree = parse(expression)
    return _Compiler(constants, resource_type).compile(tree), tree


class _Compiler:
    def __init__(self, constants: Mapping[str, tuple[Any, str]], resource_type: str) -> None:
        self.constants = constants
        self.resource_type = resource_type

    def compile(self, node: Node) -> Compiled:
        match node:
            case Literal(value=value, kind=kind):
                return constant(value, kind)
            case This():
                return THIS
            case Variable():
                return self._variable(node)
            case Member():
                return self._member(node)
            case Call():
                return build_call(self, node)
            case Index():
                return self._index(node)
            case Unary():
                return self._unary(node)
            case TypeOperation():
                decide = self.has_type if node.operator == "is" else self.typed
                return decide(node.operand, node.type_name, node.type_position)
            case Binary():
                return self._binary(node)
        raise TypeError(type(node))

    def _variable(self, node: Variable) -> Compiled:
        if node.name in self.constants:
            return constant(*self.constants[node.name])
        if node.name in VOCABULARIES:
            return constant(VOCABULARIES[node.name], "uri")
        if node.name in _SCOPE_VARIABLES:
            return _SCOPE_VARIABLES[node.name]
        known = ", ".join(f"%{name}" for name in (*self.constants, *_SCOPE_VARIABLES, *VOCABULARIES))
        raise ExpressionError(f"found %{node.name}, which is not defined; wanted one of {known}", node.position)

    def _member(self, node: Member) -> Compiled:
        names: list[str] = []
        start: Node = node
        while isinstance(start, Member):
            if start.name == "extension" and isinstance(start.source, Member):
                break
            names.insert(0, start.name)
            start = start.source
        if isinstance(start, Member):
            source: Compiled | None = Compiled(run=extension_elements(self, start.source))
        elif isinstance(start, This):
            source = None
            if names[0][:1].isupper():
                source = self._anchor(names.pop(0), start.position)
        else:
            source = self.compile(start)
        if not names:
            return source or THIS
        return Compiled(run=navigation.path(source, tuple(names)))

    def _anchor(self, name: str, position: int) -> Compiled:
        """A path may begin with the type of the resource: ``Patient.name``."""
        if name != self.resource_type:
            raise ExpressionError(f"found {name!r}, wanted the name of an element or {self.resource_type!r}", position)
        is_resource = type_test(name)
        return Compiled(run=lambda focus, _scope: focus if is_resource(focus) else None, kind=name)

    def _index(self, node: Index) -> Compiled:
        source, index = self.compile(node.source), self.compile(node.index)
        start, at = source.run, index.run
        if index.is_constant and type(index.constant) is not int:
            raise ExpressionError("found no integer, wanted an index such as [0]", node.index.position)

        def run(focus: Any, scope: Scope) -> Any:
            number = whole_number(at(focus, scope))
            found = items(start(focus, scope))
            return found[number] if number is not None and 0 <= number < len(found) else None

        return Compiled(run=run, kind=source.kind)

    def _unary(self, node: Unary) -> Compiled:
        operand = self.compile(node.operand)
        if operand.is_constant and not is_number(operand.constant):
            raise ExpressionError(f"found no number after {node.operator!r}, wanted one", node.operand.position)
        if node.operator == "+":
            return operand
        if operand.is_constant:
            return constant(negate(operand.constant), operand.kind)
        run = operand.run
        return Compiled(run=lambda focus, scope: negate(run(focus, scope)), kind=operand.kind)

    def _binary(self, node: Binary) -> Compiled:
        left, right = self.compile(node.left), self.compile(node.right)
        if node.operator in _LOGIC:
            return Compiled(
                run=_LOGIC[node.operator](condition(left), condition(right)), kind="boolean", is_condition=True
            )
        if node.operator == "=" and type(right.constant) is str and parse_temporal(right.constant) is None:
            return Compiled(run=_equals_text(left.run, right.constant), kind="boolean", is_condition=True)
        operator, first, second = OPERATORS[node.operator], left.run, right.run
        is_condition = node.operator in CONDITIONS
        return Compiled(
            run=lambda focus, scope: operator(first(focus, scope), second(focus, scope)),
            kind="boolean" if is_condition else None,
            is_condition=is_condition,
        )

    def typed(self, operand: Node, type_name: str, position: int) -> Compiled:
        """Return ``operand.ofType(type_name)``."""
        if not is_type(type_name):
            raise ExpressionError(f"found {type_name!r}, wanted a type of FHIR R4 such as Quantity", position)
        test = type_test(type_name)
        if isinstance(operand, Member) and "." not in type_name:
            owner = self.compile(operand.source)
            run = navigation.typed_element(owner, choice_key(operand.name, type_name), operand.name, test)
            return Compiled(run=run, kind=type_name)
        if is_untagged(type_name):
            raise ExpressionError(
                f"found {type_name} after something else than an element, wanted it right after the element's name, "
                f"as in value.ofType({type_name}).first(): JSON keeps the type of an element in its name only",
                position,
            )
        start = self.compile(operand).run

        def run_filter(focus: Any, scope: Scope) -> Any:
            value = start(focus, scope)
            if type(value) is list:
                return [item for item in value if test(item)]
            return value if test(value) else None

        return Compiled(run=run_filter, kind=type_name)

    def has_type(self, operand: Node, type_name: str, position: int) -> Compiled:
        """Return ``operand is type_name``."""
        typed, whole = self.typed(operand, type_name, position).run, self.compile(operand).run

        def run(focus: Any, scope: Scope) -> Any:
            return None if is_empty(whole(focus, scope)) else exists(typed(focus, scope))

        return Compiled(run=run, kind="boolean", is_condition=True)


def _and(left: Run, right: Run) -> Run:
    def run(focus: Any, scope: Scope) -> bool | None:
        first = left(focus, scope)
        return False if first is False else both(first, right(focus, scope))

    return run


def _or(left: Run, right: Run) -> Run:
    def run(focus: Any, scope: Scope) -> bool | None:
        first = left(focus, scope)
        return True if first is True else either(first, right(focus, scope))

    return run


def _implies(left: Run, right: Run) -> Run:
    def run(focus: Any, scope: Scope) -> bool | None:
        first = left(focus, scope)
        return True if first is False else either(None if first is None else not first, right(focus, scope))

    return run


_LOGIC = {"and": _and, "or": _or, "implies": _implies}


def _equals_text(left: Run, text: str) -> Run:
    # The usual criterion, system = '…', against a text that is no date: one comparison of two str.
    def run(focus: Any, scope: Scope) -> bool | None:
        value = left(focus, scope)
        if type(value) is str:
            return value == text
        return None if value is None else equal(value, text)

    return run
