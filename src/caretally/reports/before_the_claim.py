"""Checks before the claim, the countdown of filing, the patient's part and the oncology model, in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.reports.wording import count, money

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OUTCOMES = {"passed": "passed", "failed": "FAILED", "unknown": "cannot tell"}


def denial_lines(determination: Mapping[str, Any]) -> Iterator[str]:
    """Give each check for a likely denial, the failed ones with the payers' codes; then the countdown."""
    for check in determination.get("pre_submission", ()):
        told = OUTCOMES.get(check["outcome"], check["outcome"])
        if check["outcome"] == "failed":
            told += ", holds the claim" if check["effect"] == "block" else ", a warning"
        yield f"{check['check']}: {told}; {check['found']}"
        if check["outcome"] == "failed":
            yield f"    {check['title']}; a payer answers {', '.join((*check['carc'], *check['rarc']))}"
            if check["evidence"]:
                yield "    evidence: " + ", ".join(check["evidence"])
    filing = determination.get("filing")
    if filing:
        yield filing_words(filing)


def filing_words(filing: Mapping[str, Any]) -> str:
    """Return until when a claim can be filed."""
    left = filing["days_left"]
    if left < 0:
        return f"filing ended on {filing['last_day']}, {count(-left, 'day')} ago"
    return f"{count(left, 'day')} left to file, until {filing['last_day']}"


def checks_in_short(determination: Mapping[str, Any]) -> list[str]:
    """Return the failed checks and how many could not be told, for a plan."""
    checks = determination.get("pre_submission", ())
    lines = [
        f"{'held' if check['effect'] == 'block' else 'warning'} before the claim: {check['title']}: {check['found']} "
        f"({', '.join((*check['carc'], *check['rarc']))})"
        for check in checks
        if check["outcome"] == "failed"
    ]
    unknown = [check["check"] for check in checks if check["outcome"] == "unknown"]
    if unknown:
        lines.append(f"cannot tell before the claim: {', '.join(unknown)}")
    return lines


def share_lines(determination: Mapping[str, Any]) -> Iterator[str]:
    """Give the patient's part of the amount and who pays next."""
    share = determination.get("patient_share")
    if share:
        percent = f"{(100 * Decimal(share['rate'])).normalize():f} %"
        yield f"coinsurance {percent}: {money(share['amount'])}, when the deductible is met"
        for place, coverage in enumerate(share["secondary"], 2):
            yield f"payer {place}: {coverage}"
        yield f"source: {share['source']}"


def oncology_lines(determination: Mapping[str, Any]) -> Iterator[str]:
    """Give the oncology model beside care management."""
    model = determination.get("oncology")
    if model:
        dual = "for a dual-eligible beneficiary" if model["dual_eligible"] else "for a beneficiary"
        yield f"{model['icd10cm']} ({model['condition']}) is one of the model's cancers"
        yield (
            f"the model pays {money(model['monthly'])} a month {dual}, {money(model['episode'])} for an episode of "
            f"{model['months']} months, in place of care management by the same practice"
        )
        for programme, amount in model["care_management"].items():
            yield f"{programme.upper()} in this month: {money(amount)}"
        if not model["care_management"]:
            yield "care management reaches no code in this month"
        yield "only for practices in the model, and during systemic treatment that is not hormonal alone"
        yield f"source: {model['source']}"
