"""What cannot be used is refused by name, and the rest of the patient goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from caretally.facts.time_entry import RoleClass
from tests.mapping.patients import PRACTICE_TYPES, Resource, changed, mapped, resources

ENTRY = 1  # the Encounters of G02 are the initiating visit and three time entries


def put(**elements: Any) -> Callable[[Resource], object]:
    return lambda resource: resource.update(elements)


def without(*names: str) -> Callable[[Resource], object]:
    return lambda resource: [resource.pop(name) for name in names]


class Refused(NamedTuple):
    code: str
    change: Callable[[Resource], object]
    element: str
    kind: str = "Encounter"
    number: int = ENTRY


MINUTES = {"value": 30, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}
TIMED = {"start": "2025-01-13T09:00:00-05:00", "end": "2025-01-13T09:30:00-05:00"}
ENTRIES = [
    Refused("unknown-status", put(status="done"), "Encounter.status"),
    Refused("unknown-status", put(status=5), "Encounter.status"),
    Refused("entry-without-date", without("period"), "Encounter.period.start"),
    Refused("imprecise-date", put(period={"start": "2025-01"}), "Encounter.period.start"),
    Refused("unreadable-date", put(period={"start": "2025-02-30"}), "Encounter.start"),
    Refused("unreadable-date", put(period={"start": "yesterday"}), "Encounter.start"),
    Refused("wrong-type", put(period={"start": 20250113}), "Encounter.start"),
    Refused("entry-without-length", without("length"), "Encounter.length"),
    Refused(
        "entry-without-end",
        lambda r: (r.pop("length"), r.update(period={"start": TIMED["start"]})),
        "Encounter.period.end",
    ),
    Refused(
        "entry-ends-before-start",
        lambda r: (r.pop("length"), r.update(period={"start": TIMED["end"], "end": TIMED["start"]})),
        "Encounter.period",
    ),
    Refused("entry-without-seconds", put(length={**MINUTES, "value": 0}), "Encounter.length"),
    Refused("entry-without-seconds", put(length={**MINUTES, "value": -10}), "Encounter.length"),
    Refused("entry-too-long", put(length={**MINUTES, "value": 241}), "Encounter.length"),
    Refused(
        "entry-too-long",
        lambda r: (r.pop("length"), r.update(period={"start": TIMED["start"], "end": "2025-01-14T09:00:00-05:00"})),
        "Encounter.length",
    ),
    Refused("unknown-unit", put(length={**MINUTES, "code": "mg"}), "Encounter.length.code"),
    Refused("inexact-length", put(length={**MINUTES, "comparator": "<"}), "Encounter.length.comparator"),
    Refused("wrong-type", put(length={**MINUTES, "value": "30"}), "Encounter.length_value"),
    Refused(
        "unresolvable-performer",
        put(participant=[{"individual": {"reference": "Practitioner/nobody"}}]),
        "Encounter.participant",
    ),
    Refused("unresolvable-performer", without("participant"), "Encounter.participant"),
    Refused("entry-over-days", put(period={"start": "2025-01-13", "end": "2025-01-14"}), "Encounter.period"),
]


@pytest.mark.parametrize("case", ENTRIES, ids=[f"{i}-{c.code}" for i, c in enumerate(ENTRIES)])
def test_a_bad_time_entry_is_an_issue_row_and_counts_for_nothing(case: Refused) -> None:
    found = mapped(changed(case.kind, case.number, case.change))
    rows = [i for i in found.issues if i.resource == "Encounter/time-1" and i.code == case.code]
    assert rows, found.issues
    assert case.element in {row.element for row in rows}
    assert all(row.wanted and row.found and row.patient == "Patient/pat" for row in rows)
    others = {e.reference for e in found.facts.entries} - {"Encounter/time-1"}
    assert others == {"Encounter/time-2", "Encounter/time-3"}
    for entry in found.facts.entries:
        if entry.reference == "Encounter/time-1":
            assert entry.invalid == case.code or all(p.role is RoleClass.UNKNOWN for p in entry.performers)
    assert len(found.facts.conditions) == 2
    assert len(found.facts.consents) == 1


FACTS = [
    Refused(
        "unknown-status",
        lambda r: r["clinicalStatus"]["coding"][0].update(code="sick"),
        "Condition.clinicalStatus",
        "Condition",
        0,
    ),
    Refused("unreadable-date", put(onsetDateTime="2022-13-01"), "Condition.onset", "Condition", 0),
    Refused("unknown-status", put(status="agreed"), "Consent.status", "Consent", 0),
    Refused("unreadable-date", put(dateTime="01/11/2024"), "Consent.given", "Consent", 0),
    Refused("unknown-status", put(status="running"), "CarePlan.status", "CarePlan", 0),
    Refused("unknown-status", put(status="live"), "Coverage.status", "Coverage", 0),
    Refused("unreadable-date", put(period={"start": "2015-02-29"}), "Coverage.start", "Coverage", 0),
    Refused("unreadable-date", put(deceasedDateTime="2025-99-99"), "Patient.deceased", "Patient", 0),
]


@pytest.mark.parametrize("case", FACTS, ids=[f"{i}-{c.kind}-{c.code}" for i, c in enumerate(FACTS)])
def test_a_bad_fact_is_an_issue_row_and_the_rest_stays(case: Refused) -> None:
    found = mapped(changed(case.kind, case.number, case.change))
    assert (case.code, case.element) in {(i.code, i.element) for i in found.issues}, found.issues
    assert len(found.facts.entries) == 3
    assert found.accounted[f"{case.kind}.refused"] == 1


def test_no_issue_row_shows_what_could_name_a_person() -> None:
    secret = "Canary-Mustermann"
    for case in (*ENTRIES, *FACTS):
        found = changed(case.kind, case.number, case.change)
        for resource in found:
            resource["text"] = {"status": "generated", "div": f"<div>{secret}</div>"}
            if resource["resourceType"] == "Encounter":
                resource["reasonCode"] = [{"text": secret}]
        bad = mapped(found)
        assert all(secret not in f"{i}" for i in bad.issues)


def test_a_status_that_is_a_text_is_not_repeated() -> None:
    found = mapped(changed("Encounter", ENTRY, put(status="Ask Erika Mustermann")))
    assert all("Erika" not in f"{i}" for i in found.issues)


def test_everything_is_accounted_for() -> None:
    given = resources("G40")
    found = mapped(given)
    own = [r for r in given if r["resourceType"] not in PRACTICE_TYPES]
    assert sum(found.accounted.values()) == len(own)


def test_the_same_resource_twice_is_one_fact_with_a_copy_in_the_ledger() -> None:
    given = resources()
    entry = next(r for r in given if r["id"] == "time-1")
    found = mapped([*given, dict(entry)])
    copies = [e.copy_number for e in found.facts.entries if e.reference == "Encounter/time-1"]
    assert copies == [0, 1]
    assert "duplicate-resource" in {i.code for i in found.issues}


def test_copies_that_differ_are_refused_unless_one_is_newer() -> None:
    given = resources()
    entry = next(r for r in given if r["id"] == "time-1")
    other = {**entry, "length": {**entry["length"], "value": 45}}
    found = mapped([*given, other])
    assert {e.invalid for e in found.facts.entries if e.reference == "Encounter/time-1"} == {"conflicting-copies"}
    entry["meta"], other["meta"] = {"versionId": "1"}, {"versionId": "2"}
    found = mapped([*given, other])
    (taken,) = [e for e in found.facts.entries if e.reference == "Encounter/time-1"]
    assert (taken.invalid, taken.seconds, taken.version) == (None, 45 * 60, "2")


def test_a_privacy_consent_is_no_consent_to_care_management() -> None:
    change = put(
        scope={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
    )
    found = mapped(changed("Consent", 0, change))
    assert found.facts.consents == ()
    assert found.accounted["Consent.other"] == 1


def test_our_own_claims_are_not_somebody_elses() -> None:
    given = resources("G37")
    claim = next(r for r in given if r["resourceType"] == "Claim")
    claim["identifier"] = [{"system": "https://caretally.example/fhir/identifier/claim", "value": "x"}]
    found = mapped(given)
    assert found.facts.claim_lines == ()
    assert found.accounted["Claim.ours"] == 1


@pytest.mark.parametrize(
    ("gone", "row"),
    [
        ("Condition/cond1", ("CarePlan/plan-ccm", "CarePlan.addresses")),
        ("Goal/goal-ccm", ("CarePlan/plan-ccm", "CarePlan.goal")),
        ("Organization/payer", ("Coverage/cov", "Coverage.payor")),
    ],
)
def test_a_reference_to_a_resource_that_was_not_read_is_an_issue_row(gone: str, row: tuple[str, str]) -> None:
    left = [r for r in resources() if f"{r['resourceType']}/{r['id']}" != gone]
    found = mapped(left)
    assert row in {(i.resource, i.element) for i in found.issues if i.code == "missing-resource"}
