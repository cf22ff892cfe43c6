"""Which Patient records are one person: two records of one beneficiary are one patient-month, billed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.store import staging
from caretally.sync.resources import read_body, reference_text
from caretally.sync.sinks.folder import own_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.facts.calendar import ServiceMonth
    from caretally.store.opening import Store
    from caretally.store.staging import StagedResource


def join_linked_records(
    store: Store, pull_id: str, month: ServiceMonth, same_person: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """File everything about linked records (Patient.link, of any type) under one of them.

    The record that a claim of ours for the month names comes first, because the claim's identity hangs on it;
    then the one that a person said stands; then a record in use before one that was replaced; then the first by
    name.

    Args:
        store: with the pull.
        pull_id: of the pull.
        month: the month in question.
        same_person: pairs of records that a person said are one, the one that stands first.

    Returns:
        For each record that was joined to another one, which.
    """
    links: dict[str, set[str]] = {}
    retired: set[str] = set()
    for row in staging.stream_type(store, pull_id, "Patient"):
        record = read_body(row.body)
        others = [key for key in reference_text(record, "link.other") if key.startswith("Patient/")]
        for other in others:
            links.setdefault(row.reference, set()).add(other)
            links.setdefault(other, set()).add(row.reference)
        if record.get("active") is False or _replaced(record):
            retired.add(row.reference)
    for stands, other in same_person:
        links.setdefault(stands, set()).add(other)
        links.setdefault(other, set()).add(stands)
    standing = {stands for stands, _ in same_person} - {other for _, other in same_person}
    present = staging.present(store, pull_id, links)
    canonical: dict[str, str] = {}
    for group in _groups(links, present):
        first = _first(store, pull_id, group, retired, standing, str(month))
        canonical |= {record: first for record in group if record != first}
    staging.join_patients(store, pull_id, canonical)
    return canonical


def _replaced(record: dict[str, Any]) -> bool:
    links = record.get("link")
    return any(isinstance(one, dict) and one.get("type") == "replaced-by" for one in links or ())


def _groups(links: dict[str, set[str]], present: set[str]) -> Iterable[list[str]]:
    """Give the records that hang together; one that is not in the pull joins the others, but is not one of them."""
    seen: set[str] = set()
    for start in sorted(links):
        if start in seen:
            continue
        group, waiting = {start}, [start]
        while waiting:
            new = links[waiting.pop()] - group
            group |= new
            waiting += new
        seen |= group
        members = sorted(group & present)
        if len(members) > 1:
            yield members


def _first(store: Store, pull_id: str, group: list[str], retired: set[str], standing: set[str], month: str) -> str:
    rows = staging.of_patients(store, pull_id, group)
    claimed = [record for record in group if any(_is_claim_of(row, month) for row in rows[record])]

    def rank(record: str) -> tuple[bool, bool, bool]:
        return (record not in claimed, record not in standing, record in retired)

    return min(group, key=rank)


def _is_claim_of(row: StagedResource, month: str) -> bool:
    if row.resource_type not in {"Claim", "ChargeItem"}:
        return False
    resource = read_body(row.body)
    taken_back = resource.get("status") in {"cancelled", "aborted", "not-billable", "entered-in-error"}
    return own_key(resource) is not None and month_of(resource) == month and not taken_back


def month_of(resource: dict[str, Any]) -> str | None:
    """Return the service month of a claim or charge of ours, ``2025-01``; None where it says none."""
    period = resource.get("billablePeriod")
    text = period.get("start") if isinstance(period, dict) else resource.get("occurrenceDateTime")
    return text[:7] if isinstance(text, str) else None
