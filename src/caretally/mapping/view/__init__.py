"""SQL-on-FHIR v2 ViewDefinitions: from one resource to its rows."""

from __future__ import annotations

from caretally.mapping.view.definition import CompiledView, compile_view, evaluate
from caretally.mapping.view.errors import RowError, ViewError

__all__ = ["CompiledView", "RowError", "ViewError", "compile_view", "evaluate"]
