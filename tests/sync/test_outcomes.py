"""Each row of docs/reference/writing.md, "What can happen": one written-down way, and the other patients go on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sync.practices import golden, together
from tests.sync.small_server import SmallServer, answer, outcome
from tests.sync.test_run import STAFF_20, Killed
from tests.sync.test_strategies import by, live, ours, versions

from caretally.cli.outbox_command import _STATES
from caretally.facts import exact_json
from caretally.fhir.capability import WriteStrategy
from caretally.store import StoreBinding, open_store, outbox

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "writing.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What can happen")[2].partition("```")[0]
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", TABLE, re.MULTILINE))
Handler = Callable[[httpx.Request], httpx.Response | None]
HURT = b'"Patient/a-pat"'


@dataclass
class Scenario:
    """What the server does to the first patient's month; `again`: what the next run, without faults, must find."""

    fault: Callable[[SmallServer], Handler]
    strategy: WriteStrategy = WriteStrategy.TRANSACTION
    others_go_on: bool = True
    kills: str = ""
    prepare: Callable[[SmallServer], None] = lambda _small: None
    settles: bool = True
    said: tuple[str, ...] = ()
    shown: tuple[str, ...] = field(default=())


def writes(request: httpx.Request) -> bool:
    return request.method in {"PUT", "POST"} and not request.url.path.endswith("_search") and HURT in request.content


def answers(status: int, text: str = "", **headers: str) -> Callable[[SmallServer], Handler]:
    def make(_small: SmallServer) -> Handler:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if not writes(request):
                return None
            refused = outcome(status, text)
            refused.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
            return refused

        return fault

    return make


def lost(part: int | None) -> Callable[[SmallServer], Handler]:
    """The request arrives (part: only so many of its entries are carried out; 0: none), its answer does not."""

    def make(small: SmallServer) -> Handler:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if not writes(request):
                return None
            bundle = exact_json.loads(request.content)
            small.transact({**bundle, "entry": bundle["entry"][:part]})
            raise httpx.ReadTimeout("gone", request=request)

        return fault

    return make


def half_an_answer(small: SmallServer) -> Handler:
    def fault(request: httpx.Request) -> httpx.Response | None:
        if not writes(request):
            return None
        document = exact_json.loads(small.transact(exact_json.loads(request.content)).content)
        return answer(200, {**document, "entry": document["entry"][:1]})

    return fault


def somebody_else(change: dict[str, Any]) -> Callable[[SmallServer], Handler]:
    """Another program writes the same ids, with other content or none, just before us."""

    def make(small: SmallServer) -> Handler:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if writes(request) and not any("cm-" in name for name in small.held):
                for entry in exact_json.loads(request.content)["entry"]:
                    small.keep(
                        {**entry["resource"], **(change if entry["resource"]["resourceType"] == "Claim" else {})}
                    )
            return None

        return fault

    return make


def growing(small: SmallServer) -> Handler:
    """Another adapter with the same decision is two resources ahead of us, and goes on while we look."""
    meant: list[dict[str, Any]] = []

    def fault(request: httpx.Request) -> httpx.Response | None:
        if writes(request) and not meant:
            meant.extend(entry["resource"] for entry in exact_json.loads(request.content)["entry"])
            for resource in (meant.pop(0), meant.pop(0)):
                small.keep(resource)
        elif request.method == "GET" and meant and request.url.path.endswith(meant[-1]["id"]):
            small.keep(meant.pop(0))
            meant.extend([{"id": "nobody asks for this"}] if not meant else [])
        return None

    return fault


def busy(_small: SmallServer) -> Handler:
    """Two transactions touched the same rows of the server's tables."""
    refusals = iter([outcome(409, "try again")])
    return lambda request: next(refusals, None) if writes(request) else None


def no_star(_small: SmallServer) -> Handler:
    return lambda request: (
        outcome(412, "If-None-Match?") if writes(request) and b"ifNoneMatch" in request.content else None
    )


def refuses_claim(then: int | None = None) -> Callable[[SmallServer], Handler]:
    """Charges are taken, the claim is refused; and where `then` says so, undoing the charges too."""

    def make(_small: SmallServer) -> Handler:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if writes(request) and b'"resourceType":"Claim"' in request.content:
                return outcome(422, "no such payer")
            undoing = writes(request) and b'"aborted"' in request.content
            return outcome(then, "no") if then is not None and undoing else None

        return fault

    return make


def unreachable(_small: SmallServer) -> Handler:
    def fault(request: httpx.Request) -> httpx.Response | None:
        if writes(request):
            raise httpx.ConnectError("refused", request=request)
        return None

    return fault


def named_entry(_small: SmallServer) -> Handler:
    def fault(request: httpx.Request) -> httpx.Response | None:
        if not writes(request):
            return None
        issue = {
            "severity": "error",
            "code": "invalid",
            "diagnostics": "bad",
            "expression": ["Bundle.entry[3].resource"],
        }
        return answer(422, {"resourceType": "OperationOutcome", "issue": [issue]})

    return fault


def nothing(_small: SmallServer) -> Handler:
    return lambda _request: None


SCENARIOS = {
    "accepted": Scenario(nothing),
    "already there as decided": Scenario(somebody_else({})),
    "the answer is lost, all of it is there": Scenario(lost(None)),
    "the answer is lost, nothing is there": Scenario(lost(0)),
    "the answer is lost, part of it is there": Scenario(lost(2)),
    "the answer does not account for every entry": Scenario(half_an_answer),
    "409 or 412, changed by somebody else": Scenario(
        somebody_else({"priority": {"text": "a person's"}}), settles=False, said=("exists",)
    ),
    "409 or 412, another adapter is writing the same": Scenario(growing),
    "409, nothing is there and nothing was changed": Scenario(busy),
    "412, the server does not know If-None-Match": Scenario(no_star),
    "422 or 400": Scenario(answers(422, "no such payer"), said=("no such payer",)),
    "a transaction refused because of one entry": Scenario(named_entry, said=("bad",), shown=("for the Claim",)),
    "a single PUT refused after others": Scenario(
        refuses_claim(), strategy=WriteStrategy.SINGLE_PUT, said=("no such payer",)
    ),
    "undoing fails too": Scenario(refuses_claim(then=500), strategy=WriteStrategy.SINGLE_PUT),
    "401 or 403": Scenario(answers(403, "no-such-right"), said=("no-such-right",)),
    "429, or 503 with Retry-After": Scenario(answers(503, "", retry_after="3600"), others_go_on=False),
    "no connection": Scenario(unreachable, others_go_on=False),
    "500 or another 5xx": Scenario(answers(500, "boom")),
    "killed before sending": Scenario(nothing, kills="server:before-send", others_go_on=False),
    "killed after the server has committed": Scenario(nothing, kills="server:after-send", others_go_on=False),
}


def test_every_row_has_its_test() -> None:
    assert [name for name in ROWS if name not in {"What happens", "---"}] == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_row(name: str, run_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = SCENARIOS[name]
    resources = together(golden("G02", "a-"), golden("G05", "b-", month="2025-01", entries=[STAFF_20]))
    small = SmallServer((row for rows in resources.values() for row in rows), page=100)
    small.faults.append(scenario.fault(small))
    if scenario.kills:
        die_at(scenario.kills, monkeypatch)
        with pytest.raises(Killed):
            by(small, scenario.strategy, run_values, tmp_path)
        monkeypatch.undo()
    else:
        by(small, scenario.strategy, run_values, tmp_path)
    assert ROWS[name] == _STATES[state_of(small, tmp_path, scenario)]
    assert bool(live_of(small, "b-pat")) == scenario.others_go_on
    settle(small, scenario, run_values, tmp_path)


def die_at(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(passed: str) -> None:
        if passed == place:
            raise Killed

    monkeypatch.setattr("caretally.sync.sinks.sending.failpoint", die)


def live_of(small: SmallServer, patient: str) -> list[str]:
    return [name for name in live(small, "Claim") if small.held[name]["patient"]["reference"] == f"Patient/{patient}"]


def state_of(small: SmallServer, tmp_path: Path, scenario: Scenario) -> outbox.IntentState:
    """The state of the first patient's intent, and what was kept of the server's words."""
    binding = StoreBinding(target=f"server:{small.server().base_url}", tenant="default")
    with open_store(tmp_path / "store" / "caretally.sqlite", binding=binding, opened_at="x") as store:
        (intent,) = [one for one in outbox.find_intents(store, "") if one.patient == "Patient/a-pat"]
        said = outbox.outcomes_of(store, intent.id)
        if scenario.said:
            issues = said[-1].document["outcome"]["issue"]
            assert tuple(issue["diagnostics"] for issue in issues) == scenario.said
        for words in scenario.shown:
            assert words in said[-1].document["message"]
        assert not any(text in one.document["message"] for one in said for text in ("a-pat", *scenario.said))
        return intent.state


def settle(small: SmallServer, scenario: Scenario, values: dict[str, Any], tmp_path: Path) -> None:
    """The next run, without the fault, brings everything to what was decided, once; a third finds nothing to do."""
    small.faults.clear()
    report = by(small, scenario.strategy, values, tmp_path)
    assert report.error() is None
    if not scenario.settles:
        assert report.reasons == {"R-HUMAN-EDIT": 1}
        return
    assert (len(live_of(small, "a-pat")), len(live_of(small, "b-pat"))) == (1, 1)
    assert len(live(small, "ChargeItem")) == 4
    before = versions(small)
    assert by(small, scenario.strategy, values, tmp_path).writes == {}
    assert versions(small) == before
    binding = StoreBinding(target=f"server:{small.server().base_url}", tenant="default")
    with open_store(tmp_path / "store" / "caretally.sqlite", binding=binding, opened_at="x") as store:
        assert outbox.listed_intents(store) == []
    assert ours(small)
