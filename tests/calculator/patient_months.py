"""Random patient-months, one for each seed: a month that would be billed, and then whatever can happen to it.

Plain `random`, so that a hundred thousand of them take minutes. A month begins sound; up to three mishaps out of a long
list then befall it, while the work itself is always logged the way people log it: overlapping, twice, over midnight,
by the wrong person, without times.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from caretally.facts.calendar import ServiceMonth
from caretally.facts.clinical import CoverageFact
from caretally.facts.codes import Coding
from caretally.facts.patient_month import PatientFacts, PatientMonth
from caretally.facts.policy import PolicyBook, Switches
from caretally.facts.practice import Attestation, Organization, Practice, Practitioner, RoleAssignment, Site
from caretally.rules import RuleContext
from tests.calculator.cast import (
    ILLNESSES,
    OTHERS,
    P1,
    P2,
    P3,
    PEOPLE,
    PRACTITIONER,
    SWITCHES,
    ZONES,
    tables,
    zone_named,
)
from tests.calculator.draft import Draft, make_condition, make_consent, make_plan, make_visit
from tests.calculator.mishaps import KINDS, WEIGHTS
from tests.calculator.work import log_work


def generate(seed: int) -> tuple[PatientMonth, RuleContext]:
    """The patient-month of a seed, and the practice and policy it is judged in."""
    random = Random(seed)  # noqa: S311 -- no secret
    draft = sound(random)
    log_work(draft)
    for mishap in random.choices(KINDS, WEIGHTS, k=random.choices((0, 1, 2, 3, 4), weights=(20, 28, 25, 17, 10))[0]):
        mishap(draft)
    _shuffle(draft)
    return finished(draft)


def sound(random: Random) -> Draft:
    year = random.choice((2024, 2025, 2025, 2026))
    number = random.choice((1, 2, 3, 3, 11, 11, 12, random.randint(1, 12)))
    month = ServiceMonth(year, number)
    zone = zone_named(random.choice(ZONES))
    switches: dict[str, Any] = {}
    if random.random() < 0.8:
        for name in random.sample(tuple(SWITCHES), k=random.choice((1, 1, 2, 3, 6))):
            switches[name] = random.choice(SWITCHES[name])
    switches["zone"] = zone.key
    age = random.choice((20, 60, 90, 200, 400, 800))
    started = month.first_day - timedelta(days=age + random.randrange(20))
    programmes = random.choices((("ccm",), ("pcm",), ("ccm", "pcm")), weights=(50, 28, 22))[0]
    owners = dict.fromkeys(programmes, P1)
    if len(programmes) == 2 and random.random() < 0.5:
        owners["pcm"] = random.choice((P2, P3))
    draft = Draft(random=random, month=month, zone=zone, switches=switches, started=started, owners=owners)
    _illnesses(draft)
    for programme, who in owners.items():
        make_plan(draft, programme, who)
    _consents(draft)
    draft.coverages.append(
        CoverageFact(
            reference="Coverage/1",
            status="active",
            start=random.choice((None, date(2015, 3, 1))),
            end=None,
            type_codes=(Coding("https://nahdo.org/sopt", random.choice(("121", "121", "121", "111", "9"))),),
            order=random.choice((None, 1)),
        )
    )
    for who in sorted(set(owners.values())):
        _initiating(draft, who)
    if random.random() < 0.5:
        draft.attestations = (Attestation(name="incident-to", held_from=month.first_day),)
    draft.as_of = month.last_day + timedelta(days=random.choice((11, 20, 40)))
    draft.place_of_service = random.choices(("11", "19", "22", "12"), weights=(80, 8, 8, 4))[0]
    return draft


def _illnesses(draft: Draft) -> None:
    random = draft.random
    for code in random.sample(ILLNESSES, k=random.choice((2, 2, 3, 4))):
        make_condition(draft, code, months=12 if random.random() < 0.7 else None, risk=True)
    if random.random() < 0.2:
        make_condition(draft, random.choice(OTHERS), months=1, risk=random.choice((None, False)))


def _consents(draft: Draft) -> None:
    random = draft.random
    for programme, who in draft.owners.items():
        make_consent(draft, who, draft.started, (programme,) if random.random() < 0.7 else ())


def _initiating(draft: Draft, who: str) -> None:
    random = draft.random
    back = random.choice((0, 1, 30, 200, 360))
    make_visit(
        draft, random.choice(("99214", "99203", "G0439", "99348", "99213")), draft.started - timedelta(days=back), who
    )


def _shuffle(draft: Draft) -> None:
    for facts in (draft.entries, draft.conditions, draft.plans, draft.consents, draft.visits, draft.claims):
        draft.random.shuffle(facts)


def finished(draft: Draft) -> tuple[PatientMonth, RuleContext]:
    facts = PatientFacts(
        patient=draft.patient,
        entries=tuple(draft.entries),
        conditions=tuple(draft.conditions),
        care_plans=tuple(draft.plans),
        consents=tuple(draft.consents),
        coverages=tuple(draft.coverages),
        visits=tuple(draft.visits),
        stays=tuple(draft.stays),
        hospices=tuple(draft.hospices),
        claim_lines=tuple(draft.claims),
        care_team_leads=draft.leads,
    )
    month = PatientMonth(
        facts=facts,
        service_month=draft.month,
        as_of=draft.as_of,
        double_bookings=tuple(draft.bookings),
        duplicate_of=draft.duplicate_of,
    )
    practice = Practice(
        practitioners={
            who: Practitioner(
                reference=who,
                npi=f"npi-{who}" if role is PRACTITIONER else None,
                role=draft.roles.get(who, role),
                assignments=(
                    RoleAssignment(
                        reference=who.replace("Practitioner/", "PractitionerRole/"),
                        organization=f"Organization/{group}",
                        role=draft.roles.get(who, role),
                        taxonomy=specialty,
                    ),
                ),
            )
            for who, (role, group, specialty) in PEOPLE.items()
        },
        organizations={
            f"Organization/{g}": Organization(reference=f"Organization/{g}", tin=f"tin-{g}")
            for g in ("GRP1", "GRP2", "VENDOR")
        },
        attestations=draft.attestations,
        sites=(
            Site(
                name="main",
                place_of_service=draft.place_of_service,
                kind=draft.kind,
                default_practitioner=draft.default_practitioner,
            ),
        ),
    )
    context = RuleContext(
        tables=tables().services,
        terminology=tables().terminology,
        policies=PolicyBook(payers=tables().payers, practice=Switches(source="random", values=draft.switches)),
        practice=practice,
    )
    return month, context
