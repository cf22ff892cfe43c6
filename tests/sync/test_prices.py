"""The price list from folder and server to claim and trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cli.running import inside
from tests.mapping.patients import resources
from tests.mapping.test_prices import definition, group
from tests.sync.small_server import SmallServer

from caretally.reports.explanation import explain_text, render
from caretally.store import staging
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caretally.store.opening import Store
    from caretally.sync.pulling import PullRequest
    from caretally.tables import Tables

RATE = {"coding": [{"system": "https://caretally.example/fhir/CodeSystem/price-kind", "code": "payer-rate"}]}
CONFIGURATION = '[policy]\nzone = "America/New_York"\nother_claims_known = "full"\n'


def applied(folder: Path, prices: list[dict[str, Any]], more: str = "") -> dict[str, Any]:
    """Apply January of one golden patient with a price list; return the answer and what was written."""
    source = folder / "source"
    source.mkdir(parents=True)
    for resource in (*resources("G02"), *prices):
        with (source / f"{resource['resourceType']}.ndjson").open("a") as file:
            file.write(json.dumps(resource) + "\n")
    (folder / "caretally.toml").write_text(CONFIGURATION + more)
    words = ("apply", source, "--month", "2025-01", "--as-of", "2025-02-10", "--out", folder / "out")
    done = inside("--config", folder / "caretally.toml", *words)
    assert done.code == 0, done.err
    found = {
        kind: [json.loads(text) for text in (folder / "out" / f"{kind}.ndjson").read_text().splitlines()]
        for kind in ("determinations", "ChargeItem", "Claim")
    }
    found["issues"] = [json.loads(text) for text in (folder / "out" / "issues.ndjson").read_text().splitlines()]
    return found


def rate(found: dict[str, Any]) -> tuple[str, str]:
    """Where amount and charge of 99490 come from, as the trace says."""
    (answer,) = found["determinations"]
    return next(
        (r["amount_from"], r["charge_from"]) for r in answer["trace"]["ground"]["rates"] if r["code"] == "99490"
    )


def notices(found: dict[str, Any]) -> set[str]:
    return {notice["code"] for notice in found["determinations"][0]["notices"]}


def test_without_a_price_list_the_rate_is_asked_and_says_so(tmp_path: Path) -> None:
    found = applied(tmp_path, [])
    assert rate(found) == ("tables, national", "amount")
    assert "W-CHARGE-IS-RATE" in notices(found)


def test_a_price_list_gives_the_charge_and_the_trace_names_it(tmp_path: Path) -> None:
    allowed = group(59.99, component={"type": "informational", "code": RATE})
    found = applied(tmp_path, [definition("d1", group(85.5), allowed)])
    assert rate(found) == ("ChargeItemDefinition/d1", "ChargeItemDefinition/d1")
    line = found["determinations"][0]["lines"][0]
    assert (line["amount"], line["charge"]) == ("59.99", "85.50")
    assert found["Claim"][0]["item"][0]["net"] == {"value": 85.5, "currency": "USD"}
    assert found["ChargeItem"][0]["definitionCanonical"] == ["https://practice.example/price/d1|1"]
    said = render(explain_text(found["determinations"][0]))
    assert "charge by the price list: ChargeItemDefinition/d1" in said


def test_the_fee_schedule_of_the_site_goes_before_the_price_list(tmp_path: Path) -> None:
    fees = '[site.main]\nfee_schedule = { "99490" = "77.00" }\n'
    found = applied(tmp_path, [definition()], fees)
    assert rate(found) == ("tables, national", "fee schedule of site main")
    assert found["determinations"][0]["lines"][0]["charge"] == "77.00"


def test_contradicting_prices_are_told_and_none_is_used(tmp_path: Path) -> None:
    found = applied(tmp_path, [definition("d1"), definition("d2", group(99))])
    assert rate(found) == ("tables, national", "amount")
    (notice,) = [n for n in found["determinations"][0]["notices"] if n["code"] == "W-PRICE-UNCLEAR"]
    assert notice["evidence"] == ["ChargeItemDefinition/d1", "ChargeItemDefinition/d2"]


def test_a_price_that_is_refused_is_an_issue_row(tmp_path: Path) -> None:
    found = applied(tmp_path, [definition("d1", group(component={"factor": 2}))])
    assert [i["code"] for i in found["issues"] if i["resource"] == "ChargeItemDefinition/d1"] == ["price-factor"]


def test_the_whole_list_is_read_from_a_server(
    store: Store, tables: Tables, pull_request: Callable[..., PullRequest]
) -> None:
    small = SmallServer([*resources("G02"), definition("d1", group(85)), definition("d2", group(85), status="retired")])
    small.types.append("ChargeItemDefinition")
    source = ServerSource(server=small.server(), terminology=tables.terminology)
    with staging.StagingWriter(store, "pull", staging.SOURCE) as writer:
        source.pull(pull_request(), writer)
    held = {row.reference for row in staging.of_types(store, "pull", ["ChargeItemDefinition"])}
    assert held == {"ChargeItemDefinition/d1", "ChargeItemDefinition/d2"}


def test_a_server_that_does_not_give_its_list_is_read_without_it(
    store: Store, tables: Tables, pull_request: Callable[..., PullRequest]
) -> None:
    small = SmallServer([*resources("G02"), definition("d1")])
    small.types.remove("ChargeItemDefinition")
    source = ServerSource(server=small.server(), terminology=tables.terminology)
    with staging.StagingWriter(store, "pull", staging.SOURCE) as writer:
        result = source.pull(pull_request(), writer)
    assert ("ChargeItemDefinition", "type-not-offered") in {(i.resource, i.code) for i in result.issues}
    assert not result.gaps
