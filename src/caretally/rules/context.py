"""What the rules are given, and the view that one billing practitioner has of a patient-month."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.clinical import CarePlanFact, ConsentFact, CoverageFact
    from caretally.facts.codes import Terminology
    from caretally.facts.patient_month import PatientFacts, PatientMonth
    from caretally.facts.policy import EffectivePolicy, Policy, PolicyBook
    from caretally.facts.practice import Practice, Site
    from caretally.facts.services import ReasonText, ServiceTables
    from caretally.facts.time_entry import TimeEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """Tables, terminology, policies and the practice: the same for every patient of a run."""

    tables: ServiceTables
    terminology: Terminology
    policies: PolicyBook
    practice: Practice


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributedEntry:
    """An entry with the programme that it counts for."""

    entry: TimeEntry
    programme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One billing practitioner's view of a patient-month; ``practitioner`` is None for minutes without one."""

    month: PatientMonth
    context: RuleContext
    practitioner: str | None
    site: Site
    coverage: CoverageFact | None
    effective: EffectivePolicy
    entries: tuple[AttributedEntry, ...]
    plans: tuple[CarePlanFact, ...]
    """Every care-management plan of this practitioner, of any time and status; none that was entered in error."""
    entries_of_others: tuple[AttributedEntry, ...] = ()
    """Entries of this month that are other practitioners' time: work is counted once, whoever it was logged for."""
    unattributed: tuple[str, ...] = ()
    """Entries that could be this practitioner's or another's."""
    other_coverages: tuple[CoverageFact, ...] = ()
    """Further coverages in force on some day of the month, in the order in which they pay."""
    rivals: tuple[CoverageFact, ...] = ()
    """Those of them that claim the same place in that order."""
    groups: frozenset[str] = field(default_factory=frozenset)

    @property
    def policy(self) -> Policy:
        """Return the switches in force."""
        return self.effective.policy

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone of the practitioner's site."""
        return self.policy.time_zone

    @property
    def service_month(self) -> ServiceMonth:
        """Return the month in question."""
        return self.month.service_month

    @property
    def facts(self) -> PatientFacts:
        """Return the patient's facts."""
        return self.month.facts

    @property
    def first_day(self) -> date:
        """Return the first day of the month."""
        return self.service_month.first_day

    @property
    def last_day(self) -> date:
        """Return the last day of the month."""
        return self.service_month.last_day

    def is_me(self, reference: str) -> bool:
        """Whether a reference is this billing practitioner (by NPI, else by reference)."""
        return self.practitioner is not None and self.context.practice.same_practitioner(self.practitioner, reference)

    def has_npi(self, npis: Iterable[str]) -> bool:
        """Whether an NPI of a claim is this practitioner's."""
        own = None if self.practitioner is None else self.context.practice.practitioner(self.practitioner).npi
        return own is not None and own in npis

    def in_my_group(self, references: Iterable[str], organization: str | None = None) -> bool:
        """Whether any of these practitioners, or the organization, belongs to this practitioner's group."""
        practice = self.context.practice
        if any(self.is_me(reference) for reference in references):
            return True
        if organization is not None and practice.group_of_organization(organization) in self.groups:
            return True
        return any(practice.groups_of(reference) & self.groups for reference in references)

    def same_specialty(self, reference: str) -> bool:
        """Whether somebody is a colleague of the same group and specialty, both of them known."""
        if self.practitioner is None:
            return False
        practice = self.context.practice
        mine, theirs = practice.practitioner(self.practitioner).taxonomy, practice.practitioner(reference).taxonomy
        return mine is not None and mine == theirs and bool(practice.groups_of(reference) & self.groups)

    def attested(self, name: str) -> bool:
        """Whether the practice vouches for something on any day of the month."""
        return any(
            a.name == name and a.held_from <= self.last_day and (a.held_to is None or a.held_to >= self.first_day)
            for a in self.context.practice.attestations
        )

    def plans_of(self, programme: str) -> tuple[CarePlanFact, ...]:
        """Return this practitioner's plans of a programme."""
        return tuple(p for p in self.plans if programme in p.programmes)

    def plan_in_force(self, programme: str) -> CarePlanFact | None:
        """Return the plan in force in the month: the one that began last."""
        plans = [p for p in self.plans_of(programme) if plan_in_force(p, self.first_day, self.last_day)]
        return max(plans, key=lambda p: (plan_start(p) or self.first_day, p.reference), default=None)

    def consents_for(self, programme: str) -> tuple[ConsentFact, ...]:
        """Return the care-management consents that cover a programme, given by the end of the month."""
        return tuple(
            c
            for c in self.facts.consents
            if c.given is not None
            and c.given.date_in(self.zone) <= self.last_day
            and (not c.programmes or programme in c.programmes or not self.policy.consent_per_programme)
        )

    def programme_start(self, programme: str) -> date | None:
        """Return the first day of the programme: the earlier of first plan and consent (design 4).

        A renewal does not restart it: plans of any status count; what ends before it begins starts nothing.
        """
        days = [
            start for p in self.plans_of(programme) if (start := plan_start(p)) is not None and not reversed_plan(p)
        ]
        days += [
            c.given.date_in(self.zone)
            for c in self.facts.consents
            if c.given is not None
            and (not c.programmes or programme in c.programmes)
            and self.consent_holds_for_me(c)
            and (c.withdrawn is None or c.withdrawn.date_in(self.zone) >= c.given.date_in(self.zone))
        ]
        return min(days, default=None)

    def consent_holds_for_me(self, consent: ConsentFact) -> bool:
        """Whether a consent names this practitioner, or only a practice that is this practitioner's group."""
        if consent.practitioners:
            return any(self.is_me(reference) for reference in consent.practitioners)
        practice = self.context.practice
        return not consent.organizations or any(
            practice.group_of_organization(reference) in self.groups for reference in consent.organizations
        )

    def text(self, code: str) -> ReasonText:
        """Return the catalogue row of a code; every code has one, or the tables are refused at start."""
        return self.context.tables.reasons[code]


def plan_start(plan: CarePlanFact) -> date | None:
    """Return the day a plan began: its period, else the day it was created."""
    return plan.start or plan.created


def reversed_plan(plan: CarePlanFact) -> bool:
    """Whether a plan ends before it begins: it was never in force."""
    start = plan_start(plan)
    return start is not None and plan.end is not None and plan.end < start


def plan_in_force(plan: CarePlanFact, first_day: date, last_day: date) -> bool:
    """Whether a plan was in force on any day of a span, as it stood then (design 4, "As of the month").

    A completed or revoked plan was in force until its end; without an end nobody can say until when, so it
    was not. A plan that was written only after the span is none for it, however it is dated (rules 4.2). One that
    says neither when it began nor when it was written was there when it was last updated.
    """
    start = plan_start(plan) or plan.updated
    if start is None or start > last_day or reversed_plan(plan):
        return False
    if plan.created is not None and plan.created > last_day:
        return False
    if plan.status == "active":
        return plan.end is None or plan.end >= first_day
    return plan.status in {"completed", "revoked"} and plan.end is not None and plan.end >= first_day
