"""References between resources: what is written, and whom of the practice it means.

Servers write one reference in many ways: relative, absolute, with a version, contained, conditional
(``Practitioner?identifier=system|value``) or by identifier only. All become ``Type/id``; what cannot be resolved
says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from caretally.facts.codes import NPI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.facts.practice import Practice, RoleAssignment

_LOCAL = re.compile(r"(?:.*/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})", re.ASCII)
_CONDITIONAL = re.compile(
    r"(?:.*/)?(?P<type>[A-Z][A-Za-z]+)\?identifier=(?P<system>[^|&]*)\|(?P<value>[^|&]+)", re.ASCII
)
_NPI_SYSTEMS = frozenset({NPI, "urn:oid:2.16.840.1.113883.4.6"})
_NPI_DIGITS = 10
_TIN_DIGITS = 9


def npi_digits(text: str) -> str | None:
    """Return an NPI as ten digits; None when it is none."""
    digits = text.strip()
    return digits if len(digits) == _NPI_DIGITS and digits.isdecimal() and digits.isascii() else None


def tin_digits(text: str) -> str | None:
    """Return a tax number (EIN) as nine digits without its hyphen; None when it is none."""
    digits = text.replace("-", "").replace(" ", "")
    return digits if len(digits) == _TIN_DIGITS and digits.isdecimal() and digits.isascii() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a reference names. Exactly one of ``key``, ``fragment``, ``identifier`` and ``problem`` is set."""

    type: str | None = None
    key: str | None = None
    """``Type/id``."""
    fragment: str | None = None
    """Id of a contained resource."""
    identifier: tuple[str, str] | None = None
    """System and value of a conditional or logical reference."""
    problem: str | None = None
    """What was found where no reference can be read."""


@lru_cache(maxsize=65_536)
def read_reference(text: str) -> Target:
    """Read the text of ``Reference.reference``."""
    if text.startswith("#"):
        return Target(fragment=text[1:])
    if text.startswith("urn:"):
        return Target(problem="a urn: reference, which only its Bundle can resolve")
    match = _LOCAL.fullmatch(text.partition("/_history/")[0].partition("|")[0])
    if match is not None:
        return Target(type=match["type"], key=f"{match['type']}/{match['id']}")
    match = _CONDITIONAL.fullmatch(text)
    if match is not None:
        return Target(type=match["type"], identifier=(unquote(match["system"]), unquote(match["value"])))
    return Target(problem="a text that is no reference")


def target_of(reference: Mapping[str, Any]) -> Target:
    """Read a FHIR Reference object: its text, else its identifier."""
    text = reference.get("reference")
    if isinstance(text, str) and text:
        return read_reference(text)
    identifier = reference.get("identifier")
    kind = reference.get("type")
    if isinstance(identifier, dict):
        system, value = identifier.get("system"), identifier.get("value")
        if isinstance(system, str) and isinstance(value, str) and value:
            return Target(type=kind if isinstance(kind, str) else None, identifier=(system, value))
    return Target(problem="a reference without target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom a reference names, as far as the practice knows the person."""

    reference: str | None = None
    """``Practitioner/id``; None when it cannot be told who is meant."""
    assignment: RoleAssignment | None = None
    """The PractitionerRole that the reference named."""
    npi: str | None = None
    """NPI of the reference itself, also for people who are not on file."""
    known: bool = False
    """Whether the practice holds the person."""
    problem: str | None = None
    """Why `reference` is None."""


class Directory:
    """The practice indexed by what references use: role, NPI, and identifiers of organizations."""

    def __init__(self, practice: Practice) -> None:
        self.practice = practice
        self._roles: dict[str, tuple[str, RoleAssignment]] = {}
        self._by_npi: dict[str, list[str]] = {}
        self._organizations: dict[tuple[str, str], list[str]] = {}
        for reference, practitioner in practice.practitioners.items():
            for assignment in practitioner.assignments:
                self._roles[assignment.reference] = (reference, assignment)
            if practitioner.npi is not None:
                self._by_npi.setdefault(practitioner.npi, []).append(reference)
        for reference, organization in practice.organizations.items():
            for identifier in organization.identifiers:
                self._organizations.setdefault(identifier, []).append(reference)

    def person(self, target: Target) -> Person | None:
        """Return whom a target means; None when it names no person of the practice (a relative, a patient, ...).

        Contained resources are the caller's: only the resource knows them.
        """
        if target.problem is not None:
            return Person(problem=target.problem)
        if target.key is not None and target.type == "Practitioner":
            return Person(reference=target.key, known=target.key in self.practice.practitioners)
        if target.key is not None and target.type == "PractitionerRole":
            found = self._roles.get(target.key)
            if found is None:
                return Person(problem=f"{target.key}, which is not on file")
            return Person(reference=found[0], assignment=found[1], known=True)
        if target.identifier is not None and target.type in (None, "Practitioner", "PractitionerRole"):
            return self.by_identifier(*target.identifier)
        return None

    def by_identifier(self, system: str, value: str) -> Person:
        """Return the one practitioner with an NPI."""
        npi = npi_digits(value) if system in _NPI_SYSTEMS else None
        if npi is None:
            return Person(problem="an identifier that is no NPI")
        holders = self._by_npi.get(npi, [])
        if len(holders) == 1:
            return Person(reference=holders[0], npi=npi, known=True)
        problem = f"an NPI that {len(holders)} practitioners have" if holders else "an NPI that nobody on file has"
        return Person(npi=npi, problem=problem)

    def organization(self, target: Target) -> str | None:
        """Return the Organization reference that a target means; None when it is no organization or not unique."""
        if target.type not in (None, "Organization"):
            return None
        if target.key is not None:
            return target.key
        holders = self._organizations.get(target.identifier, []) if target.identifier else []
        return holders[0] if len(holders) == 1 else None


def is_npi_system(system: str) -> bool:
    """Whether an identifier system is the NPI's."""
    return system in _NPI_SYSTEMS
