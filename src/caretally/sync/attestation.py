"""What may be attested, and how: one by one, or many at once from a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from caretally.errors import UsageError
from caretally.facts.decision import AttestedFact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLUMNS = ("patient", "fact", "subject", "value", "date", "practitioner", "by", "why")
"""Columns of the CSV file; `practitioner`, `by` and `why` may be left out, `subject` where the fact needs none."""
NEEDED = ("patient", "fact", "value", "date")

_LEVELS = ("straightforward", "low", "moderate", "high")
_YES_NO = ("yes", "no")
_SUBJECTS = {
    AttestedFact.RISK: "Condition",
    AttestedFact.DISTINCT_TIME: "Encounter",
    AttestedFact.DECISION_MAKING: "CarePlan",
    AttestedFact.PCM_ELEMENT: "CarePlan",
    AttestedFact.COPY_GIVEN: "CarePlan",
    AttestedFact.NEED: "CarePlan",
}
_WITHOUT_SUBJECT = frozenset(fact for fact, subject in _SUBJECTS.items() if subject == "CarePlan")
PCM_ELEMENTS = ("frequent-medication-adjustment", "comorbidity-complexity", "practitioner-coordination")
"""Codes of the PCM elements that can be attested (billing-rules 4.1, P3 and P4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationRow:
    """One row of a CSV file, or why it cannot be read.

    Attributes:
        line: number of the row's line in the file, the heading being line 1.
        values: by column, stripped; empty where the cell is.
    """

    line: int
    values: Mapping[str, str]


def attestation_document(fact: str, value: str, day: str) -> dict[str, Any]:
    """Return the document of an attestation.

    For a PCM element the value is the element's code, or ``no:`` and the code where it does not hold any more.
    """
    if fact != AttestedFact.PCM_ELEMENT:
        return {"fact": fact, "value": value, "date": day}
    absent = value.startswith("no:")
    return {"fact": fact, "element": value.removeprefix("no:"), "value": "no" if absent else "yes", "date": day}


def check_attestation(document: Mapping[str, Any], subject: str | None) -> None:
    """Refuse an attestation that says nothing the rules could use.

    Raises:
        UsageError: says what was found and what is wanted.
    """
    fact = str(document.get("fact", ""))
    if fact not in set(AttestedFact):
        raise UsageError(f"'{fact}' cannot be attested; wanted one of {', '.join(AttestedFact)}")
    kind = AttestedFact(fact)
    wanted = _SUBJECTS[kind]
    if subject is None and kind not in _WITHOUT_SUBJECT:
        raise UsageError(f"{fact} is attested about one {wanted}: name it, for example {wanted}/123")
    if subject is not None and subject.partition("/")[0] != wanted:
        raise UsageError(f"{fact} is attested about a {wanted}, not about {subject}")
    value, day = str(document.get("value", "")), str(document.get("date", ""))
    allowed: tuple[str, ...] = _LEVELS if kind is AttestedFact.DECISION_MAKING else _YES_NO
    if kind in {AttestedFact.COPY_GIVEN, AttestedFact.NEED}:
        allowed = ("yes",)
    if kind is AttestedFact.PCM_ELEMENT and document.get("element") not in PCM_ELEMENTS:
        raise UsageError(f"'{document.get('element')}' is no PCM element; wanted one of {', '.join(PCM_ELEMENTS)}")
    if value not in allowed:
        raise UsageError(f"'{value}' is no value of {fact}; wanted {' or '.join(allowed)}")
    try:
        date.fromisoformat(day)
    except ValueError:
        raise UsageError(f"'{day}' is no date; wanted the day on which it held, as YYYY-MM-DD") from None


def read_attestations(path: Path) -> Iterator[AttestationRow]:
    """Read the rows of a CSV file (UTF-8, with a heading, separated by commas).

    Raises:
        UsageError: the file cannot be read, or its heading lacks a column that is needed.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            missing = [name for name in NEEDED if name not in names]
            unknown = [name for name in names if name not in COLUMNS]
            if missing or unknown:
                said = f"lacks {', '.join(missing)}" if missing else f"has the unknown column {', '.join(unknown)}"
                raise UsageError(f"the heading of {path} {said}; its columns are {', '.join(COLUMNS)}")
            reader.fieldnames = names
            for row in reader:
                yield AttestationRow(
                    line=reader.line_num, values={name: (row.get(name) or "").strip() for name in COLUMNS}
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV in UTF-8 ({error})") from error
