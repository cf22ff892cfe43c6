"""Every check before the claim: a claim that passes it, and the same claim with the fault that it looks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import pytest

from caretally.billing.pre_submission import CHECKS, Submission, pre_submission, with_checks
from caretally.facts.clinical import ClaimLineFact, CoverageFact, HospiceFact
from caretally.facts.codes import CPT, Coding
from caretally.facts.determination import Determination, Line
from caretally.facts.moment import Moment
from caretally.facts.pre_submission import CheckResult
from caretally.facts.time_entry import RoleClass
from caretally.rules import determine
from tests.billing.submissions import submission_of
from tests.rules.builder import CaseBuilder, procedure, tables

MINUTES = [
    {"role": "RN", "who": "N1", "date": "2025-03-04", "min": 20},
    {"role": "RN", "who": "N1", "date": "2025-03-20", "min": 20},
]
PERSONAL = [{"role": "MD", "who": "P1", "date": "2025-03-20", "min": 30}]
PCM = {
    "conditions": [["C50.911", True, 12, True]],
    "pcm": {"cond": "C50"},
    "entries": [{"role": "RN", "who": "N1", "date": "2025-03-20", "min": 30, "prog": "pcm"}],
}
Fault = Callable[[Submission], Submission]


@lru_cache
def _submission(kind: str, switches: tuple[tuple[str, Any], ...]) -> Submission:
    kinds: dict[str, dict[str, Any]] = {"ccm": {}, "pcm": PCM, "personal": {"entries": PERSONAL}}
    case = kinds[kind]
    builder = CaseBuilder({"id": "T", "month": "2025-03", "entries": MINUTES, **case}, dict(switches))
    month, context = builder.month(), builder.context()
    builder.person("P2", "MD", "GRP2")
    builder.person("COLLEAGUE", "MD", "GRP1")
    (found,) = determine(month, context)
    return submission_of(found, month, context)


def submission(kind: str = "ccm", **switches: Any) -> Submission:
    return _submission(kind, tuple(switches.items()))


def result(given: Submission, check: str) -> CheckResult:
    return next(r for r in pre_submission(given) if r.check == check)


def on_file(code: str, by: str = "P1", group: str = "GRP1", **more: Any) -> Fault:
    """The same submission with somebody's claim on file."""
    line = ClaimLineFact(
        reference="Claim/other",
        code=procedure(code),
        service_date=date(2025, 3, 10),
        practitioners=(f"Practitioner/{by}",),
        npis=(f"npi-{by}",),
        organization=f"Organization/{group}",
        **more,
    )
    return facts(claim_lines=(line,))


def facts(**changes: Any) -> Fault:
    return lambda given: replace(given, month=replace(given.month, facts=replace(given.month.facts, **changes)))


def answer(**changes: Any) -> Fault:
    return lambda given: replace(given, determination=replace(given.determination, **changes))


def lines(*rows: tuple[str, int, int]) -> Fault:
    return answer(
        lines=tuple(
            Line(
                code=code,
                system=CPT,
                units=units,
                service_date=date(2025, 3, day),
                amount=Decimal(1),
                charge=Decimal(1),
            )
            for code, units, day in rows
        )
    )


def coverage(**changes: Any) -> Fault:
    def apply(given: Submission) -> Submission:
        return facts(coverages=tuple(replace(c, **changes) for c in given.month.facts.coverages))(given)

    return apply


def claim(**changes: Any) -> Fault:
    return lambda given: replace(given, claim={**(given.claim or {}), **changes})


def evidence(**changes: Any) -> Fault:
    return lambda given: answer(evidence=replace(given.determination.evidence, **changes))(given)


def coded_entry(given: Submission) -> Submission:
    first, *rest = given.month.facts.entries
    return facts(entries=(replace(first, procedure_codes=(Coding(CPT, "93792"),)), *rest))(given)


def coded_by_a_code_of_the_past(given: Submission) -> Submission:
    """99441 ended with 2024: minutes of March 2025 cannot have been billed by it."""
    first, *rest = given.month.facts.entries
    return facts(entries=(replace(first, procedure_codes=(Coding(CPT, "99441"),)), *rest))(given)


def less_time(given: Submission) -> Submission:
    trace = given.determination.trace
    rows = tuple(replace(row, seconds=row.seconds - 1) for row in trace.ledger)
    return answer(trace=replace(trace, ledger=rows))(given)


def staff_bills(given: Submission) -> Submission:
    people = given.practice.practitioners
    nurse = replace(people["Practitioner/P1"], role=RoleClass.CLINICAL_STAFF)
    return replace(given, practice=replace(given.practice, practitioners={**people, "Practitioner/P1": nurse}))


def without_npi(given: Submission) -> Submission:
    people = given.practice.practitioners
    nameless = replace(people["Practitioner/P1"], npi=None)
    return replace(given, practice=replace(given.practice, practitioners={**people, "Practitioner/P1": nameless}))


def dead(day: date) -> Fault:
    return lambda given: facts(patient=replace(given.month.facts.patient, deceased=Moment(day=day)))(given)


def no_copy(given: Submission) -> Submission:
    (paper,) = given.determination.paper
    documents = tuple(
        replace(item, state="missing") if item.item == "copy-given" else item for item in paper.documentation
    )
    return answer(paper=(replace(paper, documentation=documents),))(given)


def as_of(day: date) -> Fault:
    return lambda given: replace(given, month=replace(given.month, as_of=day))


ADVANTAGE = CoverageFact(
    reference="Coverage/advantage",
    status="active",
    start=date(2025, 1, 1),
    end=None,
    type_codes=(Coding("https://nahdo.org/sopt", "111"),),
)


def managed_care(given: Submission) -> Submission:
    return facts(coverages=(*given.month.facts.coverages, ADVANTAGE))(given)


def managed_care_later(given: Submission) -> Submission:
    plan = replace(ADVANTAGE, start=date(2025, 3, 21))
    return facts(coverages=(*given.month.facts.coverages, plan))(given)


def same(given: Submission) -> Submission:
    return given


HOSPICE = HospiceFact(reference="Encounter/hospice", start=date(2025, 3, 20), end=None)


class Row(NamedTuple):
    """A fault that a check finds, and what beside it is none."""

    check: str
    fault: Fault
    fine: Fault = same
    kind: str = "ccm"


ROWS = [
    Row("one-clinician", on_file("99490", "P2", "GRP2"), on_file("99426", "P2", "GRP2")),
    Row("one-clinician", on_file("99426", "P2", "GRP2", diagnoses=("C50.912",)),
        on_file("99426", "P2", "GRP2", diagnoses=("C61",)), "pcm"),
    Row("one-base-code", on_file("99490"), on_file("99490", "P2", "GRP2")),
    Row("one-base-code", lines(("99490", 2, 20)), lines(("99490", 1, 20))),
    Row("one-base-code", lines(("99490", 1, 4), ("99426", 1, 20)), lines(("99490", 1, 4), ("99439", 1, 20))),
    Row("one-family", on_file("99491"), on_file("99490")),
    Row("one-family", lines(("99490", 1, 4), ("99491", 1, 20)), lines(("99490", 1, 4), ("99439", 1, 20))),
    Row("one-family", on_file("99490"), on_file("99491"), "personal"),
    Row("time-reached", less_time),
    Row("time-reached", lines(("99490", 1, 4), ("99439", 2, 20)), lines(("99490", 1, 4), ("99439", 1, 20))),
    Row("time-reached", lines(("99490", 1, 3)), lines(("99490", 1, 4))),
    Row("time-reached", less_time, same, "personal"),
    Row("one-programme", on_file("99426"), on_file("99426", "P2", "GRP2")),
    Row("one-programme", on_file("99487"), on_file("99439")),
    Row("one-programme", lines(("99490", 1, 4), ("99487", 1, 20)), lines(("99490", 1, 4))),
    Row("no-overlapping-service", coded_entry, coded_by_a_code_of_the_past),
    Row("no-overlapping-service", on_file("90961"), on_file("90961", "P2", "GRP2")),
    Row("no-overlapping-service", on_file("G0557", "COLLEAGUE"), on_file("G0557", "P2", "GRP2")),
    Row("no-overlapping-service", on_file("99484"), on_file("99484", "P2", "GRP2"), "pcm"),
    Row("no-duplicate", lines(("99490", 1, 4), ("99490", 1, 4)), lines(("99490", 1, 4), ("99439", 1, 4))),
    Row("no-duplicate", on_file("99439"), on_file("99439", "P2", "GRP2")),
    Row("units-within-caps", lines(("99490", 1, 4), ("99439", 3, 20)), lines(("99490", 1, 4), ("99439", 2, 20))),
    Row("units-within-caps", on_file("99439", units=Decimal(2)), on_file("99439", units=Decimal(1))),
    Row("add-on-with-base", lines(("99439", 1, 20)), lines(("99490", 1, 4), ("99439", 1, 20))),
    Row("add-on-on-base-date", same, lines(("99490", 1, 20), ("99439", 1, 20))),
    Row("code-valid", answer(lines=(Line(code="99490", system=CPT, units=1, service_date=date(2014, 12, 31),
                                         amount=None, charge=None),))),
    Row("no-hospice", facts(hospices=(HOSPICE,)), facts(hospices=(replace(HOSPICE, start=date(2025, 3, 21)),))),
    Row("right-payer", managed_care, managed_care_later),
    Row("covered-on-date", coverage(end=date(2025, 3, 19)), coverage(end=date(2025, 3, 20))),
    Row("covered-on-date", coverage(start=date(2025, 3, 5)), coverage(start=date(2025, 3, 4))),
    Row("alive-on-date", dead(date(2025, 3, 19)), dead(date(2025, 3, 20))),
    Row("required-elements", claim(diagnosis=[])),
    Row("required-elements", claim(item=[{"servicedDate": "2025-03-04"}])),
    Row("required-elements", claim(item=[{"quantity": {"value": 1}}])),
    Row("provider-number", without_npi),
    Row("diagnosis-fits", lambda given: claim(diagnosis=(given.claim or {})["diagnosis"][:1])(given)),
    Row("diagnosis-fits", claim(diagnosis=[]), same, "pcm"),
    Row("place-of-service", answer(place_of_service="31"), answer(place_of_service="19")),
    Row("provider-eligible", staff_bills),
    Row("provider-eligible", answer(billing_practitioner=None)),
    Row("timely-filing", as_of(date(2026, 3, 5)), as_of(date(2025, 12, 1))),
    Row("timely-filing", as_of(date(2026, 1, 3)), as_of(date(2026, 1, 2))),
    Row("records-ready", evidence(consent=None)),
    Row("records-ready", no_copy),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.check)
def test_each_check_finds_its_fault_and_passes_without(row: Row) -> None:
    given = submission(row.kind)
    found, fine = result(row.fault(given), row.check), result(row.fine(given), row.check)
    assert found.outcome == "failed", found
    assert fine.outcome == "passed", fine
    assert found.found
    assert found.carc


def test_every_check_of_the_table_has_a_fault_here() -> None:
    rows = tables().services.checks
    assert {row.id for row in rows} == set(CHECKS) == {row.check for row in ROWS}
    assert all(row.source and row.carc for row in rows)


def test_what_the_record_does_not_hold_is_not_passed() -> None:
    assert result(submission(other_claims_known="own_only"), "one-clinician").outcome == "unknown"
    assert result(replace(submission(), claim=None), "required-elements").outcome == "unknown"
    unknown_payer = coverage(type_codes=())(submission())
    assert result(unknown_payer, "right-payer").outcome == "unknown"


def test_a_blocking_check_holds_the_month_and_names_the_payers_codes() -> None:
    held = with_checks(managed_care(submission()))
    assert (held.status, held.lines) == ("hold", ())
    assert [line.code for line in held.projected] == ["99490", "99439"]
    (reason,) = held.reasons
    assert (reason.code, reason.hold, reason.evidence) == ("R-PRE-SUBMISSION", True, ("Coverage/advantage",))
    assert "CO-24" in reason.message
    assert with_checks(submission()).status == "billable"


def test_a_warning_lets_the_claim_go() -> None:
    given = submission()
    late = with_checks(as_of(date(2026, 3, 5))(given))
    assert late.status == "billable"
    assert "W-TIMELY-FILING" in {n.code for n in late.notices}
    assert late.filing is not None
    assert late.filing.to_json() == {"last_day": "2026-03-04", "days_left": -1}
    on_time = with_checks(given)
    assert "W-TIMELY-FILING" not in {n.code for n in on_time.notices}


def test_the_last_day_of_filing_is_the_payers() -> None:
    short = with_checks(submission(timely_filing_months=6))
    assert short.filing is not None
    assert short.filing.last_day == date(2025, 9, 4)


def test_an_add_on_of_another_date_is_said_once_and_with_last_ends_it() -> None:
    found = with_checks(submission())
    assert [n.code for n in found.notices].count("W-ADDON-DOS") == 1
    last = submission(dos="with_last")
    assert {line.service_date for line in last.lines} == {date(2025, 3, 20)}
    assert result(last, "add-on-on-base-date").outcome == "passed"
    assert "W-ADDON-DOS" not in {n.code for n in with_checks(last).notices}


def test_hospice_warns_where_the_payer_says_so() -> None:
    given = facts(hospices=(HOSPICE,))(submission(hospice="warn"))
    assert result(given, "no-hospice").effect == "warn"
    found = with_checks(given)
    assert found.status == "billable"
    assert "W-PRE-SUBMISSION" in {n.code for n in found.notices}
    assert with_checks(facts(hospices=(HOSPICE,))(submission())).status == "hold"


def test_nothing_is_checked_where_nothing_could_be_billed() -> None:
    given = answer(lines=(), projected=())(submission())
    assert pre_submission(given) == ()
    assert with_checks(given).filing is None


def test_an_open_month_is_checked_by_what_it_would_bill() -> None:
    given = submission()
    projected = answer(lines=(), projected=given.determination.lines, status="hold")(replace(given, claim=None))
    found = with_checks(managed_care(projected))
    assert {r.check for r in found.pre_submission if r.outcome == "failed"} == {"right-payer", "add-on-on-base-date"}
    assert isinstance(found, Determination)
    assert found.reasons == given.determination.reasons
