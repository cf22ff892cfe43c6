"""All resources of one beneficiary become facts, and each of them is accounted for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.facts.clinical import CoverageFact, PatientFact
from caretally.facts.codes import Coding
from caretally.facts.identifiers import is_mbi, plain_mbi
from caretally.facts.patient_month import PatientFacts
from caretally.mapping.claims import billed
from caretally.mapping.conditions import conditions
from caretally.mapping.consents import consents
from caretally.mapping.copies import settle_copies
from caretally.mapping.encounters import encounters
from caretally.mapping.enrolments import enrolments
from caretally.mapping.messages import messages
from caretally.mapping.plans import care_plans, care_teams
from caretally.mapping.reading import Reading
from caretally.mapping.record import allergies, goals, medications
from caretally.mapping.report import Report
from caretally.mapping.time_entries import time_entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.facts.issue import Issue
    from caretally.mapping.context import MappingContext
    from caretally.mapping.copies import Source
    from caretally.mapping.values import Row

_COVERAGE_STATUSES = frozenset({"active", "cancelled", "draft", "entered-in-error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedPatient:
    """What one beneficiary's resources became."""

    facts: PatientFacts
    issues: tuple[Issue, ...]
    accounted: Mapping[str, int]
    """Resources by ``Type.fate``: fact, refused, other (not care management), ours, superseded, duplicate."""


def map_patient(patient: str, resources: Sequence[dict[str, Any]], context: MappingContext) -> MappedPatient:
    """Map all resources of one beneficiary.

    Args:
        patient: reference of the record that the answer is about; records linked to it may be among the resources.
        resources: raw R4 resources, in any order; copies may occur.
        context: what is the same for all patients.

    Returns:
        Facts, issue rows for everything that was refused, and what became of each resource. Never raises for what
        a resource holds.
    """
    settled = settle_copies(resources)
    report = Report(patient=patient)
    report.take(settled.issues)
    reading = Reading(context, sorted(settled.sources, key=lambda s: s.reference), report)
    leads, roles, active_leads = care_teams(reading)
    entries = time_entries(reading, roles)
    found_conditions = conditions(reading)
    others = encounters(reading, frozenset(e.reference for e in entries))
    on_file = billed(reading, found_conditions)
    coverages = reading.facts("coverage", lambda source, row: _coverage(reading, source, row))
    facts = PatientFacts(
        patient=_patient(reading, patient),
        entries=entries,
        conditions=found_conditions,
        care_plans=care_plans(reading, leads),
        consents=consents(reading),
        coverages=coverages,
        visits=(*others.visits, *on_file.visits),
        stays=tuple(others.stays),
        hospices=tuple(others.hospices),
        claim_lines=tuple(on_file.lines),
        care_team_leads=active_leads,
        medications=medications(reading),
        allergies=allergies(reading),
        goals=goals(reading),
        emergencies=tuple(others.emergencies),
        coordination=messages(reading),
        enrolments=enrolments(reading),
    )
    return MappedPatient(facts=facts, issues=report.rows(), accounted=_account(reading, settled.fates))


def _account(reading: Reading, fates: Counter[str]) -> Counter[str]:
    counted = Counter(fates)
    for source in reading.sources:
        counted[f"{source.type}.{_fate(reading, source)}"] += 1
        if source.copies > 1:
            counted[f"{source.type}.duplicate"] += source.copies - 1
    return counted


def _fate(reading: Reading, source: Source) -> str:
    if source.has_identifier_of(reading.context.own_identifier_system):
        return "ours"
    if source.reference in reading.used:
        return "fact"
    return "refused" if source.reference in reading.refused or source.conflicting else "other"


def _patient(reading: Reading, patient: str) -> PatientFact:
    """Return the beneficiary; what linked records say of death and identity counts as well."""
    records = {
        fact.reference: fact for fact in reading.facts("patient", lambda source, row: _record(reading, source, row))
    }
    own = records.pop(patient, None) or PatientFact(reference=patient)
    deaths = [f.deceased for f in (own, *records.values()) if f.deceased is not None]
    digests = [f.beneficiary_digest for f in (own, *records.values()) if f.beneficiary_digest]
    subscriber = next(
        (d for source, row in reading.rows("coverage") if (d := _subscriber_digest(row)) is not None), None
    )
    linked = {link for f in (own, *records.values()) for link in f.linked} | set(records)
    return PatientFact(
        reference=patient,
        version=own.version,
        deceased=deaths[0] if deaths else None,
        deceased_undated=any(f.deceased_undated for f in (own, *records.values())),
        linked=tuple(sorted(linked - {patient})),
        beneficiary_digest=digests[0] if digests else subscriber,
        demographics=own.demographics,
    )


def _record(reading: Reading, source: Source, row: Row) -> PatientFact:
    stamp = row.stamp("deceased", reading.context.zone)
    identifiers = (d for text in row.texts("beneficiary_identifiers") if (d := _digest(text)) is not None)
    return PatientFact(
        reference=source.reference,
        version=source.version,
        deceased=stamp.earliest() if stamp else None,
        deceased_undated=row.flag("deceased_flag"),
        linked=reading.references(row, "linked"),
        beneficiary_digest=next(identifiers, None),
        demographics=tuple(
            what
            for what, column in (("name", "has_name"), ("birth date", "has_birth_date"), ("sex", "has_sex"))
            if row.flag(column)
        ),
    )


def _subscriber_digest(row: Row) -> str | None:
    text = row.columns.get("subscriber")
    relationship = row.columns.get("relationship")
    own = relationship in (None, [], ["self"], "self")
    return _digest(text) if isinstance(text, str) and own else None


def _digest(text: str) -> str | None:
    """Return the digest of a Medicare beneficiary identifier; None for anything else."""
    return sha256(plain_mbi(text).encode()).hexdigest() if is_mbi(text) else None


def _coverage(reading: Reading, source: Source, row: Row) -> CoverageFact | None:
    status = row.status("status", _COVERAGE_STATUSES)
    if status not in {"active", "cancelled"}:
        return None
    payor = next((reading.context.organization(o) for o in row.objects("payors")), None)
    organization = reading.context.practice.organizations.get(payor or "")
    if payor is not None and organization is None:
        reading.missing(source, "payor", payor)
    identifiers = tuple(Coding(system, value) for system, value in organization.identifiers) if organization else ()
    return CoverageFact(
        reference=source.reference,
        version=source.version,
        status=status,
        start=reading.day(row, "start", latest=True),
        end=reading.day(row, "end"),
        type_codes=row.codings("type_codings"),
        payor=payor,
        payor_identifiers=identifiers,
        order=row.count("order"),
    )
