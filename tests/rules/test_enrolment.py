"""Who could bill, and whose each minute is: leads, people on file twice, sites in other zones, nobody at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from caretally.facts.practice import Site
from caretally.rules import determine
from caretally.rules.enrolment import cases
from tests.rules.deciding import question

if TYPE_CHECKING:
    from caretally.facts.determination import Determination

NURSES_PLAN: dict[str, Any] = {"people": {"N9": {"role": "clinical-staff"}, "P2": {}}}
WRITTEN = ["care_plans", 0, {"author": "Practitioner/N9"}]
EVENING = [{"who": "N1", "role": "RN", "start": "2025-03-31T22:00:00", "end": "2025-03-31T22:20:00"}]
LAST_NIGHT = [{"who": "N1", "role": "RN", "start": "2025-02-28T22:00:00", "end": "2025-02-28T22:20:00"}]


def answers(
    case: dict[str, Any], *, leads: tuple[str, ...] = (), sites: tuple[Site, ...] = (), **policy: Any
) -> dict[str | None, Determination]:
    """The answers to a case by practitioner, with leads of the patient's care team, and sites."""
    month, context = question(case, policy)
    month = replace(month, facts=replace(month.facts, care_team_leads=tuple(f"Practitioner/{p}" for p in leads)))
    practice = replace(context.practice, sites=sites or context.practice.sites)
    return {one.billing_practitioner: one for one in determine(month, replace(context, practice=practice))}


def test_a_lead_of_the_care_team_is_nobodys_biller_where_a_consent_or_plan_names_one() -> None:
    assert list(answers({"people": {"P2": {}}}, leads=("P2",))) == ["Practitioner/P1"]


def test_the_lead_may_bill_where_only_the_practice_is_consented_to() -> None:
    case = {**NURSES_PLAN, "plan": False, "entries": [], "change": [["consents", 0, {"practitioners": []}]]}
    assert list(answers(case, leads=("P2",))) == ["Practitioner/P2"]
    assert list(answers(case)) == [None]
    assert list(answers(case, leads=("N9",))) == [None]


def test_the_lead_may_bill_where_there_are_only_minutes_in_the_month() -> None:
    nothing = {**NURSES_PLAN, "plan": False, "consent": False}
    assert list(answers({**nothing, "entries": EVENING}, leads=("P2",))) == ["Practitioner/P2"]
    assert answers({**nothing, "entries": LAST_NIGHT}, leads=("P2",)) == {}
    assert list(answers({**nothing, "entries": EVENING})) == [None]


def test_a_site_names_who_bills_for_patients_without_anybody() -> None:
    nothing = {**NURSES_PLAN, "plan": False, "consent": False}
    site = Site(name="main", default_practitioner="Practitioner/P2")
    assert list(answers(nothing, sites=(Site(name="first"), site))) == ["Practitioner/P2"]
    assert list(answers({**NURSES_PLAN, "consent": False, "change": [WRITTEN]}, sites=(site,))) == ["Practitioner/P2"]


def test_who_is_on_file_twice_is_one_person() -> None:
    twice = {"A1": {"npi": "npi-P1"}}
    found = answers({"people": twice, "change": [["consents", 0, {"practitioners": ["Practitioner/A1"]}]]})
    assert [(who, one.status) for who, one in found.items()] == [("Practitioner/A1", "billable")]
    attending = [{"who": "N1", "role": "RN", "date": "2025-03-20", "min": 20, "attending": "A1"}]
    nothing = {"people": twice, "plan": False, "consent": False, "entries": attending}
    assert list(answers(nothing, leads=("P1",))) == ["Practitioner/A1"]
    site = Site(name="main", default_practitioner="Practitioner/P1")
    assert list(answers(nothing, sites=(site,))) == ["Practitioner/A1"]


def test_a_plan_that_a_nurse_wrote_is_nobodys_where_nobody_or_two_are_consented_to() -> None:
    found = answers({**NURSES_PLAN, "consent": False, "change": [WRITTEN]})
    assert list(found) == [None]
    two = ["consents", 0, {"reference": "Consent/2", "practitioners": ["Practitioner/P2"]}]
    found = answers({**NURSES_PLAN, "change": [WRITTEN], "add": [two]})
    for who in ("Practitioner/P1", "Practitioner/P2"):
        assert "R-CAREPLAN-MISSING" in {r.code for r in found[who].reasons}


def test_a_plan_of_nobody_is_answered_for_without_a_consent_and_minutes() -> None:
    (found,) = answers({**NURSES_PLAN, "consent": False, "entries": [], "change": [WRITTEN]}).values()
    assert (found.billing_practitioner, found.status) == (None, "not-billable")


def test_nobody_bills_for_no_organization_from_the_place_of_the_default_site() -> None:
    nothing = {"plan": False, "consent": False}
    sites = (Site(name="there", organization="Organization/X", place_of_service="19"), Site(name="here"))
    (found,) = answers(nothing, sites=sites).values()
    assert (found.billing_practitioner, found.organization, found.place_of_service) == (None, None, "11")
    (found,) = answers(nothing, sites=sites[:1]).values()
    assert (found.billing_practitioner, found.organization, found.place_of_service) == (None, None, "19")


def test_the_day_and_place_are_those_of_the_practitioners_site() -> None:
    """Half past eight in the evening in Honolulu is the next day, and month, in New York."""
    late = {"entries": [{"who": "N1", "role": "RN", "start": "2025-04-01T06:30:00Z", "end": "2025-04-01T06:50:00Z"}]}
    sites = (
        Site(name="here"),
        Site(
            name="there",
            organization="Organization/GRP1",
            zone=ZoneInfo("Pacific/Honolulu"),
            place_of_service="19",
        ),
    )
    (found,) = answers(late, sites=sites).values()
    assert [(line.code, str(line.service_date)) for line in found.lines] == [("99490", "2025-03-31")]
    assert found.place_of_service == "19"
    assert answers(late, sites=sites[:1])["Practitioner/P1"].logged_seconds == 0


def test_minutes_of_nobody_are_filed_in_the_zone_of_the_first_site_where_none_is_for_all() -> None:
    late = [{"who": "N1", "role": "RN", "start": "2025-04-01T06:30:00Z", "end": "2025-04-01T06:50:00Z"}]
    there = Site(name="there", organization="Organization/X", zone=ZoneInfo("Pacific/Honolulu"))
    (found,) = answers({"plan": False, "consent": False, "entries": late}, sites=(there,)).values()
    assert (found.billing_practitioner, found.counted_seconds) == (None, {"ccm": 1200})


def test_minutes_of_several_enrolments_are_asked_about_with_the_attending_practitioner() -> None:
    conditions = [["C50.911", True, 12, True], ["I50.22", True, 12, True], ["E11.9", True, 12, True]]
    case: dict[str, Any] = {
        "conditions": conditions,
        "pcm": {"cond": "C50"},
        "people": {"P2": {}},
        "add": [["care_plans", 0, {"reference": "CarePlan/two", "author": "Practitioner/P2"}]],
        "change": [["entries", 0, {"programme": {}, "attending": "Practitioner/P1"}]],
    }
    found = answers(case)
    asked = [who for who, one in found.items() if "R-ATTRIBUTION" in {r.code for r in one.reasons}]
    assert asked == ["Practitioner/P1"]


def test_minutes_that_name_none_of_several_programmes_are_filed_under_one_of_the_enrolment() -> None:
    case: dict[str, Any] = {
        "conditions": [["C50.911", True, 12, True]],
        "pcm": {"cond": "C50"},
        "pin": {"cond": "C50"},
        "change": [
            ["care_plans", 0, {"status": "entered-in-error"}],
            ["entries", 0, {"programme": {}}],
        ],
    }
    assert answers(case)[None].trace.programmes == ("pcm",)


def test_plans_stand_in_the_order_in_which_they_began() -> None:
    newer = ["care_plans", 0, {"reference": "CarePlan/a", "start": "2025-01-10", "created": "2025-01-10"}]
    (case,) = cases(*question({"add": [newer]}, {}))
    assert [plan.reference for plan in case.plans] == ["CarePlan/plan-ccm", "CarePlan/a"]


def test_a_payer_can_set_the_zone_of_the_month() -> None:
    """The coverage's payer is asked before the minutes are filed under a month."""
    late = {"entries": [{"who": "N1", "role": "RN", "start": "2025-04-01T06:30:00Z", "end": "2025-04-01T06:50:00Z"}]}
    month, context = question(late, {})
    book = context.policies
    medicare = replace(
        book.payers["medicare"],
        switches=replace(book.payers["medicare"].switches, values={"zone": "Pacific/Honolulu"}),
    )
    values = {name: value for name, value in book.practice.values.items() if name != "zone"}
    policies = replace(
        book,
        payers={**book.payers, "medicare": medicare},
        default_payer="noridian-strict",
        practice=replace(book.practice, values=values),
    )
    (found,) = determine(month, replace(context, policies=policies))
    assert found.counted_seconds == {"ccm": 1200}
