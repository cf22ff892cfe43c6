"""Checks of a sample of real resources: what the mappings make of them, in numbers and never with a patient's data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caretally.facts.time_entry import RoleClass
from caretally.mapping import map_patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.facts.patient_month import PatientFacts
    from caretally.sync.deciding import Decider, PatientRecord
    from caretally.sync.doctor.check import Findings

SHOWN = 6


@dataclass(slots=True)
class Sampled:
    """What a sample of patients became."""

    facts: list[PatientFacts] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    faults: int = 0


def sample_of(decider: Decider, records: Sequence[PatientRecord]) -> Sampled:
    """Map some patients."""
    found = Sampled()
    for record in records:
        try:
            mapped = map_patient(record.patient, record.resources, decider.mapping)
        except Exception:  # noqa: BLE001 -- a fault of ours is one of the things that are counted
            found.faults += 1
            continue
        found.facts.append(mapped.facts)
        found.refused.update(f"{one.code} ({one.element})" for one in mapped.issues if one.severity == "error")
    return found


def check_sample(decider: Decider, sampled: Sampled, findings: Findings) -> None:
    """Say of what kind the sampled facts are, and which of them would not count."""
    facts = sampled.facts
    if not facts:
        for name in NAMES:
            findings.skip(name, "no patient with care management was found to look at")
        return
    _refused(sampled, findings)
    _entries(facts, findings)
    _people(facts, findings)
    _consents(facts, findings)
    _plans(decider, facts, findings)
    _conditions(facts, findings)
    _coverages(decider, facts, findings)
    _billers(decider, facts, findings)


NAMES = (
    "sample-mapped",
    "sample-time",
    "sample-roles",
    "sample-consents",
    "sample-plans",
    "sample-conditions",
    "sample-payers",
    "sample-npi",
    "sample-sites",
)


def _share(part: int, whole: int, what: str) -> str:
    return f"{part} of {whole} {what}"


def _refused(sampled: Sampled, findings: Findings) -> None:
    if sampled.faults:
        findings.fail(
            "sample-mapped",
            f"{sampled.faults} patients led to a fault of the program",
            means="nothing is decided for them",
            fix="report it with the place that `caretally plan --verbose` names",
        )
    elif sampled.refused:
        shown = ", ".join(f"{count} x {code}" for code, count in sampled.refused.most_common(SHOWN))
        findings.warn(
            "sample-mapped",
            f"{sum(sampled.refused.values())} resources or facts refused: {shown}",
            means="they do not count; refused minutes stand in the ledger as X-INVALID",
            fix="`caretally plan` lists each one; `caretally map show` shows why",
        )
    else:
        findings.ok("sample-mapped", f"{len(sampled.facts)} patients, nothing refused")


def _entries(facts: Sequence[PatientFacts], findings: Findings) -> None:
    entries = [entry for one in facts for entry in one.entries]
    if not entries:
        findings.warn(
            "sample-time",
            "no time entry among the sampled patients",
            means="no minutes, no service",
            fix="say where time is logged: [mapping] use, or a view of your own (see `caretally map show`)",
        )
        return
    timed = sum(entry.interval is not None for entry in entries)
    invalid = sum(entry.invalid is not None for entry in entries)
    attended = sum(entry.attending is not None for entry in entries)
    kinds = sum(bool(entry.activities) for entry in entries)
    said = "; ".join(
        (
            _share(timed, len(entries), "entries with both ends"),
            _share(len(entries) - timed - invalid, len(entries), "with a date and a length"),
            _share(invalid, len(entries), "refused"),
            _share(attended, len(entries), "name the billing practitioner"),
            _share(kinds, len(entries), "name an activity"),
        )
    )
    if invalid * 2 > len(entries):
        findings.warn(
            "sample-time",
            said,
            means="most of the logged time does not count",
            fix="entries want a period with both ends, or a date and a length in UCUM units",
        )
    else:
        findings.ok("sample-time", said)


def _people(facts: Sequence[PatientFacts], findings: Findings) -> None:
    people = {
        performer.reference: performer for one in facts for entry in one.entries for performer in entry.performers
    }
    unknown = sorted(name for name, performer in people.items() if performer.role is RoleClass.UNKNOWN)
    if not people:
        findings.skip("sample-roles", "no entry names who did the work")
    elif unknown:
        findings.warn(
            "sample-roles",
            f"{_share(len(unknown), len(people), 'people have no role that is known')}: {', '.join(unknown[:SHOWN])}",
            means="their time never counts",
            fix="give them a PractitionerRole.code, or a line in the role map ([mapping] role_map)",
        )
    else:
        findings.ok("sample-roles", _share(len(people), len(people), "people have a known role"))


def _consents(facts: Sequence[PatientFacts], findings: Findings) -> None:
    consents = [consent for one in facts for consent in one.consents]
    named = sum(bool(consent.practitioners) for consent in consents)
    dated = sum(consent.given is not None for consent in consents)
    formed = sum(consent.mode is not None for consent in consents)
    if not consents:
        findings.warn(
            "sample-consents",
            "no care-management consent among the sampled patients",
            means="nothing is billable without one (a privacy consent is none)",
            fix="record Consent with the category care-management, or map where consent is kept",
        )
        return
    said = "; ".join(
        (
            _share(dated, len(consents), "consents are dated"),
            _share(named, len(consents), "name a practitioner"),
            _share(formed, len(consents), "say whether written or verbal"),
        )
    )
    if dated < len(consents) or named < len(consents):
        findings.warn(
            "sample-consents",
            said,
            means="one without date does not count; one that names only the practice holds for its group",
            fix="fill Consent.dateTime and Consent.provision.actor",
        )
    else:
        findings.ok("sample-consents", said)


def _plans(decider: Decider, facts: Sequence[PatientFacts], findings: Findings) -> None:
    plans = [plan for one in facts for plan in one.care_plans]
    if not plans:
        findings.warn(
            "sample-plans",
            "no care-management plan among the sampled patients",
            means="nothing is billable without one",
            fix="record CarePlan with a care-management category, or map the local one",
        )
        return
    practice = decider.practice
    written = sum(
        plan.author is not None and practice.practitioner(plan.author).role is RoleClass.PRACTITIONER for plan in plans
    )
    addressed = sum(bool(plan.addresses) for plan in plans)
    narrative = sum(plan.narrative_only for plan in plans)
    said = "; ".join(
        (
            _share(written, len(plans), "plans have a practitioner as author"),
            _share(addressed, len(plans), "name the conditions"),
            _share(narrative, len(plans), "are text only"),
        )
    )
    if written < len(plans) or addressed < len(plans) or narrative:
        findings.warn(
            "sample-plans",
            said,
            means="what a plan does not say in elements has to be attested by a person",
            fix="fill CarePlan.author, addresses and activity",
        )
    else:
        findings.ok("sample-plans", said)


def _conditions(facts: Sequence[PatientFacts], findings: Findings) -> None:
    chronic = [one for fact in facts for one in fact.conditions if one.active_status and one.listed_chronic]
    coded = sum(one.icd10cm is not None for fact in facts for one in fact.conditions)
    whole = sum(len(fact.conditions) for fact in facts)
    risk = sum(one.significant_risk is not None for one in chronic)
    said = "; ".join(
        (
            _share(coded, whole, "conditions have an ICD-10-CM code"),
            f"{len(chronic)} are active and on the chronic list",
            _share(risk, len(chronic), "of these have a documented risk"),
        )
    )
    if coded < whole or risk < len(chronic):
        findings.warn(
            "sample-conditions",
            said,
            means="a claim wants ICD-10-CM; a month with unknown risk is held for a person",
            fix="give a SNOMED map ([mapping] terminology); record or attest risk (`caretally review attest`)",
        )
    else:
        findings.ok("sample-conditions", said)


def _coverages(decider: Decider, facts: Sequence[PatientFacts], findings: Findings) -> None:
    coverages = [coverage for one in facts for coverage in one.coverages]
    known = sum(decider.rules.policies.payer_of(coverage) is not None for coverage in coverages)
    said = _share(known, len(coverages), "coverages belong to a payer that is known")
    if not coverages or known < len(coverages):
        findings.warn(
            "sample-payers",
            said,
            means="without coverage nothing is billable; an unknown payer gets the default policy, and says so",
            fix="name the payers of the practice under [payer.NAME] match",
        )
    else:
        findings.ok("sample-payers", said)


def _billers(decider: Decider, facts: Sequence[PatientFacts], findings: Findings) -> None:
    practice = decider.practice
    billers = {plan.author for one in facts for plan in one.care_plans if plan.author is not None}
    billers |= {name for one in facts for consent in one.consents for name in consent.practitioners}
    billers = {name for name in billers if practice.practitioner(name).role is RoleClass.PRACTITIONER}
    numbered = sum(practice.practitioner(name).npi is not None for name in billers)
    said = _share(numbered, len(billers), "billing practitioners have an NPI")
    if numbered < len(billers) or not billers:
        findings.warn(
            "sample-npi",
            said,
            means="no claim can be made for somebody without one",
            fix="record Practitioner.identifier with the NPI system",
        )
    else:
        findings.ok("sample-npi", said)
    _sites(decider, billers, findings)


def _sites(decider: Decider, billers: set[str], findings: Findings) -> None:
    practice = decider.practice
    placed = sum(practice.site_of(name).name in {site.name for site in practice.sites} for name in billers)
    priced = sum(bool(site.fee_schedule) for site in practice.sites)
    said = (
        f"{_share(placed, len(billers), 'billing practitioners work at a configured site')}; "
        f"{_share(priced, len(practice.sites), 'sites have a fee schedule')}"
    )
    if placed < len(billers) or priced < len(practice.sites) or not practice.sites:
        findings.warn(
            "sample-sites",
            said,
            means="zone, place of service and charges are the defaults; the charge is the payer's rate",
            fix="fill [site.NAME] for each place of practice, with zone, place_of_service, tin and fee_schedule",
        )
    else:
        findings.ok("sample-sites", said)
