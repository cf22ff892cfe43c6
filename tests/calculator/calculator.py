"""A second calculator of what may be billed, written from the billing rules without a look at `caretally.rules`.

It shares the facts and the policy object with the engine and nothing else: numbers and code lists are its own copies.
Style is plain on purpose: read it beside docs/reference/billing-rules.md.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from caretally.facts.calendar import months_after, start_of_day, years_before
from caretally.facts.time_entry import RoleClass
from tests.calculator import numbers
from tests.calculator.answer import Answer
from tests.calculator.ledger import (
    FOREVER,
    Piece,
    Surroundings,
    Windows,
    alive,
    floor_entries,
    lay_over,
    pieces_of,
    separate_code,
    touches,
)

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import CarePlanFact, ConditionFact, ConsentFact, CoverageFact, VisitFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.policy import Policy
    from caretally.rules import RuleContext

PROGRAMMES = ("ccm", "pcm")
HOLDS = {
    *("R-CCM-PCM-SAME-PRACTITIONER", "R-PCM-SAME-CONDITION", "R-HOSPICE-REVIEW", "R-GLOBAL-REVIEW"),
    *("R-RISK-UNKNOWN", "R-STAFF-DOUBLE-BOOKED", "R-HUMAN-EDIT", "R-ATTRIBUTION", "R-MONTH-OPEN"),
    "R-DUPLICATE-PATIENT",
}


def calculate(month: PatientMonth, context: RuleContext) -> dict[str | None, Answer]:
    """The answer for each billing practitioner; None: minutes that belong to nobody or to several."""
    people = candidates(month, context)
    shares = attribution(month, context, people)
    answers: dict[str | None, Answer] = {who: Desk(month, context, who, shares).answer() for who in sorted(people)}
    lost = [share for share in shares if share[1] is None]
    if lost:
        several = any(share[3] for share in lost)
        answers[None] = Answer(status="hold" if several else "not-billable")
        if several:
            answers[None].reasons = {"R-ATTRIBUTION"}
    return answers


# -- who bills (design 4) ------------------------------------------------------------------------------------------


def may_bill(who: str, context: RuleContext) -> bool:
    return context.practice.practitioner(who).role is RoleClass.PRACTITIONER


def zone_of(month: PatientMonth, context: RuleContext, who: str | None) -> object:
    site = context.practice.site_of(who or "")
    return context.policies.effective(chosen_coverage(month), site).policy.time_zone


def candidates(month: PatientMonth, context: RuleContext) -> set[str]:
    facts = month.facts
    found: set[str] = set()
    for consent in facts.consents:
        found |= set(consent.practitioners)
    for plan in facts.care_plans:
        if plan.status != "entered-in-error" and plan.author and may_bill(plan.author, context):
            found.add(plan.author)
    if not found:
        found |= {plan.care_team_lead for plan in facts.care_plans if plan.care_team_lead}
        found |= set(facts.care_team_leads)
    if not found:
        found |= {site.default_practitioner for site in context.practice.sites if site.default_practitioner}
    for entry in facts.entries:
        if entry.attending:
            found.add(entry.attending)
    return found


def owner(plan: CarePlanFact, context: RuleContext) -> str | None:
    if plan.author and may_bill(plan.author, context):
        return plan.author
    return plan.care_team_lead


def in_force(plan: CarePlanFact, first: date, last: date) -> bool:
    """Whether a plan was in force on some day of a span."""
    if plan.status not in {"active", "completed", "revoked"}:
        return False
    if plan.status != "active" and plan.end is None:
        return False
    begun = plan.start or plan.created
    if begun is not None and begun > last:
        return False
    return plan.end is None or plan.end >= first


Share = tuple[object, str | None, str | None, tuple[str, ...]]
"""(entry's place in the ordered list, practitioner, programme, those who could all claim it)."""


def attribution(month: PatientMonth, context: RuleContext, people: set[str]) -> list[Share]:
    facts, service_month = month.facts, month.service_month
    ordered, _ = alive(facts.entries)
    shares: list[Share] = []
    for i, entry in enumerate(ordered):
        zone = zone_of(month, context, entry.attending or (sorted(people)[0] if people else None))
        if not touches(entry, service_month, zone):  # type: ignore[arg-type]
            continue
        from caretally.facts.calendar import local_date

        if entry.interval is not None:
            on = local_date(entry.interval.start, zone)  # type: ignore[arg-type]
            on = min(max(on, service_month.first_day), service_month.last_day)
        else:
            assert entry.day is not None
            on = entry.day
        programme = entry.programme
        if programme is None:
            enrolled = {
                p
                for plan in facts.care_plans
                if in_force(plan, on, on) and (entry.attending is None or owner(plan, context) in {entry.attending, None})
                for p in plan.programmes
            }
            programme = enrolled.pop() if len(enrolled) == 1 else None
        if entry.attending:
            shares.append((i, entry.attending, programme, ()))
            continue
        plans = [p for p in facts.care_plans if programme is None or programme in p.programmes]
        on_date = {owner(p, context) for p in plans if in_force(p, on, on)} - {None}
        in_month = {
            owner(p, context) for p in plans if in_force(p, service_month.first_day, service_month.last_day)
        } - {None}
        claimants = on_date or in_month or people
        if len(claimants) == 1:
            shares.append((i, next(iter(claimants)), programme, ()))
        else:
            shares.append((i, None, programme, tuple(sorted(c for c in claimants if c))))
    return shares


# -- one practitioner -----------------------------------------------------------------------------------------------


def chosen_coverage(month: PatientMonth) -> CoverageFact | None:
    first, last = month.service_month.first_day, month.service_month.last_day
    fitting = [c for c in month.facts.coverages if c.status == "active" and covers(c, first, last)]
    fitting.sort(key=lambda c: (c.order if c.order is not None else 99, c.reference))
    return fitting[0] if fitting else None


def covers(coverage: CoverageFact, first: date, last: date) -> bool:
    return (coverage.start is None or coverage.start <= last) and (coverage.end is None or coverage.end >= first)


class Desk:
    """Everything about one practitioner's month on one desk."""

    def __init__(self, month: PatientMonth, context: RuleContext, me: str, shares: list[Share]) -> None:
        self.month, self.context, self.me, self.shares = month, context, me, shares
        self.facts, self.practice = month.facts, context.practice
        self.first, self.last = month.service_month.first_day, month.service_month.last_day
        self.site = self.practice.site_of(me)
        self.policy: Policy = context.policies.effective(chosen_coverage(month), self.site).policy
        self.zone = self.policy.time_zone
        self.month_start, self.month_after = month.service_month.bounds(self.zone)
        self.groups = self.practice.groups_of(me)
        self.blocks: dict[str, set[str]] = {p: set() for p in PROGRAMMES}
        self.windows: dict[str | None, Windows] = {}
        for programme in PROGRAMMES:
            self.windows[programme] = Windows()
            self.gates(programme)
        self.windows[None] = self.common_windows(Windows())
        self.keep_books()

    # .. small questions

    def mine(self, practitioners: tuple[str, ...], npis: tuple[str, ...] = ()) -> bool:
        my_npi = self.practice.practitioner(self.me).npi
        if any(self.practice.same_practitioner(self.me, who) for who in practitioners):
            return True
        return my_npi is not None and my_npi in npis

    def our_group(self, practitioners: tuple[str, ...], organization: str | None) -> bool:
        groups: set[str | None] = {self.practice.group_of_organization(organization)}
        for who in practitioners:
            groups |= self.practice.groups_of(who)
        return bool(groups & self.groups)

    def my_plans(self, programme: str) -> list[CarePlanFact]:
        return [
            p
            for p in self.facts.care_plans
            if programme in p.programmes and owner(p, self.context) in {self.me, None} and p.status != "entered-in-error"
        ]

    def plan(self, programme: str) -> CarePlanFact | None:
        fitting = [p for p in self.my_plans(programme) if in_force(p, self.first, self.last)]
        fitting = [p for p in fitting if p.created is None or p.created <= self.last]
        fitting.sort(key=lambda p: (p.start or self.first, p.reference))
        return fitting[-1] if fitting else None

    # .. gates (rules 4 and 5); each adds what is missing to self.blocks and its window to self.windows

    def gates(self, programme: str) -> None:
        wrong, windows = self.blocks[programme], self.windows[programme]
        coverages = [c for c in self.facts.coverages if c.status == "active" and covers(c, self.first, self.last)]
        if not coverages:
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
        self.consent_gate(programme)
        self.visit_gate(programme)
        self.condition_gate(programme)
        self.plan_gate(programme)
        self.claims_gate(programme)
        self.hospice_gate(programme)

    def common_windows(self, windows: Windows) -> Windows:
        deceased = self.facts.patient.deceased
        if deceased is not None and deceased.date_in(self.zone) >= self.first:
            windows.death = deceased.after(self.zone)
        spans = []
        for c in self.facts.coverages:
            if c.status == "active" and covers(c, self.first, self.last):
                begin = 0 if c.start is None else start_of_day(c.start, self.zone)
                end = FOREVER if c.end is None else start_of_day(c.end + timedelta(days=1), self.zone)
                spans.append((begin, end))
        windows.coverage_spans = spans or None
        return windows

    # consent

    def consents(self, programme: str) -> list[ConsentFact]:
        """Consents of any time that name this practitioner (or the group only) and this programme."""
        found = []
        for c in self.facts.consents:
            if c.status not in {"active", "inactive"} or c.given is None:
                continue
            if c.programmes and programme not in c.programmes and self.policy.consent_per_programme:
                continue
            named = self.mine(c.practitioners)
            group_only = not c.practitioners and any(
                self.practice.group_of_organization(o) in self.groups for o in c.organizations
            )
            if named or group_only:
                found.append(c)
        return found

    def consent_gate(self, programme: str) -> None:
        wrong, windows = self.blocks[programme], self.windows[programme]
        spans: list[tuple[int, int]] = []
        revoked = False
        for c in self.consents(programme):
            assert c.given is not None
            begin = c.given.earliest(self.zone)
            if begin >= self.month_after:
                continue
            end = FOREVER
            if c.withdrawn is not None:
                gone = c.withdrawn.date_in(self.zone)
                if gone < self.first:
                    revoked = True
                    continue
                if self.policy.revocation_effective == "immediate":
                    end = start_of_day(gone, self.zone)
            elif c.status == "inactive":
                revoked = True
                continue
            given_on = c.given.date_in(self.zone)
            if self.policy.consent_max_age_months is not None:
                expires = months_after(given_on, self.policy.consent_max_age_months)
                if expires < self.first:
                    continue
            if self.policy.consent_form == "noridian" and c.mode != "written" and not self.seen_before(given_on):
                continue
            if self.policy.consent_after_visit and not self.visit_before_consent(given_on):
                continue
            spans.append((begin, end))
        if spans:
            windows.consent_spans = spans
            return
        if revoked:
            wrong.add("R-CONSENT-REVOKED")
            return
        others = [
            c
            for c in self.facts.consents
            if c.status == "active"
            and c.given is not None
            and c.given.earliest(self.zone) < self.month_after
            and c.practitioners
            and not self.mine(c.practitioners)
            and (not c.programmes or programme in c.programmes or not self.policy.consent_per_programme)
        ]
        wrong.add("R-CONSENT-PRACTITIONER" if others else "R-CONSENT-MISSING")

    def seen_before(self, on: date) -> bool:
        return any(
            years_before(on, 1) <= v.moment.date_in(self.zone) <= on
            for v in self.facts.visits
            if self.our_group(v.practitioners, v.organization)
        )

    def visit_before_consent(self, on: date) -> bool:
        return any(v.moment.date_in(self.zone) <= on for v in self.initiating_visits())

    # initiating visit

    def initiating_visits(self) -> list[VisitFact]:
        rules = self.policy.initiating_visit
        found = []
        for v in self.facts.visits:
            codes = {c.code for c in v.codes}
            if not (codes & numbers.INITIATING or (rules.accept_tcm and codes & numbers.TRANSITION)):
                continue
            if codes & numbers.TELEHEALTH_MARKS and not rules.accept_telehealth:
                continue
            if rules.performer == "same_npi":
                if not self.mine(v.practitioners):
                    continue
            elif not self.our_group(v.practitioners, v.organization):
                continue
            found.append(v)
        return found

    def programme_start(self, programme: str) -> date | None:
        days = [p.start for p in self.my_plans(programme) if p.start is not None]
        days += [c.given.date_in(self.zone) for c in self.consents(programme) if c.given is not None]
        return min(days) if days else None

    def visit_gate(self, programme: str) -> None:
        wrong, windows = self.blocks[programme], self.windows[programme]
        year_ago = years_before(self.first, 1)
        for line in self.facts.claim_lines:
            if (
                line.code.code in numbers.CODES_OF[programme]
                and self.mine(line.practitioners, line.npis)
                and year_ago <= line.service_date < self.first
            ):
                return
        start = self.programme_start(programme)
        if start is None:
            wrong.add("R-INIT-VISIT-MISSING")
            return
        opens = years_before(start, self.policy.initiating_visit.lookback_years)
        days = sorted(v.moment.date_in(self.zone) for v in self.initiating_visits())
        if any(opens <= d <= start for d in days):
            return
        late = [d for d in days if start < d <= self.last]
        if not late:
            wrong.add("R-INIT-VISIT-MISSING")
        elif late[0] >= self.first:
            windows.init_from = start_of_day(late[0], self.zone)

    # conditions and plan

    def condition_gate(self, programme: str) -> None:
        wrong = self.blocks[programme]
        needed, months = numbers.CONDITIONS_NEEDED[programme], numbers.MONTHS_NEEDED[programme]
        chronic = [c for c in self.facts.conditions if self.active(c) and self.chronic(c)]
        if programme == "pcm":
            plan = self.plan("pcm")
            if plan is not None and plan.addresses:
                chronic = [c for c in chronic if c.reference in plan.addresses]
        lasting = [c for c in chronic if self.months(c) >= months]
        risky = [c for c in lasting if self.risk(c) is True]
        perhaps = [c for c in lasting if self.risk(c) is not False]
        if self.distinct(chronic) < needed:
            wrong.add("R-COND-COUNT")
        elif self.distinct(lasting) < needed:
            wrong.add("R-COND-DURATION")
        elif self.distinct(perhaps) < needed:
            wrong.add("R-COND-RISK")
        elif self.distinct(risky) < needed:
            wrong.add("R-RISK-UNKNOWN")
        elif self.distinct([c for c in risky if c.icd10cm]) < needed:
            wrong.add("R-DX-UNMAPPED")

    def active(self, c: ConditionFact) -> bool:
        begun = c.onset or c.recorded
        if not c.confirmed or (begun is not None and begun > self.last):
            return False
        if c.abatement is not None:
            return c.abatement >= self.first
        return c.active_status

    def chronic(self, c: ConditionFact) -> bool:
        if c.icd10cm is not None and c.icd10cm[0] in "RZ":
            return False
        return c.listed_chronic or c.until_death or (c.expected_months is not None and c.expected_months >= 3)

    def months(self, c: ConditionFact) -> int:
        if c.until_death:
            return 999
        if c.expected_months is not None:
            return c.expected_months
        return 12 if c.listed_chronic else 0

    def risk(self, c: ConditionFact) -> bool | None:
        if c.significant_risk is None and c.listed_chronic and self.policy.assume_risk_for_listed:
            return True
        return c.significant_risk

    def disease(self, c: ConditionFact) -> str:
        if self.policy.condition_grouping == "mapped_group" and c.group is not None:
            return c.group
        if c.icd10cm is not None:
            return c.icd10cm[:3]
        return c.group or c.reference

    def distinct(self, conditions: list[ConditionFact]) -> int:
        return len({self.disease(c) for c in conditions})

    def focus_diseases(self) -> set[str]:
        plan = self.plan("pcm")
        return {
            self.disease(c)
            for c in self.facts.conditions
            if self.active(c) and self.chronic(c) and (plan is None or not plan.addresses or c.reference in plan.addresses)
        }

    def plan_gate(self, programme: str) -> None:
        wrong = self.blocks[programme]
        plan = self.plan(programme)
        if plan is None:
            wrong.add("R-CAREPLAN-MISSING")
        elif plan.addresses:
            addressed = [
                c
                for c in self.facts.conditions
                if c.reference in plan.addresses and self.active(c) and self.chronic(c)
            ]
            if self.distinct(addressed) < 1:
                wrong.add("R-CAREPLAN-MISSING")
        if programme == "pcm":
            elements = {
                e.element for p in self.my_plans("pcm") for e in p.pcm_elements if e.attested <= self.last
            }
            medication = elements & {"frequent-medication-adjustment", "comorbidity-complexity"}
            together = "practitioner-coordination" in elements or any(
                "coordination" in e.activities and e.programme == "pcm" for e in self.facts.entries
            )
            if not (medication and together):
                wrong.add("R-PCM-ELEMENT")

    # other claims (rules 5)

    def claims_gate(self, programme: str) -> None:
        wrong = self.blocks[programme]
        for line in self.facts.claim_lines:
            if not self.first <= line.service_date <= self.last:
                continue
            code, mine = line.code.code, self.mine(line.practitioners, line.npis)
            ours = self.our_group(line.practitioners, line.organization)
            other_programme = "pcm" if programme == "ccm" else "ccm"
            if code in numbers.CODES_OF[programme]:
                if mine:
                    wrong.add("R-ALREADY-BILLED")
                elif programme == "ccm":
                    wrong.add("R-OTHER-CLINICIAN-CCM")
                elif line.diagnoses and self.focus_diseases() & {self.disease_of_code(d) for d in line.diagnoses}:
                    wrong.add("R-PCM-SAME-CONDITION")
            elif code in numbers.CODES_OF[other_programme] and mine:
                wrong.add("R-CCM-PCM-SAME-PRACTITIONER")
            for name, (reason, programmes, codes, begins, ends) in numbers.CONFLICTS.items():
                if code not in codes or programme not in programmes or not begins <= line.service_date <= ends:
                    continue
                if name == "bhi" and self.policy.pcm_bhi != "block":
                    continue
                if name == "tcm" and self.policy.tcm_concurrency != "block":
                    continue
                scope = getattr(self.policy.conflict_scope, name, "same_practitioner")
                if mine or (scope == "same_group" and ours):
                    wrong.add(reason)
        self.elsewhere_gate(programme)

    def disease_of_code(self, icd10cm: str) -> str:
        for c in self.facts.conditions:
            if c.icd10cm == icd10cm:
                return self.disease(c)
        return icd10cm[:3]

    def elsewhere_gate(self, programme: str) -> None:
        """A later consent to somebody of another practice: the patient has gone there."""
        own = [c.given.earliest(self.zone) for c in self.consents(programme) if c.given is not None]
        if not own:
            return
        for c in self.facts.consents:
            if c.status != "active" or c.given is None or not c.practitioners:
                continue
            if c.programmes and programme not in c.programmes:
                continue
            if self.our_group(c.practitioners, None) or self.mine(c.practitioners):
                continue
            if max(own) < c.given.earliest(self.zone) < self.month_after:
                self.blocks[programme].add("R-ENROLLED-ELSEWHERE")

    def hospice_gate(self, programme: str) -> None:
        for h in self.facts.hospices:
            if h.start <= self.last and (h.end is None or h.end >= self.first):
                if self.policy.hospice == "hold":
                    self.blocks[programme].add("R-HOSPICE-REVIEW")
                elif self.policy.hospice == "block":
                    self.blocks[programme].add("R-HOSPICE")

    # .. the books: the ledger of this practitioner

    def keep_books(self) -> None:
        ordered, wrong = alive(self.facts.entries)
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
            windows=self.windows,
        )
        raw: list[Piece] = []
        self.entries: set[str] = set()
        for i, who, programme, _ in self.shares:
            if who == self.me:
                entry = ordered[i]  # type: ignore[call-overload]
                self.entries.add(entry.reference)
                raw += pieces_of(entry, programme, wrong.get(i), around)  # type: ignore[call-overload]
        self.pieces = lay_over(raw)
        self.physician = lay_over([p for p in raw if not p.excluded and p.physician])
        self.staff = lay_over([p for p in raw if not p.excluded and p.staff])
        if self.policy.rounding == "floor_entry":
            self.pieces = floor_entries(self.pieces)
            self.physician = floor_entries(self.physician)
            self.staff = floor_entries(self.staff)

    def separate_spans(self) -> list[tuple[int, int]]:
        from caretally.facts.calendar import local_date

        ordered, wrong = alive(self.facts.entries)
        spans = []
        for i, entry in enumerate(ordered):
            if i in wrong or entry.interval is None:
                continue
            if separate_code(entry.procedure_codes, local_date(entry.interval.start, self.zone)):
                spans.append((entry.interval.start, entry.interval.end))
        for visit in self.facts.visits:
            if visit.interval is not None and separate_code(visit.codes, visit.moment.date_in(self.zone)):
                spans.append(visit.interval)
        return spans

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
        return max(levels)[1] if levels else None

    def is_complex(self) -> bool:
        if self.decision_making() not in {"moderate", "high"}:
            return False
        if self.policy.cccm_requires_plan_revision:
            plan = self.plan("ccm")
            days = [] if plan is None else [d for d in (plan.updated, plan.created) if d is not None]
            return any(self.first <= d <= self.last for d in days)
        return True

    def elected(self, programme: str) -> bool:
        return any(
            e.service_month == self.month.service_month for p in self.my_plans(programme) for e in p.elections
        )

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
        if way == "auto" and self.elected(programme) and physician:
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
            coverages = [c for c in self.facts.coverages if c.status == "active" and covers(c, self.first, self.last)]
            if coverages and all(c.end is not None for c in coverages):
                ends.append(max(c.end for c in coverages if c.end is not None))
            units = [(code, min(ends)) for code, _ in units]
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

    def answer(self) -> Answer:
        answer = Answer()
        for p in self.pieces:
            if p.excluded:
                answer.excluded[p.excluded] = answer.excluded.get(p.excluded, 0) + p.seconds
            elif p.programme is not None:
                answer.counted[p.programme] = answer.counted.get(p.programme, 0) + p.seconds
        with_minutes = {p.programme for p in self.pieces if p.programme and p.excluded != "X-OUTSIDE-MONTH"}
        looked_at = [p for p in PROGRAMMES if p in with_minutes] or [p for p in PROGRAMMES if p in self.enrolled()]
        whole = self.whole_month_holds()
        ready: dict[str, tuple[str, list[tuple[str, date]]]] = {}
        reasons: set[str] = set()
        for programme in looked_at:
            wrong = set(self.blocks[programme])
            family, units = self.choose(programme)
            if not wrong:
                if family is None:
                    wrong.add("R-TIME-MIN")
                else:
                    ready[programme] = (family, units)
            reasons |= wrong
        if len(ready) == 2:
            reasons, whole = set(), whole | {"R-CCM-PCM-SAME-PRACTITIONER"}
        elif ready:
            reasons = set()
        if ready and not whole:
            family, units = next(iter(ready.values()))
            answer.status, answer.family = "billable", family
            answer.lines = self.dated(family, units)
            self.add_surplus(answer, family, units)
            return answer
        if ready and whole == {"R-MONTH-OPEN"}:
            family, units = next(iter(ready.values()))
            answer.family = family
            answer.projected = self.dated(family, units)
            self.add_surplus(answer, family, units)
        answer.reasons = reasons | whole
        blocked = answer.reasons - HOLDS
        answer.status = "not-billable" if blocked and "R-MONTH-OPEN" not in whole else "hold"
        return answer

    def add_surplus(self, answer: Answer, family: str, units: list[tuple[str, date]]) -> None:
        programme, _, _, base_minutes, _, step, _ = numbers.LADDERS[family]
        total = sum(seconds for _, seconds in self.walk(programme, self.pool_of(family)))
        if self.policy.rounding == "floor_total":
            total -= total % 60
        answer.surplus = total - (base_minutes + step * (len(units) - 1)) * 60

    def enrolled(self) -> set[str]:
        found: set[str] = set()
        for plan in self.facts.care_plans:
            if owner(plan, self.context) in {self.me, None} and in_force(plan, self.first, self.last):
                found |= set(plan.programmes)
        for c in self.facts.consents:
            if self.mine(c.practitioners):
                found |= set(c.programmes or PROGRAMMES)
        return found

    def whole_month_holds(self) -> set[str]:
        found = set()
        if self.month.as_of <= self.last + timedelta(days=self.policy.close_grace_days):
            found.add("R-MONTH-OPEN")
        if self.month.duplicate_of:
            found.add("R-DUPLICATE-PATIENT")
        if any(b.entry in self.entries for b in self.month.double_bookings):
            found.add("R-STAFF-DOUBLE-BOOKED")
        if any(self.me in claimants for _, who, _, claimants in self.shares if who is None):
            found.add("R-ATTRIBUTION")
        return found
