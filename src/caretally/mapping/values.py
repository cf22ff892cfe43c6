"""Untyped rows of views become typed values here, or are refused by name.

A view hands on whatever the JSON held (`status: 5`). Every reading checks the type and raises `Refusal` with the
column, what was found (never a text that could name a person) and what was wanted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import CPT, HCPCS, ICD10CM, NUCC, SNOMED, Coding
from caretally.mapping.durations import exact
from caretally.mapping.stamps import WANTED, Stamp, read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal
    from zoneinfo import ZoneInfo

_CODE_LIKE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_CPT_CODE = re.compile(r"\d{5}")
_HCPCS_CODE = re.compile(r"[A-Z]\d{4}")

SYSTEM_ALIASES: Mapping[str, str] = {
    "urn:oid:2.16.840.1.113883.6.12": CPT,
    "http://www.ama-assn.org/go/cpt/": CPT,
    "https://www.ama-assn.org/go/cpt": CPT,
    "urn:oid:2.16.840.1.113883.6.285": HCPCS,
    "urn:oid:2.16.840.1.113883.6.14": HCPCS,
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": HCPCS,
    "https://bluebutton.cms.gov/resources/codesystem/hcpcs": HCPCS,
    "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes": HCPCS,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "http://terminology.hl7.org/CodeSystem/icd10CM": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.101": NUCC,
    "http://terminology.hl7.org/CodeSystem/v3-nuccProviderCodes": NUCC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
}
"""Other names under which the same code systems are found in the field."""


@dataclass(slots=True, eq=False)
class Refusal(Exception):  # noqa: N818 -- no error of the program: the data are refused
    """A value cannot be used: the stuff of an issue row."""

    element: str
    code: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.element}: {self.code}: found {self.found}, wanted {self.wanted}"


def kind(value: object) -> str:
    """Name the JSON type of a value without showing it."""
    if isinstance(value, bool):
        return "a boolean"
    names: tuple[tuple[type, str], ...] = ((str, "a text"), (dict, "an object"), (list, "a list"))
    return next((name for known, name in names if isinstance(value, known)), "a number")


def shown(value: object) -> str:
    """Show a value that looks like a code, else only its type: free text stays in the record."""
    if isinstance(value, str) and _CODE_LIKE.fullmatch(value):
        return f"'{value}'"
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return kind(value)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a view with its resource type, for the names in refusals."""

    resource_type: str
    columns: Mapping[str, Any]

    def _refuse(self, column: str, found: object, wanted: str) -> Refusal:
        return Refusal(f"{self.resource_type}.{column}", "wrong-type", kind(found), wanted)

    def has(self, column: str) -> bool:
        """Whether the column holds anything."""
        return self.columns.get(column) not in (None, [], {})

    def text(self, column: str) -> str | None:
        """Return a text; None when there is none."""
        found = self.columns.get(column)
        if found is None or isinstance(found, str):
            return found
        raise self._refuse(column, found, "a text")

    def flag(self, column: str) -> bool:
        """Return a boolean; absent is false."""
        found = self.columns.get(column)
        if found is None or isinstance(found, bool):
            return bool(found)
        raise self._refuse(column, found, "true or false")

    def known_flag(self, column: str) -> bool | None:
        """Return a boolean; None when nothing is said."""
        return self.flag(column) if self.columns.get(column) is not None else None

    def number(self, column: str) -> Decimal | None:
        """Return a number exactly as written; None when there is none."""
        found = self.columns.get(column)
        if found is None:
            return None
        number = exact(found)
        if number is None:
            raise self._refuse(column, found, "a number")
        return number

    def count(self, column: str) -> int | None:
        """Return an integer; None when there is none."""
        number = self.number(column)
        if number is not None and number != int(number):
            raise self._refuse(column, number, "a whole number")
        return None if number is None else int(number)

    def many(self, column: str) -> Sequence[Any]:
        """Return the items of a collection column; a single value counts as one item."""
        found = self.columns.get(column)
        if found is None:
            return ()
        return found if isinstance(found, list) else (found,)

    def texts(self, column: str) -> tuple[str, ...]:
        """Return the texts of a collection column."""
        return tuple(self._each(column, lambda item: item if isinstance(item, str) else None, "texts"))

    def counts(self, column: str) -> tuple[int, ...]:
        """Return the integers of a collection column."""
        return tuple(
            self._each(column, lambda x: x if isinstance(x, int) and not isinstance(x, bool) else None, "whole numbers")
        )

    def objects(self, column: str) -> tuple[Mapping[str, Any], ...]:
        """Return the objects of a collection column."""
        return tuple(self._each(column, lambda item: item if isinstance(item, dict) else None, "objects"))

    def _each(self, column: str, take: Callable[[Any], Any], wanted: str) -> list[Any]:
        taken = []
        for item in self.many(column):
            value = take(item)
            if value is None:
                raise self._refuse(column, item, wanted)
            taken.append(value)
        return taken

    def codings(self, column: str) -> tuple[Coding, ...]:
        """Return the codings of a collection column that have a system and a code; the others mean nothing."""
        found: list[Coding] = []
        for item in self.objects(column):
            coding = as_coding(item)
            if coding is not None and coding not in found:
                found.append(coding)
        return tuple(found)

    def stamp(self, column: str, zone: ZoneInfo) -> Stamp | None:
        """Return a date or a date and time; None when there is none.

        Raises:
            Refusal: ``unreadable-date``.
        """
        text = self.text(column)
        if text is None:
            return None
        stamp = read_stamp(text, zone)
        if stamp is None:
            found = f"a text of {len(text)} characters that is no date"
            raise Refusal(f"{self.resource_type}.{column}", "unreadable-date", found, WANTED)
        return stamp

    def status(self, column: str, known: frozenset[str]) -> str:
        """Return a status of a required value set.

        Raises:
            Refusal: ``unknown-status``.
        """
        found = self.columns.get(column)
        if isinstance(found, str) and found in known:
            return found
        wanted = "one of " + ", ".join(sorted(known))
        raise Refusal(
            f"{self.resource_type}.{column}", "unknown-status", "nothing" if found is None else shown(found), wanted
        )


def as_coding(item: Mapping[str, Any]) -> Coding | None:
    """Return a FHIR Coding under the usual name of its system; None without system or code."""
    system, code = item.get("system"), item.get("code")
    if not isinstance(system, str) or not isinstance(code, str) or not system or not code:
        return None
    system = SYSTEM_ALIASES.get(system, system)
    if system in (CPT, HCPCS):
        # HCPCS level I is CPT: some senders name one system for both, and the form of the code tells which it is.
        if _CPT_CODE.fullmatch(code):
            system = CPT
        elif _HCPCS_CODE.fullmatch(code):
            system = HCPCS
    return Coding(system, code)


def is_procedure(coding: Coding) -> bool:
    """Whether a coding is a CPT or HCPCS code."""
    return coding.system in (CPT, HCPCS)
