"""Reads the parts of a ViewDefinition and names the place of everything that is wrong in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.errors import ViewError
from caretally.mapping.view.fhirpath.compiler import compile_expression
from caretally.mapping.view.fhirpath.errors import ExpressionError
from caretally.mapping.view.fhirpath.values import describe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from caretally.mapping.view.fhirpath.compiled import Compiled
    from caretally.mapping.view.fhirpath.syntax import Node

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
"""Names of views, columns and constants: usable in every database."""

_ANYWHERE = ("id", "extension", "modifierExtension")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What is the same for all parts of one view."""

    source: str | None
    resource: str = ""
    constants: Mapping[str, tuple[Any, str]] = field(default_factory=dict)

    def error(self, place: str, message: str, *, position: int | None = None) -> ViewError:
        """Return the error that names file, place and position."""
        return ViewError(message, file=self.source, where=place or None, position=position)

    def require(self, holds: bool, place: str, message: str) -> None:
        """Raise the error unless the condition holds."""
        if not holds:
            raise self.error(place, message)

    def only_keys(
        self, part: Mapping[str, Any], place: str, known: Collection[str], also: Collection[str] = ()
    ) -> None:
        """Raise the error for a key that the specification does not have: most likely a slip of the pen.

        `also` are keys that are right, but too many to be named in the error.
        """
        for key in part:
            if key not in known and key not in also and key not in _ANYWHERE and not key.startswith("_"):
                raise self.error(place, f"found the key {key!r}, wanted one of {', '.join(known)}")

    def objects(self, part: Mapping[str, Any], key: str, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield place and object of each entry of a list; nothing where the key is missing."""
        entries = part.get(key)
        if entries is None:
            return
        here = f"{place}.{key}" if place else key
        if not isinstance(entries, list):
            raise self.error(here, f"found {describe(entries)}, wanted a list")
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self.error(f"{here}[{number}]", f"found {describe(entry)}, wanted an object")
            yield f"{here}[{number}]", entry

    def expression(
        self, part: Mapping[str, Any], key: str, place: str, *, column: str | None = None
    ) -> tuple[Compiled, Node]:
        """Return the compiled expression under a key, and its tree."""
        return self.compile(part.get(key), f"{place}.{key}", column=column)

    def compile(self, expression: Any, place: str, *, column: str | None = None) -> tuple[Compiled, Node]:
        """Return a compiled expression, and its tree."""
        label = f'column "{column}" ({place})' if column else place
        if not isinstance(expression, str):
            raise self.error(label, f"found {describe(expression)}, wanted a FHIRPath expression as a text")
        try:
            return compile_expression(expression, self.constants, self.resource)
        except ExpressionError as error:
            raise self.error(label, f"{error.message}, in {expression!r}", position=error.position) from None
