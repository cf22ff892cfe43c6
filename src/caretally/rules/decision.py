"""What one practitioner's month comes to: the programmes that are billed, or the reasons why none is (rules 5, 13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from caretally.facts.reasons import Exclusion, Hold
from caretally.rules.conflicts import reason_code
from caretally.rules.duplicates import happened
from caretally.rules.findings import distinct, finding, spoken
from caretally.rules.judging import Judged, judge
from caretally.rules.rulings import chosen_programme, person_holding, said_by, without_overridden
from caretally.rules.time_credit import Credit, credit
from caretally.rules.view import look_at

if TYPE_CHECKING:
    from caretally.facts.determination import Finding
    from caretally.rules.context import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One practitioner's month before it is written down."""

    case: Case
    ledger: Credit
    judged: tuple[Judged, ...]
    questions: tuple[Finding, ...]
    """Holds that concern the month as a whole."""
    overridden: tuple[Finding, ...]
    """Notices of those that a person decided to go on in spite of."""
    reasons: tuple[Finding, ...]
    taken: tuple[Judged, ...]
    """Programmes whose lines are billed, in the order of the table; empty while there are reasons."""

    def held_by(self, question: Finding) -> Decision:
        """Return the decision with one more question that a person has to answer first, unless one answered it."""
        settled = without_overridden(self.case, [question])
        if settled.notices:
            return replace(self, overridden=(*self.overridden, *settled.notices))
        return replace(
            self, questions=(*self.questions, question), reasons=tuple(distinct([*self.reasons, question])), taken=()
        )


def decide(case: Case) -> Decision:
    """Decide under the coverage that pays first, or under the one that is in force on the dates of service."""
    first = _decide(case)
    if not any(f.code == Hold.COVERAGE_CHANGED.value for f in first.reasons):
        return first
    assert case.coverage is not None  # noqa: S101 -- it changed, so there is one
    ranked = (case.coverage, *case.other_coverages)
    for coverage in case.other_coverages:
        effective = case.context.policies.effective(coverage, case.site)
        others = tuple(c for c in ranked if c is not coverage)
        again = _decide(replace(case, coverage=coverage, effective=effective, other_coverages=others, rivals=()))
        if again.taken:
            return again
    return first


def _decide(case: Case) -> Decision:
    views = [look_at(case, name) for name in _programmes(case)]
    ledger = credit(case, {view.programme: view.spans for view in views})
    judged = tuple(judge(view, ledger) for view in views)
    settled = without_overridden(case, _questions(case, ledger))
    reasons, taken = _resolve(case, judged, settled.kept)
    return Decision(
        case=case,
        ledger=ledger,
        judged=judged,
        questions=settled.kept,
        overridden=settled.notices,
        reasons=reasons,
        taken=taken,
    )


def _programmes(case: Case) -> tuple[str, ...]:
    """Return the programmes to judge: those with minutes in the month; without any, all enrolled (rules 13)."""
    known = case.context.tables.programmes
    logged = {a.programme for a in case.entries if a.programme in known and happened(a.entry)}
    if logged:
        return tuple(name for name in known if name in logged)
    enrolled = {name for plan in case.plans for name in plan.programmes}
    enrolled |= {
        name for consent in case.facts.consents if case.consent_holds_for_me(consent) for name in consent.programmes
    }
    enrolled |= {a.programme for a in case.entries}
    found = tuple(name for name in known if name in enrolled)
    return found or tuple(known)[:1]


def _questions(case: Case, ledger: Credit) -> list[Finding]:
    """Return the holds that concern the patient-month as a whole."""
    found: list[Finding] = []
    holding = person_holding(case)
    if holding is not None:
        found.append(finding(case, Hold.HELD_BY_PERSON, said_by(holding), (holding.name,)))
    if case.unattributed:
        found.append(finding(case, Hold.ATTRIBUTION, "", case.unattributed))
    # Overlapped time is counted, too: by the practitioner's ladder, or in the place of what began earlier.
    counted = {row.entry for row in ledger.rows if row.excluded in {None, Exclusion.OVERLAP.value} and row.seconds}
    booked = [b for b in case.month.double_bookings if b.entry in counted]
    if booked:
        people = (x for b in booked for x in (b.entry, b.other_entry, b.other_patient) if x is not None)
        said = ", ".join(
            f"{spoken(b.seconds)} of {b.performer}" + (f", also for {b.other_patient}" if b.other_patient else "")
            for b in booked
        )
        found.append(finding(case, Hold.STAFF_DOUBLE_BOOKED, said, tuple(dict.fromkeys(people))))
    if case.month.duplicate_of:
        found.append(finding(case, Hold.DUPLICATE_PATIENT, "", case.month.duplicate_of))
    return found


def _resolve(
    case: Case, judged: tuple[Judged, ...], questions: tuple[Finding, ...]
) -> tuple[tuple[Finding, ...], tuple[Judged, ...]]:
    """Settle on the programmes that are billed, or on the reasons why none is."""
    chosen = next((j for j in judged if j.ready and j.name == chosen_programme(case)), None)
    if chosen is not None:
        # The choice is between what does not go together; what goes beside it stays.
        judged = tuple(j for j in judged if j is chosen or not _clashes(case, (chosen, j), lines=False))
    ready = tuple(j for j in judged if j.ready)
    clashes = _clashes(case, ready)
    if clashes:
        return (*questions, *clashes), ()
    if ready and questions:
        return questions, ()
    held = [j for j in judged if j.held]
    if ready and not held:
        return (), ready
    # One programme could be billed, another waits for a person whose answer may change the choice.
    waiting = held if ready else judged
    return tuple(distinct([*questions, *(r for j in waiting for r in j.reasons)])), ()


def _clashes(case: Case, together: tuple[Judged, ...], *, lines: bool = True) -> tuple[Finding, ...]:
    """Return the holds of programmes that one practitioner cannot bill side by side, or not for one disease.

    Without `lines` the codes that were reached are not named: one of the programmes may have reached none.
    """
    found: list[Finding] = []
    tables = case.context.tables
    for one, other in combinations(together, 2):
        said = " and ".join(f"{j.name.upper()} reaches {j.lines[0].code}" for j in (one, other)) if lines else ""
        if tables.exclusive(one.name, other.name):
            found.append(finding(case, Hold.CCM_PCM_SAME_PRACTITIONER, said))
        for mine, theirs in ((one, other), (other, one)):
            row, shared = tables.programmes[mine.name], mine.diseases & theirs.diseases
            if row.apart_hold and theirs.name in row.apart_from and shared:
                named = ", ".join(sorted(shared))
                found.append(finding(case, reason_code(row.apart_hold), f"{named}: {said}"))
    return tuple(distinct(found))


def among_colleagues(decisions: list[Decision]) -> list[Decision]:
    """Hold what two practitioners of ours cannot both bill for one beneficiary and month (rules 5)."""
    questions: dict[int, list[Finding]] = {}
    for (i, mine), (k, theirs) in combinations(enumerate(decisions), 2):
        for one in mine.taken:
            for other in (j for j in theirs.taken if j.name == one.name):
                row = one.view.table
                if row.one_practitioner:
                    code = Hold.SEVERAL_PRACTITIONERS
                elif row.same_condition_hold is not None and one.diseases & other.diseases:
                    code = Hold(row.same_condition_hold)
                else:
                    continue
                people = tuple(str(d.case.practitioner) for d in (mine, theirs))
                for place, decision in ((i, mine), (k, theirs)):
                    said = f"{one.name.upper()} by {people[0]} and {people[1]}"
                    questions.setdefault(place, []).append(finding(decision.case, code, said, people))
    return [_all_asked(decision, questions.get(place, [])) for place, decision in enumerate(decisions)]


def _all_asked(decision: Decision, questions: list[Finding]) -> Decision:
    for question in questions:
        decision = decision.held_by(question)
    return decision
