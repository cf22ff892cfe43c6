"""Claims, charges and explanations of benefit on file that this product did not write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.facts.clinical import ClaimLineFact, VisitFact
from caretally.facts.codes import ICD10CM
from caretally.facts.moment import Moment
from caretally.mapping.references import target_of
from caretally.mapping.values import Refusal, as_coding, is_procedure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from caretally.facts.clinical import ConditionFact
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_CHARGED = frozenset({"planned", "billable", "billed"})
_CHARGE_STATUSES = frozenset(
    {"planned", "billable", "not-billable", "aborted", "billed", "entered-in-error", "unknown"}
)
_NOT_RENDERING = (
    "assist",
    "supervisor",
    "supervising",
    "referring",
    "ordering",
    "purchasedservice",
    "other",
    "billing",
)
"""Care-team roles of R4 and of CARIN Blue Button beside ``primary``, ``rendering``, ``performing``."""
_CLAIM_STATUSES = frozenset({"active", "cancelled", "draft", "entered-in-error"})


@dataclass(slots=True)
class Billed:
    """What claims on file became: lines for the conflicts, and visits that their codes prove."""

    lines: list[ClaimLineFact]
    visits: list[VisitFact]


def billed(reading: Reading, conditions: Iterable[ConditionFact]) -> Billed:
    """Build claim lines from Claim, ExplanationOfBenefit and ChargeItem; ours are left out by their identifier."""
    codes = {c.reference: c.icd10cm for c in conditions if c.icd10cm}
    found = Billed([], [])
    for view in ("claim_line", "benefit_line", "charge"):
        for source, row in reading.rows(view):
            if source.has_identifier_of(reading.context.own_identifier_system):
                continue
            try:
                lines = _charge(reading, source, row) if view == "charge" else _claim(reading, source, row, codes)
            except Refusal as refusal:
                reading.report.refuse(source, refusal)
                reading.refused.add(source.reference)
                continue
            if lines:
                reading.used.add(source.reference)
            # A payer's answer proves a visit. As a claim it would be the answer to our own as well, and would block it.
            found.lines += lines if view != "benefit_line" else []
            found.visits += [_visit(line) for line in lines if not line.is_charge]
    return found


def _visit(line: ClaimLineFact) -> VisitFact:
    return VisitFact(
        reference=line.reference,
        version=line.version,
        moment=Moment(day=line.service_date),
        codes=(line.code,),
        practitioners=line.practitioners,
        organization=line.organization,
    )


def _claim(reading: Reading, source: Source, row: Row, codes: Mapping[str, str]) -> list[ClaimLineFact]:
    if row.text("use") not in {None, "claim"} or row.status("status", _CLAIM_STATUSES) != "active":
        return []
    procedures = [c for c in row.codings("codings") if is_procedure(c)]
    if not procedures:
        return []
    day = _service_date(reading, source, row, ("serviced_date", "serviced_start", "billable_start", "created"), 2)
    practitioners, npis, organization = _rendering(reading, source, row)
    return [
        ClaimLineFact(
            reference=source.reference,
            version=source.version,
            code=code,
            service_date=day,
            practitioners=practitioners,
            npis=npis,
            organization=organization,
            diagnoses=_diagnoses(row, codes),
            units=row.number("units"),
            encounters=_encounters(reading, row),
        )
        for code in procedures
    ]


def _charge(reading: Reading, source: Source, row: Row) -> list[ClaimLineFact]:
    if row.status("status", _CHARGE_STATUSES) not in _CHARGED:
        return []
    procedures = [c for c in row.codings("codings") if is_procedure(c)]
    if not procedures:
        return []
    day = _service_date(reading, source, row, ("occurred", "occurred_start", "entered"), 2)
    practitioners = reading.practitioners(row, "performers", source)
    organization = next((reading.context.organization(o) for o in row.objects("organization")), None)
    diagnoses = tuple(c.code for c in row.codings("diagnosis_codings") if c.system == ICD10CM)
    return [
        ClaimLineFact(
            reference=source.reference,
            version=source.version,
            code=code,
            service_date=day,
            practitioners=practitioners,
            npis=_npis(reading, practitioners),
            organization=organization or _organization_of(reading, practitioners),
            diagnoses=diagnoses,
            units=row.number("units"),
            is_charge=True,
            encounters=_encounters(reading, row),
        )
        for code in procedures
    ]


def _encounters(reading: Reading, row: Row) -> tuple[str, ...]:
    """Return the Encounters that a line bills; an EpisodeOfCare is none."""
    return tuple(key for key in reading.references(row, "encounters") if key.startswith("Encounter/"))


def _service_date(reading: Reading, source: Source, row: Row, columns: tuple[str, ...], sure: int) -> date:
    """Return the date of a line; from the third column on it is a makeshift, and flagged."""
    for place, column in enumerate(columns):
        day = reading.day(row, column)
        if day is not None:
            if place >= sure:
                wanted = "the date of service on the line"
                reading.report.note(
                    source, f"{source.type}.{column}", "line-without-date", "no date", wanted, "warning"
                )
            return day
    raise Refusal(f"{source.type}.item", "line-without-date", "no date", "the date of service on the line")


def _rendering(reading: Reading, source: Source, row: Row) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Return who rendered a line: the item's care team, else the claim's, else its provider (design 4)."""
    context = reading.context
    members = [m for m in row.objects("care_team") if isinstance(m.get("sequence"), int) and not _assisted(m)]
    team = {m["sequence"]: m.get("provider") for m in members}
    named = [team.get(sequence) for sequence in row.counts("care_team_sequences")] or list(team.values())
    references = [r for r in named if isinstance(r, dict)]
    people = context.people(references, source)
    if not people:
        people = context.people(row.objects("provider"), source)
    practitioners = tuple(dict.fromkeys(p.reference for p in people if p.reference is not None))
    npis = _npis(reading, practitioners) + tuple(p.npi for p in people if p.npi is not None and p.reference is None)
    organization = next((context.organization(o) for o in row.objects("provider")), None)
    return practitioners, npis, organization or _organization_of(reading, practitioners)


def _assisted(member: Mapping[str, Any]) -> bool:
    """Whether a member of the care team is there for another reason than having rendered the service."""
    role = member.get("role")
    codings = role.get("coding") if isinstance(role, dict) else None
    codes = [c.get("code") for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []
    return any(code in _NOT_RENDERING for code in codes)


def _npis(reading: Reading, practitioners: tuple[str, ...]) -> tuple[str, ...]:
    found = (reading.context.practice.practitioner(p).npi for p in practitioners)
    return tuple(npi for npi in found if npi is not None)


def _organization_of(reading: Reading, practitioners: tuple[str, ...]) -> str | None:
    return next((o for p in practitioners if (o := reading.context.practice.organization_of(p)) is not None), None)


def _diagnoses(row: Row, codes: Mapping[str, str]) -> tuple[str, ...]:
    wanted = set(row.counts("diagnosis_sequences"))
    found: list[str] = []
    for item in row.objects("diagnoses"):
        if wanted and item.get("sequence") not in wanted:
            continue
        code = _diagnosis(item, codes)
        if code is not None:
            found.append(code)
    return tuple(dict.fromkeys(found))


def _diagnosis(item: Mapping[str, Any], codes: Mapping[str, str]) -> str | None:
    concept, reference = item.get("diagnosisCodeableConcept"), item.get("diagnosisReference")
    if isinstance(concept, dict):
        inside = concept.get("coding")
        for one in inside if isinstance(inside, list) else ():
            coding = as_coding(one) if isinstance(one, dict) else None
            if coding is not None and coding.system == ICD10CM:
                return coding.code
    if isinstance(reference, dict):
        return codes.get(target_of(reference).key or "")
    return None
