"""Conditions: diagnoses with their codes, their time, and what is documented about duration and risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.clinical import ConditionFact
from caretally.facts.codes import ICD10CM
from caretally.mapping.durations import unit_of, whole_months
from caretally.mapping.risks import risk_statements
from caretally.mapping.values import Refusal, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from caretally.facts.clinical import RiskStatement
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_CLINICAL = frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"})
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_VERIFICATION = frozenset({"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"})


def conditions(reading: Reading) -> tuple[ConditionFact, ...]:
    """Build the conditions of a patient; one that was entered in error is none."""
    risks = risk_statements(reading)
    return reading.facts("condition", lambda source, row: _condition(reading, source, row, risks))


def _condition(
    reading: Reading, source: Source, row: Row, risks: Mapping[str, Sequence[RiskStatement]]
) -> ConditionFact | None:
    terminology = reading.context.terminology
    clinical = _known(source, row, "clinical", _CLINICAL)
    verification = _known(source, row, "verification", _VERIFICATION)
    if verification == "entered-in-error":
        return None
    codes = row.codings("codings")
    listed = terminology.set("chronic-conditions").first(codes) is not None
    icd10cm = next((c.code for c in codes if c.system == ICD10CM), None)
    icd10cm = icd10cm or terminology.map("snomed-to-icd10cm").target(codes)
    months, until_death = _expected(reading, source, row)
    # An onset is read as its first possible day and an abatement as its last: a year stands for the whole year.
    abatement = reading.day(row, "abatement", latest=True) or reading.day(row, "abatement_end", latest=True)
    updated = source.last_updated(reading.context.zone)
    return ConditionFact(
        reference=source.reference,
        version=source.version,
        icd10cm=icd10cm,
        codes=codes,
        group=terminology.map("condition-groups").target(codes),
        listed_chronic=listed and terminology.set("never-chronic").first(codes) is None,
        active_status=_active(row, clinical, abatement),
        confirmed=verification in {None, "confirmed"},
        onset=reading.day(row, "onset") or reading.day(row, "onset_start"),
        abatement=abatement,
        recorded=reading.day(row, "recorded"),
        expected_months=months,
        until_death=until_death,
        significant_risk=row.known_flag("significant_risk"),
        risks=tuple(risks.get(source.reference, ())),
        updated=updated.first_day if updated else None,
    )


def _known(source: Source, row: Row, column: str, known: frozenset[str]) -> str | None:
    """Return the status among a concept's codings, of which some may be local; None when nothing is said."""
    codes = row.texts(column)
    found = next((code for code in codes if code in known), None)
    if found is None and codes:
        wanted = "one of " + ", ".join(sorted(known))
        raise Refusal(f"{source.type}.{column}Status", "unknown-status", shown(codes[0]), wanted)
    return found


def _active(row: Row, clinical: str | None, abatement: date | None) -> bool:
    if clinical is not None:
        return clinical in _ACTIVE
    # Without a status an abatement of unknown date is the safer reading: the condition has ended.
    return abatement is not None or not (row.flag("abated") or row.known_flag("abatement_flag"))


def _expected(reading: Reading, source: Source, row: Row) -> tuple[int | None, bool]:
    """Return the documented duration in months, and whether it is until death."""
    if not row.has("expected_given"):
        return None, False
    kind = row.text("expected_kind")
    if kind is not None:
        if kind != "until-death":
            raise Refusal(f"{source.type}.expected-duration", "unknown-duration", "another code", "until-death")
        return None, True
    value = row.number("expected_value")
    if value is None:
        return None, False
    unit, _ = unit_of(row.text("expected_code"), row.text("expected_system"), row.text("expected_unit"), months=True)
    if unit is None or value < 0 or row.text("expected_comparator") not in (None, ">", ">="):
        element = f"{source.type}.expected-duration"
        reading.report.note(source, element, "unknown-duration", "no duration", "months or years", "warning")
        return None, False
    return whole_months(value, unit), False
