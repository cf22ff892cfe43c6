"""A server is asked for what a month needs, and what it cannot give is named for the patients concerned."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import pytest
from tests.sync.small_server import SmallServer, outcome

from caretally.billing import CLAIM_IDENTIFIER
from caretally.errors import SourceError
from caretally.fhir.errors import AuthenticationError, NotFhirError, ServerUnreachableError, UnsupportedServerError
from caretally.store import staging
from caretally.sync.mirroring.plan import tokens
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest, PullResult
    from caretally.tables import Tables

    Make = Callable[..., PullRequest]

SYSTEM = "https://caretally.example/fhir/CodeSystem/"
ACTIVITY = {"coding": [{"system": SYSTEM + "care-management-activity", "code": "communication"}]}
CCM = {"coding": [{"system": SYSTEM + "care-management-service", "code": "ccm"}]}
CONSENT = {"coding": [{"system": SYSTEM + "consent-category", "code": "care-management"}]}


def of(kind: str, name: str, patient: str | None = None, element: str = "subject", **more: Any) -> dict[str, Any]:
    about = {} if patient is None else {element: {"reference": f"Patient/{patient}"}}
    return {"resourceType": kind, "id": name, **about, **more}


def practice() -> list[dict[str, Any]]:
    period = {"start": "2025-01-13T10:00:00-05:00"}
    individual = [{"individual": {"reference": "Practitioner/N1"}}]
    ours = [{"system": CLAIM_IDENTIFIER, "value": "k"}]
    return [
        *(of("Patient", name) for name in ("timed", "planned", "consenting", "billed", "billed-before", "nobody")),
        of("Encounter", "e1", "timed", type=[ACTIVITY], period=period, participant=individual),
        of("Encounter", "e2", "nobody", type=[], period=period),
        of("Encounter", "e3", "planned", type=[], period={"start": "2019-01-01"}),
        of("CarePlan", "cp", "planned", category=[CCM], author={"reference": "PractitionerRole/r1"}),
        of("Consent", "co", "consenting", "patient", category=[CONSENT]),
        of("Claim", "c1", "billed", "patient", identifier=ours, billablePeriod={"start": "2025-01-01"}),
        of("Claim", "c2", "billed-before", "patient", identifier=ours, billablePeriod={"start": "2024-12-01"}),
        of("Practitioner", "N1"),
        of("Practitioner", "P1"),
        of("PractitionerRole", "r1", practitioner={"reference": "Practitioner/P1"}),
        of(
            "PractitionerRole",
            "r2",
            practitioner={"reference": "Practitioner/N1"},
            organization={"reference": "Organization/o"},
        ),
        of("Organization", "o", partOf={"reference": "Organization/parent"}),
        of("Organization", "parent"),
        of("Organization", "stranger"),
    ]


def pulled(small: SmallServer, store: Store, tables: Tables, make: Make, **narrowing: tuple[str, ...]) -> PullResult:
    source = ServerSource(server=small.server(), terminology=tables.terminology)
    with staging.StagingWriter(store, "pull", staging.SOURCE) as writer:
        return source.pull(make(**narrowing), writer)


def held(store: Store, *kinds: str) -> set[str]:
    return {row.reference for row in staging.of_types(store, "pull", kinds)}


def test_the_patients_of_a_month_and_the_practice_around_them(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    result = pulled(small, store, tables, pull_request)
    assert held(store, "Patient") == {f"Patient/{name}" for name in ("timed", "planned", "consenting", "billed")}
    assert held(store, "Encounter", "CarePlan", "Consent", "Claim") == {
        "Encounter/e1",
        "Encounter/e3",
        "CarePlan/cp",
        "Consent/co",
        "Claim/c1",
    }
    assert held(store, "Practitioner", "PractitionerRole", "Organization") == {
        "Practitioner/N1",
        "Practitioner/P1",
        "PractitionerRole/r1",
        "PractitionerRole/r2",
        "Organization/o",
        "Organization/parent",
    }
    assert (result.gaps, result.refused, result.chosen) == ([], {}, None)
    assert result.requests == len(small.requests) - 1  # the capability statement is not the pull's


def test_numbers_are_kept_digit_for_digit(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    numbers = {"length": Decimal("20.50"), "factor": Decimal("1E-7"), "serial": 123456789012345678901234567890}
    small.keep({**small.held["Encounter/e1"], "extension": [{"url": "urn:x", **numbers}]})
    pulled(small, store, tables, pull_request)
    (body,) = (row.body for row in staging.of_types(store, "pull", ["Encounter"]) if row.resource_id == "e1")
    assert b'"length":20.50,"factor":1E-7,"serial":123456789012345678901234567890' in body


def test_only_the_patients_asked_for(store: Store, tables: Tables, pull_request: Make) -> None:
    group = of("Group", "g", member=[{"entity": {"reference": "Patient/nobody"}}])
    small = SmallServer([*practice(), group])
    result = pulled(small, store, tables, pull_request, patients=("timed",), groups=("g",))
    assert held(store, "Patient") == {"Patient/timed", "Patient/nobody"}
    assert result.chosen == frozenset({"Patient/timed", "Patient/nobody"})
    assert not any("date=" in one for one in small.asked())
    with pytest.raises(SourceError, match="no Group/none"):
        pulled(small, store, tables, pull_request, groups=("none",))


def test_linked_records_come_along(store: Store, tables: Tables, pull_request: Make) -> None:
    old = of("Patient", "old", active=False)
    newer = of("Patient", "new", link=[{"other": {"reference": "Patient/old"}, "type": "replaces"}])
    small = SmallServer([old, newer, of("Condition", "c", "old"), of("CarePlan", "cp", "new", category=[CCM])])
    pulled(small, store, tables, pull_request)
    assert held(store, "Patient", "Condition") == {"Patient/old", "Patient/new", "Condition/c"}


def test_records_that_link_to_ours_come_along(store: Store, tables: Tables, pull_request: Make) -> None:
    linking = of("Patient", "other", link=[{"other": {"reference": "Patient/p"}, "type": "seealso"}])
    small = SmallServer([of("Patient", "p"), linking, of("CarePlan", "cp", "p", category=[CCM])])
    pulled(small, store, tables, pull_request)
    assert held(store, "Patient") == {"Patient/p", "Patient/other"}


def test_many_patients_are_asked_for_in_lists(store: Store, tables: Tables, pull_request: Make) -> None:
    names = [f"p{number:03}" for number in range(120)]
    plans = [of("CarePlan", f"cp-{name}", name, category=[CCM]) for name in names]
    small = SmallServer([*(of("Patient", name) for name in names), *plans], page=500)
    result = pulled(small, store, tables, pull_request)
    assert len(held(store, "CarePlan")) == 120
    assert len(small.requests) < 70
    assert result.read["Patient"] == 120


INCLUDES = {
    "PractitionerRole:organization": "organization",
    "PractitionerRole:location": "location",
    "Organization:partof": "partOf",
}


def test_what_people_work_at_comes_along_where_the_server_offers_it(
    store: Store, tables: Tables, pull_request: Make
) -> None:
    place = of("Location", "room")
    role = of("PractitionerRole", "r3", practitioner={"reference": "Practitioner/P1"})
    rows = [*practice(), place, {**role, "location": [{"reference": "Location/room"}]}]
    plain, offering = SmallServer(rows, page=50), SmallServer(rows, page=50)
    pulled(plain, store, tables, pull_request)
    kinds = sorted(staging.count_by_type(store, "pull"))
    wanted = {row.reference: row.body for row in staging.of_types(store, "pull", kinds)}
    with store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM staged_resource")
    offering.includes = INCLUDES
    pulled(offering, store, tables, pull_request)
    assert {row.reference: row.body for row in staging.of_types(store, "pull", kinds)} == wanted
    assert {"Location/room", "Organization/parent"} <= wanted.keys()
    assert not any("_include" in one for one in plain.asked())
    asked = [one for one in offering.asked() if "_include" in one]
    assert asked
    assert all(one.startswith(("/PractitionerRole", "/Organization")) for one in asked)
    assert len(offering.requests) < len(plain.requests)


@pytest.mark.parametrize("refuses", [True, False])
def test_what_does_not_come_along_against_the_servers_word_is_asked_for(
    store: Store, tables: Tables, pull_request: Make, *, refuses: bool
) -> None:
    small = SmallServer(practice(), page=50)
    small.includes = INCLUDES
    if refuses:
        small.refused_parameters = {"_include"}
    else:
        small.ignored_parameters = {"_include"}
    result = pulled(small, store, tables, pull_request)
    assert {"Organization/o", "Organization/parent", "PractitionerRole/r2"} <= held(
        store, "Organization", "PractitionerRole"
    )
    assert result.gaps == []


def test_a_server_that_takes_no_lists_is_asked_one_by_one(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())

    def no_lists(request: httpx.Request) -> httpx.Response | None:
        return outcome(400, "one only") if "," in request.url.params.get("patient", "") else None

    small.faults.append(no_lists)
    result = pulled(small, store, tables, pull_request)
    assert result.gaps == []
    assert held(store, "CarePlan", "Claim", "Consent") == {"CarePlan/cp", "Claim/c1", "Consent/co"}


@pytest.mark.parametrize("longest", [1, 60])
def test_lists_that_a_server_refuses_are_asked_for_in_parts(
    store: Store, tables: Tables, pull_request: Make, longest: int
) -> None:
    """Of people, of those who link to them, and of the practice, as of facts."""
    names = [f"p{number:03}" for number in range(70)]
    plans = [of("CarePlan", f"cp-{name}", name, category=[CCM]) for name in names]
    linking = of("Patient", "other", link=[{"other": {"reference": "Patient/p069"}, "type": "seealso"}])
    small = SmallServer([*practice(), *(of("Patient", name) for name in names), *plans, linking], page=500)

    def short(request: httpx.Request) -> httpx.Response | None:
        asked = [*request.url.params.multi_items(), *parse_qsl(request.content.decode())]
        lists = [value for name, value in asked if name in {"_id", "link", "practitioner", "patient"}]
        return outcome(400, "too many") if any(len(value.split(",")) > longest for value in lists) else None

    small.faults.append(short)
    result = pulled(small, store, tables, pull_request)
    assert result.gaps == []
    assert {f"Patient/{name}" for name in (*names, "other")} <= held(store, "Patient")
    assert {"Practitioner/P1", "Practitioner/N1", "PractitionerRole/r2", "Organization/parent"} <= held(
        store, "Practitioner", "PractitionerRole", "Organization"
    )


def test_a_server_that_does_not_search_by_type_is_looked_through(
    store: Store, tables: Tables, pull_request: Make
) -> None:
    small = SmallServer(practice())
    small.refused_parameters = {"type", "category", "identifier"}
    result = pulled(small, store, tables, pull_request)
    assert {"Patient/timed", "Patient/planned", "Patient/consenting"} <= held(store, "Patient")
    noted = [(issue.resource, issue.code) for issue in result.issues if issue.code == "search-not-offered"]
    assert noted == [
        (name, "search-not-offered") for name in ("CarePlan", "ChargeItem", "Claim", "Consent", "Encounter")
    ]


def test_a_filter_that_a_server_ignores_is_noticed(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    small.ignored_parameters = {"category"}
    result = pulled(small, store, tables, pull_request)
    assert ("CarePlan", "search-not-offered") in {(issue.resource, issue.code) for issue in result.issues}
    assert "Patient/planned" in held(store, "Patient")


def test_a_slice_that_fails_concerns_its_patients_only(store: Store, tables: Tables, pull_request: Make) -> None:
    names = [f"p{number:03}" for number in range(60)]
    small = SmallServer(
        [*(of("Patient", n) for n in names), *(of("CarePlan", f"cp-{n}", n, category=[CCM]) for n in names)], page=500
    )

    def broken(request: httpx.Request) -> httpx.Response | None:
        fails = request.url.path.endswith("/Condition") and "p000" in request.url.params.get("patient", "")
        return outcome(500, "the name of a patient") if fails else None

    small.faults.append(broken)
    result = pulled(small, store, tables, pull_request)
    assert len(result.gaps) == 50
    assert {gap.resource_type for gap in result.gaps} == {"Condition"}
    assert result.incomplete("Patient/p000")
    assert not result.incomplete("Patient/p055")
    assert not any("name of a patient" in gap.reason for gap in result.gaps)


def test_a_type_that_may_not_be_read_is_named(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    small.types.remove("Goal")
    small.faults.append(lambda r: outcome(403, "no") if r.url.path.endswith("/ExplanationOfBenefit") else None)
    result = pulled(small, store, tables, pull_request)
    codes = {(issue.resource, issue.code, issue.severity) for issue in result.issues}
    assert ("Goal", "type-not-offered", "information") in codes
    assert ("ExplanationOfBenefit", "type-forbidden", "warning") in codes
    assert result.gaps == []


@pytest.mark.parametrize("kind", ["Claim", "Condition"])
def test_nothing_is_decided_without_what_is_needed(store: Store, tables: Tables, pull_request: Make, kind: str) -> None:
    small = SmallServer(practice())
    small.faults.append(
        lambda r: outcome(403, "no") if r.url.path.endswith(f"/{kind}") and "patient" in r.url.params else None
    )
    with pytest.raises(SourceError, match="403"):
        pulled(small, store, tables, pull_request)


def test_a_server_without_a_needed_type_is_refused(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())
    small.types.remove("Consent")
    with pytest.raises(UnsupportedServerError, match=r"does not offer Consent.*caretally doctor"):
        pulled(small, store, tables, pull_request)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401), AuthenticationError),
        (httpx.Response(404), UnsupportedServerError),
        (httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>hello</html>"), NotFhirError),
        (httpx.Response(500), SourceError),
    ],
)
def test_a_server_that_does_not_answer_as_one_is_a_source_error(
    store: Store, tables: Tables, pull_request: Make, response: httpx.Response, error: type[SourceError]
) -> None:
    small = SmallServer(practice())
    small.faults.append(
        lambda _request: httpx.Response(response.status_code, headers=response.headers, content=response.content)
    )
    with pytest.raises(error) as caught:
        pulled(small, store, tables, pull_request)
    assert caught.value.exit_code == 4


def test_a_connection_that_is_lost_ends_the_pull(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice())

    def lost(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/Goal"):
            raise httpx.ReadError("gone", request=request)
        return None

    small.faults.append(lost)
    with pytest.raises(ServerUnreachableError):
        pulled(small, store, tables, pull_request)


def test_a_reference_to_nothing_is_named_and_the_rest_goes_on(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer([one for one in practice() if one["id"] not in {"N1", "o"}])
    result = pulled(small, store, tables, pull_request)
    missing = {(issue.resource, issue.code, issue.severity) for issue in result.issues}
    assert missing == {
        ("Practitioner/N1", "missing-resource", "warning"),
        ("Organization/o", "missing-resource", "warning"),
    }


def test_a_patient_that_is_referred_to_but_absent_is_named(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer([one for one in practice() if one["id"] != "planned"])
    result = pulled(small, store, tables, pull_request)
    assert ("Patient/planned", "missing-resource") in {(issue.resource, issue.code) for issue in result.issues}


def test_resources_of_others_are_left_out(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer(practice(), page=100)
    matches = small.matches

    def generous(one: dict[str, Any], kind: str, name: str, values: list[str]) -> bool:
        return (kind, name) == ("Encounter", "patient") or matches(one, kind, name, values)

    small.matches = generous  # type: ignore[method-assign]
    result = pulled(small, store, tables, pull_request)
    assert held(store, "Encounter") == {"Encounter/e1", "Encounter/e3"}
    assert result.other["Encounter"] == 1
    assert [issue.found for issue in result.issues if issue.code == "not-asked-for"] == [
        "1 of patients that were not asked for"
    ]


def test_an_expired_search_is_started_again(store: Store, tables: Tables, pull_request: Make) -> None:
    small = SmallServer([*practice(), *(of("Condition", f"c{n}", "timed") for n in range(7))])
    gone: list[str] = []

    def expired(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/Condition") and "offset" in request.url.params and not gone:
            gone.append("once")
            return outcome(410, "expired")
        return None

    small.faults.append(expired)
    result = pulled(small, store, tables, pull_request)
    assert result.gaps == []
    assert len(held(store, "Condition")) == 7


def test_codes_become_search_tokens(tables: Tables) -> None:
    rules = tables.terminology.set("consent-category").rules
    assert tokens(rules) == f"{SYSTEM}consent-category|care-management"
