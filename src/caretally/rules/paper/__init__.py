"""The patient's paper: what the documentation should hold, and whether the record does. It decides nothing.

Everything is looked up, nothing is taken on trust; a narrative that nobody can check by element is
``unstructured``, never ``found``.
"""

from __future__ import annotations

from caretally.rules.paper.paper import paper_of, paper_warnings

__all__ = ["paper_of", "paper_warnings"]
