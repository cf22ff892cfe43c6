"""What can happen to consent, visits, conditions and plans."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from caretally.facts.calendar import years_before
from caretally.facts.codes import Coding
from caretally.facts.moment import Moment
from tests.calculator.cast import P1, P2, P3
from tests.calculator.draft import date_of, make_condition, make_consent, make_plan, make_visit, replace

if TYPE_CHECKING:
    from tests.calculator.draft import Draft


def no_consent(draft: Draft) -> None:
    draft.consents.clear()


def change_a_consent(draft: Draft, **changed: Any) -> None:
    if draft.consents:
        place = draft.random.randrange(len(draft.consents))
        draft.consents[place] = replace(draft.consents[place], **changed)


def withdrawn(draft: Draft) -> None:
    when = draft.random.choice((draft.busy_day(), draft.busy_day(), draft.day(), draft.around()))
    if draft.random.random() < 0.6:
        draft.switches["revocation_effective"] = "immediate"
    change_a_consent(draft, status=draft.random.choice(("inactive", "active")), withdrawn=draft.moment(when))


def withdrawn_some_day(draft: Draft) -> None:
    change_a_consent(draft, status="inactive")


def consent_in_month(draft: Draft) -> None:
    change_a_consent(draft, given=draft.moment(draft.random.choice((draft.busy_day(), draft.day(), draft.around()))))
    if draft.random.random() < 0.5:
        draft.plans = [replace(p, start=draft.day()) for p in draft.plans]


def consent_of_another(draft: Draft) -> None:
    change_a_consent(draft, practitioners=(draft.random.choice((P1, P2, P3)),))


def consent_of_the_group(draft: Draft) -> None:
    change_a_consent(
        draft,
        practitioners=(),
        organizations=draft.random.choice((("Organization/GRP1",), ("Organization/GRP2",), ())),
    )


def consent_of_another_programme(draft: Draft) -> None:
    change_a_consent(draft, programmes=(draft.random.choice(("ccm", "pcm")),))


def another_consent(draft: Draft) -> None:
    random = draft.random
    when = random.choice((draft.around(), draft.day(), draft.started + timedelta(days=10)))
    make_consent(draft, random.choice((P1, P1, P2, P3, None)), when, random.choice(((), ("ccm",), ("pcm",))))
    if random.random() < 0.3:
        draft.consents[-1] = replace(draft.consents[-1], status="inactive", withdrawn=draft.moment(draft.around()))


def gone_elsewhere(draft: Draft) -> None:
    random = draft.random
    when = random.choice((draft.around(), draft.started + timedelta(days=15)))
    withdrawn = draft.moment(draft.around()) if random.random() < 0.2 else None
    make_consent(
        draft,
        P3,
        when,
        random.choice(((), ("ccm",), ("pcm",))),
        organizations=("Organization/GRP2",),
        withdrawn=withdrawn,
    )


def no_visit(draft: Draft) -> None:
    draft.visits.clear()


def late_visit(draft: Draft) -> None:
    draft.visits.clear()
    when = draft.random.choice((draft.busy_day(), draft.day(), draft.around(), draft.started + timedelta(days=5)))
    make_visit(draft, "99214", when, draft.random.choice((P1, P1, P2, P3)))


def old_visit(draft: Draft) -> None:
    draft.visits.clear()
    edge = years_before(draft.started, draft.random.choice((1, 1, 1, 2)))
    make_visit(draft, "99213", edge + timedelta(days=draft.random.choice((-1, 0, 1))), P1)


def odd_visit(draft: Draft) -> None:
    random = draft.random
    draft.visits.clear()
    code, *marks = random.choice((("99211",), ("99496",), ("99214", "95"), ("99283",), ("98006",), ("99203", "GT")))
    make_visit(draft, code, draft.started - timedelta(days=random.randrange(1, 90)), random.choice((P1, P2)), *marks)


def visit_in_month(draft: Draft) -> None:
    random = draft.random
    visited = random.choice((P1, P1, P1, P2, P3))
    own = [e for e in draft.entries if any(p.reference == visited for p in e.performers)]
    days = [date_of(draft, e) for e in (own if own and random.random() < 0.7 else draft.entries)]
    code = random.choice(("99214", "99213", "99202", "99211", "99214", "99348", "99495"))
    make_visit(draft, code, random.choice((*days, *days, draft.day())), visited, timed=random.random() < 0.5)
    timed = [e.interval for e in draft.entries if e.interval is not None]
    if timed and random.random() < 0.4:
        near = random.choice(timed)
        begin = near.start + random.randrange(-600, 600)
        draft.visits[-1] = replace(
            draft.visits[-1], moment=Moment(instant=begin), interval=(begin, begin + random.choice((300, 900, 1800)))
        )


def odd_condition(draft: Draft) -> None:
    random = draft.random
    if not draft.conditions:
        return
    place = random.randrange(len(draft.conditions))
    changed: dict[str, Any] = random.choice(
        (
            {"active_status": False},
            {"active_status": False, "abatement": draft.around()},
            {"abatement": draft.around()},
            {"confirmed": False},
            {"onset": draft.around()},
            {"onset": None, "recorded": draft.around()},
            {"expected_months": 1},
            {"expected_months": 3},
            {"expected_months": 6},
            {"expected_months": 11},
            {"expected_months": 1, "until_death": True},
            {"expected_months": None},
            {"significant_risk": False},
            {"significant_risk": None},
            {"listed_chronic": False},
            {"listed_chronic": False, "expected_months": None},
            {"listed_chronic": False, "expected_months": None, "until_death": True},
            {"icd10cm": None, "codes": (Coding("http://snomed.info/sct", "84114007"),), "group": "heart-failure"},
            {
                "icd10cm": None,
                "codes": (Coding("http://snomed.info/sct", "1"),),
                "group": None,
                "listed_chronic": False,
            },
        )
    )
    draft.conditions[place] = replace(draft.conditions[place], **changed)


def all_conditions(draft: Draft) -> None:
    changed: dict[str, Any] = draft.random.choice(
        (
            {"significant_risk": None},
            {"significant_risk": False},
            {"expected_months": 6},
            {"expected_months": 2},
            {"active_status": False},
            {"listed_chronic": False},
            {"icd10cm": None, "group": None},
        )
    )
    if changed == {"icd10cm": None, "group": None}:
        draft.conditions = [
            replace(c, **changed, codes=(Coding("http://snomed.info/sct", str(84114007 + i)),))
            for i, c in enumerate(draft.conditions)
        ]
        return
    draft.conditions = [replace(c, **changed) for c in draft.conditions]


def few_conditions(draft: Draft) -> None:
    draft.conditions = draft.conditions[: draft.random.choice((0, 1, 1, 1))]


def one_disease(draft: Draft) -> None:
    draft.conditions.clear()
    for code in draft.random.choice((("E11.9", "E11.65"), ("E11.9", "E10.9"), ("E11.9", "R53.83"), ("I10", "Z85.3"))):
        make_condition(draft, code, months=12, risk=True)


def no_plan(draft: Draft) -> None:
    if draft.plans:
        draft.plans.pop(draft.random.randrange(len(draft.plans)))


def odd_plan(draft: Draft) -> None:
    random = draft.random
    if not draft.plans:
        return
    place = random.randrange(len(draft.plans))
    changed: dict[str, Any] = random.choice(
        (
            {"status": "draft"},
            {"status": "on-hold"},
            {"status": "revoked"},
            {"status": "completed", "end": draft.around()},
            {"status": "revoked", "end": draft.around()},
            {"status": "entered-in-error"},
            {"end": draft.around()},
            {"start": draft.around()},
            {"start": None},
            {"created": draft.around()},
            {"updated": draft.around()},
            {"author": random.choice((P1, P2, P3))},
            {"author": "Practitioner/N1"},
            {"author": None},
            {"author": None, "care_team_lead": random.choice((P1, P2))},
            {"addresses": ()},
            {"addresses": ("Condition/1",)},
            {"addresses": ("Condition/9",)},
            {"pcm_elements": ()},
            {"pcm_elements": draft.plans[place].pcm_elements[:1]},
            {"pcm_elements": draft.plans[place].pcm_elements[1:]},
            {"programmes": ("ccm", "pcm")},
        )
    )
    draft.plans[place] = replace(draft.plans[place], **changed)


def late_elements(draft: Draft) -> None:
    draft.plans = [
        replace(p, pcm_elements=tuple(replace(e, attested=draft.around()) for e in p.pcm_elements)) for p in draft.plans
    ]


def another_plan(draft: Draft) -> None:
    random = draft.random
    programme = random.choice(("ccm", "pcm"))
    make_plan(draft, programme, random.choice((P1, P2, P3)), start=random.choice((draft.around(), draft.started)))
    if random.random() < 0.5:
        place = random.randrange(len(draft.plans) - 1) if len(draft.plans) > 1 else 0
        draft.plans[place] = replace(draft.plans[place], end=draft.day())


def renewed_plan(draft: Draft) -> None:
    if draft.plans:
        first = draft.plans[0]
        ended = draft.random.choice((draft.month.first_day - timedelta(days=10), draft.day()))
        draft.plans[0] = replace(first, status="completed", end=ended)
        draft.plans.append(
            replace(first, reference=draft.number("CarePlan", len(draft.plans)), start=ended + timedelta(days=1))
        )
