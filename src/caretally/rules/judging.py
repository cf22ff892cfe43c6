"""One programme of one practitioner, judged: gates, counted time, lines (rules 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Hold
from caretally.rules.conditions import disease_of_code
from caretally.rules.coverages import in_force
from caretally.rules.findings import distinct, finding, spoken
from caretally.rules.gates import evaluate_gates
from caretally.rules.ladder import lines_of
from caretally.rules.rulings import without_overridden
from caretally.rules.selection import choose

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.determination import Finding, Line
    from caretally.rules.context import Case
    from caretally.rules.selection import Choice
    from caretally.rules.time_credit import Credit
    from caretally.rules.view import GateOutcome, ProgrammeView


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one programme comes to: its lines, and what stands against them."""

    view: ProgrammeView
    gates: tuple[GateOutcome, ...]
    choice: Choice
    lines: tuple[Line, ...]
    reasons: tuple[Finding, ...]
    notices: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """Return the programme's name."""
        return self.view.programme

    @property
    def ready(self) -> bool:
        """Whether it could be billed."""
        return not self.reasons and self.choice.climb is not None

    @property
    def held(self) -> bool:
        """Whether it could be billed once people have answered."""
        return bool(self.reasons) and all(f.hold for f in self.reasons) and self.choice.climb is not None

    @property
    def diseases(self) -> frozenset[str]:
        """Return the diseases that it rests on, by the payer's grouping (D21)."""
        case = self.view.case
        return frozenset(
            disease_of_code(case, d.icd10cm) for d in self.view.conditions.diagnoses if d.icd10cm is not None
        )


def judge(view: ProgrammeView, ledger: Credit) -> Judged:
    """Judge a programme; time that is too short is named only where nothing else blocks."""
    case = view.case
    gates = evaluate_gates(view)
    reasons = [finding(case, code, found, evidence) for gate in gates for code, found, evidence in gate.reasons]
    notices = [finding(case, code, found, evidence) for gate in gates for code, found, evidence in gate.notices]
    settled = without_overridden(case, reasons)
    reasons = list(settled.kept)
    notices += settled.notices
    choice = choose(case, view.programme, ledger)
    lines = lines_of(case, choice.climb) if choice.climb is not None else ()
    if all(r.hold for r in reasons):
        if choice.climb is None:
            reasons.append(_time_missing(view, choice, ledger))
        elif case.coverage is not None:
            reasons += _coverage_of(case, lines)
    return Judged(
        view=view,
        gates=gates,
        choice=choice,
        lines=lines,
        reasons=tuple(distinct(reasons)),
        notices=tuple(distinct(notices)),
    )


def _coverage_of(case: Case, lines: tuple[Line, ...]) -> list[Finding]:
    """Return what stands against the lines' dates: no coverage on one, or another payer's (rules 4.5)."""
    assert case.coverage is not None  # noqa: S101 -- asked only then
    coverages = (case.coverage, *case.other_coverages)
    days = sorted({line.service_date for line in lines})
    bare = [day for day in days if not any(in_force(c, day, day) for c in coverages)]
    if bare:
        return [finding(case, Block.COVERAGE, f"not in force on {_listed(bare)}")]
    elsewhere = [day for day in days if not in_force(case.coverage, day, day)]
    if not elsewhere:
        return []
    said = f"{case.coverage.reference} is not in force on {_listed(elsewhere)}, another one is"
    return [finding(case, Hold.COVERAGE_CHANGED, said, tuple(c.reference for c in coverages))]


def _listed(days: list[date]) -> str:
    return ", ".join(str(day) for day in days)


def _time_missing(view: ProgrammeView, choice: Choice, ledger: Credit) -> Finding:
    counted = sum(r.seconds for r in ledger.counted(view.programme))
    nearest = min((c.steps[0] for c in choice.tried), key=lambda s: s.threshold_seconds - s.total_seconds, default=None)
    evidence = tuple(dict.fromkeys(r.entry for r in ledger.counted(view.programme)))
    said = f"{spoken(counted)} counted"
    if nearest is not None:
        lacking = nearest.threshold_seconds - nearest.total_seconds
        said += f"; {spoken(lacking)} short of {nearest.code}"
    return finding(view.case, Block.TIME_MIN, said, evidence)
