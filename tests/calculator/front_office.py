"""Who could bill a patient-month, to whom each entry goes, and which coverage pays (design 4, rules 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date
from caretally.facts.time_entry import RoleClass
from tests.calculator.ledger import in_order, touches, wholly_wrong

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import CarePlanFact, CoverageFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.policy import Policy
    from caretally.facts.time_entry import TimeEntry
    from caretally.rules import RuleContext

Share = tuple[int, str | None, str | None, tuple[str, ...]]
"""(entry's place in the ordered list, practitioner, programme, those who could all claim it)."""


class FrontOffice:
    """Sorts the patient's papers: who could bill, and to whom each entry goes."""

    def __init__(self, month: PatientMonth, context: RuleContext) -> None:
        self.month, self.context, self.facts = month, context, month.facts
        self.first, self.last = month.service_month.first_day, month.service_month.last_day
        self.coverages = paying_coverages(month, context)
        self.coverage = self.coverages[0] if self.coverages else None
        self.entries = in_order(self.facts.entries)
        self.consented = sorted({who for c in self.facts.consents for who in c.practitioners})
        self.owners = {p.reference: self.owner(p) for p in self.facts.care_plans if p.status != "entered-in-error"}
        self.candidates = set(self.consented) | {who for who in self.owners.values() if who is not None}
        if not self.candidates and (self.owners or self.facts.consents or self.worked_in_month()):
            lead = next((who for who in self.facts.care_team_leads if self.may_bill(who)), None) or self.default()
            self.candidates = {lead} if lead else set()
        self.zone = self.policy_of(min(self.candidates, default=None)).time_zone
        self.shares = [share for i in range(len(self.entries)) if (share := self.share(i)) is not None]
        self.wrong = wholly_wrong(
            self.entries, {i: programme for i, who, programme, _ in self.shares if who is not None}
        )

    def policy_of(self, who: str | None, coverage: CoverageFact | None = None) -> Policy:
        practice = self.context.practice
        site = practice.site_of(who) if who else next(iter(practice.sites))
        return self.context.policies.effective(coverage or self.coverage, site).policy

    def worked_in_month(self) -> bool:
        zone = self.policy_of(None).time_zone
        return any(touches(e, self.month.service_month, zone) for e in self.entries)

    def may_bill(self, who: str) -> bool:
        return self.context.practice.practitioner(who).role is RoleClass.PRACTITIONER

    def default(self) -> str | None:
        return next((s.default_practitioner for s in self.context.practice.sites if s.default_practitioner), None)

    def owner(self, plan: CarePlanFact) -> str | None:
        """Who bills under a plan: its author, else who leads the team, else the site's, else the one consented to."""
        for who in (plan.author, plan.care_team_lead, *self.facts.care_team_leads):
            if who is not None and self.may_bill(who):
                return who
        if self.default() is not None:
            return self.default()
        return self.consented[0] if len(self.consented) == 1 else None

    def plans(self, first: date, last: date) -> list[CarePlanFact]:
        return [p for p in self.facts.care_plans if in_force(p, first, last)]

    def share(self, i: int) -> Share | None:
        entry = self.entries[i]
        if not touches(entry, self.month.service_month, self.zone):
            return None
        on = entry.day or local_date(entry.interval.start, self.zone)  # type: ignore[union-attr]
        on = min(max(on, self.first), self.last)
        programme = entry.programme or self.enrolment(entry, on)
        if programme is None:
            # Enrolled in several: a person has to say. Without any enrolment the minutes belong to nobody.
            claimants = {entry.attending} if entry.attending else {who for who in self.owners.values() if who}
            return i, None, None, tuple(sorted(claimants))
        if entry.attending:
            return i, entry.attending, programme, ()
        for first, last in ((on, on), (self.first, self.last)):
            owners = {
                who
                for p in self.plans(first, last)
                if programme in p.programmes and (who := self.owners[p.reference]) is not None
            }
            if len(owners) == 1:
                return i, owners.pop(), programme, ()
            if owners:
                return i, None, programme, tuple(sorted(owners))
        if len(self.candidates) == 1:
            return i, next(iter(self.candidates)), programme, ()
        return i, None, programme, ()

    def enrolment(self, entry: TimeEntry, on: date) -> str | None:
        """The one programme the patient was enrolled in on a date, else in the month, else by consent."""
        for first, last in ((on, on), (self.first, self.last)):
            plans = self.plans(first, last)
            attended = [p for p in plans if entry.attending is not None and self.owners[p.reference] == entry.attending]
            found = {name for p in attended or plans for name in p.programmes}
            if found:
                return found.pop() if len(found) == 1 else None
        found = {name for c in self.facts.consents for name in c.programmes}
        return found.pop() if len(found) == 1 else None


def in_force(plan: CarePlanFact, first: date, last: date) -> bool:
    """Whether a plan was in force on some day of a span, as the record stood then (rules 4.2)."""
    begun = plan.start or plan.created or plan.updated
    if begun is None or begun > last or (plan.end is not None and plan.end < begun):
        return False
    if plan.created is not None and plan.created > last:
        return False
    if plan.status == "active":
        return plan.end is None or plan.end >= first
    return plan.status in {"completed", "revoked"} and plan.end is not None and plan.end >= first


def paying_coverages(month: PatientMonth, context: RuleContext) -> list[CoverageFact]:
    """In the order in which they pay; a Medicare Advantage plan stands in the place of Part B (rules 4.5)."""
    fitting = coverages_in_month(month)
    payers = {c.reference: context.policies.payer_of(c) for c in fitting}
    advantage = any(p is not None and p.name == "medicare-advantage" for p in payers.values())

    def place(c: CoverageFact) -> tuple[bool, int, bool, str]:
        payer = payers[c.reference]
        replaced = advantage and payer is not None and payer.name == "medicare"
        return replaced, 99 if c.order is None else c.order, payer is None, c.reference

    return sorted(fitting, key=place)


def coverages_in_month(month: PatientMonth) -> list[CoverageFact]:
    first, last = month.service_month.first_day, month.service_month.last_day
    return [
        c
        for c in month.facts.coverages
        if valid(c) and (c.start is None or c.start <= last) and (c.end is None or c.end >= first)
    ]


def valid(coverage: CoverageFact) -> bool:
    if coverage.start is not None and coverage.end is not None and coverage.end < coverage.start:
        return False
    return coverage.status == "active" or (coverage.status == "cancelled" and coverage.end is not None)
