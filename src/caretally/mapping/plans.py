"""Care plans of care management, with what is attested on them and the copies that were given."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from caretally.facts.calendar import ServiceMonth
from caretally.facts.clinical import CarePlanFact, DecisionMaking, Election, PcmElement
from caretally.facts.record import PlanShare
from caretally.facts.time_entry import RoleClass
from caretally.mapping.record import plan_activities
from caretally.mapping.references import target_of
from caretally.mapping.roles import role_class
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from caretally.facts.moment import Moment
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

T = TypeVar("T")
_STATUSES = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
_INTENTS = frozenset({"proposal", "plan", "order", "option"})
_LEVELS = frozenset({"straightforward", "low", "moderate", "high"})
_SENT = frozenset({"completed"})
_PATIENT_SIDE = frozenset({"Patient", "RelatedPerson"})
_PROVIDERS = frozenset({"Practitioner", "PractitionerRole", "Organization", "CareTeam"})


def care_plans(reading: Reading, leads: Mapping[str, str]) -> tuple[CarePlanFact, ...]:
    """Build the care-management plans of a patient.

    Args:
        reading: the patient's resources.
        leads: who leads a CareTeam, by its reference.
    """
    builder = _Builder(reading, leads)
    return reading.facts("care_plan", builder.plan)


class _Builder:
    def __init__(self, reading: Reading, leads: Mapping[str, str]) -> None:
        self.reading, self.leads = reading, leads
        self.known = {source.reference for source in reading.sources}
        self.levels = self._statements("decision_making", self._level)
        self.elections = self._statements("billing_election", self._election)
        self.elements = self._statements("pcm_element", self._element)
        self.activities = plan_activities(reading)
        self.shares: dict[str, list[PlanShare]] = defaultdict(list)
        self.copies, self.copy_references = self._copies()

    def _statements(self, view: str, build: Callable[[Source, Row], T]) -> dict[str, list[T]]:
        found: dict[str, list[T]] = defaultdict(list)
        for source, row in self.reading.rows(view):
            try:
                found[source.reference].append(build(source, row))
            except Refusal as refusal:
                self.reading.report.refuse(source, refusal)
        return found

    def _by(self, source: Source, row: Row) -> str | None:
        return next(iter(self.reading.practitioners(row, "by", source)), None)

    def _level(self, source: Source, row: Row) -> DecisionMaking:
        day = self.reading.day(row, "assessed")
        if day is None:
            raise Refusal(f"{source.type}.medical-decision-making", "undated-statement", "no date", "when assessed")
        return DecisionMaking(level=row.status("level", _LEVELS), assessed=day, assessor=self._by(source, row))

    def _election(self, source: Source, row: Row) -> Election:
        try:
            month = ServiceMonth.parse(row.text("service_month") or "")
        except ValueError:
            element = f"{source.type}.billing-election"
            raise Refusal(element, "unreadable-month", "no month", "the month as YYYY-MM") from None
        family = row.status("family", frozenset({"physician"}))
        return Election(service_month=month, family=family, by=self._by(source, row))

    def _element(self, source: Source, row: Row) -> PcmElement:
        day, element = self.reading.day(row, "attested"), row.text("element")
        if day is None or element is None:
            raise Refusal(f"{source.type}.pcm-element", "undated-statement", "no date or no element", "both")
        return PcmElement(element=element, attested=day, by=self._by(source, row))

    def _copies(self) -> tuple[dict[str, list[Moment]], dict[str, list[str]]]:
        """Find the Communications by which a plan went to the patient or a caregiver, and to other providers."""
        given: dict[str, list[Moment]] = defaultdict(list)
        references: dict[str, list[str]] = defaultdict(list)
        for source, row in self.reading.rows("care_plan_copy"):
            try:
                recipients = {target_of(r).type for r in row.objects("recipients")}
                received, shared = bool(recipients & _PATIENT_SIDE), bool(recipients & _PROVIDERS)
                stamp = row.stamp("sent", self.reading.context.zone) or row.stamp("received", self.reading.context.zone)
                if row.text("status") not in _SENT or not (received or shared) or stamp is None:
                    continue
                for plan in self.reading.references(row, "plans"):
                    self.reading.used.add(source.reference)
                    if received:
                        given[plan].append(stamp.latest())
                        references[plan].append(source.reference)
                    if shared:
                        share = PlanShare(plan=plan, moment=stamp.latest(), reference=source.reference)
                        self.shares[plan].append(share)
            except Refusal as refusal:
                self.reading.report.refuse(source, refusal)
                self.reading.refused.add(source.reference)
        return given, references

    def plan(self, source: Source, row: Row) -> CarePlanFact | None:
        """Return the plan of a row; None for a plan of something else than care management."""
        reading = self.reading
        programme_map = reading.context.terminology.map("programme")
        programmes = {t for c in row.codings("category_codings") if (t := programme_map.target([c])) is not None}
        if not programmes:
            return None
        status = row.status("status", _STATUSES)
        if row.status("intent", _INTENTS) not in {"plan", "order"}:
            return None
        updated = source.last_updated(reading.context.zone)
        authors = reading.practitioners(row, "author", source)
        teams = reading.references(row, "care_teams")
        addresses, goals = reading.references(row, "addresses"), reading.references(row, "goals")
        for reference in (*addresses, *goals):
            if reference not in self.known:
                reading.missing(source, "addresses" if reference in addresses else "goal", reference)
        structured = bool(addresses or goals or row.flag("has_activity"))
        return CarePlanFact(
            reference=source.reference,
            version=source.version,
            status=status,
            programmes=tuple(sorted(programmes)),
            start=reading.day(row, "start", latest=True),
            end=reading.day(row, "end"),
            created=reading.day(row, "created", latest=True),
            updated=updated.first_day if updated else None,
            author=next(iter(authors), None),
            addresses=addresses,
            goals=goals,
            elements=tuple(dict.fromkeys(row.texts("elements"))),
            care_team_lead=next((self.leads[team] for team in teams if team in self.leads), None),
            copies_given=tuple(self.copies.get(source.reference, ())),
            copy_references=tuple(self.copy_references.get(source.reference, ())),
            decision_making=tuple(self.levels.get(source.reference, ())),
            elections=tuple(self.elections.get(source.reference, ())),
            pcm_elements=tuple(self.elements.get(source.reference, ())),
            narrative_only=row.flag("has_narrative") and not structured,
            narrative_adds=row.flag("has_more_in_narrative"),
            prose=row.flag("has_prose"),
            activities=tuple(self.activities.get(source.reference, ())),
            shares=tuple(self.shares.get(source.reference, ())),
        )


def care_teams(reading: Reading) -> tuple[dict[str, str], dict[str, RoleClass], tuple[str, ...]]:
    """Read the patient's CareTeams.

    Returns:
        Who leads each team, the roles that teams give to people, and the leads of active teams.
    """
    leads: dict[str, str] = {}
    roles: dict[str, RoleClass] = {}
    active: list[str] = []
    for source, row in reading.rows("care_team_member"):
        try:
            members = row.objects("member")
            person = reading.context.person(members[0], source) if members else None
            if person is None or person.reference is None:
                continue
            reading.used.add(source.reference)
            role = role_class(reading.context.terminology, row.codings("role_codings"))
            if role is not RoleClass.UNKNOWN:
                roles.setdefault(person.reference, role)
            if row.flag("lead"):
                leads.setdefault(source.reference, person.reference)
                if row.text("status") in {None, "active"} and person.reference not in active:
                    active.append(person.reference)
        except Refusal as refusal:
            reading.report.refuse(source, refusal)
            reading.refused.add(source.reference)
    return leads, roles, tuple(active)
