"""The one door into the rules: a patient-month and the tables give determinations, one a billing practitioner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.determination import Determination, Evidence, Finding, GateResult, Trace
from caretally.facts.intervals import Interval
from caretally.facts.reasons import Block, Hold, Notice
from caretally.rules.context import coverages_behind
from caretally.rules.duplicates import DONE_STATUSES
from caretally.rules.enrolment import cases
from caretally.rules.gates import GateOutcome, ProgrammeView, evaluate_gates, look_at
from caretally.rules.ladder import is_facility, lines_of, rate_of
from caretally.rules.paper import paper_of, paper_warnings
from caretally.rules.selection import Choice, choose
from caretally.rules.time_credit import Credit, credit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.determination import LedgerRow, Line, Status
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.reasons import ReasonCode
    from caretally.rules.context import Case, RuleContext


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One programme of one practitioner, judged."""

    view: ProgrammeView
    gates: tuple[GateOutcome, ...]
    choice: Choice
    lines: tuple[Line, ...]
    reasons: tuple[Finding, ...]
    notices: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return self.view.programme

    @property
    def blocked(self) -> bool:
        return any(not finding.hold for finding in self.reasons)

    @property
    def held(self) -> bool:
        return bool(self.reasons) and not self.blocked


def determine(month: PatientMonth, context: RuleContext) -> tuple[Determination, ...]:
    """Decide a patient-month for every billing practitioner concerned.

    Returns:
        One determination for each candidate (design 4, "Who bills"), in the order of their references; one with
        ``billing_practitioner`` None for minutes that belong to nobody or to several.

    Raises:
        KeyError: a table names a gate, programme or value set that does not exist; `tables` refuses that at start.
    """
    return tuple(_determine(case) for case in cases(month, context))


def _determine(case: Case) -> Determination:
    programmes = _programmes(case)
    views = [look_at(case, name) for name in programmes]
    ledger = credit(case, {view.programme: view.spans for view in views})
    judged = [_judge(view, ledger) for view in views]
    common = _common_holds(case, ledger)
    reasons, taken = _resolve(case, judged, common)
    lines = taken.lines if taken is not None else ()
    surplus = taken.choice.climb.surplus_seconds if taken is not None and taken.choice.climb else 0
    open_month = case.month.as_of <= case.last_day + timedelta(days=case.policy.close_grace_days)
    projected: tuple[Line, ...] = ()
    if open_month:
        closes = case.last_day + timedelta(days=case.policy.close_grace_days + 1)
        reasons = (_finding(case, Hold.MONTH_OPEN, f"closes on {closes}"), *reasons)
        projected, lines = lines, ()
    status: Status = "billable" if lines else "hold" if _is_hold(reasons, open_month=open_month) else "not-billable"
    notices = _notices(case, judged, taken, ledger, surplus)
    view = taken.view if taken is not None else (views[0] if views else None)
    return Determination(
        patient=case.facts.patient.reference,
        service_month=case.service_month,
        billing_practitioner=case.practitioner,
        status=status,
        family=taken.choice.climb.family.name if taken is not None and taken.choice.climb else None,
        lines=lines,
        projected=projected,
        reasons=reasons,
        notices=notices,
        counted_seconds={name: sum(r.seconds for r in ledger.counted(name)) for name in _ledger_programmes(ledger)},
        surplus_seconds=surplus if lines or projected else 0,
        place_of_service=case.site.place_of_service,
        organization=(
            case.site.organization or case.context.practice.organization_of(case.practitioner)
            if case.practitioner
            else None
        ),
        evidence=_evidence(case, view, ledger),
        trace=_trace(case, judged, taken, ledger),
        paper=tuple(paper_of(j.view, ledger) for j in judged),
    )


def _is_hold(reasons: tuple[Finding, ...], *, open_month: bool) -> bool:
    return open_month or (bool(reasons) and all(finding.hold for finding in reasons))


def _ledger_programmes(ledger: Credit) -> list[str]:
    return sorted({row.programme for row in ledger.rows if row.programme is not None and row.excluded is None})


def _programmes(case: Case) -> tuple[str, ...]:
    """Return the programmes to judge: those with minutes in the month; without any, all enrolled (rules 13)."""
    known = case.context.tables.programmes
    logged = {
        a.programme
        for a in case.entries
        if a.programme in known and a.entry.status in DONE_STATUSES and not a.entry.invalid
    }
    if logged:
        return tuple(name for name in known if name in logged)
    enrolled = {name for plan in case.plans for name in plan.programmes}
    enrolled |= {
        name for consent in case.facts.consents if case.consent_holds_for_me(consent) for name in consent.programmes
    }
    enrolled |= {a.programme for a in case.entries}
    found = tuple(name for name in known if name in enrolled)
    return found or tuple(known)[:1]


def _judge(view: ProgrammeView, ledger: Credit) -> _Judged:
    case = view.case
    gates = evaluate_gates(view)
    reasons = [
        _finding(case, code, found, evidence, view.programme)
        for gate in gates
        for code, found, evidence in gate.reasons
    ]
    notices = [
        _finding(case, code, found, evidence, view.programme)
        for gate in gates
        for code, found, evidence in gate.notices
    ]
    choice = choose(case, view.programme, ledger)
    lines = lines_of(case, choice.climb) if choice.climb is not None else ()
    if not any(not r.hold for r in reasons):
        if choice.climb is None:
            reasons.append(_time_missing(view, choice, ledger))
        elif case.coverage is not None and any(_uncovered(case, line) for line in lines):
            reasons.append(_finding(case, Block.COVERAGE, "not in force on the date of service", (), view.programme))
    return _Judged(
        view=view,
        gates=gates,
        choice=choice,
        lines=lines,
        reasons=tuple(_distinct(reasons)),
        notices=tuple(_distinct(notices)),
    )


def _uncovered(case: Case, line: Line) -> bool:
    return not any(
        (c.start is None or c.start <= line.service_date) and (c.end is None or line.service_date <= c.end)
        for c in case.facts.coverages
        if c.status in {"active", "cancelled"}
    )


def _time_missing(view: ProgrammeView, choice: Choice, ledger: Credit) -> Finding:
    counted = sum(r.seconds for r in ledger.counted(view.programme))
    nearest = min((c.steps[0] for c in choice.tried), key=lambda s: s.threshold_seconds - s.total_seconds, default=None)
    evidence = tuple(dict.fromkeys(r.entry for r in ledger.counted(view.programme)))
    said = f"{spoken(counted)} counted"
    if nearest is not None:
        lacking = nearest.threshold_seconds - nearest.total_seconds
        said += f"; {spoken(lacking)} short of {nearest.code}"
    return _finding(view.case, Block.TIME_MIN, said, evidence, view.programme)


def spoken(seconds: int) -> str:
    """Return a length of time in words, never rounded: ``19 min 59 s``."""
    minutes, rest = divmod(seconds, 60)
    if not minutes and rest:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _common_holds(case: Case, ledger: Credit) -> list[Finding]:
    """Return the holds that concern the patient-month as a whole."""
    found: list[Finding] = []
    if case.unattributed:
        found.append(_finding(case, Hold.ATTRIBUTION, "", case.unattributed))
    counted = {row.entry for row in ledger.rows if row.excluded is None and row.seconds}
    booked = [b for b in case.month.double_bookings if b.entry in counted]
    if booked:
        evidence = tuple(dict.fromkeys(x for b in booked for x in (b.entry, b.other_entry)))
        said = ", ".join(f"{spoken(b.seconds)} of {b.performer}" for b in booked)
        found.append(_finding(case, Hold.STAFF_DOUBLE_BOOKED, said, evidence))
    if case.month.duplicate_of:
        found.append(_finding(case, Hold.DUPLICATE_PATIENT, "", case.month.duplicate_of))
    return found


def _resolve(case: Case, judged: list[_Judged], common: list[Finding]) -> tuple[tuple[Finding, ...], _Judged | None]:
    """Settle on one programme, or on the reasons why none (rules 5, 13)."""
    ready = [j for j in judged if not j.reasons and j.choice.climb is not None]
    held = [j for j in judged if j.held and j.choice.climb is not None]
    if len(ready) > 1 and _exclusive(ready):
        evidence = tuple(j.name for j in ready)
        said = " and ".join(f"{j.name.upper()} reaches {j.lines[0].code}" for j in ready)
        found = _finding(case, Hold.CCM_PCM_SAME_PRACTITIONER, said, evidence=())
        return (*common, replace(found, programme=",".join(evidence))), None
    if ready and not held and not common:
        return (), ready[0]
    if common and ready:
        return tuple(common), None
    reasons = [r for j in judged for r in j.reasons]
    if ready:
        # One programme could be billed, the other waits for a person whose answer may change the choice.
        reasons = [r for j in held for r in j.reasons]
    return tuple(_distinct([*common, *reasons])), None


def _exclusive(ready: list[_Judged]) -> bool:
    names = {j.name for j in ready}
    return any(names & set(j.view.case.context.tables.programmes[j.name].exclusive_with) for j in ready)


def _notices(
    case: Case, judged: list[_Judged], taken: _Judged | None, ledger: Credit, surplus: int
) -> tuple[Finding, ...]:
    found = [n for j in judged for n in j.notices]
    if taken is not None:
        for other in (j for j in judged if j is not taken):
            lacked = ", ".join(r.code for r in other.reasons) or "not billed"
            found.append(_finding(case, Notice.OTHER_PROGRAMME, f"{other.name.upper()}: {lacked}"))
        found += _money_notices(case, taken, surplus)
    for notice, references in (
        (Notice.NO_INTERVAL, ledger.no_interval),
        (Notice.POSSIBLE_DUPLICATE, ledger.possible_duplicates),
        (Notice.ROLE_UNKNOWN, ledger.unknown_roles),
        (Notice.ZONE_ASSUMED, ledger.zone_assumed),
    ):
        if references:
            found.append(_finding(case, notice, "", references))
    for one in judged:
        found += [_finding(case, *warned, one.name) for warned in paper_warnings(one.view, ledger)]
    if ledger.other_codes:
        found.append(_finding(case, Notice.UNUSED_SEPARATE_CODE, ", ".join(ledger.other_codes)))
    return tuple(_distinct(found))


def _money_notices(case: Case, taken: _Judged, surplus: int) -> Iterable[Finding]:
    choice = taken.choice
    if surplus > 0:
        yield _finding(case, Notice.SURPLUS, spoken(surplus))
    if choice.staff_not_used:
        yield _finding(case, Notice.STAFF_TIME_NOT_USED, "")
    if choice.alternative is not None:
        family, amount = choice.alternative
        yield _finding(case, Notice.ALT_AMOUNT, f"{family}: {'no rate' if amount is None else amount}")
    missing = [line.code for line in taken.lines if line.amount is None]
    if missing:
        yield _finding(case, Notice.NO_RATE, ", ".join(missing))
    lacking = (rate_of(case, x.code, x.service_date).lacking for x in taken.lines if x.amount is not None)
    if national := ", ".join(dict.fromkeys(found for found in lacking if found)):
        yield _finding(case, Notice.NATIONAL_RATE, national)
    by_rate = [x.code for x in taken.lines if x.charge is not None and x.code not in case.site.fee_schedule]
    if by_rate:
        yield _finding(case, Notice.CHARGE_IS_RATE, ", ".join(dict.fromkeys(by_rate)))
    if len({line.service_date for line in taken.lines}) > 1:
        yield _finding(case, Notice.ADDON_DOS, ", ".join(f"{x.code} on {x.service_date}" for x in taken.lines))


def _finding(
    case: Case,
    code: ReasonCode | Notice,
    said: str,
    evidence: tuple[str, ...] = (),
    programme: str | None = None,
) -> Finding:
    text = case.text(code.value)
    message = f"{text.message} ({said})" if said else text.message
    return Finding(
        code=code.value,
        message=message,
        cite=text.cite,
        evidence=evidence,
        hold=isinstance(code, Hold),
        programme=programme,
    )


def _distinct(findings: list[Finding]) -> list[Finding]:
    """Leave out what two programmes say in the same words about the same evidence."""
    seen: dict[tuple[str, str, tuple[str, ...]], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code, finding.message, finding.evidence), finding)
    return list(seen.values())


def _evidence(case: Case, view: ProgrammeView | None, ledger: Credit) -> Evidence:
    if view is None:
        return Evidence()
    counted = [row for row in ledger.rows if row.excluded is None and row.programme == view.programme]
    entries = tuple(dict.fromkeys(row.entry for row in counted))
    consent = view.consent.consent.reference if view.consent.consent else None
    behind = tuple(c.reference for c in coverages_behind(case.facts, case.first_day, case.last_day))
    named = {
        consent,
        view.plan.reference if view.plan else None,
        view.visit.reference,
        case.coverage.reference if case.coverage else None,
        *behind,
        *(d.reference for d in view.conditions.diagnoses),
        *entries,
    }
    return Evidence(
        consent=consent,
        care_plan=view.plan.reference if view.plan else None,
        initiating_visit=view.visit.reference,
        coverage=case.coverage.reference if case.coverage else None,
        other_coverages=behind,
        diagnoses=view.conditions.diagnoses,
        entries=entries,
        versions={reference: version for reference, version in _versions(case) if reference in named},
    )


def _versions(case: Case) -> Iterable[tuple[str, str | None]]:
    facts = case.facts
    for group in (facts.consents, facts.care_plans, facts.visits, facts.coverages, facts.conditions):
        for fact in group:
            yield fact.reference, fact.version
    for entry in facts.entries:
        yield entry.reference, entry.version


def _trace(case: Case, judged: list[_Judged], taken: _Judged | None, ledger: Credit) -> Trace:
    gates = tuple(
        GateResult(
            gate=gate.gate,
            programme=j.name,
            passed=gate.passed,
            found=gate.found,
            wanted=gate.wanted,
            reason=gate.reasons[0][0].value if gate.reasons else None,
            evidence=gate.evidence,
            cite=case.text(gate.reasons[0][0].value).cite if gate.reasons else "",
        )
        for j in judged
        for gate in j.gates
    )
    rows = ledger.rows
    if taken is not None and taken.choice.climb is not None and taken.choice.climb.family.pool == "practitioner":
        rows = tuple(_left_aside(row, taken) for row in rows)
    return Trace(
        programmes=tuple(j.name for j in judged),
        gates=gates,
        ladder=tuple(s for j in judged for c in j.choice.tried for s in c.steps),
        ledger=rows,
        choice=taken.choice.why if taken else "; ".join(f"{j.name}: {j.choice.why}" for j in judged),
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
    )


def _left_aside(row: LedgerRow, taken: _Judged) -> LedgerRow:
    """Mark counted staff time that a physician code leaves aside (rules 13)."""
    if row.excluded is not None or row.programme != taken.name or row.practitioner_time:
        return row
    own = taken.choice.climb.rows if taken.choice.climb else ()
    here = Interval(row.start, row.end) if row.start is not None and row.end is not None else None
    covered = here is not None and any(
        r.start is not None and r.end is not None and here.intersection(Interval(r.start, r.end)) for r in own
    )
    return row if covered else replace(row, used=False)
