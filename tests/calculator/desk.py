"""One practitioner's month on one desk: gates, the books, the ladders, the answer (rules 2, 3, 5, 6)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from caretally.facts.calendar import start_of_day
from caretally.facts.time_entry import RoleClass
from tests.calculator import numbers
from tests.calculator.answer import Answer
from tests.calculator.front_office import valid
from tests.calculator.ledger import (
    Piece,
    Surroundings,
    Windows,
    coded_service,
    floor_entries,
    happened,
    lay_over,
    pieces_of,
    separate_code,
)
from tests.calculator.other_services import OtherServices
from tests.calculator.papers import PROGRAMMES

if TYPE_CHECKING:
    from caretally.facts.clinical import CoverageFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext
    from tests.calculator.front_office import FrontOffice

LEVELS = ("straightforward", "low", "moderate", "high")
HOLDS = {
    *("R-PCM-EXACERBATION", "R-CONFLICT-PIN-PCM", "R-SEVERAL-PRACTITIONERS", "R-COVERAGE-CHANGED"),
    *("R-CCM-PCM-SAME-PRACTITIONER", "R-PCM-SAME-CONDITION", "R-HOSPICE-REVIEW", "R-GLOBAL-REVIEW"),
    *("R-RISK-UNKNOWN", "R-STAFF-DOUBLE-BOOKED", "R-HUMAN-EDIT", "R-ATTRIBUTION", "R-MONTH-OPEN"),
    "R-DUPLICATE-PATIENT",
}


class Desk(OtherServices):
    """Everything about one practitioner's month."""

    def __init__(
        self, month: PatientMonth, context: RuleContext, me: str, office: FrontOffice, coverage: CoverageFact | None
    ) -> None:
        super().__init__(month, context, me, office, coverage)
        for programme in PROGRAMMES:
            self.windows[programme] = Windows()
            self.gates(programme)
        self.keep_books()
        self.taken: tuple[str, list[tuple[str, date]]] | None = None
        self.answer = self.decided()

    def gates(self, programme: str) -> None:
        wrong, windows = self.blocks[programme], self.windows[programme]
        if self.coverage is None:
            wrong.add("R-COVERAGE")
        patient = self.facts.patient
        if patient.deceased_undated or (patient.deceased and patient.deceased.date_in(self.zone) < self.first):
            wrong.add("R-DECEASED")
        if self.practice.practitioner(self.me).role is not RoleClass.PRACTITIONER:
            wrong.add("R-BILLER-ROLE")
        if self.site.place_of_service in numbers.BLOCKED_PLACES:
            wrong.add("R-POS")
        if self.site.kind != "office":
            wrong.add("R-INSTITUTIONAL")
        self.common_windows(windows)
        self.consent_gate(programme, self.visit_gate(programme))
        self.condition_gate(programme)
        self.plan_gate(programme)
        self.claims_gate(programme)
        self.hospice_gate(programme)

    def common_windows(self, windows: Windows) -> Windows:
        deceased = self.facts.patient.deceased
        if deceased is not None:
            windows.death = deceased.after(self.zone)
        ends = [c.end for c in self.facts.coverages if valid(c) and (c.start is None or c.start <= self.last)]
        if self.coverage is not None and all(end is not None for end in ends):
            windows.coverage_end = start_of_day(max(e for e in ends if e is not None) + timedelta(days=1), self.zone)
        return windows

    # .. the books: the ledger of this practitioner

    def keep_books(self) -> None:
        ordered, wrong = self.office.entries, self.office.wrong
        around = Surroundings(
            me=self.me,
            my_groups=self.groups,
            my_specialty=self.practice.practitioner(self.me).taxonomy,
            zone=self.zone,
            month=self.month.service_month,
            policy=self.policy,
            practice=self.practice,
            visits=self.facts.visits,
            stays=self.facts.stays,
            separate_spans=self.separate_spans(),
            linked=frozenset(
                reference
                for line in self.facts.claim_lines
                if separate_code((line.code,), line.service_date)
                for reference in line.encounters
            ),
            incident_to=any(
                a.name == "incident-to" and a.held_from <= self.last and (a.held_to is None or a.held_to >= self.first)
                for a in self.practice.attestations
            ),
            windows=self.windows,
        )
        raw: list[Piece] = []
        for i, who, programme, _ in self.office.shares:
            if who == self.me:
                raw += pieces_of(ordered[i], programme, wrong.get(i), around)
        self.pieces = lay_over(raw, raw)
        self.physician = lay_over([p for p in raw if not p.excluded and p.physician], raw)
        self.staff = lay_over([p for p in raw if not p.excluded and p.staff], raw)
        if self.policy.rounding == "floor_entry":
            self.pieces = floor_entries(self.pieces)
            self.physician = floor_entries(self.physician)
            self.staff = floor_entries(self.staff)

    def separate_spans(self) -> list[tuple[int, int]]:
        spans = []
        for entry in self.facts.entries:
            if not happened(entry) or entry.interval is None:
                continue
            if coded_service(entry, self.zone):
                spans.append((entry.interval.start, entry.interval.end))
        return spans + [
            visit.interval
            for visit in self.facts.visits
            if visit.interval is not None and separate_code(visit.codes, visit.moment.date_in(self.zone))
        ]

    # .. selection (rules 5.1, 5.2)

    def walk(self, programme: str, pieces: list[Piece]) -> list[tuple[date, int]]:
        """(date, seconds) of counted pieces in time order; dated entries after the timed ones of their date."""
        rows = [p for p in pieces if p.programme == programme and not p.excluded and p.seconds]
        rows.sort(key=lambda p: (p.day, p.start is None, p.start or 0))
        return [(p.day, p.seconds) for p in rows]

    def ladder(self, family: str, pieces: list[Piece]) -> list[tuple[str, date]]:
        """Each unit of a family with the date on which its total is reached; empty when the base is not."""
        programme, _, base, base_minutes, add_on, step, cap = numbers.LADDERS[family]
        cap = self.policy.caps.get(add_on, cap)
        wanted = [(base, base_minutes * 60)] + [(add_on, (base_minutes + step * n) * 60) for n in range(1, cap + 1)]
        units = []
        total = 0
        for day, seconds in self.walk(programme, pieces):
            total += seconds
            while wanted and total >= wanted[0][1]:
                units.append((wanted.pop(0)[0], day))
        return units

    def decision_making(self) -> str | None:
        levels = [
            (d.assessed, d.level)
            for p in self.my_plans("ccm")
            for d in p.decision_making
            if self.first <= d.assessed <= self.last
        ]
        if not levels:
            return None
        latest = max(on for on, _ in levels)
        return min((level for on, level in levels if on == latest), key=LEVELS.index)

    def is_complex(self) -> bool:
        if self.decision_making() not in {"moderate", "high"}:
            return False
        if self.policy.cccm_requires_plan_revision:
            plan = self.plan("ccm")
            days = [] if plan is None else [d for d in (plan.updated, plan.created) if d is not None]
            return any(self.first <= d <= self.last for d in days)
        return True

    def elected(self, programme: str) -> bool:
        return any(e.service_month == self.month.service_month for p in self.my_plans(programme) for e in p.elections)

    def choose(self, programme: str) -> tuple[str | None, list[tuple[str, date]]]:
        if programme == "pcm" or self.policy.ccm_vs_cccm == "never_complex" or not self.is_complex():
            return self.tree(programme, complex_allowed=False)
        with_complex = self.tree(programme, complex_allowed=True)
        if self.policy.ccm_vs_cccm == "highest_allowed":
            without = self.tree(programme, complex_allowed=False)
            if self.worth(without[1]) > self.worth(with_complex[1]):
                return without
        return with_complex

    def worth(self, units: list[tuple[str, date]]) -> Decimal:
        total = Decimal(0)
        for code, day in units:
            total += numbers.amount(code, 1, day, self.site.place_of_service) or Decimal(0)
        return total

    def tree(self, programme: str, *, complex_allowed: bool) -> tuple[str | None, list[tuple[str, date]]]:
        way = self.policy.physician_time
        staff_family, physician_family = f"{programme}-staff", f"{programme}-physician"
        pool = self.staff if way == "separate" else self.pieces
        physician = self.ladder(physician_family, self.physician)
        complex_units = self.ladder("cccm-staff", pool) if complex_allowed and programme == "ccm" else []
        staff_units = self.ladder(staff_family, pool)
        staff_time = any(p.programme == programme and p.seconds for p in self.staff)
        if way != "roll_up" and self.elected(programme) and physician:
            return physician_family, physician
        if complex_units:
            return "cccm-staff", complex_units
        if way == "auto" and not staff_time and physician:
            return physician_family, physician
        if staff_units:
            return staff_family, staff_units
        if way == "separate" and physician:
            return physician_family, physician
        return None, []

    # .. the answer

    def pool_of(self, family: str) -> list[Piece]:
        if numbers.LADDERS[family][1] == "physician":
            return self.physician
        return self.staff if self.policy.physician_time == "separate" else self.pieces

    def dated(self, family: str, units: list[tuple[str, date]]) -> list[tuple[str, int, str, str | None]]:
        dos = self.policy.dos
        programme = numbers.LADDERS[family][0]
        if dos == "with_last":
            units = [(code, units[-1][1]) for code, _ in units]
        elif dos == "month_end":
            ends = [self.last]
            if self.facts.patient.deceased is not None:
                ends.append(self.facts.patient.deceased.date_in(self.zone))
            if self.coverage is not None and self.coverage.end is not None:
                ends.append(self.coverage.end)
            reached = units[-1][1]
            units = [(code, max(min(ends), reached)) for code, _ in units]
        elif dos == "last_entry":
            last = max(day for day, _ in self.walk(programme, self.pool_of(family)))
            units = [(code, last) for code, _ in units]
        counts: dict[tuple[str, date], int] = {}
        for unit in units:
            counts[unit] = counts.get(unit, 0) + 1
        lines = []
        for (code, day), n in sorted(counts.items(), key=lambda item: (item[0][1], item[0][0])):
            money = numbers.amount(code, n, day, self.site.place_of_service)
            lines.append((code, n, day.isoformat(), None if money is None else str(money)))
        return lines

    def decided(self) -> Answer:
        answer = Answer()
        for p in self.pieces:
            if p.excluded:
                answer.excluded[p.excluded] = answer.excluded.get(p.excluded, 0) + p.seconds
            elif p.programme is not None:
                answer.counted[p.programme] = answer.counted.get(p.programme, 0) + p.seconds
        ready = self.settle(answer)
        if ready is not None and not answer.reasons:
            self.taken = ready
            answer.family = ready[0]
            answer.lines = self.dated(*ready)
            answer.surplus = self.surplus(*ready)
        if self.month_open():
            answer.projected, answer.lines = answer.lines, []
            answer.reasons.add("R-MONTH-OPEN")
            answer.status = "hold"
        elif answer.lines:
            answer.status = "billable"
        else:
            answer.status = "not-billable" if answer.reasons - HOLDS else "hold"
        return answer

    def settle(self, answer: Answer) -> tuple[str, list[tuple[str, date]]] | None:
        """The programme that could be billed, and in the answer all that stands against billing (rules 13)."""
        wrong = {programme: self.against(programme) for programme in self.programmes()}
        ready = [self.choose(programme) for programme, reasons in wrong.items() if not reasons]
        questions = self.whole_month_holds()
        if len(ready) == 2:
            answer.reasons = questions | {"R-CCM-PCM-SAME-PRACTITIONER"}
        elif ready:
            # What could be billed waits where the other programme could be, too, and a person has to look at it first.
            held = [reasons for reasons in wrong.values() if reasons and not reasons - HOLDS]
            answer.reasons = questions or set().union(*held)
        else:
            answer.reasons = questions.union(*wrong.values())
        family, units = ready[0] if len(ready) == 1 else (None, [])
        return None if family is None else (family, units)

    def against(self, programme: str) -> set[str]:
        """Every reason against one programme; time that is too short only where nothing else blocks it."""
        wrong = set(self.blocks[programme])
        if not wrong - HOLDS:
            family, units = self.choose(programme)
            wrong |= {"R-TIME-MIN"} if family is None else self.uncovered(family, units)
        return wrong

    def programmes(self) -> list[str]:
        """Those with minutes in the month; without any minutes, all enrolled (rules 13)."""
        logged = {what for i, who, what, _ in self.office.shares if who == self.me and happened(self.office.entries[i])}
        enrolled = {
            name
            for p in self.facts.care_plans
            if self.office.owners.get(p.reference) == self.me
            for name in p.programmes
        }
        enrolled |= {name for c in self.facts.consents if self.names_me(c) for name in c.programmes}
        enrolled |= {what for _, who, what, _ in self.office.shares if who == self.me and what}
        return [p for p in PROGRAMMES if p in (logged or enrolled or {"ccm"})]

    def uncovered(self, family: str, units: list[tuple[str, date]]) -> set[str]:
        """A line on a date without coverage (denials CO-26, CO-27), or under another payer (CO-24, CO-109)."""
        found = set()
        for _, _, day, _ in self.dated(family, units):
            on = date.fromisoformat(day)
            holding = [
                c
                for c in self.office.coverages
                if (c.start is None or c.start <= on) and (c.end is None or on <= c.end)
            ]
            if not holding and self.coverage is not None:
                return {"R-COVERAGE"}
            if self.coverage is not None and self.coverage not in holding:
                found = {"R-COVERAGE-CHANGED"}
        return found

    def surplus(self, family: str, units: list[tuple[str, date]]) -> int:
        programme, _, _, base_minutes, _, step, _ = numbers.LADDERS[family]
        total = sum(seconds for _, seconds in self.walk(programme, self.pool_of(family)))
        return total - (base_minutes + step * (len(units) - 1)) * 60

    def month_open(self) -> bool:
        return self.month.as_of <= self.last + timedelta(days=self.policy.close_grace_days)

    def whole_month_holds(self) -> set[str]:
        found = set()
        if self.month.duplicate_of:
            found.add("R-DUPLICATE-PATIENT")
        counted = {p.entry for p in self.pieces if p.seconds and p.excluded in {"", "X-OVERLAP"}}
        if any(b.entry in counted for b in self.month.double_bookings):
            found.add("R-STAFF-DOUBLE-BOOKED")
        if any(self.me in claimants for _, who, _, claimants in self.office.shares if who is None):
            found.add("R-ATTRIBUTION")
        return found
