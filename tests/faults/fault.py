"""What a fault of a server, proxy or network is, and what may come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.front import Injection, Spoil

SEARCH = r"^GET /fhir/Encounter\?patient=g02-pat"
"""The search for the time of one of the two patients."""
FINDING = r"^GET /fhir/CarePlan\?category="
"""One of the searches that find the patients."""

Group = Literal[
    "asked for patience", "broken answers", "too much", "pages", "led elsewhere", "refusals and log-in", "export"
]


@dataclass(frozen=True, slots=True)
class Survived:
    """The command ends with 0 and its results are those of a run without faults; `words`: in what way."""

    words: str = "the same bytes"

    def __str__(self) -> str:
        return f"survived: {self.words}"


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The command ends with 5 and says `words`; nothing is decided for the patients concerned, the others are."""

    words: str

    def __str__(self) -> str:
        return f"exit 5, one of two patients decided: “{self.words}”"


@dataclass(frozen=True, slots=True)
class Ended:
    """The command ends with `code`, an error of the class `kind` and `words`; nothing is decided for anybody."""

    kind: str
    code: int
    words: str

    def __str__(self) -> str:
        return f"exit {self.code}, `{self.kind}`: “{self.words}”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        what: the server, proxy or network does.
        script: how the tests do it.
        by: how the server is read.
        settings: of ``[server]``, besides those of the tests.
        most_pages: requests of the spoilt search at most.
        most_mebibytes: memory that the command may need more than in a run without faults.
        heals: where it did not end well, a run without it is made too; `make prove` does so for all of them.
    """

    name: str
    group: Group
    what: str
    script: tuple[Injection, ...] = field(repr=False)
    outcome: Survived | Incomplete | Ended
    by: Literal["search", "export"] = "search"
    settings: Mapping[str, object] = field(default_factory=dict)
    most_pages: int | None = None
    most_mebibytes: int = 100
    heals: bool = False


def once(do: Spoil, where: str = SEARCH, *, after: int = 0, times: int | None = 1) -> tuple[Injection, ...]:
    return (Injection(where, do, times, after),)


def always(do: Spoil, where: str = SEARCH) -> tuple[Injection, ...]:
    return once(do, where, times=None)
