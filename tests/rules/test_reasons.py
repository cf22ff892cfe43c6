"""Every reason, exclusion and notice: a case that produces it beside one that just does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import pytest

from caretally.facts.determination import Determination
from caretally.facts.patient_month import DoubleBooking
from caretally.rules import determine
from tests.rules.builder import CaseBuilder
from tests.rules.deciding import codes


def staff(day: str, minutes: int, **more: Any) -> dict[str, Any]:
    return {"role": "RN", "who": "N1", "date": day, "min": minutes, **more}


def timed(start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"role": "RN", "who": "N1", "start": start, "end": end, **more}


TWENTY = [staff("2025-03-20", 20)]


def decide(case: dict[str, Any], switches: dict[str, Any] | None = None, who: str = "P1") -> Determination:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": TWENTY, **case}, switches or {})
    found = determine(builder.month(), builder.context())
    return next(d for d in found if d.billing_practitioner == f"Practitioner/{who}")


class Pair(NamedTuple):
    """A case with the code, and its neighbour without."""

    code: str
    case: dict[str, Any]
    neighbour: dict[str, Any]
    switches: dict[str, Any] | None = None
    other_switches: dict[str, Any] | None = None


def claim(code: str, by: str = "P1", group: str = "GRP1", day: str = "2025-03-10", **more: Any) -> dict[str, Any]:
    return {"other_claims": [{"code": code, "by": by, "group": group, "date": day, **more}]}


PCM = {"conditions": [["C50.911", True, 12, True]], "pcm": {"cond": "C50"}}
PCM_TIME = {**PCM, "entries": [staff("2025-03-20", 30, prog="pcm")]}
LATE = {"consent": {"at": "2025-03-10", "practitioner": "P1"}, "program_start": "2025-03-10"}
PAIRS = [
    Pair("R-TIME-MIN", {"entries": [staff("2025-03-20", 19)]}, {}),
    Pair("R-COND-COUNT", {"conditions": [["E11.9", True, 12, True], ["E11.65", True, 12, True]]}, {}),
    Pair("R-COND-DURATION", {"conditions": [["E11.9", True, 12, True], ["I50.22", True, 11, True]]}, {}),
    Pair("R-COND-RISK", {"conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, False]]}, {}),
    Pair("R-RISK-UNKNOWN", {"conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, None]]}, {}),
    Pair(
        "R-RISK-UNKNOWN",
        {"conditions": [["E11.9", True, None, True], ["I50.22", True, None, None]]},
        {"conditions": [["E11.9", True, None, True], ["I50.22", True, None, None]]},
        {},
        {"assume_risk_for_listed": True},
    ),
    Pair("R-PCM-ELEMENT", {**PCM_TIME, "pcm_elements": ["practitioner-coordination"]}, PCM_TIME),
    Pair(
        "R-PCM-ELEMENT",
        {**PCM_TIME, "pcm_elements": ["frequent-medication-adjustment"]},
        {
            **PCM,
            "pcm_elements": ["comorbidity-complexity"],
            "entries": [staff("2025-03-20", 30, prog="pcm", act="coordination")],
        },
    ),
    Pair("R-CAREPLAN-MISSING", {"plan": False}, {}),
    Pair("R-CONSENT-MISSING", {"consent": None}, {}),
    Pair("R-CONSENT-MISSING", {"consent": {"at": "2025-04-01", "practitioner": "P1"}}, {}),
    Pair(
        "R-CONSENT-MISSING",
        {"consent": {"at": "2024-02-01", "practitioner": "P1"}, "visits": [{"code": "99214", "date": "2024-01-15"}]},
        {"consent": {"at": "2024-04-01", "practitioner": "P1"}, "visits": [{"code": "99214", "date": "2024-01-15"}]},
        {"consent_max_age_months": 12},
        {"consent_max_age_months": 12},
    ),
    Pair(
        "R-CONSENT-MISSING",
        {
            "consent": {"at": "2024-11-01", "practitioner": "P1", "mode": "verbal"},
            "visits": [{"code": "99214", "date": "2023-10-31"}, {"code": "99214", "date": "2024-11-02"}],
        },
        {"consent": {"at": "2024-11-01", "practitioner": "P1", "mode": "verbal"}},
        {"consent_form": "noridian"},
        {"consent_form": "noridian"},
    ),
    Pair(
        "R-CONSENT-MISSING",
        {
            "consent": {"at": "2024-10-14", "practitioner": "P1"},
            "program_start": "2024-11-01",
            "visits": [{"code": "99214", "date": "2024-10-15"}],
        },
        {},
        {"consent_after_visit": True},
        {"consent_after_visit": True},
    ),
    Pair(
        "R-CONSENT-MISSING",
        {**PCM_TIME, "consent": {"at": "2024-11-01", "practitioner": "P1", "programmes": ["ccm"]}},
        {**PCM_TIME, "consent": {"at": "2024-11-01", "practitioner": "P1", "programmes": ["ccm"]}},
        {},
        {"consent_per_programme": False},
    ),
    Pair("R-CONSENT-PRACTITIONER", {"consent": {"at": "2024-11-01", "practitioner": "P2"}}, {}),
    Pair(
        "R-CONSENT-REVOKED",
        {"consent": {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-02-28"}},
        {"consent": {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-03-01"}},
    ),
    Pair("I-REVOKED-IN-MONTH", {"consent": {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-03-21"}}, {}),
    Pair(
        "X-AFTER-REVOCATION",
        {"consent": {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-03-20"}},
        {"consent": {"at": "2024-11-01", "practitioner": "P1", "revoked": "2025-03-21"}},
        {"revocation_effective": "immediate"},
        {"revocation_effective": "immediate"},
    ),
    Pair(
        "R-INIT-VISIT-MISSING",
        {**LATE, "visits": [{"code": "99214", "date": "2024-03-09"}]},
        {**LATE, "visits": [{"code": "99214", "date": "2024-03-10"}]},
    ),
    Pair(
        "R-INIT-VISIT-MISSING",
        {"visits": [{"code": "99495", "date": "2024-10-15"}]},
        {"visits": [{"code": "99495", "date": "2024-10-15"}]},
        {"initiating_visit.accept_tcm": False},
        {},
    ),
    Pair(
        "R-INIT-VISIT-MISSING",
        {"visits": [{"code": "99214", "date": "2024-10-15", "by": "P2"}]},
        {"visits": [{"code": "99214", "date": "2024-10-15", "by": "P2"}]},
        {"initiating_visit.performer": "same_npi"},
        {},
    ),
    Pair(
        "R-INIT-VISIT-MISSING",
        {"visits": [{"code": "99214", "date": "2024-10-15", "by": "P8", "group": "OTHER"}]},
        {"visits": [{"code": "G0439", "date": "2024-10-15", "by": "P2"}]},
    ),
    Pair(
        "X-BEFORE-INIT",
        {
            **LATE,
            "visits": [{"code": "99214", "date": "2025-03-15"}],
            "entries": [staff("2025-03-14", 9), staff("2025-03-15", 20)],
        },
        {**LATE, "visits": [{"code": "99214", "date": "2025-03-15"}], "entries": [staff("2025-03-15", 20)]},
    ),
    Pair("R-OTHER-CLINICIAN-CCM", claim("99490", "PCP9", "OTHER"), claim("99490", "PCP9", "OTHER", "2025-02-28")),
    Pair("R-OTHER-CLINICIAN-CCM", claim("99491", "P2"), claim("99426", "P2")),
    Pair("R-ALREADY-BILLED", claim("99490"), claim("99490", day="2025-04-01")),
    Pair("R-CCM-PCM-SAME-PRACTITIONER", claim("99426"), claim("99426", "P2")),
    Pair(
        "R-PCM-SAME-CONDITION",
        {**PCM_TIME, **claim("99426", "P8", "OTHER", dx=["C50.912"])},
        {**PCM_TIME, **claim("99426", "P8", "OTHER", dx=["C34.11"])},
    ),
    Pair("R-CONFLICT-ESRD", claim("90961"), claim("90961", "P8", "OTHER")),
    Pair("R-CONFLICT-CPO", claim("G0181"), claim("G0180")),
    Pair("R-CONFLICT-APCM", claim("G0556", "P2"), claim("G0556", "P8", "OTHER")),
    Pair("R-CONFLICT-MEOS", claim("M0010", "P2"), claim("M0010", "P8", "OTHER")),
    Pair("R-CONFLICT-G0511", claim("G0511"), claim("G0511", "P8", "OTHER")),
    Pair("R-CONFLICT-BHI-PCM", {**PCM_TIME, **claim("99484")}, claim("99484")),
    Pair(
        "R-CONFLICT-BHI-PCM", {**PCM_TIME, **claim("99492")}, {**PCM_TIME, **claim("99492")}, {}, {"pcm_bhi": "allow"}
    ),
    Pair("R-CONFLICT-TCM", claim("99496"), claim("99496"), {"tcm_concurrency": "block"}, {}),
    Pair("W-OTHER-PRACTITIONER-CLAIM", claim("90961", "P8", "OTHER"), {}),
    Pair("R-DECEASED", {"deceased": "2025-02-28"}, {"deceased": "2025-03-20"}),
    Pair("X-AFTER-DEATH", {"deceased": "2025-03-19"}, {"deceased": "2025-03-20"}),
    Pair("R-COVERAGE", {"coverage_end": "2025-02-28"}, {"coverage_end": "2025-03-20"}),
    Pair("X-AFTER-COVERAGE", {"coverage_end": "2025-03-19"}, {"coverage_end": "2025-03-20"}),
    Pair("R-HOSPICE-REVIEW", {"hospice": "2025-03-31"}, {"hospice": "2025-04-01"}),
    Pair("R-HOSPICE", {"hospice": "2025-03-31"}, {"hospice": "2025-03-31"}, {"hospice": "block"}, {"hospice": "warn"}),
    Pair("W-HOSPICE", {"hospice": "2025-03-31"}, {"hospice": "2025-04-01"}, {"hospice": "warn"}, {"hospice": "warn"}),
    Pair("X-ROLE", {"entries": [*TWENTY, {"role": "RECEPTION", "who": "F1", "date": "2025-03-03", "min": 9}]}, {}),
    Pair(
        "X-ROLE",
        {"entries": [{"role": "CHW", "who": "C1", "date": "2025-03-03", "min": 20}]},
        {"entries": [{"role": "CHW", "who": "C1", "date": "2025-03-03", "min": 20}]},
        {},
        {"chw_is_clinical_staff": True},
    ),
    Pair("X-ACTIVITY", {"entries": [staff("2025-03-03", 9, act="scheduling")]}, {}),
    Pair(
        "X-ACTIVITY",
        {"entries": [staff("2025-03-03", 20, act="prior-authorization")]},
        {"entries": [staff("2025-03-03", 20, act="prior-authorization")]},
        {},
        {"count_activities.prior_authorization": True},
    ),
    Pair(
        "X-ACTIVITY",
        {"entries": [staff("2025-03-03", 20, act="unsuccessful-contact")]},
        {"entries": [staff("2025-03-03", 20, act="unsuccessful-contact")]},
        {},
        {"count_activities.unsuccessful_contact": True},
    ),
    Pair(
        "X-SEPARATE-CODE",
        {"entries": [staff("2025-03-03", 20, sep="99457")]},
        {"entries": [staff("2025-03-03", 20, sep="99490")]},
    ),
    Pair("X-STATUS", {"entries": [staff("2025-03-03", 20, status="entered-in-error")]}, {}),
    Pair(
        "X-INPATIENT",
        {"stays": [{"from": "2025-03-20", "to": "2025-03-21"}]},
        {"stays": [{"from": "2025-03-19", "to": "2025-03-20"}]},
    ),
    Pair(
        "X-SAME-DAY-EM",
        {
            "visits": [{"code": "99214", "date": "2024-10-15"}, {"code": "99213", "date": "2025-03-20"}],
            "entries": [{"role": "MD", "who": "P1", "date": "2025-03-20", "min": 20}],
        },
        {
            "visits": [{"code": "99214", "date": "2024-10-15"}, {"code": "99213", "date": "2025-03-20"}],
            "entries": [{"role": "MD", "who": "P1", "date": "2025-03-20", "min": 20, "distinct": True}],
        },
    ),
    Pair(
        "X-SAME-DAY-EM",
        {"visits": [{"code": "99214", "date": "2024-10-15"}, {"code": "99213", "date": "2025-03-20"}]},
        {"visits": [{"code": "99214", "date": "2024-10-15"}, {"code": "99213", "date": "2025-03-20"}]},
        {"same_day_em": "exclude_whole_day"},
        {},
    ),
    Pair(
        "X-OVERLAP-SEPARATE-CODE",
        {
            "entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:30:00")],
            "visits": [
                {"code": "99214", "date": "2024-10-15"},
                {"code": "99213", "date": "2025-03-20", "start": "2025-03-20T09:29:00", "end": "2025-03-20T09:45:00"},
            ],
        },
        {
            "entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:30:00")],
            "visits": [
                {"code": "99214", "date": "2024-10-15"},
                {"code": "99213", "date": "2025-03-20", "start": "2025-03-20T09:30:00", "end": "2025-03-20T09:45:00"},
            ],
        },
    ),
    Pair(
        "X-DUPLICATE",
        {
            "entries": [
                timed("2025-03-20T09:00:00", "2025-03-20T09:30:00", id="a"),
                timed("2025-03-20T09:00:00", "2025-03-20T09:30:00", id="b"),
            ]
        },
        {
            "entries": [
                timed("2025-03-20T09:00:00", "2025-03-20T09:30:00", id="a"),
                timed("2025-03-20T09:00:00", "2025-03-20T09:30:01", id="b", who="N2"),
            ]
        },
    ),
    Pair(
        "X-ROUNDING",
        {"entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:20:59")]},
        {"entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:20:00")]},
        {"rounding": "floor_entry"},
        {"rounding": "floor_entry"},
    ),
    Pair(
        "W-POSSIBLE-DUPLICATE",
        {"entries": [staff("2025-03-20", 20), staff("2025-03-20", 20)]},
        {"entries": [staff("2025-03-20", 20), staff("2025-03-20", 21)]},
    ),
    Pair("W-NO-INTERVAL", {}, {"entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:20:00")]}),
    Pair("W-OTHER-CLAIMS-UNKNOWN", {}, {}, {"other_claims_known": "own_only"}, {}),
    Pair(
        "W-ADDON-DOS",
        {"entries": [staff("2025-03-03", 20), staff("2025-03-20", 20)]},
        {"entries": [staff("2025-03-03", 20), staff("2025-03-20", 20)]},
        {},
        {"dos": "with_last"},
    ),
    Pair("I-SURPLUS", {"entries": [staff("2025-03-20", 21)]}, {}),
    Pair("W-CHARGE-IS-RATE", {}, {"entries": [staff("2025-03-20", 19)]}),
    Pair(
        "I-ALT-AMOUNT",
        {"mdm": "high", "entries": [staff("2025-03-20", 60)]},
        {"mdm": "low", "entries": [staff("2025-03-20", 60)]},
    ),
    Pair(
        "I-STAFF-TIME-NOT-USED",
        {"elect_physician": True, "entries": [*TWENTY, {"role": "MD", "who": "P1", "date": "2025-03-21", "min": 30}]},
        {"elect_physician": True, "entries": [{"role": "MD", "who": "P1", "date": "2025-03-21", "min": 30}]},
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{i}-{p.code}" for i, p in enumerate(PAIRS)])
def test_each_code_has_a_case_and_a_neighbour(pair: Pair) -> None:
    assert pair.code in codes(decide(pair.case, pair.switches))
    other = pair.switches if pair.other_switches is None else pair.other_switches
    assert pair.code not in codes(decide(pair.neighbour, other))


def test_staff_booked_twice_at_once_holds_and_names_both() -> None:
    builder = CaseBuilder(
        {"id": "T", "month": "2025-03", "entries": [timed("2025-03-20T09:00:00", "2025-03-20T09:20:00")]}
    )
    booking = DoubleBooking(
        performer="Practitioner/N1", entry="Encounter/time-1", other_entry="Encounter/other", seconds=300
    )
    month = builder.month()
    held = replace(month, double_bookings=(booking,))
    (found,) = determine(held, builder.context())
    assert found.status == "hold"
    assert [r.code for r in found.reasons] == ["R-STAFF-DOUBLE-BOOKED"]
    assert found.reasons[0].evidence == ("Encounter/time-1", "Encounter/other")


@pytest.mark.parametrize(("as_of", "open_month"), [(date(2025, 4, 3), True), (date(2025, 4, 4), False)])
def test_a_month_closes_after_its_days_of_grace(as_of: date, open_month: bool) -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": TWENTY})
    (found,) = determine(builder.month(as_of=as_of), builder.context())
    assert found.status == ("hold" if open_month else "billable")
    assert [line.code for line in (found.projected if open_month else found.lines)] == ["99490"]
    assert ("R-MONTH-OPEN" in {r.code for r in found.reasons}) is open_month


def test_minutes_that_two_plans_claim_are_listed_once_and_held() -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": TWENTY})
    month = builder.month()
    second = builder.person("P2", "NP")
    plan = month.facts.care_plans[0]
    other = replace(plan, reference="CarePlan/two", author=second)
    month = replace(month, facts=replace(month.facts, care_plans=(plan, other)))
    found = determine(month, builder.context())
    assert sum(d.logged_seconds for d in found) == 1200
    assert {d.billing_practitioner for d in found} == {"Practitioner/P1", "Practitioner/P2", None}
    assert all("R-ATTRIBUTION" in {r.code for r in d.reasons} for d in found if d.billing_practitioner)


def test_a_code_without_a_rate_says_so_and_is_billed_all_the_same() -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": TWENTY})
    context = builder.context()
    codes_without = tuple(replace(row, rvu_non_facility=None, amount_non_facility=None) for row in context.tables.codes)
    context = replace(context, tables=replace(context.tables, codes=codes_without))
    (found,) = determine(builder.month(), context)
    assert found.status == "billable"
    assert found.lines[0].amount is None
    assert "I-NO-RATE" in {n.code for n in found.notices}


def test_the_trace_names_the_version_of_the_tables() -> None:
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": [staff("2025-03-20", 20)]}, {})
    context = builder.context()
    named = replace(context, tables=replace(context.tables, version="of this test"))
    assert [found.trace.tables_version for found in determine(builder.month(), named)] == ["of this test"]
