"""Every way of writing brings a month to a server once, whatever breaks in between; a plan says which way and why."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.sync.practices import golden, together, write
from tests.sync.small_server import SmallServer, outcome
from tests.sync.test_run import STAFF_20, Killed, server_run

from caretally.errors import ConfigurationError, WriteError
from caretally.facts import exact_json
from caretally.fhir.capability import WriteStrategy
from caretally.sync.own_ids import RESOURCE_ID
from caretally.sync.pulling import types_to_read
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from caretally.sync.sources.server import ServerSource

Values = dict[str, Any]
OWN = ("Claim/", "ChargeItem/", "Provenance/")
STRATEGIES = [one for one in WriteStrategy if one is not WriteStrategy.EXPORT_ONLY]
PLACES = {
    WriteStrategy.TRANSACTION: ("before-send", "after-send"),
    WriteStrategy.SINGLE_PUT: ("before-send", "between-puts", "after-send"),
    WriteStrategy.CONDITIONAL_UPDATE: ("before-send", "created", "between-puts", "after-send"),
    WriteStrategy.CONDITIONAL_CREATE: ("before-send", "created", "between-puts", "after-send"),
}


@pytest.fixture
def small() -> SmallServer:
    resources = together(golden("G02", "a-"), golden("G05", "b-", month="2025-01", entries=[STAFF_20]))
    return SmallServer((row for rows in resources.values() for row in rows), page=100)


def by(small: SmallServer, strategy: WriteStrategy | None, values: Values, tmp_path: Any, **more: Any) -> Any:
    """One run that reads and writes the server."""
    server = small.server()
    sink = ServerSink(server=server, resource_types=types_to_read(values["tables"]), strategy=strategy)
    source = ServerSource(server=server, terminology=values["tables"].terminology)
    return run_month(RunRequest(source=source, sink=sink, store=str(tmp_path / "store"), **{**values, **more}))


def ours(small: SmallServer) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in small.held.items() if name.startswith(OWN)}


def live(small: SmallServer, kind: str) -> list[str]:
    dead = {"cancelled", "aborted", "entered-in-error"}
    return [name for name, one in ours(small).items() if name.startswith(kind) and one["status"] not in dead]


def versions(small: SmallServer) -> dict[str, int]:
    return {name: small.versions[name] for name in ours(small)}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_month_is_written_once(
    small: SmallServer, run_values: Values, tmp_path: Any, strategy: WriteStrategy
) -> None:
    small.client_ids = strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}
    report = by(small, strategy, run_values, tmp_path)
    assert report.error() is None
    assert (report.writes[("create", "Claim")], report.writes[("create", "ChargeItem")]) == (2, 4)
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (2, 4)
    before = versions(small)
    assert set(before.values()) == {1}
    for place in (tmp_path, tmp_path / "another machine"):
        again = by(small, strategy, run_values, place)
        assert (again.writes, again.unchanged, again.error()) == ({}, 2, None)
    assert versions(small) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_references_between_ours_hold_on_the_server(
    small: SmallServer, run_values: Values, tmp_path: Any, strategy: WriteStrategy
) -> None:
    small.client_ids = strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}
    by(small, strategy, run_values, tmp_path)
    provenances = [one for name, one in ours(small).items() if name.startswith("Provenance")]
    targets = {target["reference"] for one in provenances for target in one["target"]}
    assert targets == {name for name in ours(small) if not name.startswith("Provenance")}
    assert all(name.startswith("ChargeItem/ci-") == small.client_ids for name in live(small, "ChargeItem"))


@pytest.mark.parametrize(("strategy", "place"), [(s, p) for s in STRATEGIES for p in PLACES[s]])
def test_a_crash_anywhere_is_finished_by_the_next_run(
    small: SmallServer,
    run_values: Values,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    strategy: WriteStrategy,
    place: str,
) -> None:
    small.client_ids = strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}

    def die(name: str) -> None:
        if name == f"server:{place}":
            raise Killed

    with monkeypatch.context() as patched:
        for module in ("sending", "identified"):
            patched.setattr(f"caretally.sync.sinks.{module}.failpoint", die)
        with pytest.raises(Killed):
            by(small, strategy, run_values, tmp_path)
    report = by(small, strategy, run_values, tmp_path)
    assert report.error() is None
    assert report.writes == {}
    assert sum(report.recovered.values()) == 2
    assert set(versions(small).values()) == {1}
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (2, 4)
    assert len([name for name in ours(small) if name.startswith("Provenance")]) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["Claim", "ChargeItem"])
def test_what_was_written_before_a_refusal_is_taken_back(
    small: SmallServer, run_values: Values, tmp_path: Any, strategy: WriteStrategy, kind: str
) -> None:
    small.client_ids = strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}
    refused: list[int] = []

    def refuse(request: httpx.Request) -> httpx.Response | None:
        body = request.content
        if request.method in {"PUT", "POST"} and b'"Patient/a-pat"' in body and f'"{kind}"'.encode() in body:
            refused.append(1)
            if kind == "Claim" or len(refused) == 3 or strategy is WriteStrategy.TRANSACTION:
                return outcome(422, "no such payer", "business-rule")
        return None

    small.faults.append(refuse)
    report = by(small, strategy, run_values, tmp_path)
    assert [(one.patient, one.state, one.said) for one in report.failed] == [
        ("Patient/a-pat", "refused", ("no such payer",))
    ]
    assert len(live(small, "Claim")) == 1
    assert len(live(small, "ChargeItem")) == 1
    small.faults.clear()
    again = by(small, strategy, run_values, tmp_path)
    assert again.error() is None
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (2, 4)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_draft_is_updated_and_withdrawn(run_values: Values, tmp_path: Any, strategy: WriteStrategy) -> None:
    source = tmp_path / "source"
    small = SmallServer(page=100)
    small.client_ids = strategy in {WriteStrategy.TRANSACTION, WriteStrategy.SINGLE_PUT}

    def apply(entries: list[dict[str, Any]]) -> Any:
        write(source, golden("G02", entries=entries))
        sink = ServerSink(server=small.server(), resource_types=types_to_read(run_values["tables"]), strategy=strategy)
        return run_month(
            RunRequest(source=FolderSource(source), sink=sink, store=str(tmp_path / "store"), **run_values)
        )

    assert apply([STAFF_20]).actions == {"create": 1}
    assert apply([STAFF_20, {**STAFF_20, "date": "2025-01-20"}]).actions == {"update": 1}
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (1, 2)
    assert apply([STAFF_20, {**STAFF_20, "date": "2025-01-20"}]).writes == {}


@pytest.mark.parametrize("strategy", [WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE])
def test_a_copy_of_a_lost_race_is_taken_back(
    small: SmallServer, run_values: Values, tmp_path: Any, strategy: WriteStrategy
) -> None:
    small.client_ids = False
    raced: set[str] = set()

    def other_adapter(request: httpx.Request) -> httpx.Response | None:
        """Another adapter that the server lets in at the same moment, after our search and before our creation."""
        if request.method in {"POST", "PUT"} and request.content.startswith(b"{"):
            body = exact_json.loads(request.content)
            marks = [one["value"] for one in body.get("identifier", ()) if one["system"] == RESOURCE_ID]
            if marks and "id" not in body and marks[0] not in raced:
                raced.add(marks[0])
                small.kept({**body, "id": small.new_id()})
                return small.kept({**body, "id": small.new_id()})
        return None

    small.faults.append(other_adapter)
    report = by(small, strategy, run_values, tmp_path)
    assert report.error() is None
    assert len(raced) == 6
    assert (len(live(small, "Claim")), len(live(small, "ChargeItem"))) == (2, 4)
    assert by(small, strategy, run_values, tmp_path).writes == {}


@pytest.mark.parametrize("transaction", [True, False])
def test_a_server_that_turns_out_to_refuse_our_ids_is_written_otherwise(
    small: SmallServer, run_values: Values, tmp_path: Any, transaction: bool
) -> None:
    small.transaction_offered, small.update_create, small.client_ids = transaction, None, False
    plan = by(small, None, run_values, tmp_path, write=False)
    assert plan.write_strategy["strategy"] == ("transaction" if transaction else "single_put")
    assert "does not say" in plan.write_strategy["reason"]
    assert "where it refuses them" in plan.write_strategy["reason"]
    report = by(small, None, run_values, tmp_path)
    assert report.error() is None
    assert report.write_strategy["strategy"] == "conditional_update"
    assert "refused ids of ours (404)" in report.write_strategy["reason"]
    assert len(live(small, "Claim")) == 2
    assert by(small, None, run_values, tmp_path).writes == {}


def test_a_refusal_of_content_is_no_refusal_of_ids(small: SmallServer, run_values: Values, tmp_path: Any) -> None:
    small.update_create = None
    small.faults.append(lambda r: outcome(422, "no such payer") if b'"Patient/a-pat"' in r.content else None)
    report = by(small, None, run_values, tmp_path)
    assert [(one.state, one.said) for one in report.failed] == [("refused", ("no such payer",))]
    assert report.write_strategy["strategy"] == "transaction"
    assert all(name.startswith("Claim/cm-") for name in live(small, "Claim"))


@pytest.mark.parametrize(
    ("settings", "expected", "missing"),
    [
        ({}, "transaction", ""),
        ({"transaction_offered": False}, "single_put", "system interaction transaction"),
        ({"update_create": False}, "conditional_update", "updateCreate"),
        ({"update_create": False, "conditional": False}, "export_only", "conditionalCreate"),
    ],
)
def test_a_plan_says_how_and_why(
    small: SmallServer, run_values: Values, tmp_path: Any, settings: Values, expected: str, missing: str
) -> None:
    for name, value in settings.items():
        setattr(small, name, value)
    report = by(small, None, run_values, tmp_path, write=False)
    assert report.write_strategy["strategy"] == expected
    assert missing in report.write_strategy["reason"]
    assert ours(small) == {}


def test_export_only_writes_nothing_to_the_server(small: SmallServer, run_values: Values, tmp_path: Any) -> None:
    with pytest.raises(WriteError, match=r"strategy says so.*--out FOLDER"):
        by(small, WriteStrategy.EXPORT_ONLY, run_values, tmp_path)
    assert ours(small) == {}


def test_a_strategy_that_the_server_does_not_offer_is_refused(
    small: SmallServer, run_values: Values, tmp_path: Any
) -> None:
    small.transaction_offered = False
    with pytest.raises(ConfigurationError, match=r"strategy = 'transaction'.*system interaction transaction") as caught:
        by(small, WriteStrategy.TRANSACTION, run_values, tmp_path)
    assert caught.value.exit_code == 3


def test_the_default_is_the_best_that_is_offered(small: SmallServer, run_values: Values, tmp_path: Any) -> None:
    report = server_run(small, tmp_path, run_values)
    assert report.write_strategy is not None
    assert report.write_strategy["strategy"] == "transaction"
