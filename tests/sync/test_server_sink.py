"""Each patient-month reaches the server once, whole, and only over the version that it was planned for."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.store.samples import intent
from tests.sync.small_server import SmallServer, outcome

from caretally.billing import CLAIM_IDENTIFIER
from caretally.billing.content import sealed
from caretally.errors import WriteError
from caretally.facts import exact_json
from caretally.store import outbox, staging
from caretally.sync.pulling import types_to_read
from caretally.sync.recovery import finish_open_intents
from caretally.sync.sinks.server import ServerSink
from caretally.sync.writes import Parcel, Write

if TYPE_CHECKING:
    from caretally.store.opening import Store
    from caretally.tables import Tables

AT = "2025-02-10T09:00:00Z"


def claim(name: str, status: str = "draft", amount: str = "60.50", patient: str = "Patient/p") -> dict[str, Any]:
    body = {
        "resourceType": "Claim",
        "id": name,
        "status": status,
        "patient": {"reference": patient},
        "identifier": [{"system": CLAIM_IDENTIFIER, "value": "k-" + name}],
        "total": {"value": Decimal(amount)},
    }
    return sealed(body)


def charge(name: str) -> dict[str, Any]:
    return sealed({**claim(name, "planned"), "resourceType": "ChargeItem", "subject": {"reference": "Patient/p"}})


def provenance(name: str) -> dict[str, Any]:
    return {"resourceType": "Provenance", "id": name}


def create(*bodies: dict[str, Any], name: str = "i", person: str = "") -> Parcel:
    return Parcel(intent_id=name, writes=tuple(Write(kind="create", resource=body) for body in bodies), person=person)


def update(body: dict[str, Any], version: str, name: str = "i") -> Parcel:
    return Parcel(intent_id=name, writes=(Write(kind="update", resource=body, expected=version),))


def sink_of(small: SmallServer, tables: Tables) -> ServerSink:
    return ServerSink(server=small.server(), resource_types=types_to_read(tables))


def test_a_patient_month_is_one_transaction(tables: Tables) -> None:
    small = SmallServer()
    (delivery,) = sink_of(small, tables).deliver([create(charge("ci"), claim("cm"), provenance("pv"))])
    assert delivery.state == "applied"
    assert delivery.versions == {"ChargeItem/ci": "1", "Claim/cm": "1", "Provenance/pv": "1"}
    (posted,) = [one for one in small.requests if one.method == "POST"]
    requests = [entry["request"] for entry in exact_json.loads(posted.content)["entry"]]
    assert [one["method"] for one in requests] == ["PUT"] * 3
    assert all(one["ifNoneMatch"] == "*" for one in requests)
    assert b'"value":60.50' in posted.content


def test_without_transactions_resources_go_one_by_one_in_order(tables: Tables) -> None:
    small = SmallServer(transaction=False)
    (delivery,) = sink_of(small, tables).deliver([create(charge("ci"), claim("cm"), provenance("pv"))])
    assert delivery.state == "applied"
    assert small.asked("PUT") == ["/ChargeItem/ci", "/Claim/cm", "/Provenance/pv"]


def test_an_update_names_the_version_it_was_planned_for(tables: Tables) -> None:
    small = SmallServer([claim("cm")])
    sink = sink_of(small, tables)
    assert sink.deliver([update(claim("cm", "active"), "1")])[0].versions == {"Claim/cm": "2"}
    (stale,) = sink.deliver([update(claim("cm", "active", "1.00"), "1")])
    assert stale.state == "conflict"
    assert stale.said == ("another version",)
    assert small.held["Claim/cm"]["total"]["value"] == Decimal("60.50")


def test_the_same_claim_by_another_machine_is_no_conflict(tables: Tables) -> None:
    small = SmallServer([charge("ci"), claim("cm")])
    (delivery,) = sink_of(small, tables).deliver([create(charge("ci"), claim("cm"))])
    assert (delivery.state, delivery.found) == ("applied", True)
    assert small.versions["Claim/cm"] == 1


def test_another_claim_with_our_id_is_a_conflict(tables: Tables) -> None:
    small = SmallServer([claim("cm", amount="1.00")])
    (delivery,) = sink_of(small, tables).deliver([create(claim("cm"))])
    assert delivery.state == "conflict"


def test_a_server_without_if_none_match_is_written_without_it(tables: Tables) -> None:
    small = SmallServer(transaction=False)
    small.faults.append(lambda r: outcome(412, "If-None-Match?") if "if-none-match" in r.headers else None)
    sink = sink_of(small, tables)
    first, second = sink.deliver([create(claim("a")), create(claim("b"), name="ii")])
    assert (first.state, second.state) == ("applied", "applied")
    assert len([one for one in small.requests if "if-none-match" in one.headers]) == 1


def test_a_refusal_concerns_one_patient_month(tables: Tables) -> None:
    small = SmallServer()
    small.faults.append(lambda r: outcome(422, "coverage is wrong") if b'"bad"' in r.content else None)
    deliveries = sink_of(small, tables).deliver([create(claim("bad")), create(claim("good"), name="ii")])
    assert [(one.state, one.said) for one in deliveries] == [("refused", ("coverage is wrong",)), ("applied", ())]
    assert "coverage is wrong" not in deliveries[0].message


def test_a_lost_answer_is_looked_up(tables: Tables) -> None:
    small = SmallServer()
    sink = sink_of(small, tables)

    def swallowed(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST":
            return None
        small.transact(exact_json.loads(request.content))
        raise httpx.ReadTimeout("gone", request=request)

    small.faults.append(swallowed)
    (delivery,) = sink.deliver([create(charge("ci"), claim("cm"))])
    assert delivery.state == "applied"
    assert small.versions == {"ChargeItem/ci": 1, "Claim/cm": 1}


def test_a_lost_request_is_unknown_until_the_next_run(tables: Tables) -> None:
    small = SmallServer()
    small.faults.append(lambda r: outcome(500, "x") if r.method == "POST" else None)
    (delivery,) = sink_of(small, tables).deliver([create(claim("cm"))])
    assert delivery.state == "unknown"


def test_where_nothing_can_be_sent_the_rest_is_not_tried(tables: Tables) -> None:
    small = SmallServer()
    small.faults.append(lambda r: httpx.Response(429) if r.method == "POST" else None)
    deliveries = sink_of(small, tables).deliver([create(claim(name), name=name) for name in "abc"])
    assert [one.state for one in deliveries] == ["waiting"] * 3
    assert len(small.asked("POST")) == 2  # the first, and its one repetition
    assert "because of an earlier one" in deliveries[2].message


def several(small: SmallServer, tables: Tables, in_flight: int = 1, together: int = 1) -> ServerSink:
    """A sink that has seen the server take something, and now sends several at a time."""
    types = types_to_read(tables)
    sink = ServerSink(server=small.server(), resource_types=types, in_flight=in_flight, together=together)
    assert sink.deliver([create(claim("first"), name="first")])[0].state == "applied"
    small.requests.clear()
    return sink


def posted(small: SmallServer) -> list[list[str]]:
    """The ids of each transaction."""
    bundles = [exact_json.loads(one.content) for one in small.requests if one.method == "POST"]
    return [[entry["resource"]["id"] for entry in bundle["entry"]] for bundle in bundles]


def test_what_is_on_its_way_at_one_time_is_bounded_and_one_persons_goes_in_its_order(tables: Tables) -> None:
    small = SmallServer()
    lock, here, most, order = threading.Lock(), 0, 0, []

    def slow(request: httpx.Request) -> None:
        nonlocal here, most
        if request.method != "POST":
            return
        with lock:
            here += 1
            most = max(most, here)
        time.sleep(0.02)
        with lock:
            here -= 1
            order.append(exact_json.loads(request.content)["entry"][0]["resource"]["id"])

    small.faults.append(slow)
    sink = several(small, tables, in_flight=3)
    mine = [create(claim(f"m{n}"), name=f"m{n}", person="me") for n in range(4)]
    others = [create(claim(f"o{n}"), name=f"o{n}", person=f"p{n}") for n in range(6)]
    parcels = [parcel for pair in zip(mine, others, strict=False) for parcel in pair] + others[4:]
    deliveries = sink.deliver(parcels)
    assert [one.intent_id for one in deliveries] == [one.intent_id for one in parcels]
    assert {one.state for one in deliveries} == {"applied"}
    assert [name for name in order if name.startswith("m")] == ["m0", "m1", "m2", "m3"]
    assert most == 3


def test_several_patient_months_go_in_one_transaction_but_never_two_of_one_person(tables: Tables) -> None:
    small = SmallServer()
    sink = several(small, tables, together=3)
    people = {"a": "p", "b": "q", "c": "p", "d": "r", "e": "s", "f": "t"}
    deliveries = sink.deliver([create(claim(name), name=name, person=person) for name, person in people.items()])
    assert posted(small) == [["a"], ["c"], ["b", "d", "e"], ["f"]]
    assert [(one.intent_id, one.versions) for one in deliveries] == [(n, {f"Claim/{n}": "1"}) for n in people]


def test_where_one_of_several_is_refused_each_is_sent_alone(tables: Tables) -> None:
    small = SmallServer([claim("known", amount="1.00")])
    sink = several(small, tables, together=4)
    small.faults.append(lambda r: outcome(422, "coverage is wrong") if b'"bad"' in r.content else None)
    deliveries = sink.deliver([create(claim(name), name=name, person=name) for name in ("a", "bad", "known", "b")])
    assert [one.state for one in deliveries] == ["applied", "refused", "conflict", "applied"]
    assert posted(small)[0] == ["a", "bad", "known", "b"]
    assert {small.versions[f"Claim/{name}"] for name in ("a", "b", "known")} == {1}


def test_where_the_answer_to_several_is_lost_each_is_looked_up_and_the_rest_goes_alone(tables: Tables) -> None:
    small = SmallServer()
    sink = several(small, tables, together=2)

    def swallowed(request: httpx.Request) -> httpx.Response | None:
        if b'"b"' not in request.content:
            return None
        small.transact({"entry": exact_json.loads(request.content)["entry"][:1]})
        raise httpx.ReadTimeout("gone", request=request)

    small.faults.append(swallowed)
    deliveries = sink.deliver([create(claim(name), name=name, person=name) for name in "abcd"])
    assert [one.state for one in deliveries] == ["applied", "unknown", "applied", "applied"]
    deliveries = sink.deliver([create(claim(name), name=name, person=name) for name in "ef"])
    assert posted(small) == [["a", "b"], ["c", "d"], ["e"], ["f"]]


def test_where_several_cannot_be_sent_the_rest_waits(tables: Tables) -> None:
    small = SmallServer()
    sink = several(small, tables, together=2)
    small.faults.append(lambda r: httpx.Response(429) if r.method == "POST" else None)
    deliveries = sink.deliver([create(claim(name), name=name, person=name) for name in "abcd"])
    assert [one.state for one in deliveries] == ["waiting"] * 4
    assert len(posted(small)) == 2  # the first, and its one repetition


def test_a_conflict_against_which_nothing_stands_is_tried_again(tables: Tables) -> None:
    """Two transactions touched the same rows: a server refuses one of them, and takes it a moment later."""
    small = SmallServer()
    sink = several(small, tables)
    refused = iter([outcome(409, "try again")])
    small.faults.append(lambda r: next(refused, None) if r.method == "POST" else None)
    (delivery,) = sink.deliver([create(claim("cm"))])
    assert delivery.state == "applied"
    assert all(one["request"]["ifNoneMatch"] == "*" for one in exact_json.loads(small.requests[-1].content)["entry"])


def test_what_another_adapter_is_just_writing_is_waited_for(tables: Tables) -> None:
    """One PUT after the other: the slower of two adapters sees what is there grow, and sends nothing into it."""
    small = SmallServer(transaction=False)
    sink = several(small, tables)
    small.keep(charge("ci"))
    looks = 0

    def other(request: httpx.Request) -> None:
        nonlocal looks
        looks += request.url.path.endswith("/Claim/cm") and request.method == "GET"
        if looks == 2:
            small.keep(claim("cm"))

    small.faults.append(other)
    (delivery,) = sink.deliver([create(charge("ci"), claim("cm"))])
    assert (delivery.state, delivery.found) == ("applied", True)
    assert small.asked("PUT") == ["/ChargeItem/ci"]


def test_what_another_adapter_leaves_half_written_is_left_to_the_next_run(tables: Tables) -> None:
    small = SmallServer(transaction=False)
    sink = several(small, tables)
    small.keep(charge("ci"))
    (delivery,) = sink.deliver([create(charge("ci"), claim("cm"))])
    assert delivery.state == "conflict"
    assert "Claim/cm" not in small.held


def test_a_server_that_cannot_be_written_safely_is_refused(tables: Tables) -> None:
    small = SmallServer()
    small.update_create = False
    small.conditional = False
    with pytest.raises(WriteError, match=r"updateCreate.*--out FOLDER") as caught:
        sink_of(small, tables).check()
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("transaction", [True, False])
def test_a_server_that_does_not_say_whether_it_takes_our_ids_is_tried(tables: Tables, transaction: bool) -> None:
    small = SmallServer(transaction=transaction)
    small.update_create = None
    (delivery,) = sink_of(small, tables).deliver([create(claim("cm"))])
    assert delivery.state == "applied"
    assert len(small.asked("POST")) == int(transaction)


def test_what_is_on_file_is_ours_only(tables: Tables, store: Store) -> None:
    foreign = {**claim("x"), "identifier": [{"system": "https://other.example", "value": "1"}]}
    small = SmallServer([claim("a"), claim("b", patient="Patient/q"), foreign, charge("ci")], page=1)
    with staging.StagingWriter(store, "pull", staging.SINK) as writer:
        sink_of(small, tables).stage_on_file(writer, ["Patient/p"])
    rows = staging.of_patients(store, "pull", ["Patient/p", "Patient/q"])
    assert {row.reference for row in rows["Patient/p"]} == {"Claim/a", "ChargeItem/ci"}
    assert rows["Patient/q"] == []


def pending(store: Store, parcel: Parcel) -> None:
    document = {"writes": [write.to_json() for write in parcel.writes]}
    outbox.add_intents(store, [intent(parcel.intent_id, patient="Patient/p", document=document)])


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], {"finished": 1}),
        (["ci"], {"finished": 1}),
        (["ci", "cm"], {"found": 1}),
        (["other"], {"conflict": 1}),
    ],
)
def test_what_was_interrupted_is_finished_after_a_look(
    tables: Tables, store: Store, held: list[str], expected: dict[str, int]
) -> None:
    bodies = {"ci": charge("ci"), "cm": claim("cm"), "other": claim("cm", amount="1.00")}
    small = SmallServer([bodies[name] for name in held])
    pending(store, create(charge("ci"), claim("cm")))
    counts = finish_open_intents(store, sink_of(small, tables), lambda: AT)
    assert counts == expected
    assert outbox.open_intents(store) == []
    if "conflict" not in expected:
        assert {name: small.versions[name] for name in ("ChargeItem/ci", "Claim/cm")} == {
            "ChargeItem/ci": 1,
            "Claim/cm": 1,
        }
    assert finish_open_intents(store, sink_of(small, tables), lambda: AT) == {}


def test_an_interrupted_update_is_not_sent_over_somebody_elses(tables: Tables, store: Store) -> None:
    small = SmallServer([claim("cm")])
    small.keep(claim("cm", "active", "99.00"))
    pending(store, update(claim("cm", "active"), "1"))
    assert finish_open_intents(store, sink_of(small, tables), lambda: AT) == {"conflict": 1}
    assert small.held["Claim/cm"]["total"]["value"] == Decimal("99.00")
