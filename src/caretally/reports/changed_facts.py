"""Which facts changed between two answers for the same patient-month: the reason behind a correction.

Only the two stored answers are compared; a line names codes, references, seconds and dates, no free text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.reports.explanation import flatten
from caretally.reports.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def changed_facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what changed from one answer to a later one, the gravest first, one line each; empty: nothing.

    Args:
        before: line of determinations.ndjson that a claim on file was made from.
        after: the answer of now.
    """
    parts = (_gates, _entries, _documents, _conditions, _decisions, _rates, _switches, _place)
    return tuple(dict.fromkeys(line for part in parts for line in part(before, after)))


def _gates(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old = {(g["programme"], g["gate"]): g for g in before.get("trace", {}).get("gates", ())}
    for gate in after.get("trace", {}).get("gates", ()):
        earlier = old.get((gate["programme"], gate["gate"]))
        if earlier is None or earlier["passed"] == gate["passed"]:
            continue
        verdict = "passed now" if gate["passed"] else f"no longer passed ({gate.get('reason') or gate['gate']})"
        evidence = ", ".join(gate.get("evidence", ()))
        yield f"{gate['gate']}: {verdict}: {gate['found']}" + (f" [{evidence}]" if evidence else "")


def _entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = _time_of(before), _time_of(after)
    for entry in dict.fromkeys([*old, *new]):
        was, now = old.get(entry), new.get(entry)
        if was == now:
            continue
        if was is None and now is not None:
            yield f"{entry}: new, {_said(now)}"
        elif now is None and was is not None:
            yield f"{entry}: no longer in the record, had {_said(was)}"
        elif was is not None and now is not None:
            yield f"{entry}: {_said(was)} -> {_said(now)}"


def _time_of(answer: Mapping[str, Any]) -> dict[str, tuple[int, tuple[tuple[str, int], ...]]]:
    """Return for each entry the counted seconds, and the excluded ones by code."""
    counted: dict[str, int] = {}
    excluded: dict[str, dict[str, int]] = {}
    for row in answer.get("trace", {}).get("ledger", ()):
        entry = row["entry"]
        counted.setdefault(entry, 0)
        if row.get("excluded"):
            codes = excluded.setdefault(entry, {})
            codes[row["excluded"]] = codes.get(row["excluded"], 0) + row["seconds"]
        else:
            counted[entry] += row["seconds"]
    return {entry: (seconds, tuple(sorted(excluded.get(entry, {}).items()))) for entry, seconds in counted.items()}


def _said(time: tuple[int, tuple[tuple[str, int], ...]]) -> str:
    counted, excluded = time
    parts = [f"{duration(counted)} counted"] if counted or not excluded else []
    parts += [f"{duration(seconds)} excluded {code}" for code, seconds in excluded]
    return ", ".join(parts)


def _documents(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = before.get("evidence") or {}, after.get("evidence") or {}
    for name in ("consent", "care_plan", "initiating_visit", "coverage"):
        was, now = old.get(name), new.get(name)
        words = name.replace("_", " ")
        if was != now:
            yield f"{words}: {was or 'none'} -> {now or 'none'}"
        elif now is not None:
            versions = old.get("versions", {}).get(now), new.get("versions", {}).get(now)
            if versions[0] != versions[1]:
                yield f"{words}: {now} was changed (version {_short(versions[0])} -> {_short(versions[1])})"


def _short(version: str | None) -> str:
    if version is None:
        return "unknown"
    return version[:15] + "..." if version.startswith("sha256:") else version


def _conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (
        {d["reference"]: d.get("icd10cm") for d in (answer.get("evidence") or {}).get("diagnoses", ())}
        for answer in (before, after)
    )
    for reference in dict.fromkeys([*old, *new]):
        if reference not in new:
            yield f"diagnosis {old[reference]}: {reference} no longer counts"
        elif reference not in old:
            yield f"diagnosis {new[reference]}: {reference} counts now"
        elif old[reference] != new[reference]:
            yield f"diagnosis of {reference}: {old[reference]} -> {new[reference]}"


def _decisions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = ({d["id"]: d for d in (answer.get("evidence") or {}).get("decisions", ())} for answer in (before, after))
    for name, decision in new.items():
        if name not in old:
            yield f"decided since: {decision['kind']} by {decision['who']} on {decision['at'][:10]}"
    for name, decision in old.items():
        if name not in new:
            yield f"no longer counts: {decision['kind']} by {decision['who']} on {decision['at'][:10]}"


def _rates(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (
        {(line["code"], line["service_date"], line["units"]): line for line in answer.get("lines", ())}
        for answer in (before, after)
    )
    changed = [
        f"{key[0]} {what}: {old[key].get(what)} -> {line.get(what)}"
        for key, line in new.items()
        if key in old
        for what in ("amount", "charge")
        if old[key].get(what) != line.get(what)
    ]
    yield from changed
    versions = [answer.get("trace", {}).get("tables_version") for answer in (before, after)]
    if versions[0] and versions[1] and versions[0] != versions[1]:
        yield f"the code and rate tables were changed ({versions[0][:12]} -> {versions[1][:12]})"


def _switches(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (answer.get("trace", {}) for answer in (before, after))
    if old.get("payer") != new.get("payer"):
        yield f"policy of payer: {old.get('payer') or 'none'} -> {new.get('payer') or 'none'}"
    was, now = flatten(old.get("policy", {})), flatten(new.get("policy", {}))
    for name in dict.fromkeys([*was, *now]):
        if name in was and name in now and was[name] != now[name]:
            yield f"switch {name}: {was[name]} -> {now[name]}"


def _place(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    was, now = before.get("place_of_service"), after.get("place_of_service")
    if was is not None and was != now:
        yield f"place of service: {was} -> {now}"
