"""Resources become facts: the ViewDefinition engine and what is built upon it."""

from __future__ import annotations

from caretally.mapping.context import MappingContext
from caretally.mapping.patient import MappedPatient, map_patient
from caretally.mapping.practice import MappedPractice, map_practice
from caretally.mapping.view import CompiledView, RowError, ViewError, compile_view, evaluate

__all__ = [
    "CompiledView",
    "MappedPatient",
    "MappedPractice",
    "MappingContext",
    "RowError",
    "ViewError",
    "compile_view",
    "evaluate",
    "map_patient",
    "map_practice",
]
