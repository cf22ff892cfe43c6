"""What is understood of a FHIR ValueSet and a FHIR ConceptMap; anything else is refused by name."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from caretally.facts.codes import CANONICAL
from caretally.tables.reading import Strict, nearest

VALID_PERIOD = CANONICAL + "/StructureDefinition/valid-period"
SOURCE = CANONICAL + "/StructureDefinition/source"
MATCH = CANONICAL + "/StructureDefinition/match"
REPLACES = CANONICAL + "/StructureDefinition/replaces"
KNOWN_EXTENSIONS = (VALID_PERIOD, SOURCE, MATCH, REPLACES)


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("wanted a date such as 2025-01-01") from None


Day = Annotated[date, BeforeValidator(_day)]


class Period(Strict):
    """Both ends are inclusive; an end that is absent is open."""

    start: Day | None = None
    end: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        return self


class Extension(Strict):
    """An extension of ours; any other url is refused."""

    url: str
    valuePeriod: Period | None = None  # noqa: N815 -- the name of the FHIR element
    valueString: str | None = None  # noqa: N815 -- the name of the FHIR element
    valueCode: Literal["exact", "is-a", "regex"] | None = None  # noqa: N815 -- the name of the FHIR element
    valueBoolean: bool | None = None  # noqa: N815 -- the name of the FHIR element

    @model_validator(mode="after")
    def _known(self) -> Extension:
        if self.url not in KNOWN_EXTENSIONS:
            raise ValueError(f"unknown extension{nearest(self.url, KNOWN_EXTENSIONS)}")
        return self


class Extended(Strict):
    """Anything that may carry extensions of ours."""

    extension: list[Extension] = Field(default_factory=list)

    def validity(self) -> Period | None:
        """Return the dates on which the row holds."""
        return next((e.valuePeriod for e in self.extension if e.url == VALID_PERIOD), None)

    def citation(self) -> str | None:
        """Return where the row comes from."""
        return next((e.valueString for e in self.extension if e.url == SOURCE), None)

    def comparison(self) -> str:
        """Return how the codes of a map group are compared: ``exact``, ``is-a`` or ``regex``."""
        return next((e.valueCode for e in self.extension if e.url == MATCH and e.valueCode), "exact")


class Concept(Extended):
    """One code of a ValueSet."""

    code: Annotated[str, Field(min_length=1)]
    display: str | None = None
    designation: Any = None


class Filter(Strict):
    """A rule for many codes."""

    property: str
    op: str
    value: Annotated[str, Field(min_length=1)]


class Include(Extended):
    """Concepts or one filter of one code system."""

    system: Annotated[str, Field(min_length=1)]
    version: str | None = None
    concept: list[Concept] = Field(default_factory=list)
    filter: list[Filter] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_kind(self) -> Include:
        if self.filter and self.concept:
            raise ValueError("has concepts and a filter; FHIR joins them with 'and': write two includes")
        if len(self.filter) > 1:
            raise ValueError("has several filters; FHIR joins them with 'and': write an include for each")
        if not self.filter and not self.concept:
            raise ValueError("names no codes; add concepts or one filter (a whole code system is never meant)")
        return self


class Compose(Strict):
    """The definition of a ValueSet."""

    include: list[Include]
    inactive: bool | None = None
    lockedDate: str | None = None  # noqa: N815 -- the name of the FHIR element


class Canonical(Extended):
    """Elements of any definition, which decide nothing here."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    resourceType: str  # noqa: N815 -- the name of the FHIR element
    id: str | None = None
    meta: Any = None
    language: Any = None
    text: Any = None
    url: str
    identifier: Any = None
    version: str | None = None
    name: str | None = None
    title: str | None = None
    status: Literal["draft", "active", "retired", "unknown"]
    experimental: bool | None = None
    date: Any = None
    publisher: Any = None
    contact: Any = None
    description: str | None = None
    useContext: Any = None  # noqa: N815 -- the name of the FHIR element
    jurisdiction: Any = None
    immutable: Any = None
    purpose: Any = None
    copyright: Any = None

    def replaces(self) -> bool:
        """Whether the file takes the place of the shipped one of its name."""
        return any(e.valueBoolean for e in self.extension if e.url == REPLACES)


class ValueSetFile(Canonical):
    """One file with a ValueSet."""

    compose: Compose


class MapTarget(Strict):
    """Where a code leads."""

    code: Annotated[str, Field(min_length=1)]
    display: str | None = None
    equivalence: Literal["relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact"]
    comment: str | None = None


class MapElement(Extended):
    """One code of a ConceptMap."""

    code: Annotated[str, Field(min_length=1)]
    display: str | None = None
    target: Annotated[list[MapTarget], Field(min_length=1, max_length=1)]


class MapGroup(Extended):
    """Codes of one system."""

    source: Annotated[str, Field(min_length=1)]
    sourceVersion: str | None = None  # noqa: N815 -- the name of the FHIR element
    target: str
    targetVersion: str | None = None  # noqa: N815 -- the name of the FHIR element
    element: list[MapElement]


class ConceptMapFile(Canonical):
    """One file with a ConceptMap."""

    sourceUri: Any = None  # noqa: N815 -- the name of the FHIR element
    sourceCanonical: Any = None  # noqa: N815 -- the name of the FHIR element
    targetUri: Any = None  # noqa: N815 -- the name of the FHIR element
    targetCanonical: Any = None  # noqa: N815 -- the name of the FHIR element
    group: list[MapGroup]
