"""Codings, dated code sets and maps: the terminology that mapping and rules look things up in.

The data are FHIR ValueSets and ConceptMaps in mappings/terminology; `tables` reads and checks them into these
shapes. A lookup without a system never matches: a bare code means nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

CANONICAL = "https://caretally.example/fhir"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
NUCC = "http://nucc.org/provider-taxonomy"
SNOMED = "http://snomed.info/sct"
NPI = "http://hl7.org/fhir/sid/us-npi"
TIN = "urn:oid:2.16.840.1.113883.4.4"


@dataclass(frozen=True, slots=True, order=True)
class Coding:
    """A code with its system."""

    system: str
    code: str


@dataclass(frozen=True, slots=True)
class CodeRule:
    """One row of a code set: a code, every code below it (``is-a``: by prefix in ICD-10-CM), or a pattern."""

    system: str
    code: str | None = None
    prefix: str | None = None
    pattern: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """Last day on which the row holds; None for no end."""
    source: str = ""

    def holds(self, on: date | None) -> bool:
        """Whether the row is in force on a date (None: on any date)."""
        return on is None or (
            (self.valid_from is None or on >= self.valid_from) and (self.valid_to is None or on <= self.valid_to)
        )

    def matches(self, coding: Coding, on: date | None) -> bool:
        """Whether a coding falls under this row on a date (None: on any date)."""
        if coding.system != self.system or not self.holds(on):
            return False
        if self.code is not None:
            return coding.code == self.code
        if self.prefix is not None:
            return _undotted(coding.code).startswith(_undotted(self.prefix))
        return self.pattern is not None and re.fullmatch(self.pattern, coding.code) is not None


_REMEMBERED = 4096
"""Codings whose rows a set keeps in mind."""
_CATEGORY = 3
"""Length of an ICD-10-CM category, by which prefixes are found without trying them all."""


@lru_cache(maxsize=4096)
def _undotted(code: str) -> str:
    return code.replace(".", "").upper()


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A dated set of codes; an empty one matches nothing."""

    name: str
    rules: tuple[CodeRule, ...] = ()
    _by_code: dict[Coding, tuple[CodeRule, ...]] = field(init=False, repr=False, compare=False)
    _by_category: dict[Coding, tuple[CodeRule, ...]] = field(init=False, repr=False, compare=False)
    _others: tuple[CodeRule, ...] = field(init=False, repr=False, compare=False)
    _found: dict[Coding, tuple[CodeRule, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The rows of the codings asked for so far; the same few are asked for again and again."""

    def __post_init__(self) -> None:
        codes: dict[Coding, tuple[CodeRule, ...]] = {}
        categories: dict[Coding, tuple[CodeRule, ...]] = {}
        others: list[CodeRule] = []
        for rule in self.rules:
            if rule.code is not None:
                key = Coding(rule.system, rule.code)
                codes[key] = (*codes.get(key, ()), rule)
            elif rule.prefix is not None and len(_undotted(rule.prefix)) >= _CATEGORY:
                key = Coding(rule.system, _undotted(rule.prefix)[:_CATEGORY])
                categories[key] = (*categories.get(key, ()), rule)
            else:
                others.append(rule)
        object.__setattr__(self, "_by_code", codes)
        object.__setattr__(self, "_by_category", categories)
        object.__setattr__(self, "_others", tuple(others))

    def contains(self, coding: Coding, on: date | None = None) -> bool:
        """Whether the set holds a coding on a date (None: on any date)."""
        rows = self._found.get(coding)
        if rows is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            rows = self._found[coding] = self._rows(coding)
        return any(rule.holds(on) for rule in rows)

    def _rows(self, coding: Coding) -> tuple[CodeRule, ...]:
        """The rows that a coding falls under, on whatever date."""
        category = Coding(coding.system, _undotted(coding.code)[:_CATEGORY])
        near = (*self._by_code.get(coding, ()), *self._by_category.get(category, ()), *self._others)
        return tuple(rule for rule in near if rule.matches(coding, None))

    def first(self, codings: Iterable[Coding], on: date | None = None) -> Coding | None:
        """Return the first of the codings that the set holds, in their order."""
        return next((coding for coding in codings if self.contains(coding, on)), None)


@dataclass(frozen=True, slots=True)
class CodeMap:
    """A map from codings to a target code; the first rule that matches wins."""

    name: str
    rows: tuple[tuple[CodeRule, str], ...] = ()

    def target(self, codings: Iterable[Coding], on: date | None = None) -> str | None:
        """Return the target of the first coding that the map knows."""
        for coding in codings:
            for rule, target in self.rows:
                if rule.matches(coding, on):
                    return target
        return None


@dataclass(frozen=True, slots=True)
class Terminology:
    """All code sets and maps by name (the file name in mappings/terminology without its ending)."""

    sets: Mapping[str, CodeSet]
    maps: Mapping[str, CodeMap]

    def set(self, name: str) -> CodeSet:
        """Return a code set by name.

        Raises:
            KeyError: no file of that name was loaded; `tables` checks that all named sets exist.
        """
        return self.sets[name]

    def map(self, name: str) -> CodeMap:
        """Return a map by name; raises KeyError like `set`."""
        return self.maps[name]
