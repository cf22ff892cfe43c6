"""The envelope of a resource (type, id, version), and what to do when one resource was read several times.

An id can arrive twice: a page that overlaps, two export files, a merge of two servers. Identical copies are told
apart from conflicting ones, and of conflicting ones only a newer version wins.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from caretally.facts.exact_json import canonical
from caretally.facts.issue import Issue
from caretally.mapping.stamps import Stamp, read_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_UTC = ZoneInfo("UTC")
_LONGEST_VERSION = 18
"""Digits of a version number; a longer one is no number to compare."""
UNREADABLE = "(unreadable)"
"""Stands for the resource type where none can be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One resource as it was read, with its name."""

    body: Mapping[str, Any]
    type: str
    reference: str
    copies: int = 1
    """How many identical copies were read."""
    conflicting: bool = False
    """Another copy says something else and neither is newer."""
    _version: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """Return `meta.versionId`, else ``sha256:`` and the digest of the canonical JSON."""
        if not self._version:
            self._version.append(self._meta("versionId") or f"sha256:{sha256(canonical(self.body)).hexdigest()}")
        return self._version[0]

    def last_updated(self, zone: ZoneInfo) -> Stamp | None:
        """Return `meta.lastUpdated`; None when absent or unreadable."""
        text = self._meta("lastUpdated")
        return read_stamp(text, zone) if text else None

    def has_identifier_of(self, system: str) -> bool:
        """Whether the resource carries an identifier of a system."""
        identifiers = self.body.get("identifier")
        items = identifiers if isinstance(identifiers, list) else [identifiers]
        return any(isinstance(item, dict) and item.get("system") == system for item in items)

    def contained(self, fragment: str) -> Mapping[str, Any] | None:
        """Return a contained resource by its id."""
        inside = self.body.get("contained")
        for item in inside if isinstance(inside, list) else ():
            if isinstance(item, dict) and item.get("id") == fragment:
                return item
        return None

    def _meta(self, key: str) -> str | None:
        meta = self.body.get("meta")
        found = meta.get(key) if isinstance(meta, dict) else None
        return found if isinstance(found, str) and found else None

    def age(self) -> tuple[int | None, int | None]:
        """Return the version number and the instant of the last update, where each is known."""
        version, updated = self._meta("versionId"), self.last_updated(_UTC)
        number = (
            int(version)
            if version and version.isascii() and version.isdecimal() and len(version) <= _LONGEST_VERSION
            else None
        )
        return number, updated.instant if updated else None

    def content(self) -> bytes:
        """Return the canonical JSON without `meta`: a copy read through another door differs there only."""
        return canonical({key: value for key, value in self.body.items() if key != "meta"})


@dataclass(slots=True)
class Settled:
    """Resources after copies were told apart."""

    sources: list[Source]
    issues: list[Issue]
    fates: Counter[str]
    """How many resources were set aside here, by ``Type.fate``."""


def settle_copies(resources: Iterable[Any]) -> Settled:
    """Give each resource once, in the order of its first copy.

    Identical copies are counted in `Source.copies`. Of copies that differ, the newer version wins with an issue
    row ``conflicting-copies``; where neither is newer all stay, marked ``conflicting``, to be refused by name.
    """
    settled = Settled([], [], Counter())
    groups: dict[str, list[Source]] = {}
    for body in resources:
        source = _source(body, settled)
        if source is not None:
            groups.setdefault(source.reference, []).append(source)
    for group in groups.values():
        if len(group) == 1:
            settled.sources.append(group[0])
        else:
            _settle(group, settled)
    return settled


def _source(body: Any, settled: Settled) -> Source | None:
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        settled.issues.append(
            Issue(UNREADABLE, "resourceType", "not-a-resource", "JSON without resourceType", "a FHIR resource")
        )
        settled.fates[f"{UNREADABLE}.refused"] += 1
        return None
    found = body.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        settled.issues.append(
            Issue(kind, f"{kind}.id", "resource-without-id", "no usable id", "an id of at most 64 letters, digits, - .")
        )
        settled.fates[f"{kind}.refused"] += 1
        return None
    return Source(body, kind, f"{kind}/{found}")


def _settle(group: list[Source], settled: Settled) -> None:
    candidates = _distinct(group)
    winner = _newest(candidates)
    for source in candidates:
        if winner is None:
            settled.sources.append(replace(source, conflicting=True))
            settled.issues.append(_conflict(source, "copies that differ, none of them newer", "error"))
        elif source is winner:
            settled.sources.append(source)
        else:
            settled.fates[f"{source.type}.superseded"] += source.copies
            settled.issues.append(_conflict(source, "an older copy that differs; the newer one was taken", "warning"))
            continue
        if source.copies > 1:
            settled.issues.append(_duplicates(source))


def _distinct(group: list[Source]) -> list[Source]:
    """Return one source for each content, the newest of its copies, with their number."""
    contents: dict[bytes, list[Source]] = {}
    try:
        for source in group:
            contents.setdefault(source.content(), []).append(source)
    except (TypeError, ValueError, RecursionError):
        return group  # what cannot be compared is not the same
    return [
        replace(max(copies, key=lambda s: tuple(-1 if a is None else a for a in s.age())), copies=len(copies))
        for copies in contents.values()
    ]


def _newest(candidates: list[Source]) -> Source | None:
    """Return the one candidate that is newer than every other; None where that cannot be told."""
    if len(candidates) == 1:
        return candidates[0]
    for which in (0, 1):
        ages = [source.age()[which] for source in candidates]
        known = [age for age in ages if age is not None]
        if len(known) == len(candidates) and known.count(max(known)) == 1:
            return candidates[known.index(max(known))]
    return None


def _conflict(source: Source, found: str, severity: Any) -> Issue:
    wanted = "one content for one id, or a newer meta.versionId or meta.lastUpdated"
    return Issue(source.reference, "", "conflicting-copies", found, wanted, severity)


def _duplicates(source: Source) -> Issue:
    found = f"{source.copies} identical copies"
    return Issue(
        source.reference, "", "duplicate-resource", found, "one copy; the others were not counted", "information"
    )
