"""Everything that the program writes, gathered for the validators: cases, the demonstration, corrections and voids."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally.billing import ClaimIdentity, State, advance, approve
from caretally.facts.exact_json import loads
from tests.billing.samples import AUTOMATIC, CONTEXT, DECISION, Sink, billable, held, line, not_billable
from tests.cli.january import STAFF_45, January
from tests.cli.running import DEMO, inside
from tests.mapping.patients import GOLDEN, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.facts.determination import Determination

Resource = dict[str, Any]
CASES = [json.loads(text) for text in (GOLDEN / "cases.jsonl").read_text().splitlines()]
MONTHS = sorted({c["month"] for c in CASES} | {c["expect_also"]["month"] for c in CASES if "expect_also" in c})
LATER = replace(CONTEXT, created=date(2025, 3, 1), recorded="2025-03-01T09:00:00Z")
ONE, TWO = billable(), billable(line("99490", 13), line("99439", 20, charge="60.50"))
FREQUENCY = {"correction": "frequency"}


def read(folder: Path, *kinds: str) -> list[Resource]:
    files = [folder / f"{kind}.ndjson" for kind in kinds] if kinds else sorted(folder.glob("*.ndjson"))
    return [loads(text) for file in files if file.exists() for text in file.read_bytes().splitlines() if text.strip()]


def as_of(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02d}-10"


def written(source: Path, months: list[str], out: Path, configuration: Path | None = None) -> list[Resource]:
    """What the command line writes for some months of a folder."""
    for month in months:
        words = ("apply", source, "--month", month, "--as-of", as_of(month), "--out", out)
        done = inside(*(("--config", configuration) if configuration else ()), *words)
        assert done.code == 0, done.err
    return read(out, "Claim", "ChargeItem", "Provenance")


def golden_written(folder: Path) -> list[Resource]:
    """What is written for the golden cases as one practice, all months."""
    for case in CASES:
        script().write(folder / "golden", script().Case(case, case["id"].lower() + "-").build(), "a")
    (folder / "golden" / "caretally.toml").write_text(script().config({}))
    return written(folder / "golden", MONTHS, folder / "golden-out", folder / "golden" / "caretally.toml")


def demo_written(folder: Path) -> list[Resource]:
    return written(DEMO, ["2025-01", "2025-02"], folder / "demo-out", DEMO / "caretally.toml")


def packet_written(folder: Path) -> list[Resource]:
    """What a payer gets who asks for the records of a claim: a document Bundle."""
    january = January(folder / "packet", a=STAFF_45)
    january.apply()
    january.approve("a-pat")
    out = folder / "packet.json"
    january.call("packet", january.out, f"Claim/{january.live()[0]['id']}", "--format", "fhir", "--out", out)
    return [loads(out.read_bytes())]


def scenarios() -> Iterator[tuple[str, Sink]]:
    """Claims on every way through their life."""
    for name, first, then, at in (
        ("draft brought in line", ONE, TWO, CONTEXT),
        ("draft withdrawn", TWO, not_billable(), CONTEXT),
        ("draft held", TWO, held(), CONTEXT),
        ("charges only", TWO, ONE, replace(CONTEXT, resources="charges")),
        ("claims only", TWO, ONE, replace(CONTEXT, resources="claims")),
        ("organization bills", TWO, ONE, replace(CONTEXT, provider="organization")),
        ("no charge known", billable(line("99490", 13, charge=None)), ONE, CONTEXT),
        ("month as a span", billable(*TWO.lines, policy={"service_date_form": "month_span"}), ONE, CONTEXT),
    ):
        sink = Sink()
        sink.run(first, at)
        sink.run(then, replace(at, created=LATER.created, recorded=LATER.recorded))
        yield name, sink
    for name, policy, control_number, then in (
        ("replacement by frequency", FREQUENCY, "PCN-1", TWO),
        ("void by frequency", FREQUENCY, "PCN-1", not_billable(policy=FREQUENCY)),
        ("replacement of a released claim", {"correction": "manual"}, None, TWO),
        ("void of a released claim", {"correction": "manual"}, None, not_billable()),
    ):
        yield name, corrected(policy, control_number, then)


def corrected(policy: dict[str, Any], control_number: str | None, then: Determination) -> Sink:
    """A released claim, sent where there is a control number, then corrected by a person."""
    sink = Sink()
    first = billable(policy=policy)
    sink.run(first, AUTOMATIC)
    identity = ClaimIdentity.of(first, CONTEXT.tenant)
    if control_number:
        sink.apply(advance(identity, sink.on_file, CONTEXT, State.SENT, DECISION, control_number=control_number))
    then = replace(then, trace=replace(then.trace, policy=first.trace.policy))
    sink.apply(approve(then, sink.on_file, LATER, DECISION, patient_in_complete_pull=True))
    return sink


def scenario_resources() -> Iterator[Resource]:
    for _, sink in scenarios():
        for kind in ("Claim", "ChargeItem", "Provenance"):
            yield from sink.all(kind)


@lru_cache
def golden_inputs() -> tuple[str, ...]:
    """Every golden input resource once: what differs in the name of its case only is the same resource."""
    found = set()
    for case in CASES:
        for rows in script().Case(case).build().values():
            found |= {json.dumps(row).replace(case["id"], "CASE") for row in rows}
    return tuple(sorted(found))
