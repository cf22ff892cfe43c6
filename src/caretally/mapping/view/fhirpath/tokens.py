"""Cuts an expression into tokens that remember where they stood."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from caretally.mapping.view.fhirpath.errors import ExpressionError

LONGEST_EXPRESSION = 400
"""Tokens. Views need some dozens; the limit keeps a hostile file from exhausting the stack."""

_LONGEST_NUMBER = 18


class TokenKind(Enum):
    """What a token is."""

    NAME = "a name"
    QUOTED_NAME = "a quoted name"
    TEXT = "a text"
    NUMBER = "a number"
    MOMENT = "a date or time"
    VARIABLE = "a variable"
    SPECIAL = "a $ name"
    SYMBOL = "a symbol"
    END = "the end"


class Token(NamedTuple):
    """One token; `content` is the text without quotes, escapes and leading signs."""

    kind: TokenKind
    content: str
    position: int

    def describe(self) -> str:
        """Return how an error message names this token."""
        if self.kind is TokenKind.END:
            return "the end of the expression"
        return f"{self.kind.value} {self.content!r}" if self.kind is not TokenKind.SYMBOL else f"{self.content!r}"


_DATE = r"\d{4}(?:-\d{2}(?:-\d{2})?)?"
_TIME = r"\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_PATTERN = re.compile(
    rf"""
    (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<NUMBER>[0-9]+(?:\.[0-9]+)?)
  | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<QUOTED_NAME>`(?:[^`\\]|\\.)*`)
  | (?P<TEXT>'(?:[^'\\]|\\.)*')
  | (?P<MOMENT>@T{_TIME}|@{_DATE}(?:T(?:{_TIME}(?:Z|[+-]\d{{2}}:\d{{2}})?)?)?)
  | (?P<VARIABLE>%(?:[A-Za-z_][A-Za-z0-9_]*|`[^`]*`|'[^']*'))
  | (?P<SPECIAL>\$[A-Za-z]+)
  | (?P<SYMBOL><=|>=|!=|!~|[-+*&|<>=~.,()\[\]{{}}]|/(?!\*))
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"'": "'", '"': '"', "`": "`", "r": "\r", "n": "\n", "t": "\t", "f": "\f", "\\": "\\", "/": "/"}
_UNCLOSED = {
    "'": "a text without its closing quote",
    "`": "a quoted name without its closing backquote",
    "/": "a comment without its end",
    "@": "an unfinished date, wanted @YYYY-MM-DD, @YYYY-MM-DDThh:mm:ssZ or @Thh:mm:ss",
    "%": "a % without a name",
    "$": "a $ without a name",
}


def tokenize(expression: str) -> list[Token]:
    """Return the tokens of `expression`, the last one being the end.

    Raises:
        ExpressionError: a character that starts no token, or more tokens than allowed.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(expression):
        match = _PATTERN.match(expression, position)
        if match is None:
            character = expression[position]
            found = _UNCLOSED.get(character, f"{character!r}, which starts nothing in FHIRPath")
            raise ExpressionError(f"found {found}", position)
        if match.lastgroup != "blank":
            tokens.append(_token(TokenKind[str(match.lastgroup)], match.group(), position))
        if len(tokens) > LONGEST_EXPRESSION:
            raise ExpressionError(f"found more than {LONGEST_EXPRESSION} tokens, wanted a shorter expression", position)
        position = match.end()
    tokens.append(Token(TokenKind.END, "", position))
    return tokens


def _token(kind: TokenKind, raw: str, position: int) -> Token:
    if kind in (TokenKind.TEXT, TokenKind.QUOTED_NAME):
        return Token(kind, _unescape(raw[1:-1], position + 1), position)
    if kind is TokenKind.VARIABLE:
        return Token(kind, raw[1:].strip("`'"), position)
    if kind in (TokenKind.MOMENT, TokenKind.SPECIAL):
        return Token(kind, raw[1:], position)
    if kind is TokenKind.NUMBER and len(raw) > _LONGEST_NUMBER:
        raise ExpressionError(f"found a number of {len(raw)} characters, wanted at most {_LONGEST_NUMBER}", position)
    return Token(kind, raw, position)


def _unescape(raw: str, start: int) -> str:
    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED:
            wanted = ", ".join(f"\\{known}" for known in _ESCAPED)
            raise ExpressionError(
                f"found the escape {match.group()!r}, wanted {wanted} or \\uXXXX", start + match.start()
            )
        return _ESCAPED[escape]

    return _ESCAPE.sub(replace, raw)
