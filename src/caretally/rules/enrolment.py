"""Who could bill a patient-month, and to whom each minute belongs (design 4, "Who bills")."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date
from caretally.facts.practice import Site
from caretally.facts.time_entry import RoleClass
from caretally.rules.context import AttributedEntry, Case, plan_in_force, plan_start
from caretally.rules.coverages import paying, rivals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.clinical import CarePlanFact
    from caretally.facts.patient_month import PatientMonth
    from caretally.facts.time_entry import TimeEntry
    from caretally.rules.context import RuleContext


def cases(month: PatientMonth, context: RuleContext) -> tuple[Case, ...]:
    """Return one case for each billing practitioner of a patient-month, and one without for minutes left over."""
    enrolment = _Enrolment(replace(month, facts=month.facts.in_order()), context)
    return enrolment.cases()


def prospective_case(month: PatientMonth, context: RuleContext, practitioner: str | None) -> Case:
    """Return the view of a practitioner who has not begun care management for a patient: no plan, no minutes."""
    return _Enrolment(month, context).bare_case(practitioner)


class _Enrolment:
    def __init__(self, month: PatientMonth, context: RuleContext) -> None:
        self.month = month
        self.context = context
        self.practice = context.practice
        self.first, self.last = month.service_month.first_day, month.service_month.last_day
        self.coverages = paying(month.facts, context.policies, self.first, self.last)
        self.coverage = next(iter(self.coverages), None)
        self.care_plans = [plan for plan in month.facts.care_plans if plan.status != "entered-in-error"]
        self.plans = {plan.reference: self._responsible(plan) for plan in self.care_plans}
        self.candidates = self._candidates()
        self.zone = self._zone(next(iter(self.candidates), None))

    def _may_bill(self, reference: str) -> bool:
        return self.practice.practitioner(reference).role is RoleClass.PRACTITIONER

    def _canonical(self, reference: str) -> str:
        """Return one reference for a person who is on file twice under one NPI."""
        npi = self.practice.practitioner(reference).npi
        if npi is None:
            return reference
        return min(p.reference for p in self.practice.practitioners.values() if p.npi == npi)

    def _responsible(self, plan: CarePlanFact) -> str | None:
        """Return who bills under a plan: its author, else the care-team lead, the site's default, the one consented to.

        A plan that a nurse wrote is a warning, no missing plan (rules 4.2).
        """
        named = (plan.author, plan.care_team_lead, *self.month.facts.care_team_leads)
        return self._first_who_may_bill(named) or self._only_consented()

    def _first_who_may_bill(self, named: Iterable[str | None]) -> str | None:
        """Return the first of some people who may bill, else whom a site names for patients without anybody."""
        for reference in named:
            if reference is not None and self._may_bill(reference):
                return self._canonical(reference)
        default = next((site.default_practitioner for site in self.practice.sites if site.default_practitioner), None)
        return None if default is None else self._canonical(default)

    def _only_consented(self) -> str | None:
        """Return the practitioner whom the consents name, where they name one and the same."""
        named = {self._canonical(p) for consent in self.month.facts.consents for p in consent.practitioners}
        return named.pop() if len(named) == 1 else None

    def _candidates(self) -> list[str]:
        facts = self.month.facts
        found = {self._canonical(p) for consent in facts.consents for p in consent.practitioners}
        found |= {who for who in self.plans.values() if who is not None}
        if found:
            return sorted(found)
        # A plan would have named the lead already.
        lead = self._first_who_may_bill(facts.care_team_leads) if facts.consents or self._entries_touching() else None
        return [] if lead is None else [lead]

    def _zone(self, practitioner: str | None) -> ZoneInfo:
        site = self.practice.site_of(practitioner) if practitioner else _default_site(self.context)
        return self.context.policies.effective(self.coverage, site).policy.time_zone

    def _entries_touching(self) -> list[TimeEntry]:
        zone = self._zone(None)
        return [e for e in self.month.facts.entries if touches(e, self.first, self.last, zone)]

    def _programme(self, entry: TimeEntry, day: date) -> str | None:
        """Return the programme of an entry: its own, else that of the one enrolment in force on its date.

        Where the entry names an attending practitioner who has plans, those are the enrolments in question.
        """
        if entry.programme is not None:
            return entry.programme
        for first, last in ((day, day), (self.first, self.last)):
            plans = [p for p in self.care_plans if plan_in_force(p, first, last)]
            attending = self._canonical(entry.attending) if entry.attending is not None else None
            theirs = [p for p in plans if attending is not None and self.plans[p.reference] == attending]
            names = {n for p in theirs or plans for n in p.programmes}
            if len(names) == 1:
                return names.pop()
            if names:
                return None
        names = {n for c in self.month.facts.consents for n in c.programmes}
        return names.pop() if len(names) == 1 else None

    def _owners(self, entry: TimeEntry, programme: str, day: date) -> set[str]:
        """Return whose minutes these are; several: nobody can say."""
        if entry.attending is not None:
            return {self._canonical(entry.attending)}
        plans = [p for p in self.care_plans if programme in p.programmes]
        for first, last in ((day, day), (self.first, self.last)):
            owners = {
                who for p in plans if plan_in_force(p, first, last) and (who := self.plans[p.reference]) is not None
            }
            if owners:
                return owners
        return set(self.candidates) if len(self.candidates) == 1 else set()

    def cases(self) -> tuple[Case, ...]:
        mine: dict[str | None, list[AttributedEntry]] = defaultdict(list)
        disputed: dict[str, list[str]] = defaultdict(list)
        for entry in self.month.facts.entries:
            owners = self._place(entry, mine)
            for owner in owners:
                disputed[owner].append(entry.reference)
        people: set[str | None] = {*self.candidates, *mine, *disputed}
        facts = self.month.facts
        if not people and (self.care_plans or facts.consents):
            people = {None}
        everybody = [a for person, entries in mine.items() if person is not None for a in entries]
        return tuple(
            self._case(
                person,
                tuple(mine.get(person, ())),
                tuple(disputed.get(person or "", ())),
                tuple(a for a in everybody if a not in mine.get(person, ())),
            )
            for person in sorted(people, key=lambda p: (p is None, p or ""))
        )

    def _place(self, entry: TimeEntry, mine: dict[str | None, list[AttributedEntry]]) -> set[str]:
        """File an entry under its owner; return the owners where several remain."""
        zone = self.zone
        day = entry.date_in(zone)
        if day is None or not touches(entry, self.first, self.last, zone):
            return set()
        # Of an entry over the edge of the month, the part inside is asked about.
        day = min(max(day, self.first), self.last)
        programme = self._programme(entry, day)
        if programme is None:
            # Several enrolments and an entry that names none of them: a person has to say which.
            enrolled = sorted({name for plan in self.care_plans for name in plan.programmes})
            owners = {who for who in self.plans.values() if who is not None}
            if entry.attending is not None:
                owners = {self._canonical(entry.attending)}
            name = enrolled[0] if enrolled else next(iter(self.context.tables.programmes))
            mine[None].append(AttributedEntry(entry=entry, programme=name))
            return owners
        owners = self._owners(entry, programme, day)
        owner = next(iter(owners)) if len(owners) == 1 else None
        mine[owner].append(AttributedEntry(entry=entry, programme=programme))
        return owners if len(owners) > 1 else set()

    def bare_case(self, person: str | None) -> Case:
        """Return the case of a person without any entry."""
        return self._case(person, (), (), ())

    def _case(
        self,
        person: str | None,
        entries: tuple[AttributedEntry, ...],
        disputed: tuple[str, ...],
        others: tuple[AttributedEntry, ...],
    ) -> Case:
        site = self.practice.site_of(person) if person else _default_site(self.context)
        plans = [p for p in self.care_plans if person is not None and self.plans[p.reference] == person]
        return Case(
            month=self.month,
            context=self.context,
            practitioner=person,
            site=site,
            coverage=self.coverage,
            effective=self.context.policies.effective(self.coverage, site),
            entries=tuple(sorted(entries, key=lambda a: (a.entry.reference, a.entry.copy_number))),
            plans=tuple(sorted(plans, key=lambda p: (plan_start(p) or self.first, p.reference))),
            unattributed=tuple(sorted(disputed)),
            entries_of_others=others,
            other_coverages=self.coverages[1:],
            rivals=rivals(self.coverages, self.context.policies),
            groups=self.practice.groups_of(person) if person else frozenset(),
        )


def _default_site(context: RuleContext) -> Site:
    return next((s for s in context.practice.sites if s.organization is None), None) or next(
        iter(context.practice.sites), Site(name="default")
    )


def touches(entry: TimeEntry, first: date, last: date, zone: ZoneInfo) -> bool:
    """Whether any second of an entry lies in a span of local days."""
    if entry.interval is not None:
        end = max(entry.interval.end - 1, entry.interval.start)
        return local_date(entry.interval.start, zone) <= last and local_date(end, zone) >= first
    return entry.day is not None and first <= entry.day <= last
