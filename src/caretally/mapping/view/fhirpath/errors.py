"""What can be wrong with an expression (found once, when it is compiled) and with its values (found per resource)."""

from __future__ import annotations


class ExpressionError(Exception):
    """An expression cannot be understood.

    Args:
        message: what was found and what was wanted.
        position: offset of the first wrong character, counted from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        self.message = message
        self.position = position
        super().__init__(f"offset {position}: {message}")


class EvaluationError(Exception):
    """The values of one resource cannot be used as the expression asks; the message never holds a value."""
