"""A survey of a server takes patients with qualifying conditions too, asks as narrowly as it can, writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.sync.conftest import AS_OF, JANUARY, NOW
from tests.sync.small_server import SmallServer

from caretally.facts.codes import ICD10CM, SNOMED
from caretally.sync.pulling import Narrowing
from caretally.sync.request import RunRequest
from caretally.sync.sources.server import ServerSource
from caretally.sync.survey import survey
from caretally.tables import policy_book

if TYPE_CHECKING:
    from caretally.sync.survey import Surveyed
    from caretally.tables import Configuration, Tables


def person(name: str, system: str | None = None, code: str = "", **more: Any) -> list[dict[str, Any]]:
    """A patient with one condition."""
    found: list[dict[str, Any]] = [{"resourceType": "Patient", "id": name}]
    if system is not None:
        found.append(
            {
                "resourceType": "Condition",
                "id": f"c-{name}",
                "subject": {"reference": f"Patient/{name}"},
                "code": {"coding": [{"system": system, "code": code}]},
                **more,
            }
        )
    return found


def practice() -> list[dict[str, Any]]:
    lasting = [{"url": "https://caretally.example/fhir/StructureDefinition/expected-duration", "valueCode": "x"}]
    return [
        *person("chronic", ICD10CM, "E11.9"),
        *person("mapped", SNOMED, "44054006"),
        *person("lasting", ICD10CM, "L98.9", extension=lasting),
        *person("cold", ICD10CM, "J06.9"),
        *person("symptom", ICD10CM, "R05.9"),
        *person("nothing"),
        {"resourceType": "Condition", "id": "odd", "subject": {"reference": "Patient/nothing"}, "code": "x"},
    ]


def surveyed(small: SmallServer, tables: Tables, configuration: Configuration, **more: Any) -> set[str]:
    seen: list[Surveyed] = []
    request = RunRequest(
        source=ServerSource(server=small.server(), terminology=tables.terminology, now=lambda: NOW),
        sink=None,
        month=JANUARY,
        as_of=AS_OF,
        now=lambda: NOW,
        tables=tables,
        configuration=configuration,
        policies=policy_book(tables, configuration),
        software_version="test",
        write=False,
        **{"wide": True, **more},
    )
    report = survey(request, seen.append)
    assert report.patients == len(seen)
    assert not report.faults
    assert all(r.method == "GET" or r.url.path.endswith("_search") for r in small.requests)
    return {one.month.facts.patient.reference.partition("/")[2] for one in seen}


def test_qualifying_patients_are_found_and_others_not(tables: Tables, configuration: Configuration) -> None:
    small = SmallServer(practice())
    assert surveyed(small, tables, configuration) == {"chronic", "mapped", "lasting"}
    asked = [r.url.params for r in small.requests if r.url.path.endswith("/Condition")]
    assert asked[0]["clinical-status"] == "active,recurrence,relapse"


def test_a_narrow_run_asks_for_enrolled_people_only(tables: Tables, configuration: Configuration) -> None:
    assert surveyed(SmallServer(practice()), tables, configuration, wide=False) == set()


@pytest.mark.parametrize("how", ["refused", "ignored"])
def test_a_server_that_cannot_search_by_status_is_looked_through(
    how: str, tables: Tables, configuration: Configuration
) -> None:
    small = SmallServer(practice())
    (small.refused_parameters if how == "refused" else small.ignored_parameters).add("clinical-status")
    assert surveyed(small, tables, configuration) == {"chronic", "mapped", "lasting"}


def test_one_patient_is_one_patient(tables: Tables, configuration: Configuration) -> None:
    narrowing = Narrowing.of(patients=("cold",))
    assert surveyed(SmallServer(practice()), tables, configuration, narrowing=narrowing) == {"cold"}
