"""What compiling an expression gives: a closure, and what is known of its result without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from caretally.mapping.view.fhirpath.values import Run, Scope, truth


class _NotConstant:
    """Marks that a value depends on the resource (None is a constant: the empty collection)."""


NOT_CONSTANT: Final = _NotConstant()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A compiled expression."""

    run: Run
    kind: str | None = None
    """The FHIR type of the result where the expression alone shows it."""
    is_condition: bool = False
    """Whether `run` gives True, False or None and nothing else."""
    constant: Any = NOT_CONSTANT
    """The value, if it is the same for every resource."""

    @property
    def is_constant(self) -> bool:
        """Whether the value is the same for every resource."""
        return self.constant is not NOT_CONSTANT


def this(focus: Any, _scope: Scope) -> Any:
    """Return the focus itself: ``$this``."""
    return focus


THIS = Compiled(run=this)


def constant(value: Any, kind: str | None) -> Compiled:
    """Return an expression that always gives `value`."""
    return Compiled(
        run=lambda _focus, _scope: value, kind=kind, constant=value, is_condition=value is None or type(value) is bool
    )


def condition(compiled: Compiled) -> Run:
    """Return the expression as a condition, which gives True, False or None and nothing else."""
    run = compiled.run
    if compiled.is_condition:
        return run
    return lambda focus, scope: truth(run(focus, scope))
