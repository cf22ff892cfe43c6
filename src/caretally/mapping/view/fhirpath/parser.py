"""Reads tokens into a syntax tree: precedence climbing over the operators of FHIRPath."""

from __future__ import annotations

from caretally.mapping.view.fhirpath.errors import ExpressionError
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
from caretally.mapping.view.fhirpath.tokens import Token, TokenKind, tokenize

DEEPEST_NESTING = 40
"""Brackets inside brackets; a bound on the parser's own recursion."""

_OPERATORS_BY_STRENGTH = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!="),
    ("<", "<=", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_STRENGTH = {name: strength for strength, names in enumerate(_OPERATORS_BY_STRENGTH) for name in names}
_TYPE_OPERATORS = ("is", "as")
_LITERAL_NAMES = {"true": True, "false": False}


def parse(expression: str) -> Node:
    """Return the syntax tree of `expression`.

    Raises:
        ExpressionError: with the offset of the first token that fits nowhere.
    """
    return _Parser(tokenize(expression)).whole()


def type_specifier(node: Node) -> str:
    """Return the type named by an argument such as ``Quantity``, ``FHIR.Quantity`` or ``System.String``.

    Raises:
        ExpressionError: `node` is anything but a bare type name.
    """
    match node:
        case Member(source=This(), name=name):
            return name
        case Member(source=Member(source=This(), name=("FHIR" | "System") as space), name=name):
            return name if space == "FHIR" else f"System.{name}"
        case _:
            raise ExpressionError("found an expression, wanted the name of a type", node.position)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.next = 0
        self.nesting = 0

    def whole(self) -> Node:
        if self.at_end():
            raise ExpressionError("found an empty expression, wanted a path", 0)
        node = self.expression()
        if not self.at_end():
            raise self.unexpected("an operator or the end of the expression")
        return node

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.token
        self.next += 1
        return token

    def at_end(self) -> bool:
        return self.token.kind is TokenKind.END

    def at(self, symbol: str) -> bool:
        return self.token.kind is TokenKind.SYMBOL and self.token.content == symbol

    def expect(self, symbol: str) -> None:
        if not self.at(symbol):
            raise self.unexpected(repr(symbol))
        self.next += 1

    def unexpected(self, wanted: str) -> ExpressionError:
        return ExpressionError(f"found {self.token.describe()}, wanted {wanted}", self.token.position)

    def expression(self, weakest: int = 0) -> Node:
        left = self.unary()
        while (strength := self.operator_strength()) is not None and strength >= weakest:
            operator = self.take()
            if operator.content in _TYPE_OPERATORS:
                position = self.token.position
                name = type_specifier(self.qualified_name())
                left = TypeOperation(operator.position, operator.content, left, name, position)
            else:
                left = Binary(operator.position, operator.content, left, self.expression(strength + 1))
        return left

    def operator_strength(self) -> int | None:
        if self.token.kind in (TokenKind.NAME, TokenKind.SYMBOL):
            return _STRENGTH.get(self.token.content)
        return None

    def qualified_name(self) -> Node:
        node: Node = This(self.token.position)
        while True:
            if self.token.kind not in (TokenKind.NAME, TokenKind.QUOTED_NAME):
                raise self.unexpected("the name of a type")
            node = Member(self.token.position, node, self.take().content)
            if not self.at("."):
                return node
            self.next += 1

    def unary(self) -> Node:
        if not (self.at("+") or self.at("-")):
            return self.postfix()
        sign = self.take()
        self.enter(sign)
        node = Unary(sign.position, sign.content, self.unary())
        self.nesting -= 1
        return node

    def postfix(self) -> Node:
        node = self.primary()
        while True:
            if self.at("."):
                self.next += 1
                node = self.step(node)
            elif self.at("["):
                bracket = self.take()
                self.enter(bracket)
                node = Index(bracket.position, node, self.expression())
                self.nesting -= 1
                self.expect("]")
            else:
                return node

    def step(self, source: Node) -> Node:
        """Read what may follow a dot, or begin a path: a name, or a function with its arguments."""
        if self.token.kind not in (TokenKind.NAME, TokenKind.QUOTED_NAME):
            raise self.unexpected("the name of an element or a function")
        name = self.take()
        if name.kind is TokenKind.QUOTED_NAME or not self.at("("):
            return Member(name.position, source, name.content)
        self.enter(self.take())
        arguments: list[Node] = []
        if not self.at(")"):
            arguments.append(self.expression())
            while self.at(","):
                self.next += 1
                arguments.append(self.expression())
        self.nesting -= 1
        self.expect(")")
        return Call(name.position, source, name.content, tuple(arguments))

    def primary(self) -> Node:
        token = self.token
        match token.kind:
            case TokenKind.NAME if token.content in _LITERAL_NAMES:
                self.next += 1
                return Literal(token.position, _LITERAL_NAMES[token.content], "boolean")
            case TokenKind.NAME | TokenKind.QUOTED_NAME:
                return self.step(This(token.position))
            case TokenKind.SYMBOL if token.content in ("(", "{"):
                return self.bracketed()
            case TokenKind.TEXT | TokenKind.NUMBER | TokenKind.MOMENT | TokenKind.VARIABLE | TokenKind.SPECIAL:
                self.next += 1
                return _constant(token)
            case _:
                raise self.unexpected("a path, a literal or '('")

    def bracketed(self) -> Node:
        opening = self.take()
        if opening.content == "{":
            self.expect("}")
            return Literal(opening.position, None, None)
        self.enter(opening)
        node = self.expression()
        self.nesting -= 1
        self.expect(")")
        return node

    def enter(self, token: Token) -> None:
        self.nesting += 1
        if self.nesting > DEEPEST_NESTING:
            raise ExpressionError(f"found more than {DEEPEST_NESTING} nested brackets, wanted fewer", token.position)


def _constant(token: Token) -> Node:
    match token.kind:
        case TokenKind.TEXT:
            return Literal(token.position, token.content, "string")
        case TokenKind.NUMBER:
            whole = "." not in token.content
            return Literal(
                token.position, int(token.content) if whole else float(token.content), "integer" if whole else "decimal"
            )
        case TokenKind.MOMENT:
            return _moment(token)
        case TokenKind.VARIABLE:
            return Variable(token.position, token.content)
        case _:
            if token.content != "this":
                raise ExpressionError(
                    f"found ${token.content}, wanted $this ($index and $total are not supported; see %rowIndex)",
                    token.position,
                )
            return This(token.position)


def _moment(token: Token) -> Literal:
    # Dates stay texts, as they are in FHIR JSON: comparison looks at the shape of both sides.
    value = token.content.removeprefix("T") if token.content.startswith("T") else token.content.removesuffix("T")
    temporal = parse_temporal(value)
    if temporal is None:
        raise ExpressionError(f"found @{token.content}, wanted a date or time that exists", token.position)
    kind = "dateTime" if "T" in token.content and temporal.kind == "date" else temporal.kind
    return Literal(token.position, value, kind)
