"""The syntax tree of an expression. Every node knows the offset that an error about it should name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes share."""

    position: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant; `value` None is the empty collection ``{}``. `kind` is its FHIR type."""

    value: str | int | float | bool | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class This(Node):
    """``$this``, and the unwritten start of every path."""


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """``%name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """``source.name``; a path that starts with a name has This as its source."""

    source: Node
    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``source.name(arguments)``; `source` is This where nothing is written before the name."""

    source: Node
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Index(Node):
    """``source[index]``."""

    source: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-operand`` or ``+operand``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class TypeOperation(Node):
    """``operand is Type`` or ``operand as Type``."""

    operator: str
    operand: Node
    type_name: str
    type_position: int
