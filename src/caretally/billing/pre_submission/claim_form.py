"""Checks of the beneficiary, the payer, the provider and what has to stand on the claim (billing-rules 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.billing.pre_submission.submission import failed, passed, unknown
from caretally.facts.calendar import months_after
from caretally.facts.codes import ICD10CM
from caretally.facts.time_entry import RoleClass

if TYPE_CHECKING:
    from datetime import date

    from caretally.billing.pre_submission.submission import Said, Submission
    from caretally.facts.clinical import CoverageFact

SOON = 60
"""Days before the end of filing from which on a claim is warned of."""


def no_hospice(given: Submission) -> Said:
    """A hospice election on a date of service; a payer's switch may make it a warning."""
    hits = [
        fact.reference
        for fact in given.month.facts.hospices
        if any(fact.start <= x.service_date and (fact.end is None or x.service_date <= fact.end) for x in given.lines)
    ]
    if hits:
        return failed("hospice election", *hits, effect="warn" if given.policy.hospice == "warn" else None)
    return passed("none on file")


def right_payer(given: Submission) -> Said:
    """A plan in force that stands in the place of the payer that is billed, or a payer that no policy knows."""
    billed = given.policies.payer_of(given.coverage)
    if billed is None or given.coverage is None:
        return unknown(f"no policy fits the coverage; that of {given.determination.trace.payer} was used")
    plans = [
        coverage.reference
        for coverage in given.month.facts.coverages
        if (payer := given.policies.payer_of(coverage)) is not None
        and billed.name in payer.instead_of
        and any(_in_force(coverage, line.service_date) for line in given.lines)
    ]
    if plans:
        return failed(f"a plan in place of {billed.name} is in force, {billed.name} would be billed", *plans)
    return passed(billed.name, given.coverage.reference)


def _in_force(coverage: CoverageFact, day: date) -> bool:
    return (
        coverage.status in {"active", "cancelled"}
        and (coverage.status == "active" or coverage.end is not None)
        and (coverage.start is None or coverage.start <= day)
        and (coverage.end is None or day <= coverage.end)
    )


def covered_on_date(given: Submission) -> Said:
    """A date of service on which no coverage is in force."""
    coverages = given.month.facts.coverages
    for line in given.lines:
        if not any(_in_force(coverage, line.service_date) for coverage in coverages):
            return failed(f"{line.code} on {line.service_date}", *(c.reference for c in coverages))
    return passed("in force", *((given.coverage.reference,) if given.coverage else ()))


def alive_on_date(given: Submission) -> Said:
    """A date of service after death, or a death whose date nobody knows."""
    patient = given.month.facts.patient
    if patient.deceased_undated and patient.deceased is None:
        return failed("died on an unknown date", patient.reference)
    if patient.deceased is not None:
        died = patient.deceased.date_in(given.policy.time_zone)
        if any(line.service_date > died for line in given.lines):
            return failed(f"died on {died}", patient.reference)
    return passed("alive")


def required_elements(given: Submission) -> Said:
    """Diagnosis, units or date missing on the claim."""
    if given.claim is None:
        return unknown("no claim is written for this month, or not yet")
    lacking = []
    if not _diagnoses(given.claim):
        lacking.append("diagnosis (M76)")
    items = given.claim.get("item") or [{}]
    if not all((item.get("quantity") or {}).get("value") for item in items):
        lacking.append("units (M53)")
    if not all(item.get("servicedDate") or item.get("servicedPeriod") for item in items):
        lacking.append("date (M52)")
    return failed("missing: " + ", ".join(lacking)) if lacking else passed("diagnosis, units and date")


def _diagnoses(claim: dict[str, Any]) -> list[str]:
    return [
        str(coding["code"])
        for row in claim.get("diagnosis") or ()
        for coding in (row.get("diagnosisCodeableConcept") or {}).get("coding") or ()
        if coding.get("system") == ICD10CM and coding.get("code")
    ]


def provider_number(given: Submission) -> Said:
    """No NPI of the rendering practitioner."""
    me = given.determination.billing_practitioner
    if me is None or given.practice.practitioner(me).npi is None:
        return failed("no NPI", *((me,) if me else ()))
    return passed("known", me)


def diagnosis_fits(given: Submission) -> Said:
    """Too few different conditions for the programme: by three-character category where codes are known."""
    codes = [d.icd10cm for d in given.determination.evidence.diagnoses if d.icd10cm]
    if given.claim is not None:
        codes = _diagnoses(given.claim)
    different = {code.replace(".", "")[:3].upper() for code in codes}
    needed = max((given.tables.programmes[p].conditions_needed for p in given.programmes), default=1)
    references = tuple(d.reference for d in given.determination.evidence.diagnoses)
    if given.policy.condition_grouping == "mapped_group":
        # Diseases of one category may be different there; then each code stands for one.
        different = set(codes)
    if len(different) < needed:
        return failed(f"{len(different)} of {needed} different conditions", *references)
    return passed(f"{len(different)} different conditions", *references)


def place_of_service(given: Submission) -> Said:
    """A place of service in which the facility is paid for the care."""
    place = given.determination.place_of_service
    return failed(place) if place in given.tables.blocked_places else passed(place)


def provider_eligible(given: Submission) -> Said:
    """Somebody bills who may not: only physicians, NP, PA, CNS and CNM may."""
    me = given.determination.billing_practitioner
    if me is None:
        return failed("no billing practitioner")
    role = given.practice.practitioner(me).role
    return passed(role.value, me) if role is RoleClass.PRACTITIONER else failed(role.value, me)


def last_filing_day(given: Submission) -> date | None:
    """Return the last day on which the payer takes the whole claim; None without lines."""
    days = [line.service_date for line in given.lines]
    return months_after(min(days), given.policy.timely_filing_months) if days else None


def timely_filing(given: Submission) -> Said:
    """The time for filing has run out, or ends within `SOON` days."""
    last = last_filing_day(given)
    if last is None:
        return unknown("no line")
    left = (last - given.month.as_of).days
    if left < 0:
        return failed(f"ended on {last}, {-left} days ago")
    return (failed if left <= SOON else passed)(f"{left} days left, until {last}")


def records_ready(given: Submission) -> Said:
    """Something that a request for records asks for is not on file: consent, plan, time records, a copy given."""
    evidence = given.determination.evidence
    lacking = [
        what
        for what, there in (
            ("consent", evidence.consent),
            ("care plan", evidence.care_plan),
            ("time entries", evidence.entries),
        )
        if not there
    ]
    papers = [p for p in given.determination.paper if p.programme in given.programmes]
    lacking += [
        {"copy-given": "copy of the care plan"}[item.item]
        for paper in papers
        for item in paper.documentation
        if item.item == "copy-given" and item.state == "missing"
    ]
    named = tuple(r for r in (evidence.consent, evidence.care_plan) if r)
    return failed("not on file: " + ", ".join(lacking), *named) if lacking else passed("at hand", *named)
