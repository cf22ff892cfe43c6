"""Work an answer out again from what `explain --json` prints, in the plainest way and without the rules.

Nothing of `caretally` is imported. The lines of the document are not looked at; gates, ledger and ground are.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

Json = dict[str, Any]
Row = tuple[str, int]
"""Date and seconds."""


class Reached(NamedTuple):
    """What one ladder makes of some time."""

    family: Json
    rows: list[Row]
    steps: list[tuple[str, str]]
    """Code and date of each unit."""


def agrees(document: Json) -> int:
    """Hold the lines of a document against those that follow from its trace; return how many there are."""
    # What is printed is what a reader has: no tuple, no date survives the way through JSON.
    document = json.loads(json.dumps(document))
    ground = document["trace"]["ground"]
    open_month = ground["as_of"] < ground["closes_on"]
    told = document["projected"] if open_month else document["lines"]
    found = [[x["code"], x["units"], x["service_date"], x["amount"], x["charge"]] for x in told]
    assert lines(document) == found
    assert not (document["lines"] if open_month else document["projected"])
    return len(found)


def lines(document: Json) -> list[list[Any]]:
    """Return code, units, date, amount and charge of each line that should be billed."""
    ground, trace = document["trace"]["ground"], document["trace"]
    stopped = any(c["outcome"] == "failed" and c["effect"] == "block" for c in document["pre_submission"])
    if ground["questions"] or stopped:
        return []
    ready, waiting = {}, []
    for name in trace["programmes"]:
        found = billed(document, name)
        failed = [gate for gate in trace["gates"] if gate["programme"] == name and gate["standing"]]
        if found is None or any(not gate["held"] for gate in failed):
            continue
        coverage = covered(ground, {day for _, day in found})
        if coverage == "none":
            continue
        if failed or coverage == "another":
            waiting.append(name)
        else:
            ready[name] = found
    chosen = ground["chosen_programme"]
    if chosen in ready:
        beside = [n for n in trace["programmes"] if n != chosen and not clash(ground["programmes"], chosen, n)]
        ready = {n: found for n, found in ready.items() if n == chosen or n in beside}
        waiting = [n for n in waiting if n in beside]
    if waiting or any(clash(ground["programmes"], one, other) for one, other in combinations(ready, 2)):
        return []
    return [line for found in ready.values() for line in written(ground, found)]


def clash(programmes: Json, one: str, other: str) -> bool:
    """Whether two programmes cannot be billed side by side, or not for one disease."""
    mine, theirs = programmes[one], programmes[other]
    if other in mine["exclusive_with"] or one in theirs["exclusive_with"]:
        return True
    apart = other in mine["apart_from"] or one in theirs["apart_from"]
    return apart and bool(set(mine["diseases"]) & set(theirs["diseases"]))


def covered(ground: Json, days: set[str]) -> str:
    """Say whether the coverage that pays is in force on all days: ``yes``, ``another`` one is, or ``none``."""

    def holds(coverage: Json, day: str) -> bool:
        return (coverage["start"] or "") <= day <= (coverage["end"] or "9999")

    coverages = ground["coverages"]
    if not all(any(holds(c, day) for c in coverages) for day in days):
        return "none"
    return "yes" if all(holds(coverages[0], day) for day in days) else "another"


def written(ground: Json, found: list[tuple[str, str]]) -> list[list[Any]]:
    """Return the lines: one for a code and date, with what a unit of it pays."""
    rates = {(rate["code"], rate["date"]): rate for rate in ground["rates"]}
    result = []
    for (code, day), units in Counter(found).items():
        amounts = [rates[code, day][kind] for kind in ("amount", "charge")]
        result.append([code, units, day, *(None if a is None else str(Decimal(a) * units) for a in amounts)])
    return result


def billed(document: Json, name: str) -> list[tuple[str, str]] | None:
    """Return code and date of each unit of a programme; None when no base code is reached."""
    trace = document["trace"]
    ground, policy = trace["ground"], trace["policy"]
    programme = ground["programmes"][name]
    families, kind = programme["families"], policy["physician_time"]
    pool = [(r["date"], r["seconds"]) for r in trace["ledger"] if r["programme"] == name and r["excluded"] is None]
    own, staff = (one_side(trace["ledger"], name, side) for side in ("practitioner_time", "staff_time"))

    def reached(group: list[Json], rows: list[Row]) -> Reached | None:
        return next((r for r in (climb(f, rows, policy) for f in group) if r.steps), None)

    personal = [f for f in families if f["pool"] == "practitioner"]
    plain = [f for f in families if f["pool"] == "staff" and not f["complex"]]
    hard = [f for f in families if f["complex"]]
    staff_pool = staff if kind == "separate" else pool
    if programme["physician_elected"] and kind != "roll_up" and (taken := reached(personal, own)):
        return dated(taken, ground, policy)
    without = None
    if not staff and kind == "auto":
        without = reached(personal, own)
    without = without or reached(plain, staff_pool)
    if without is None and kind == "separate":
        without = reached(personal, own)
    complicated = reached(hard, staff_pool) if complexity(programme, policy) else None
    chosen = complicated or without
    if complicated and without and policy["ccm_vs_cccm"] == "highest_allowed":
        more, less = (value(ground, dated(r, ground, policy)) for r in (without, complicated))
        chosen = without if more is not None and less is not None and more > less else complicated
    return None if chosen is None else dated(chosen, ground, policy)


def complexity(programme: Json, policy: Json) -> bool:
    """Whether the complex ladder is open."""
    if policy["ccm_vs_cccm"] == "never_complex":
        return False
    if policy["cccm_requires_plan_revision"] and not programme["plan_revised"]:
        return False
    return programme["decision_making"] in {"moderate", "high"}


def value(ground: Json, found: list[tuple[str, str]]) -> Decimal | None:
    """Return what some units pay; None when a rate is missing."""
    amounts = [line[3] for line in written(ground, found)]
    return None if None in amounts else sum((Decimal(a) for a in amounts), Decimal(0))


def one_side(ledger: list[Json], name: str, side: str) -> list[Row]:
    """Return the time of the practitioner or of staff, each second once: overlap with the other side is its own."""
    rows = [
        row
        for row in ledger
        if row["programme"] == name
        and row[side]
        and (row["excluded"] is None or (row["excluded"] == "X-OVERLAP" and "another programme" not in row["detail"]))
    ]
    found: list[Row] = []
    until = None
    for row in sorted(rows, key=lambda r: (r["date"], r["start"] is None, r["start"] or 0)):
        if row["start"] is None:
            found.append((row["date"], row["seconds"]))
            continue
        start = row["start"] if until is None else max(row["start"], until)
        if row["end"] > start:
            found.append((row["date"], row["end"] - start))
            until = row["end"]
    return found


def climb(family: Json, rows: list[Row], policy: Json) -> Reached:
    """Climb one ladder: a unit for each full step, as many as the cap allows."""
    total = sum(seconds for _, seconds in rows)
    if policy["rounding"] == "floor_total":
        total -= total % 60
    steps: list[tuple[str, str]] = []
    threshold = family["base_seconds"]
    while total >= threshold:
        code = family["add_on"] if steps else family["base"]
        steps.append((code, day_of(rows, threshold)))
        if family["add_on"] is None or (family["add_on_cap"] is not None and len(steps) > family["add_on_cap"]):
            break
        threshold += family["add_on_seconds"]
    return Reached(family, rows, steps)


def day_of(rows: list[Row], threshold: int) -> str:
    """Return the date of the second that completes a total."""
    total = 0
    for day, seconds in rows:
        total += seconds
        if total >= threshold:
            return day
    raise AssertionError("a threshold beyond the time")


def dated(found: Reached, ground: Json, policy: Json) -> list[tuple[str, str]]:
    """Date the units by the payer's rule."""
    days = [day for _, day in found.steps]
    day = {
        "threshold": None,
        "with_last": max(days),
        "last_entry": max(day for day, _ in found.rows),
        "month_end": max(ground["last_service_date"], *days),
    }[policy["dos"]]
    return [(code, own if day is None else day) for code, own in found.steps]
