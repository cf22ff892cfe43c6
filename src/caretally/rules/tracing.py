"""The trace: everything that a person needs to work the answer out again (design 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caretally.facts.determination import Evidence, GateResult, Trace
from caretally.facts.intervals import Interval
from caretally.facts.reasons import Hold
from caretally.rules.contradictions import standing_risks
from caretally.rules.coverages import in_force
from caretally.rules.ladder import add_on_cap, last_service_date, lines_of
from caretally.rules.pricing import is_facility, unit_price
from caretally.rules.rulings import chosen_programme, decisions_in_evidence
from caretally.rules.selection import decision_level, is_elected, plan_revised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

    from caretally.facts.determination import LedgerRow
    from caretally.rules.context import Case
    from caretally.rules.decision import Decision
    from caretally.rules.judging import Judged
    from caretally.rules.view import GateOutcome


def evidence_of(decision: Decision) -> Evidence:
    """Return what the answer rests on: that of the programmes billed, else of the first one judged."""
    case, rests_on = decision.case, decision.taken or decision.judged[:1]
    names = {j.name for j in rests_on}
    counted = [row for row in decision.ledger.rows if row.excluded is None and row.programme in names]
    entries = tuple(dict.fromkeys(row.entry for row in counted))
    papers = [(_consent(j), j.view.plan.reference if j.view.plan else None, j.view.visit.reference) for j in rests_on]
    consent, plan, visit = papers[0]
    others = dict.fromkeys(x for paper in papers[1:] for x in paper if x is not None and x not in papers[0])
    # What each programme needs comes first: a claim has room for twelve.
    needed = [d for j in rests_on for d in j.view.conditions.diagnoses[: j.view.table.conditions_needed]]
    diagnoses = tuple(dict.fromkeys((*needed, *(d for j in rests_on for d in j.view.conditions.diagnoses))))
    others |= dict.fromkeys(_risk_papers(case, {d.reference for d in diagnoses}))
    coverage = case.coverage.reference if case.coverage else None
    # Only those that say their place: copies have none, and one that the first displaces pays nothing.
    behind = tuple(c.reference for c in case.other_coverages if c.order is not None and c not in case.rivals)
    named = {consent, plan, visit, coverage, *behind, *others, *(d.reference for d in diagnoses), *entries}
    return Evidence(
        consent=consent,
        care_plan=plan,
        initiating_visit=visit,
        coverage=coverage,
        other_coverages=behind,
        diagnoses=diagnoses,
        entries=entries,
        others=tuple(others),
        versions={reference: version for reference, version in _versions(case) if reference in named},
        decisions=decisions_in_evidence(case),
    )


def _consent(judged: Judged) -> str | None:
    return judged.view.consent.consent.reference if judged.view.consent.consent else None


def _risk_papers(case: Case, conditions: Collection[str]) -> Iterable[str]:
    """Yield the resources of their own that stated the risk of conditions."""
    for condition in case.facts.conditions:
        if condition.reference in conditions:
            yield from (risk.reference for risk in standing_risks(case, condition))


def _versions(case: Case) -> Iterable[tuple[str, str | None]]:
    facts = case.facts
    for group in (facts.consents, facts.care_plans, facts.visits, facts.coverages, facts.conditions):
        for fact in group:
            yield fact.reference, fact.version
    for condition in facts.conditions:
        yield from ((risk.reference, risk.version) for risk in condition.risks)
    for entry in facts.entries:
        yield entry.reference, entry.version


def trace_of(decision: Decision, closes_on: date) -> Trace:
    """Return the trace of a decision; the month closes on a date."""
    case, judged = decision.case, decision.judged
    gates = tuple(_gate(case, j, gate) for j in judged for gate in j.gates)
    rows = decision.ledger.rows
    for taken in decision.taken:
        if taken.choice.climb is not None and taken.choice.climb.family.pool == "practitioner":
            own = taken.choice.climb.rows
            rows = tuple(_left_aside(row, taken.name, own) for row in rows)
    return Trace(
        programmes=tuple(j.name for j in judged),
        gates=gates,
        ladder=tuple(s for j in judged for c in j.choice.tried for s in c.steps),
        ledger=rows,
        choice="; ".join(j.choice.why for j in decision.taken)
        or "; ".join(f"{j.name}: {j.choice.why}" for j in judged),
        payer=case.effective.payer,
        policy=case.policy.model_dump(mode="json"),
        policy_origins=dict(case.effective.origins),
        tables_version=case.context.tables.version,
        programme_starts={
            j.name: start.isoformat() for j in judged if (start := case.programme_start(j.name)) is not None
        },
        facility=is_facility(case),
        locality=case.site.locality,
        qualifying_apm=case.site.qualifying_apm,
        ground=_ground(decision, closes_on),
    )


def _gate(case: Case, judged: Judged, gate: GateOutcome) -> GateResult:
    kept = {(f.code, f.evidence) for f in judged.reasons}
    standing = tuple(code for code, _, evidence in gate.reasons if (code.value, evidence) in kept)
    return GateResult(
        gate=gate.gate,
        programme=judged.name,
        passed=gate.passed,
        found=gate.found,
        wanted=gate.wanted,
        reason=gate.reasons[0][0].value if gate.reasons else None,
        evidence=gate.evidence,
        cite=case.text(gate.reasons[0][0].value).cite if gate.reasons else "",
        reasons=tuple(code.value for code, _, _ in gate.reasons),
        standing=tuple(code.value for code in standing),
        held=bool(standing) and all(isinstance(code, Hold) for code in standing),
    )


def _ground(decision: Decision, closes_on: date) -> dict[str, Any]:
    case, tables = decision.case, decision.case.context.tables
    coverages = (*((case.coverage,) if case.coverage else ()), *case.other_coverages)
    return {
        "as_of": case.month.as_of.isoformat(),
        "closes_on": closes_on.isoformat(),
        "last_service_date": last_service_date(case).isoformat(),
        "coverages": [
            {"reference": c.reference, "start": _iso(c.start), "end": _iso(c.end)}
            for c in coverages
            if in_force(c, case.first_day, case.last_day)
        ],
        "programmes": {
            j.name: {
                "exclusive_with": list(tables.programmes[j.name].exclusive_with),
                "apart_from": list(tables.programmes[j.name].apart_from),
                "diseases": sorted(j.diseases),
                "decision_making": decision_level(case, j.name),
                "plan_revised": plan_revised(case, j.name),
                "physician_elected": is_elected(case, j.name),
                "families": [
                    {
                        "name": family.name,
                        "pool": family.pool,
                        "complex": family.complex,
                        "base": family.base,
                        "base_seconds": family.base_minutes * 60,
                        "add_on": family.add_on,
                        "add_on_seconds": None if family.add_on_minutes is None else family.add_on_minutes * 60,
                        "add_on_cap": add_on_cap(case, family),
                    }
                    for family in tables.families_of(j.name)
                ],
            }
            for j in decision.judged
        },
        "rates": _rates(decision),
        "chosen_programme": chosen_programme(case),
        "questions": [{"code": f.code, "evidence": list(f.evidence)} for f in decision.questions],
    }


def _rates(decision: Decision) -> list[dict[str, Any]]:
    """Return amount and charge of one unit, and where they come from, for every code and date a ladder reached."""
    case = decision.case
    found: dict[tuple[str, date], None] = {}
    for judged in decision.judged:
        for climbed in judged.choice.tried:
            found |= dict.fromkeys((line.code, line.service_date) for line in lines_of(case, climbed))
    rates = []
    for code, day in sorted(found):
        price = unit_price(case, code, day)
        rates.append(
            {
                "code": code,
                "date": day.isoformat(),
                "amount": None if price.amount is None else str(price.amount),
                "amount_from": price.amount_from,
                "charge": None if price.charge is None else str(price.charge),
                "charge_from": price.charge_from,
            }
        )
    return rates


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _left_aside(row: LedgerRow, programme: str, own: Iterable[LedgerRow]) -> LedgerRow:
    """Mark counted staff time of a programme that a physician code on the practitioner's own rows leaves aside."""
    if row.excluded is not None or row.programme != programme or row.practitioner_time:
        return row
    here = Interval(row.start, row.end) if row.start is not None and row.end is not None else None
    covered = here is not None and any(
        r.start is not None and r.end is not None and here.intersection(Interval(r.start, r.end)) for r in own
    )
    return row if covered else replace(row, used=False)
