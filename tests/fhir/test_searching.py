"""Pages: complete or named as incomplete, never endless, never from elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import respx
from tests.fhir.support import BASE, TOKEN, Script, bundle, encounters, fhir, outcome, transport_to

from caretally.errors import IncompletePullError
from caretally.fhir import Page, ServerSettings, Transport, WarningKind
from caretally.fhir import errors as e
from caretally.fhir.searching import search


def pages(script: Script, parameters: list[tuple[str, str]] | None = None, **settings: Any) -> list[Page]:
    return list(search(transport_to(script, **settings), "Encounter", parameters or []))


def ids(found: list[Page]) -> list[str]:
    return [resource["id"] for page in found for resource in page.resources]


class TestPaging:
    @respx.mock(assert_all_called=True)
    def test_all_pages_in_order(self, respx_mock: respx.MockRouter) -> None:
        second = f"{BASE}?_getpages=abc&_getpagesoffset=2&_bundletype=searchset"
        first = respx_mock.get(f"{BASE}/Encounter", params={"date": "ge2025-01-01", "_count": "2"}).mock(
            return_value=fhir(bundle(encounters(1, 2), next_link=second, total=3))
        )
        respx_mock.get(BASE, params={"_getpages": "abc"}).mock(return_value=fhir(bundle(encounters(3))))
        transport = Transport(ServerSettings(base_url=BASE, page_size=2))
        found = list(search(transport, "Encounter", [("date", "ge2025-01-01")]))
        transport.close()
        assert ids(found) == ["e1", "e2", "e3"]
        assert [(page.number, page.total, page.next_link) for page in found] == [(1, 3, second), (2, None, None)]
        assert first.calls[0].request.headers["prefer"] == "handling=strict"

    def test_nothing_is_asked_before_the_first_page_is_wanted(self) -> None:
        script = Script(fhir(bundle(encounters(1), next_link="Encounter?p=2")))
        found = search(transport_to(script), "Encounter")
        assert script.requests == []
        next(found)
        assert len(script.requests) == 1

    @pytest.mark.parametrize("link", ["Encounter?p=2", "?p=2", "/fhir/Encounter?p=2", f"{BASE}/Encounter?p=2"])
    def test_relative_links_are_resolved(self, link: str) -> None:
        script = Script(fhir(bundle(encounters(1), next_link=link)), fhir(bundle(encounters(2))))
        assert ids(pages(script)) == ["e1", "e2"]
        assert script.urls[1] == f"{BASE}/Encounter?p=2"

    def test_a_count_of_the_caller_is_kept(self) -> None:
        script = Script(fhir(bundle([])))
        pages(script, [("_count", "7")])
        assert script.urls == [f"{BASE}/Encounter?_count=7"]

    def test_a_fresh_search_is_asked_for(self) -> None:
        script = Script(fhir(bundle([])))
        list(search(transport_to(script), "Encounter", fresh=True))
        assert script.requests[0].headers["cache-control"] == "no-cache"

    def test_a_long_search_goes_by_post(self) -> None:
        subjects = ",".join(f"Patient/p{number}" for number in range(300))
        script = Script(fhir(bundle(encounters(1), next_link="?p=2")), fhir(bundle(encounters(2))))
        assert ids(pages(script, [("subject", subjects), ("date", "ge2025"), ("date", "lt2026")])) == ["e1", "e2"]
        request, following = script.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE}/Encounter/_search")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert parse_qsl(request.content.decode()) == [
            ("subject", subjects),
            ("date", "ge2025"),
            ("date", "lt2026"),
            ("_count", "200"),
        ]
        assert (following.method, str(following.url)) == ("GET", f"{BASE}/Encounter?p=2")

    def test_a_short_search_goes_by_get(self) -> None:
        script = Script(fhir(bundle([])))
        pages(script, [("subject", "x" * 1_700)])
        assert script.requests[0].method == "GET"

    def test_amounts_are_exact_when_asked_for(self) -> None:
        body = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Claim","total":{"value":60.50}}}]}'
        script = Script(httpx.Response(200, headers={"content-type": "application/json"}, content=body))
        page = next(search(transport_to(script), "Claim", exact=True))
        assert page.resources[0]["total"]["value"].as_tuple() == Decimal("60.50").as_tuple()

    def test_a_resource_type_is_no_path(self) -> None:
        with pytest.raises(ValueError, match="not a resource type"):
            list(search(transport_to(Script(fhir({}))), "../admin"))


class TestForeignLinks:
    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/fhir/Encounter?p=2",
            "https://evil.example/?x=https://ehr.example/fhir",
            "https://ehr.example@evil.example/fhir/Encounter",
            "https://user@ehr.example/fhir/Encounter?p=2",
            "http://ehr.example/fhir/Encounter?p=2",
            "https://ehr.example.evil.example/fhir/Encounter",
            "https://ehr.example:443:443/fhir/Encounter",
            "https://ehr.example/fhirevil?p=2",
            "https://ehr.example/fhir/../admin",
            "//evil.example/fhir",
            "https://[::ffff:169.254.169.254]/fhir",
        ],
    )
    def test_end_the_search_without_a_request(self, link: str) -> None:
        script = Script(fhir(bundle(encounters(1), next_link=link)))
        with pytest.raises(e.ForeignLinkError, match="allowed_alias_bases") as caught:
            pages(script)
        assert isinstance(caught.value, IncompletePullError)
        assert caught.value.exit_code == 5
        assert len(script.requests) == 1
        assert script.hosts_with_token == {"ehr.example"}

    def test_an_alias_is_rewritten_when_configured(self) -> None:
        inner = "http://inner:8080/hapi/fhir"
        script = Script(fhir(bundle(encounters(1), next_link=f"{inner}?_getpages=a%2Fb")), fhir(bundle(encounters(2))))
        assert ids(pages(script, allowed_alias_bases=(inner,))) == ["e1", "e2"]
        assert script.urls[1] == f"{BASE}?_getpages=a%2Fb"
        assert script.hosts_with_token == {"ehr.example"}

    def test_a_redirect_of_a_page_is_not_followed(self) -> None:
        moved = httpx.Response(302, headers={"location": "https://evil.example/"})
        script = Script(fhir(bundle(encounters(1), next_link="?p=2")), moved)
        with pytest.raises(e.RedirectRefusedError):
            pages(script)
        assert {request.url.host for request in script.requests} == {"ehr.example"}
        assert all(TOKEN in request.headers["authorization"] for request in script.requests)


class TestLoops:
    def test_a_page_that_links_to_itself(self) -> None:
        script = Script(fhir(bundle(encounters(1), next_link="Encounter?_count=200")))
        with pytest.raises(e.PagingLoopError, match="already read"):
            pages(script)
        assert len(script.requests) == 1

    def test_two_pages_that_link_to_each_other(self) -> None:
        first = fhir(bundle(encounters(1), next_link="?p=2"))
        second = fhir(bundle(encounters(2), next_link="Encounter?_count=200"))
        script = Script(first, second, first, second)
        with pytest.raises(e.PagingLoopError, match="already read"):
            pages(script)
        assert len(script.requests) == 2

    def test_an_offset_that_grows_over_the_same_resources(self) -> None:
        numbers = iter(range(2, 1_000))
        script = Script(lambda _: fhir(bundle(encounters(1, 2), next_link=f"?offset={next(numbers)}")))
        with pytest.raises(e.PagingLoopError, match="same resources"):
            pages(script)
        assert len(script.requests) == 2

    def test_the_same_resources_in_another_order(self) -> None:
        script = Script(
            fhir(bundle(encounters(1, 2), next_link="?p=2")), fhir(bundle(encounters(2, 1), next_link="?p=3"))
        )
        with pytest.raises(e.PagingLoopError):
            pages(script)

    def test_resources_without_ids(self) -> None:
        numbers = iter(range(2, 1_000))
        nameless = [{"resourceType": "Encounter", "length": {"value": 1.5}}]
        script = Script(lambda _: fhir(bundle(nameless, next_link=f"?p={next(numbers)}")))
        with pytest.raises(e.PagingLoopError):
            pages(script)
        assert len(script.requests) == 2

    def test_pages_that_overlap_are_no_loop(self) -> None:
        script = Script(fhir(bundle(encounters(1, 2), next_link="?p=2")), fhir(bundle(encounters(2, 3))))
        assert ids(pages(script)) == ["e1", "e2", "e2", "e3"]

    def test_some_empty_pages_are_no_loop_but_many_are(self) -> None:
        script = Script(
            *[fhir(bundle([], next_link=f"?p={number}")) for number in range(3)], fhir(bundle(encounters(1)))
        )
        assert ids(pages(script)) == ["e1"]
        numbers = iter(range(1_000))
        script = Script(lambda _: fhir(bundle([], next_link=f"?p={next(numbers)}")))
        with pytest.raises(e.PagingLoopError, match="empty pages"):
            pages(script)
        assert len(script.requests) == 10

    def test_pages_are_capped(self) -> None:
        numbers = iter(range(2, 1_000))

        def answer(_: httpx.Request) -> httpx.Response:
            number = next(numbers)
            return fhir(bundle(encounters(number), next_link=f"?p={number}"))

        script = Script(answer)
        with pytest.raises(e.PageLimitError, match="more than 5 pages"):
            pages(script, max_pages=5)
        assert len(script.requests) == 5


class TestExpiredCursor:
    @pytest.mark.parametrize("status", [404, 410])
    def test_a_later_page_that_is_gone_can_be_started_again(self, status: int) -> None:
        script = Script(fhir(bundle(encounters(1), next_link="?p=2")), fhir(outcome("HAPI-0417 CANARY"), status))
        with pytest.raises(e.ExpiredCursorError, match="on page 2") as caught:
            pages(script)
        assert isinstance(caught.value, IncompletePullError)
        assert "CANARY" not in str(caught.value)

    @pytest.mark.parametrize(("status", "kind"), [(404, e.NotFoundError), (410, e.GoneError)])
    def test_a_first_page_that_is_gone_is_another_fault(self, status: int, kind: type[Exception]) -> None:
        with pytest.raises(kind):
            pages(Script(httpx.Response(status)))


class TestEntries:
    def test_matches_includes_and_remarks_are_kept_apart(self) -> None:
        remark = outcome("2 results hidden from CANARY", code="suppressed", severity="warning")
        entries = [
            {"resource": {"resourceType": "Encounter", "id": "e1"}, "search": {"mode": "match"}},
            {"resource": {"resourceType": "Encounter", "id": "e2"}},
            {"resource": {"resourceType": "Encounter", "id": "e0"}, "search": {"mode": "include"}},
            {"resource": {"resourceType": "Practitioner", "id": "p"}, "search": {"mode": "include"}},
            {"resource": {"resourceType": "Location", "id": "l"}},
            {"resource": remark, "search": {"mode": "outcome"}},
        ]
        (page,) = pages(Script(fhir({"resourceType": "Bundle", "entry": entries})))
        assert [resource["id"] for resource in page.resources] == ["e1", "e2"]
        assert [resource["id"] for resource in page.included] == ["e0", "p", "l"]
        (warning,) = page.warnings
        assert warning.kind is WarningKind.SERVER_REMARK
        assert warning.issue is not None
        assert (warning.issue.code, warning.issue.text) == ("suppressed", "2 results hidden from CANARY")
        assert "CANARY" not in repr(page)

    @pytest.mark.parametrize(
        ("entry", "kind"),
        [
            ({}, WarningKind.ENTRY_WITHOUT_RESOURCE),
            ({"fullUrl": "x"}, WarningKind.ENTRY_WITHOUT_RESOURCE),
            ("text", WarningKind.ENTRY_WITHOUT_RESOURCE),
            (None, WarningKind.ENTRY_WITHOUT_RESOURCE),
            ({"resource": []}, WarningKind.ENTRY_WITHOUT_RESOURCE),
            ({"resource": {}}, WarningKind.UNEXPECTED_TYPE),
            ({"resource": {"resourceType": 5}}, WarningKind.UNEXPECTED_TYPE),
            ({"resource": {"resourceType": "Patient"}, "search": {"mode": "match"}}, WarningKind.UNEXPECTED_TYPE),
            ({"resource": {"resourceType": "Encounter"}, "search": {"mode": 7}}, WarningKind.UNEXPECTED_TYPE),
            ({"resource": {"resourceType": "OperationOutcome"}}, WarningKind.SERVER_REMARK),
        ],
    )
    def test_an_odd_entry_is_listed_and_the_others_are_kept(self, entry: object, kind: WarningKind) -> None:
        entries = [{"resource": {"resourceType": "Encounter", "id": "e1"}}, entry]
        (page,) = pages(Script(fhir({"resourceType": "Bundle", "entry": entries})))
        assert ids([page]) == ["e1"]
        assert [warning.kind for warning in page.warnings] == [kind]
        assert "entry[1]" in page.warnings[0].detail

    @pytest.mark.parametrize("more", [{"entry": None}, {"entry": {}}, {"link": "x"}, {"link": [1, {}]}, {"total": "3"}])
    def test_an_odd_bundle_is_an_empty_page(self, more: dict[str, Any]) -> None:
        (page,) = pages(Script(fhir({"resourceType": "Bundle", **more})))
        assert (page.resources, page.total, page.next_link) == ([], None, None)

    @pytest.mark.parametrize("document", [{"resourceType": "Encounter"}, [], None, {"resourceType": "CANARY 1"}])
    def test_what_is_no_bundle_is_named(self, document: object) -> None:
        with pytest.raises(e.NotFhirError, match="wanted is a Bundle") as caught:
            pages(Script(fhir(document)))
        assert "CANARY" not in str(caught.value)


class TestIgnoredParameters:
    def test_a_filter_missing_in_the_self_link_is_a_warning(self) -> None:
        link = [{"relation": "self", "url": f"{BASE}/Encounter?date=ge2025&_count=50"}]
        (page,) = pages(
            Script(fhir({"resourceType": "Bundle", "link": link})),
            [("subject:Patient", "CANARY"), ("date", "ge2025"), ("_lastUpdated", "ge2025"), ("_sort", "date")],
        )
        assert [warning.kind for warning in page.warnings] == [WarningKind.PARAMETER_IGNORED] * 2
        assert "_lastUpdated" in page.warnings[0].detail
        assert "subject:Patient" in page.warnings[1].detail

    @pytest.mark.parametrize("url", [f"{BASE}/Encounter", f"{BASE}/Encounter?patient=p1", "https://[bad"])
    def test_a_used_or_unknown_filter_is_none(self, url: str) -> None:
        link = [{"relation": "self", "url": url}]
        (page,) = pages(Script(fhir({"resourceType": "Bundle", "link": link})), [("patient:Patient", "p1")])
        assert page.warnings == ()
