"""One practitioner's papers, and the gates of enrolment: consent, visit, conditions, plan (rules 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.calendar import months_after, start_of_day, years_before
from tests.calculator import numbers
from tests.calculator.front_office import in_force
from tests.calculator.ledger import FOREVER, Windows, happened

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import CarePlanFact, ConditionFact, ConsentFact, CoverageFact, VisitFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext
    from tests.calculator.front_office import FrontOffice

PROGRAMMES = ("ccm", "pcm")


class Papers:
    """What one practitioner has on file; each gate adds what is missing to `blocks` and its window to `windows`."""

    def __init__(
        self, month: PatientMonth, context: RuleContext, me: str, office: FrontOffice, coverage: CoverageFact | None
    ) -> None:
        self.coverage = coverage
        self.month, self.context, self.me, self.office = month, context, me, office
        self.facts, self.practice = month.facts, context.practice
        self.first, self.last = month.service_month.first_day, month.service_month.last_day
        self.site = self.practice.site_of(me)
        self.policy = office.policy_of(me, coverage)
        self.zone = self.policy.time_zone
        self.month_start, self.month_after = month.service_month.bounds(self.zone)
        self.groups = self.practice.groups_of(me)
        self.blocks: dict[str, set[str]] = {p: set() for p in PROGRAMMES}
        self.windows: dict[str | None, Windows] = {}
        self.focus: dict[str, list[ConditionFact]] = {}

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
            if programme in p.programmes and self.office.owners.get(p.reference) == self.me
        ]

    def plan(self, programme: str) -> CarePlanFact | None:
        fitting = [p for p in self.my_plans(programme) if in_force(p, self.first, self.last)]
        fitting.sort(key=lambda p: (p.start or p.created or self.first, p.reference))
        return fitting[-1] if fitting else None

    # .. consent

    def given_by_now(self, programme: str) -> list[ConsentFact]:
        """Consents to a programme, given by the end of the month, to whomever."""
        found = []
        for c in self.facts.consents:
            if c.status not in {"active", "inactive"} or c.given is None or c.given.date_in(self.zone) > self.last:
                continue
            if c.programmes and programme not in c.programmes and self.policy.consent_per_programme:
                continue
            found.append(c)
        return found

    def names_me(self, c: ConsentFact) -> bool:
        """A consent that names only the practice holds for its group; one that names nobody for whoever asked."""
        if c.practitioners:
            return self.mine(c.practitioners)
        return not c.organizations or any(
            self.practice.group_of_organization(o) in self.groups for o in c.organizations
        )

    def day_given(self, c: ConsentFact) -> date:
        assert c.given is not None
        return c.given.date_in(self.zone)

    def over(self, c: ConsentFact) -> bool:
        """Whether a consent had ended before the month; one withdrawn before it was given never held."""
        if c.withdrawn is None:
            return c.status != "active"
        gone = c.withdrawn.date_in(self.zone)
        return gone < self.first or gone < self.day_given(c)

    def fits_the_payer(self, c: ConsentFact, programme: str) -> bool:
        explained = {"service", "cost-sharing", "may-stop"} | ({"one-practitioner"} if programme == "ccm" else set())
        if self.policy.consent_disclosures == "require" and not explained <= set(c.explained):
            return False
        age = self.policy.consent_max_age_months
        if age is not None and months_after(self.day_given(c), age) <= self.first:
            return False
        return self.policy.consent_form != "noridian" or c.mode == "written" or self.seen_before(self.day_given(c))

    def consent_gate(self, programme: str, visit_day: date | None) -> None:
        wrong, windows = self.blocks[programme], self.windows[programme]
        given = self.given_by_now(programme)
        mine = [c for c in given if self.names_me(c)]
        others = [c for c in given if c not in mine and c.status == "active" and not self.over(c)]
        living = [c for c in mine if not self.over(c)]
        fit = [c for c in living if self.fits_the_payer(c, programme)]
        if self.policy.consent_after_visit and visit_day is not None:
            fit = [c for c in fit if self.day_given(c) >= visit_day]
        if not mine:
            wrong.add("R-CONSENT-PRACTITIONER" if others else "R-CONSENT-MISSING")
        elif not living:
            wrong.add("R-CONSENT-REVOKED")
        elif programme == "ccm" and self.gone_to_a_colleague(living, others):
            wrong.add("R-CONSENT-PRACTITIONER")
        elif not fit:
            wrong.add("R-CONSENT-MISSING")
        else:
            windows.consent_spans = [self.consent_span(c) for c in fit]

    def gone_to_a_colleague(self, living: list[ConsentFact], others: list[ConsentFact]) -> bool:
        """The latest consent before the month names a colleague: only one may bill CCM (rules 4.4)."""
        latest = max(self.day_given(c) for c in living)
        return any(
            c.practitioners and self.our_group(c.practitioners, None) and latest < self.day_given(c) < self.first
            for c in others
        )

    def consent_span(self, c: ConsentFact) -> tuple[int, int]:
        assert c.given is not None
        end = FOREVER
        if c.withdrawn is not None and self.policy.revocation_effective == "immediate":
            end = start_of_day(c.withdrawn.date_in(self.zone), self.zone)
        return c.given.earliest(self.zone), end

    def seen_before(self, on: date) -> bool:
        return any(
            years_before(on, 1) <= v.moment.date_in(self.zone) <= on
            for v in self.facts.visits
            if self.our_group(v.practitioners, v.organization)
        )

    # .. initiating visit

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
        days = [d for p in self.my_plans(programme) if (d := p.start or p.created) and not (p.end and p.end < d)]
        for c in self.facts.consents:
            named = not c.programmes or programme in c.programmes
            if c.given is not None and named and self.names_me(c):
                backwards = c.withdrawn is not None and c.withdrawn.date_in(self.zone) < self.day_given(c)
                days += [] if backwards else [self.day_given(c)]
        return min(days, default=None)

    def visit_gate(self, programme: str) -> date | None:
        """The date of the initiating visit, where there is one; a late one opens the window for minutes."""
        wrong, windows = self.blocks[programme], self.windows[programme]
        start = self.programme_start(programme)
        if start is None:
            wrong.add("R-INIT-VISIT-MISSING")
            return None
        opens = years_before(start, self.policy.initiating_visit.lookback_years)
        days = sorted(v.moment.date_in(self.zone) for v in self.initiating_visits())
        in_time = [d for d in days if opens <= d <= start]
        if in_time:
            return in_time[-1]
        for line in self.facts.claim_lines:
            if line.code.code in numbers.CODES_OF[programme] and self.mine(line.practitioners, line.npis):
                for end in (start, self.first):
                    if years_before(end, 1) <= line.service_date < end:
                        return None
        late = [d for d in days if start < d <= self.last]
        if not late:
            wrong.add("R-INIT-VISIT-MISSING")
            return None
        if late[0] > self.first:
            windows.init_from = start_of_day(late[0], self.zone)
        return late[0]

    # .. conditions and plan

    def condition_gate(self, programme: str) -> None:
        wrong = self.blocks[programme]
        needed, months = numbers.CONDITIONS_NEEDED[programme], numbers.MONTHS_NEEDED[programme]
        chronic = [c for c in self.facts.conditions if self.active(c) and self.chronic(c, months)]
        if programme == "pcm":
            plan = self.plan("pcm")
            if plan is not None and plan.addresses:
                chronic = [c for c in chronic if c.reference in plan.addresses]
        lasting = [c for c in chronic if self.months(c) >= months]
        risky = [c for c in lasting if self.risk(c) is True]
        perhaps = [c for c in lasting if self.risk(c) is not False]
        coded = [c for c in risky if c.icd10cm]
        if self.distinct(chronic) < needed:
            wrong.add("R-COND-COUNT")
        elif self.distinct(lasting) < needed:
            wrong.add("R-COND-DURATION")
        elif self.distinct(perhaps) < needed:
            wrong.add("R-COND-RISK")
        elif self.distinct(risky) < needed:
            wrong.add("R-RISK-UNKNOWN")
        elif self.distinct(coded) < needed:
            wrong.add("R-DX-UNMAPPED")
        else:
            # What the claim rests on; the plan has to be for it.
            self.focus[programme] = coded

    def active(self, c: ConditionFact) -> bool:
        begun = c.onset or c.recorded
        if not c.confirmed or (begun is not None and begun > self.last):
            return False
        if begun is not None and c.abatement is not None and c.abatement < begun:
            return False
        if c.abatement is not None:
            return c.abatement >= self.first
        return c.active_status

    def chronic(self, c: ConditionFact, months: int) -> bool:
        """Listed, or said by a clinician to last as long as the programme asks; never a symptom or a cold."""
        if c.icd10cm is not None and c.icd10cm.startswith(numbers.NEVER_CHRONIC):
            return False
        return c.listed_chronic or c.until_death or (c.expected_months is not None and c.expected_months >= months)

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
        return c.group or c.codes[0].code

    def distinct(self, conditions: list[ConditionFact]) -> int:
        return len({self.disease(c) for c in conditions})

    def focus_diseases(self) -> set[str]:
        return {self.disease(c) for c in self.focus.get("pcm", [])}

    def plan_gate(self, programme: str) -> None:
        wrong = self.blocks[programme]
        plan = self.plan(programme)
        counted = self.focus.get(programme)
        if plan is None:
            wrong.add("R-CAREPLAN-MISSING")
        elif plan.addresses and counted is not None:
            addressed = [c for c in counted if c.reference in plan.addresses]
            if self.distinct(addressed) < numbers.CONDITIONS_NEEDED[programme]:
                wrong.add("R-CAREPLAN-MISSING")
        if programme == "pcm":
            elements = {
                e.element
                for p in self.my_plans("pcm")
                for e in p.pcm_elements
                if e.attested <= self.last and e.by is not None
            }
            names_its_condition = plan is None or bool(plan.addresses)
            medication = elements & {"frequent-medication-adjustment", "comorbidity-complexity"}
            together = "practitioner-coordination" in elements or any(
                "coordination" in self.office.entries[i].activities and happened(self.office.entries[i])
                for i, who, what, _ in self.office.shares
                if who == self.me and what == "pcm"
            )
            if not (medication and together and names_its_condition):
                wrong.add("R-PCM-ELEMENT")
