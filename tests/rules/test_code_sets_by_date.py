"""A code set speaks for the date of the service: one whose rows have ended before it says nothing about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from caretally.facts.codes import CodeSet
from caretally.rules import determine
from caretally.rules.candidates import candidates
from tests.rules.deciding import codes, question

if TYPE_CHECKING:
    from caretally.facts.determination import Determination
    from caretally.rules import RuleContext


def ended(context: RuleContext, name: str, last: date) -> RuleContext:
    """Return what the rules are given, with a code set whose rows held until a date."""
    terminology = context.terminology
    rules = tuple(replace(rule, valid_to=last) for rule in terminology.set(name).rules)
    return replace(context, terminology=replace(terminology, sets={**terminology.sets, name: CodeSet(name, rules)}))


def decided(case: dict[str, Any], name: str, last: date, **policy: Any) -> Determination:
    month, context = question(case, policy)
    (found,) = determine(month, ended(context, name, last))
    return found


def test_the_visits_that_start_a_programme() -> None:
    case: dict[str, Any] = {"visits": [{"code": "99214", "date": "2024-10-15"}]}
    assert decided(case, "initiating-visit", date(2024, 10, 15)).status == "billable"
    assert "R-INIT-VISIT-MISSING" in codes(decided(case, "initiating-visit", date(2024, 10, 14)))


def test_the_visits_of_transitional_care_that_a_payer_refuses() -> None:
    case: dict[str, Any] = {"visits": [{"code": "99495", "date": "2024-10-15"}]}
    switch = {"initiating_visit.accept_tcm": False}
    assert "R-INIT-VISIT-MISSING" in codes(decided(case, "initiating-visit-tcm", date(2024, 10, 15), **switch))
    assert decided(case, "initiating-visit-tcm", date(2024, 10, 14), **switch).status == "billable"


def test_surgery_with_a_global_period() -> None:
    case = {"other_claims": [{"code": "19303", "by": "P1", "group": "GRP1", "date": "2025-03-10"}]}
    assert "R-GLOBAL-REVIEW" in codes(decided(case, "global-period-90", date(2025, 3, 10)))
    assert decided(case, "global-period-90", date(2025, 3, 9)).status == "billable"


def test_visits_that_take_the_practitioners_time_of_their_day() -> None:
    case = {
        "visits": [{"code": "99214", "date": "2024-10-15"}, {"code": "99213", "date": "2025-03-20"}],
        "entries": [{"who": "P1", "role": "MD", "date": "2025-03-20", "min": 30}],
    }
    assert "X-SAME-DAY-EM" in codes(decided(case, "same-day-em", date(2025, 3, 20)))
    assert decided(case, "same-day-em", date(2025, 3, 19)).status == "billable"


def test_the_cancers_of_the_oncology_model() -> None:
    case = {"conditions": [["C61", True, 12, True], ["E11.9", True, 12, True]]}
    assert decided(case, "eom-cancers", date(2025, 3, 1)).oncology is not None
    assert decided(case, "eom-cancers", date(2025, 2, 28)).oncology is None


def test_a_new_cancer_calls_for_somebody() -> None:
    fresh = {"recorded": "2025-03-01", "onset": "2025-03-01", "significant_risk": {}}
    month, context = question(
        {
            "conditions": [["C61", True, 12, True], ["E11.9", True, 12, True], ["I50.22", True, 12, True]],
            "consent": False,
            "change": [["conditions", 0, fresh]],
        },
        {},
    )
    (one,) = candidates(month, ended(context, "eom-cancers", date(2025, 3, 1)))
    assert [t.kind for t in one.triggers] == ["new-high-risk-diagnosis"]
    (other,) = candidates(month, ended(context, "eom-cancers", date(2025, 2, 28)))
    assert other.triggers == ()
