"""A subset of FHIRPath, parsed once and compiled to closures over plain JSON (dict, list, str, numbers, bool).

It knows nothing about views. Left out on purpose: everything that needs a clock, another resource or a terminology
server, because an expression here must give the same answer for the same resource for ever.
"""

from __future__ import annotations
