"""The server in memory answers as a real HAPI does, so that what is proved on it holds: one suite, run on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import orjson
import pytest
from tests.sync.small_server import BASE, SmallServer

from caretally.fhir.reading import version_of_etag

if TYPE_CHECKING:
    from tests.live.conftest import HapiFactory

HEADERS = {
    "Content-Type": "application/fhir+json",
    "Accept": "application/fhir+json",
    "Prefer": "return=minimal",
    "Cache-Control": "no-cache",
}
SYSTEM = "https://caretally.example/test"


class Talk:
    """Requests to one server, with ids that no other test uses."""

    def __init__(self, base: str, transport: httpx.BaseTransport | None = None) -> None:
        self.base = base
        self.client = httpx.Client(transport=transport, headers=HEADERS, timeout=60)
        self.mark = uuid4().hex[:12]

    def basic(self, name: str, text: str = "1", *, with_id: bool = True, tag: bool = False) -> dict[str, Any]:
        body: dict[str, Any] = {"resourceType": "Basic"}
        if with_id:
            body["id"] = self.id(name)
        if tag:
            body["meta"] = {"tag": [{"system": SYSTEM, "code": self.id(name)}]}
        body["identifier"] = [{"system": SYSTEM, "value": self.id(name)}]
        return {**body, "code": {"text": text}}

    def id(self, name: str) -> str:
        return f"x{self.mark}-{name}"

    def put(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return self.send("PUT", f"{body['resourceType']}/{body['id']}", body, headers)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        address = f"{self.base}/{path}".rstrip("/")
        return self.client.request(method, address, content=None if body is None else orjson.dumps(body), headers=named)

    def transaction(self, *entries: tuple[dict[str, Any], dict[str, str]]) -> httpx.Response:
        rows = [
            {
                "resource": body,
                "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}", **conditions},
            }
            for body, conditions in entries
        ]
        return self.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": rows})

    def read(self, name: str) -> tuple[int, str | None, str | None]:
        """Status, version and text of a resource."""
        answer = self.send("GET", f"Basic/{self.id(name)}")
        if answer.status_code != httpx.codes.OK:
            return answer.status_code, None, None
        body = answer.json()
        assert version_of_etag(answer.headers["etag"]) == body["meta"]["versionId"]
        return answer.status_code, body["meta"]["versionId"], body["code"]["text"]

    def found(self, parameter: str, value: str) -> list[str]:
        answer = self.send("GET", f"Basic?{parameter}={SYSTEM}|{value}")
        assert answer.status_code == httpx.codes.OK
        return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


def said(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and version of an answer."""
    return answer.status_code, version_of_etag(answer.headers.get("etag"))


def place(answer: httpx.Response) -> str:
    return (answer.headers.get("location") or answer.headers["content-location"]).partition("/_history/")[0]


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    document = answer.json()
    assert document["resourceType"] == "OperationOutcome"
    assert document["issue"][0]["diagnostics"]


def a_put_creates_then_updates_and_keeps_the_version_where_nothing_changes(talk: Talk) -> None:
    assert said(talk.put(talk.basic("a"))) == (201, "1")
    assert said(talk.put(talk.basic("a"))) == (200, "1")
    answer = talk.put(talk.basic("a", "2"))
    assert said(answer) == (200, "2")
    assert place(answer).endswith(f"/Basic/{talk.id('a')}")
    assert talk.read("a") == (200, "2", "2")


def a_version_guards_a_change(talk: Talk) -> None:
    talk.put(talk.basic("a"))
    assert said(talk.put(talk.basic("a", "2"), If_Match='W/"1"')) == (200, "2")
    refused(talk.put(talk.basic("a", "3"), If_Match='W/"1"'), 409)
    assert talk.read("a") == (200, "2", "2")


def a_creation_that_asks_for_absence_is_carried_out_all_the_same(talk: Talk) -> None:
    assert said(talk.put(talk.basic("a"), If_None_Match="*")) == (201, "1")
    assert said(talk.put(talk.basic("a"), If_None_Match="*")) == (200, "1")
    assert said(talk.put(talk.basic("a", "2"), If_None_Match="*")) == (200, "2")
    assert said(talk.put(talk.basic("b"), If_Match='W/"1"')) == (201, "1")


def a_transaction_is_carried_out_whole(talk: Talk) -> None:
    star = {"ifNoneMatch": "*"}
    answer = talk.transaction((talk.basic("a"), star), (talk.basic("b"), star))
    assert answer.status_code == 200
    document = answer.json()
    assert document["type"] == "transaction-response"
    entries = [entry["response"] for entry in document["entry"]]
    assert [entry["status"][:3] for entry in entries] == ["201", "201"]
    assert [version_of_etag(entry["etag"]) for entry in entries] == ["1", "1"]
    assert [entry["location"] for entry in entries] == [f"Basic/{talk.id(n)}/_history/1" for n in "ab"]
    again = talk.transaction((talk.basic("a"), star), (talk.basic("b"), star)).json()
    assert [entry["response"]["status"][:3] for entry in again["entry"]] == ["200", "200"]
    assert talk.read("a") == (200, "1", "1")


def a_transaction_with_a_stale_version_is_refused_whole(talk: Talk) -> None:
    talk.put(talk.basic("a"))
    talk.put(talk.basic("a", "2"))
    refused(talk.transaction((talk.basic("b"), {}), (talk.basic("a", "3"), {"ifMatch": 'W/"1"'})), 409)
    assert talk.read("b")[0] == 404
    assert talk.read("a") == (200, "2", "2")


def a_transaction_with_a_wrong_entry_is_refused_whole(talk: Talk) -> None:
    wrong = {"resourceType": "ChargeItem", "id": talk.id("c"), "status": "nonsense", "code": {"text": "x"}}
    refused(talk.transaction((talk.basic("b"), {}), (wrong, {})), 400)
    assert talk.read("b")[0] == 404


def a_wrong_resource_is_refused(talk: Talk) -> None:
    wrong = {"resourceType": "ChargeItem", "id": talk.id("c"), "status": "nonsense", "code": {"text": "x"}}
    refused(talk.put(wrong), 400)


def what_is_deleted_is_gone_and_may_come_again(talk: Talk) -> None:
    talk.put(talk.basic("a"))
    assert talk.send("DELETE", f"Basic/{talk.id('a')}").status_code == 200
    assert talk.read("a")[0] == 410
    assert said(talk.put(talk.basic("a", "2"), If_None_Match="*")) == (201, "3")


def what_never_was_is_not_found(talk: Talk) -> None:
    refused(talk.send("GET", f"Basic/{talk.id('none')}"), 404)


def a_conditional_creation_is_carried_out_once(talk: Talk) -> None:
    condition = {"If_None_Exist": f"identifier={SYSTEM}|{talk.id('a')}"}
    first = talk.send("POST", "Basic", talk.basic("a", with_id=False), condition)
    again = talk.send("POST", "Basic", talk.basic("a", "2", with_id=False), condition)
    assert (said(first), said(again)) == ((201, "1"), (200, "1"))
    assert place(first) == place(again)
    assert talk.found("identifier", talk.id("a")) == [place(first).rpartition("/")[2]]


def a_conditional_creation_by_tag_is_carried_out_once(talk: Talk) -> None:
    condition = {"If_None_Exist": f"_tag={SYSTEM}|{talk.id('a')}"}
    first = talk.send("POST", "Basic", talk.basic("a", with_id=False, tag=True), condition)
    again = talk.send("POST", "Basic", talk.basic("a", with_id=False, tag=True), condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert talk.found("_tag", talk.id("a")) == [place(first).rpartition("/")[2]]


def a_conditional_update_creates_then_updates(talk: Talk) -> None:
    path = f"Basic?identifier={SYSTEM}|{talk.id('a')}"
    first = talk.send("PUT", path, talk.basic("a", with_id=False))
    assert said(first) == (201, "1")
    assert said(talk.send("PUT", path, talk.basic("a", with_id=False))) == (200, "1")
    changed = talk.send("PUT", path, talk.basic("a", "2", with_id=False))
    assert said(changed) == (200, "2")
    assert place(first) == place(changed)


def several_matches_are_refused(talk: Talk) -> None:
    for _ in range(2):
        assert talk.send("POST", "Basic", talk.basic("a", with_id=False)).status_code == 201
    condition = f"identifier={SYSTEM}|{talk.id('a')}"
    refused(talk.send("POST", "Basic", talk.basic("a", with_id=False), {"If_None_Exist": condition}), 412)
    refused(talk.send("PUT", f"Basic?{condition}", talk.basic("a", with_id=False)), 412)
    assert len(talk.found("identifier", talk.id("a"))) == 2


def ids_of_clients_are_refused(talk: Talk) -> None:
    refused(talk.put(talk.basic("a")), 404)
    refused(talk.put(talk.basic("a"), If_None_Match="*"), 404)
    refused(talk.transaction((talk.basic("a"), {"ifNoneMatch": "*"})), 404)
    assert talk.found("identifier", talk.id("a")) == []


def the_statement_names_what_the_way_of_writing_hangs_on(talk: Talk) -> None:
    document = talk.send("GET", "metadata").json()
    (rest,) = document["rest"]
    claim = next(row for row in rest["resource"] if row["type"] == "Claim")
    assert {"read", "create", "update", "search-type"} <= {row["code"] for row in claim["interaction"]}
    assert (claim["conditionalCreate"], claim["conditionalUpdate"]) == (True, True)
    assert "updateCreate" not in claim
    assert "transaction" in {row["code"] for row in rest["interaction"]}


Check = Callable[[Talk], None]
ANY_IDS: list[Check] = [
    a_put_creates_then_updates_and_keeps_the_version_where_nothing_changes,
    a_version_guards_a_change,
    a_creation_that_asks_for_absence_is_carried_out_all_the_same,
    a_transaction_is_carried_out_whole,
    a_transaction_with_a_stale_version_is_refused_whole,
    a_transaction_with_a_wrong_entry_is_refused_whole,
    a_wrong_resource_is_refused,
    what_is_deleted_is_gone_and_may_come_again,
]
ALWAYS: list[Check] = [
    what_never_was_is_not_found,
    a_conditional_creation_is_carried_out_once,
    a_conditional_creation_by_tag_is_carried_out_once,
    a_conditional_update_creates_then_updates,
    several_matches_are_refused,
    the_statement_names_what_the_way_of_writing_hangs_on,
]
NO_IDS: list[Check] = [ids_of_clients_are_refused]


@contextmanager
def fake(*, client_ids: bool) -> Iterator[Talk]:
    small = SmallServer(page=100)
    small.client_ids, small.honours_star, small.update_create = client_ids, False, None
    with talking(BASE, httpx.MockTransport(small.handle)) as talk:
        yield talk


@contextmanager
def talking(base: str, transport: httpx.BaseTransport | None = None) -> Iterator[Talk]:
    talk = Talk(base, transport)
    try:
        yield talk
    finally:
        talk.client.close()


def name_of(check: Check) -> str:
    return check.__name__


@pytest.mark.parametrize("check", [*ANY_IDS, *ALWAYS], ids=name_of)
def test_the_fake_with_ids_of_clients(check: Check) -> None:
    with fake(client_ids=True) as talk:
        check(talk)


@pytest.mark.parametrize("check", [*NO_IDS, *ALWAYS], ids=name_of)
def test_the_fake_without_ids_of_clients(check: Check) -> None:
    with fake(client_ids=False) as talk:
        check(talk)


@pytest.mark.parametrize("check", [*ANY_IDS, *ALWAYS], ids=name_of)
def test_hapi_with_ids_of_clients(check: Check, hapi: str) -> None:
    with talking(hapi) as talk:
        check(talk)


@pytest.mark.parametrize("check", [*NO_IDS, *ALWAYS], ids=name_of)
def test_hapi_without_ids_of_clients(check: Check, hapi_factory: HapiFactory) -> None:
    with talking(hapi_factory(client_ids="NOT_ALLOWED")) as talk:
        check(talk)
