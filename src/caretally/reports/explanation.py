"""The answer of one patient-month in plain language, from its stored line of determinations.ndjson.

Only the stored line is read, so that an answer given last year can be explained as it was given, whatever the
tables and the policy say today. Every number that the answer rests on is shown, and the sums with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.facts.policy import Policy
from caretally.reports.before_the_claim import denial_lines, oncology_lines, share_lines
from caretally.reports.paper import LISTS, paper_lines
from caretally.reports.wording import (
    action_words,
    clock,
    count,
    duration,
    family_words,
    money,
    status_words,
    zone_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of an explanation: a heading and its lines, already in words."""

    title: str
    lines: tuple[str, ...]


def explain_text(determination: Mapping[str, Any], *, labels: Mapping[str, str] | None = None) -> tuple[Section, ...]:
    """Explain a determination in plain language.

    Args:
        determination: one line of determinations.ndjson, with its ``trace``; parts that an older version did not
            write are left out of the explanation.
        labels: own short label of each billing code, where the tables of the day are at hand.
    """
    parts: tuple[tuple[str, Iterable[str]], ...] = (
        ("Answer", _answer(determination)),
        ("Lines", _lines(determination, "lines", labels or {})),
        ("Lines that it would have", _lines(determination, "projected", labels or {})),
        (_reasons_title(determination), _findings(determination.get("reasons", ()))),
        ("Gates", _gates(determination)),
        ("Minutes", _minutes(determination)),
        ("Thresholds", _ladder(determination)),
        ("Choice", _choice(determination)),
        ("Claim checks", _checks(determination)),
        ("Notices", _findings(determination.get("notices", ()))),
        ("Before the claim: likely denials", denial_lines(determination)),
        ("The patient's part", share_lines(determination)),
        ("The oncology model beside it", oncology_lines(determination)),
        *((title, paper_lines(determination, key)) for key, title, _ in LISTS),
        ("Switches that differ from the default", _switches(determination)),
        ("Evidence", _evidence(determination)),
        ("Decisions of people", _decisions(determination)),
        ("Versions", _versions(determination)),
    )
    return tuple(Section(title=title, lines=lines) for title, found in parts if (lines := tuple(found)))


def explain_json(determination: Mapping[str, Any], *, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the stored determination unchanged, with the explanation added under ``explanation``."""
    sections = explain_text(determination, labels=labels)
    return {
        **determination,
        "explanation": [{"title": section.title, "lines": list(section.lines)} for section in sections],
    }


def render(sections: Iterable[Section]) -> str:
    """Return an explanation as plain text, its lines indented under their headings."""
    blocks = ("\n".join([section.title, *(f"  {line}" for line in section.lines)]) for section in sections)
    return "\n\n".join(blocks) + "\n"


def _answer(determination: Mapping[str, Any]) -> Iterator[str]:
    who = determination["billing_practitioner"] or "nobody: no billing practitioner could be found"
    yield f"{determination['patient']}, {determination['service_month']}, billed by {who}"
    answer = status_words(determination["status"]).upper()
    lines = determination.get("lines", ())
    if lines:
        yield f"{answer}: {code_list(lines)}, {total_amount(lines)}"
        families = determination.get("families") or [determination["family"]]
        yield "as " + "; and as ".join(family_words(family) for family in families)
    else:
        codes = ", ".join(dict.fromkeys(reason["code"] for reason in determination.get("reasons", ())))
        yield f"{answer}: {codes}" if codes else answer
    yield f"on file: {action_words(determination.get('action', 'none'))}"


def code_list(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return the codes of some lines with their units, ``99490 + 2 x 99439``."""
    units: dict[str, int] = {}
    for line in lines:
        units[line["code"]] = units.get(line["code"], 0) + line["units"]
    return " + ".join(code if number == 1 else f"{number} x {code}" for code, number in units.items())


def total_amount(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return the sum of the amounts of some lines, in words; it says so where a rate is not known."""
    amounts = [line.get("amount") for line in lines]
    known = sum((Decimal(amount) for amount in amounts if amount is not None), Decimal(0))
    missing = sum(amount is None for amount in amounts)
    if not missing:
        return money(known)
    return f"{money(known)} and {count(missing, 'line')} without a known rate"


def _lines(determination: Mapping[str, Any], which: str, labels: Mapping[str, str]) -> Iterator[str]:
    rates = determination.get("trace", {}).get("ground", {}).get("rates", ())
    listed = {(r["code"], r["date"]): r for r in rates}
    for line in determination.get(which, ()):
        label = labels.get(line["code"])
        what = f"{line['code']} ({label})" if label else line["code"]
        charge = "no charge known" if line.get("charge") is None else f"charge {money(line['charge'])}"
        amount = "no rate known" if line.get("amount") is None else f"amount {money(line['amount'])}"
        yield f"{line['service_date']}  {line['units']} x {what}  {amount}, {charge}"
        rate = listed.get((line["code"], line["service_date"]), {})
        for which_price in ("amount", "charge"):
            if str(rate.get(f"{which_price}_from", "")).startswith("ChargeItemDefinition/"):
                yield f"            {which_price} by the price list: {rate[f'{which_price}_from']}"


def _reasons_title(determination: Mapping[str, Any]) -> str:
    return "Why it is on hold" if determination["status"] == "hold" else "Why not"


def _findings(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding['code']}  {finding['message']}"
        if finding.get("evidence"):
            yield "    evidence: " + ", ".join(finding["evidence"])
        if finding.get("cite"):
            yield "    source: " + finding["cite"]


def check_lines(determination: Mapping[str, Any], *, stops: str | None = None) -> Iterator[str]:
    """Return two lines for each check that the claim did not pass: what is wrong, and who can mend it.

    Args:
        determination: one line of determinations.ndjson.
        stops: only checks that stop this (``release``, ``export``, ``nothing``); None: all.
    """
    for check in (determination.get("claim_checks") or {}).get("failed", ()):
        if stops not in {None, check["stops"]}:
            continue
        yield f"{check['code']}  {check['message']} ({check['where']}: {check['found']})"
        forms = f" to {', '.join(check['formats'])}" if check.get("formats") else ""
        effect = {"nothing": "advice", "export": f"stops the export{forms}"}.get(
            check["stops"], f"stops the release without a person, and the export{forms}"
        )
        yield f"    {effect}; {check['who']}: {check['fix']}"


def _checks(determination: Mapping[str, Any]) -> Iterator[str]:
    outcome = determination.get("claim_checks")
    if not outcome:
        return
    yield f"{outcome['passed']} passed, {count(len(outcome['failed']), 'finding')}"
    yield from check_lines(determination)


def _gates(determination: Mapping[str, Any]) -> Iterator[str]:
    for gate in determination.get("trace", {}).get("gates", ()):
        mark = "passed" if gate["passed"] else "FAILED"
        yield f"{gate['programme']} {gate['gate']}: {mark}; found: {gate['found']}"
        if not gate["passed"]:
            yield f"    wanted: {gate['wanted']}" + (f" ({gate['reason']})" if gate.get("reason") else "")
        if gate.get("evidence"):
            yield "    evidence: " + ", ".join(gate["evidence"])


def _minutes(determination: Mapping[str, Any]) -> Iterator[str]:
    trace = determination.get("trace", {})
    zone = zone_of(trace.get("policy", {}).get("zone"))
    rows = trace.get("ledger", ())
    for row in rows:
        when = " ".join(filter(None, (row["date"], clock(row.get("start"), row.get("end"), zone))))
        who = ", ".join(row.get("performers", ()))
        where = f"{row['entry']} {row.get('programme') or ''}".strip()
        yield f"{when}  {duration(row['seconds'])}  {where}  {who}: {_verdict(row)}"
    time = determination["time"]
    yield from _sums(time, rows)


def _verdict(row: Mapping[str, Any]) -> str:
    if row.get("excluded"):
        detail = f" {row['detail']}" if row.get("detail") else ""
        return f"excluded, {row['excluded']}{detail}"
    return "counted" if row.get("used", True) else "counted, not used by this code"


def _sums(time: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    by_code: dict[str, int] = {}
    for item in time["excluded"]:
        by_code[item["code"]] = by_code.get(item["code"], 0) + item["seconds"]
    for programme, seconds in time["counted_seconds"].items():
        if seconds:
            yield f"counted for {programme}: {duration(seconds)}"
    for code, seconds in by_code.items():
        yield f"excluded {code}: {duration(seconds)}"
    counted = sum(row["seconds"] for row in rows if not row.get("excluded"))
    excluded, logged = sum(by_code.values()), time["logged_seconds"]
    if rows:
        balance = "" if counted + excluded == logged else "  (DOES NOT BALANCE: please report this)"
        yield f"{duration(counted)} counted + {duration(excluded)} excluded = {duration(logged)} logged{balance}"
    else:
        yield f"{duration(logged)} logged"
    if time.get("surplus_seconds"):
        yield f"counted but beyond the last unit: {duration(time['surplus_seconds'])}"


def _ladder(determination: Mapping[str, Any]) -> Iterator[str]:
    for step in determination.get("trace", {}).get("ladder", ()):
        wanted, total = step["threshold_seconds"], step["total_seconds"]
        if step.get("capped") and step.get("reached_on"):
            outcome = "beyond the limit of units in a month"
        elif step.get("reached_on"):
            outcome = f"reached on {step['reached_on']}"
        elif total >= wanted:
            outcome = "time reached, not available"
        else:
            outcome = f"not reached: {duration(wanted - total)} short"
        yield f"{step['family']} {step['code']} at {duration(wanted)}: {outcome} (total {duration(total)})"


def _choice(determination: Mapping[str, Any]) -> Iterator[str]:
    choice = determination.get("trace", {}).get("choice")
    if choice:
        yield choice


def _switches(determination: Mapping[str, Any]) -> Iterator[str]:
    trace = determination.get("trace", {})
    defaults, origins = flatten(Policy().model_dump(mode="json")), trace.get("policy_origins", {})
    for name, value in flatten(trace.get("policy", {})).items():
        if value != defaults.get(name):
            origin = origins.get(name) or origins.get(name.split(".")[0]) or "not recorded"
            yield f"{name} = {_value(value)} (default {_value(defaults.get(name))}), set by {origin}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as dotted names: ``{"caps": {"99439": 2}}`` becomes ``{"caps.99439": 2}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _evidence(determination: Mapping[str, Any]) -> Iterator[str]:
    evidence = determination.get("evidence") or {}
    versions = evidence.get("versions", {})
    for name in ("consent", "care_plan", "initiating_visit", "coverage"):
        if evidence.get(name):
            yield f"{name.replace('_', ' ')}: {_versioned(evidence[name], versions)}"
    for diagnosis in evidence.get("diagnoses", ()):
        code = diagnosis.get("icd10cm") or "no code known"
        yield f"diagnosis {code}: {_versioned(diagnosis['reference'], versions)}"
    for entry in evidence.get("entries", ()):
        yield f"time entry: {_versioned(entry, versions)}"


def _decisions(determination: Mapping[str, Any]) -> Iterator[str]:
    for one in (determination.get("evidence") or {}).get("decisions", ()):
        document = one.get("document", {})
        keys = ("code", "fact", "element", "value", "date", "other")
        parts = [one["kind"], *(str(document[key]) for key in keys if document.get(key)), one.get("resource") or ""]
        yield f"{one['at'][:10]}  {one['who']}: {' '.join(part for part in parts if part)} (decision {one['id']})"
        if one.get("why"):
            yield f"    why: {one['why']}"


def _versioned(reference: str, versions: Mapping[str, str | None]) -> str:
    version = versions.get(reference)
    if not version:
        return reference
    shown = version[:19] + "..." if version.startswith("sha256:") else version
    return f"{reference} (version {shown})"


def _versions(determination: Mapping[str, Any]) -> Iterator[str]:
    trace = determination.get("trace", {})
    if trace.get("payer"):
        yield f"policy of payer: {trace['payer']}"
    for programme, start in trace.get("programme_starts", {}).items():
        yield f"{programme} programme since {start}"
    if trace.get("tables_version"):
        yield f"tables: {trace['tables_version']}"
