"""SMART scopes: which ones we need, and whether what was granted covers what was asked.

Version 1 writes ``system/Encounter.read``, version 2 ``system/Encounter.rs``; servers answer with either, whatever
was asked, and drop silently what they do not grant (SMART App Launch 2, "Scopes and launch context").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCOPE = re.compile(
    r"(?P<level>system|user|patient|\*)/(?P<type>\*|[A-Za-z]+)\.(?P<rights>read|write|\*|c?r?u?d?s?)(\?(?P<query>\S+))?"
)
READ_RIGHTS = frozenset("rs")
WRITE_RIGHTS = frozenset("cud")
WRITTEN = frozenset("crus")
"""What a resource type needs that we write: create, read, update, search."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope, as rights on a resource type.

    Attributes:
        resource_type: ``*`` for every type.
        rights: letters of ``cruds``.
        narrowed: it holds a query, so that only some resources of the type are visible.
    """

    resource_type: str
    rights: frozenset[str]
    narrowed: bool = False


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Read a ``scope`` text; what is no system scope (``openid``, ``patient/...``) is left out."""
    found = []
    for word in text.split():
        match = _SCOPE.fullmatch(word)
        if match is None or match["level"] not in {"system", "*"} or not match["rights"]:
            continue
        found.append(Scope(match["type"], _rights(match["rights"]), narrowed=match["query"] is not None))
    return tuple(found)


def missing_scopes(asked: str, granted: str) -> tuple[str, ...]:
    """Tell what was asked and not granted, as ``Encounter: search``; what was granted under a query counts as granted.

    Args:
        asked: scopes of the token request.
        granted: scopes of the answer.
    """
    have: dict[str, frozenset[str]] = {}
    for scope in parse_scopes(granted):
        have[scope.resource_type] = have.get(scope.resource_type, frozenset()) | scope.rights
    everything = have.get("*", frozenset())
    gaps = []
    for scope in parse_scopes(asked):
        lacking = scope.rights - have.get(scope.resource_type, frozenset()) - everything
        if lacking:
            gaps.append(f"{scope.resource_type}: {', '.join(_WORDS[right] for right in 'cruds' if right in lacking)}")
    return tuple(dict.fromkeys(gaps))


def needed_scopes(read: Iterable[str], written: Iterable[str], *, version: int = 2) -> str:
    """Give the least scopes that the program needs.

    Args:
        read: resource types that are only read.
        written: resource types that are written too.
        version: 1 or 2 of SMART's way of writing scopes.
    """
    both = sorted(set(written))
    only_read = sorted(set(read) - set(both))
    if version == 1:
        words = [f"system/{name}.read" for name in only_read]
        words += [f"system/{name}.{right}" for name in both for right in ("read", "write")]
    else:
        words = [f"system/{name}.rs" for name in only_read]
        words += [f"system/{name}.{''.join(right for right in 'cruds' if right in WRITTEN)}" for name in both]
    return " ".join(words)


_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


def _rights(text: str) -> frozenset[str]:
    if text == "read":
        return READ_RIGHTS
    if text == "write":
        return WRITE_RIGHTS
    return READ_RIGHTS | WRITE_RIGHTS if text == "*" else frozenset(text)
