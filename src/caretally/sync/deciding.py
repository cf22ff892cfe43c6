"""From staged resources to determinations: moves data between the store and the pure rooms, decides nothing itself."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from caretally.billing import CLAIM_IDENTIFIER, OnFile, State
from caretally.billing.content import is_edited, state_of
from caretally.facts.decision import DecisionKind
from caretally.facts.issue import Issue
from caretally.facts.patient_month import PatientMonth
from caretally.facts.practice import Site
from caretally.mapping import MappingContext, map_patient, map_practice
from caretally.mapping.attested import with_attestations
from caretally.rules import RuleContext, determine, double_bookings
from caretally.rules.enrolment import touches
from caretally.store import staging
from caretally.store.staging import SINK, SOURCE
from caretally.sync.own_ids import in_own_ids
from caretally.sync.resources import read_body
from caretally.sync.sinks.folder import own_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.determination import Determination
    from caretally.facts.patient_month import DoubleBooking
    from caretally.facts.policy import Policy, PolicyBook
    from caretally.facts.practice import Attestation, Practice
    from caretally.facts.time_entry import TimeEntry
    from caretally.mapping import MappedPractice
    from caretally.store.opening import Store
    from caretally.store.staging import StagedResource
    from caretally.sync.people import PeoplesDecisions
    from caretally.tables import Tables

PRACTICE_TYPES = ("Practitioner", "PractitionerRole", "Organization", "Location", "ChargeItemDefinition")
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecord:
    """Everything staged about one beneficiary.

    Attributes:
        resources: from the source, parsed; of what the sink holds too, the sink's version.
        own: claims and charges of ours, with the version that the sink knows.
        references: ``Type/id`` of everything that the source brought.
        digest: of all of it, to tell whether anything changed.
    """

    patient: str
    resources: list[dict[str, Any]] = field(repr=False)
    own: list[OnFile] = field(repr=False)
    references: frozenset[str] = field(repr=False)
    digest: str


@dataclass(slots=True, kw_only=True)
class FirstPass:
    """What one look at every patient tells: who matters, who is double-booked, who is on file twice.

    Attributes:
        relevant: patients who have an entry, a plan, a consent or a claim of ours; nobody else gets an answer.
        duplicates: for each patient the other records with the same beneficiary identifier and no link.
        mapped: resources by ``Type.fate``.
    """

    relevant: list[str] = field(default_factory=list)
    bookings: Mapping[str, tuple[DoubleBooking, ...]] = field(default_factory=dict)
    duplicates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mapped: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    """Patients whose mapping led to a fault of ours, and where."""
    patients: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Maps and decides the patients of one pull.

    Attributes:
        versions_from_sink: whether the sink keeps versions, so that those it gave guard our changes.
        sink_is_source: whether the pull itself read the sink.
    """

    store: Store
    pull_id: str
    month: ServiceMonth
    as_of: date
    tables: Tables
    policies: PolicyBook
    practice: Practice
    versions_from_sink: bool
    sink_is_source: bool
    people: PeoplesDecisions
    mapping: MappingContext = field(init=False)
    rules: RuleContext = field(init=False)

    def __post_init__(self) -> None:
        policy = default_policy(self.policies, self.practice.sites)
        mapping = MappingContext(
            views=self.tables.views,
            terminology=self.tables.terminology,
            zone=policy.time_zone,
            max_entry_minutes=policy.max_entry_minutes,
            practice=self.practice,
            own_identifier_system=CLAIM_IDENTIFIER,
        )
        rules = RuleContext(
            tables=self.tables.services,
            terminology=self.tables.terminology,
            policies=self.policies,
            practice=self.practice,
        )
        object.__setattr__(self, "mapping", mapping)
        object.__setattr__(self, "rules", rules)

    def first_pass(self, issues: list[Issue], told: Any) -> FirstPass:
        """Look at every patient once.

        Args:
            issues: gets the issue rows of the mapping; emptied by `told`.
            told: called with the number of patients looked at after each batch.
        """
        found = FirstPass()
        people: dict[str, list[str]] = {}
        found.bookings = double_bookings(self._entries(found, people, issues, told), self.month, self.mapping.zone)
        for records in people.values():
            for record in records if len(records) > 1 else ():
                others = tuple(o for o in records if o != record and not self.people.are_different(record, o))
                if others:
                    found.duplicates[record] = others
        return found

    def patient_month(self, record: PatientRecord, seen: FirstPass) -> PatientMonth:
        """Return the facts of one patient-month, with what people attested and decided."""
        decisions = self.people.of(record.patient)
        mapped = map_patient(record.patient, record.resources, self.mapping).facts
        attested = with_attestations(mapped, decisions, self.month)
        used = [d for d in decisions if d.kind != DecisionKind.ATTEST or d in attested.used]
        return PatientMonth(
            facts=attested.facts,
            service_month=self.month,
            as_of=self.as_of,
            double_bookings=seen.bookings.get(record.patient, ()),
            duplicate_of=seen.duplicates.get(record.patient, ()),
            decisions=tuple(used),
        )

    def decide(self, month: PatientMonth) -> tuple[Determination, ...]:
        """Decide one patient-month for every billing practitioner concerned."""
        return determine(month, self.rules)

    def attestations_without_subject(self, record: PatientRecord) -> list[Issue]:
        """Name attestations about something that the patient's record does not hold."""
        decisions = self.people.of(record.patient)
        if not any(d.kind == DecisionKind.ATTEST for d in decisions):
            return []
        facts = map_patient(record.patient, record.resources, self.mapping).facts
        return [
            Issue(
                one.resource or one.name,
                "",
                "attestation-without-subject",
                f"{one.value('fact')} was attested about it ({one.name}), and the record does not hold it",
                "a resource of this patient that is read as a fact; or withdraw the attestation",
                "warning",
                record.patient,
            )
            for one in with_attestations(facts, decisions, self.month).without_subject
        ]

    def records(self, patients: Sequence[str]) -> Iterator[PatientRecord]:
        """Give what is staged about some patients, in their order."""
        rows = staging.of_patients(self.store, self.pull_id, patients)
        for patient in patients:
            yield self._record(patient, rows[patient])

    def _entries(
        self, found: FirstPass, people: dict[str, list[str]], issues: list[Issue], told: Any
    ) -> Iterator[tuple[str, TimeEntry]]:
        for batch in staging.patients(self.store, self.pull_id, batch=_BATCH):
            for record in self.records(batch):
                try:
                    mapped = map_patient(record.patient, record.resources, self.mapping)
                except Exception as error:  # noqa: BLE001 -- listed with its place; the others go on
                    found.faults[record.patient] = place_of_fault(error)
                    continue
                issues += mapped.issues
                found.mapped.update(mapped.accounted)
                facts = mapped.facts
                digest = facts.patient.beneficiary_digest
                if digest is not None:
                    people.setdefault(digest, []).append(record.patient)
                if facts.entries or facts.care_plans or facts.consents or record.own:
                    found.relevant.append(record.patient)
                yield from ((record.patient, entry) for entry in facts.entries if self._in_month(entry))
            found.patients += len(batch)
            told(found.patients)

    def _in_month(self, entry: TimeEntry) -> bool:
        return touches(entry, self.month.first_day, self.month.last_day, self.mapping.zone)

    def _record(self, patient: str, rows: Sequence[StagedResource]) -> PatientRecord:
        from_sink = {row.reference for row in rows if row.origin == SINK}
        kept = [row for row in rows if row.origin == SINK or row.reference not in from_sink]
        hashed = sha256()
        resources = in_own_ids([read_body(row.body) for row in kept])
        own: list[OnFile] = []
        for row, resource in zip(kept, resources, strict=True):
            if row.resource_type in {"Claim", "ChargeItem"} and own_key(resource) is not None:
                own.append(OnFile(resource=resource, version=self._version(row, resource)))
                if not is_edited(resource) and state_of(resource) in {State.DRAFT, State.WITHDRAWN}:
                    continue  # as we left it, it says nothing new
            hashed.update(row.body)
        return PatientRecord(
            patient=patient,
            resources=resources,
            own=own,
            references=frozenset(row.reference for row in rows if row.origin == SOURCE),
            digest=hashed.hexdigest(),
        )

    def _version(self, row: StagedResource, resource: dict[str, Any]) -> str | None:
        """Return the version that guards a change: only the sink's own versions mean something to it."""
        if not self.versions_from_sink or not (row.origin == SINK or self.sink_is_source):
            return None
        version = (resource.get("meta") or {}).get("versionId")
        return version if isinstance(version, str) else None


def read_practice(
    store: Store, pull_id: str, tables: Tables, sites: tuple[Site, ...], attestations: tuple[Attestation, ...]
) -> MappedPractice:
    """Map everybody and every place of the practice."""
    resources = [read_body(row.body) for row in staging.of_types(store, pull_id, PRACTICE_TYPES)]
    return map_practice(
        resources, views=tables.views, terminology=tables.terminology, sites=sites, attestations=attestations
    )


def claim_parties(store: Store, pull_id: str) -> dict[str, Mapping[str, Any]]:
    """Give everybody of the practice whom a claim may name, by reference."""
    rows = staging.of_types(store, pull_id, ("Practitioner", "Organization"))
    return {row.reference: read_body(row.body) for row in rows}


def default_policy(policies: PolicyBook, sites: Sequence[Site]) -> Policy:
    """Return the switches of the practice where no patient and no practitioner is in question yet."""
    site = next((one for one in sites if one.organization is None), None) or next(iter(sites), Site(name="default"))
    return policies.effective(None, site).policy


def place_of_fault(error: Exception) -> str:
    """Return the kind of an error and where it arose; never its text, which may hold what was read."""
    places = traceback.extract_tb(error.__traceback__)
    last = f" at {PurePath(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    return type(error).__name__ + last
