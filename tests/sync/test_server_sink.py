"""Each patient-month reaches the server once, whole, and only over the version that it was planned for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
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


def create(*bodies: dict[str, Any], name: str = "i") -> Parcel:
    return Parcel(intent_id=name, writes=tuple(Write(kind="create", resource=body) for body in bodies))


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
    outbox.add_intents(
        store,
        [
            outbox.Intent(
                id=parcel.intent_id,
                idempotency_key="k",
                run_id="run",
                source="folder",
                patient="Patient/p",
                service_month="2025-01",
                practitioner="Practitioner/P1",
                action="create",
                created_at=AT,
                document={"writes": [write.to_json() for write in parcel.writes]},
            )
        ],
    )


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
