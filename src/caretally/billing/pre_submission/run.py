"""Running the checks of the table, and what a failed one means for the month."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.billing.pre_submission import claim_form, services
from caretally.facts.determination import Finding
from caretally.facts.pre_submission import CheckResult, Filing
from caretally.facts.reasons import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.billing.pre_submission.submission import Said, Submission
    from caretally.facts.determination import Determination
    from caretally.facts.pre_submission import PreSubmissionCheck

CHECKS: dict[str, Callable[[Submission], Said]] = {
    "one-clinician": services.one_clinician,
    "one-base-code": services.one_base_code,
    "one-family": services.one_family,
    "time-reached": services.time_reached,
    "one-programme": services.one_programme,
    "no-overlapping-service": services.no_overlapping_service,
    "no-duplicate": services.no_duplicate,
    "units-within-caps": services.units_within_caps,
    "add-on-with-base": services.add_on_with_base,
    "add-on-on-base-date": services.add_on_on_base_date,
    "code-valid": services.code_valid,
    "no-hospice": claim_form.no_hospice,
    "right-payer": claim_form.right_payer,
    "covered-on-date": claim_form.covered_on_date,
    "alive-on-date": claim_form.alive_on_date,
    "required-elements": claim_form.required_elements,
    "provider-number": claim_form.provider_number,
    "diagnosis-fits": claim_form.diagnosis_fits,
    "place-of-service": claim_form.place_of_service,
    "provider-eligible": claim_form.provider_eligible,
    "timely-filing": claim_form.timely_filing,
    "records-ready": claim_form.records_ready,
}
"""Every check that the table may name."""


def pre_submission(given: Submission) -> tuple[CheckResult, ...]:
    """Run every check of the table; nothing is checked where nothing could be billed."""
    return tuple(_result(row, CHECKS[row.id](given)) for row in given.tables.checks) if given.lines else ()


def _result(row: PreSubmissionCheck, said: Said) -> CheckResult:
    return CheckResult(
        check=row.id,
        title=row.title,
        outcome=said.outcome,
        effect=said.effect or row.effect,
        found=said.found,
        carc=row.carc,
        rarc=row.rarc,
        evidence=said.evidence,
    )


def filing_of(given: Submission) -> Filing | None:
    """Return until when the claim can be filed."""
    last = claim_form.last_filing_day(given)
    return None if last is None else Filing(last_day=last, days_left=(last - given.month.as_of).days)


def with_checks(given: Submission) -> Determination:
    """Return the determination with its checks; a billable month with a failed blocking one is held.

    The lines of a held month move to `projected`, as for every hold that comes after the rules.
    """
    determination, results = given.determination, pre_submission(given)
    failed = [r for r in results if r.outcome == "failed"]
    notices = [_notice(given, r) for r in failed if r.effect == "warn"]
    known = {(n.code, n.evidence) for n in determination.notices}
    said = {n.code for n in determination.notices}
    found = replace(
        determination,
        pre_submission=results,
        filing=filing_of(given),
        notices=(
            *determination.notices,
            *(n for n in notices if (n.code, n.evidence) not in known and not _said_already(n, said)),
        ),
    )
    against = [r for r in failed if r.effect == "block"]
    if not against or determination.status != "billable":
        return found
    holds = tuple(_finding(given, Hold.PRE_SUBMISSION.value, r, hold=True) for r in against)
    return replace(
        found,
        status="hold",
        reasons=(*found.reasons, *holds),
        lines=(),
        projected=determination.lines,
        surplus_seconds=0,
    )


def _said_already(notice: Finding, said: set[str]) -> bool:
    """Whether the rules have given a notice that stands for one check only."""
    return notice.code in said and notice.code != "W-PRE-SUBMISSION"


def _notice(given: Submission, result: CheckResult) -> Finding:
    row = next(row for row in given.tables.checks if row.id == result.check)
    return _finding(given, row.notice or "W-PRE-SUBMISSION", result, hold=False)


def _finding(given: Submission, code: str, result: CheckResult, *, hold: bool) -> Finding:
    text = given.tables.reasons.get(code)
    answer = ", ".join((*result.carc, *result.rarc))
    return Finding(
        code=code,
        message=f"{text.message if text else code} ({result.title}: {result.found}; a payer answers {answer})",
        cite=text.cite if text else "",
        evidence=result.evidence,
        hold=hold,
    )
