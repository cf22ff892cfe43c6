"""Errors of views: of the view itself (ViewError, ends the command) and of one resource (RowError, an issue row)."""

from __future__ import annotations

from caretally.errors import TableError


class ViewError(TableError):
    """A ViewDefinition is wrong.

    Args:
        message: what was found and what is wanted.
        file: name of the file as the user knows it.
        where: column and place inside the view, for example ``column "start" (select[0].column[2].path)``.
        position: offset of the fault in the FHIRPath expression, counted from 0; None if it is not in one.
    """

    def __init__(
        self, message: str, *, file: str | None = None, where: str | None = None, position: int | None = None
    ) -> None:
        self.position = position
        parts = [where] if where else []
        if position is not None:
            parts.append(f"offset {position}")
        super().__init__(message, file=file, where=", ".join(parts) or None)


class RowError(Exception):
    """One resource does not fit the view; the others are not concerned. The message never holds a value.

    Args:
        message: what was found and what is wanted.
        column: name of the column, or the place of the path (``where[0].path``, ``select[1].forEach``).
        reference: the resource, such as ``Encounter/e1``; None if it has no usable id.
        view: name or file of the view.
    """

    def __init__(self, message: str, *, column: str, reference: str | None = None, view: str | None = None) -> None:
        self.message = message
        self.column = column
        self.reference = reference
        self.view = view
        super().__init__(f"{view}, {column}: {message}" if view else f"{column}: {message}")
