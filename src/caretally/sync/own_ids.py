"""Ids of ours on a server that chooses the ids itself.

What is planned, compared and kept has ids of ours. Where a server gives its own, the id of ours travels on the
resource: as an identifier, or, for a Provenance, which has none, as a tag. Reading puts it back, so that every
machine sees the same claim whatever the server calls it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from caretally.billing.content import LIVE, state_of
from caretally.facts.codes import CANONICAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RESOURCE_ID = f"{CANONICAL}/identifier/resource-id"
"""System of the identifier or tag that holds an id of ours, for example ``cm-…``."""
OWN_TYPES = frozenset({"Claim", "ChargeItem", "Provenance"})


_OWN = re.compile(r"(?:Claim/cm|ChargeItem/ci|Provenance/pv)-[a-z2-7]{32}")


def is_own_id(reference: str) -> bool:
    """Whether a reference has the form of an id of ours; a server's own hardly can."""
    return _OWN.fullmatch(reference) is not None


def condition_for(reference: str) -> list[tuple[str, str]]:
    """Return the search that finds a resource by its id of ours, for example ``Claim/cm-…``."""
    kind, _, own = reference.partition("/")
    return [("_tag" if kind == "Provenance" else "identifier", f"{RESOURCE_ID}|{own}")]


def own_reference(resource: Mapping[str, Any]) -> str | None:
    """Return ``Type/id`` with the id of ours that a resource carries; None when it carries none."""
    kind = resource.get("resourceType")
    marks: Any = resource.get("identifier")
    key = "value"
    if kind == "Provenance":
        meta = resource.get("meta")
        marks, key = (meta.get("tag") if isinstance(meta, dict) else None), "code"
    for mark in marks if isinstance(marks, list) else ():
        if isinstance(mark, dict) and mark.get("system") == RESOURCE_ID and isinstance(mark.get(key), str):
            return f"{kind}/{mark[key]}"
    return None


def in_own_ids(resources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return resources with the ids of ours that they carry, also where they refer to one another.

    Of two that carry the same id, copies of a lost race, the one that is live and first by the server's id gets
    it; the other keeps the server's, so that it can be taken back.
    """
    places: dict[str, str] = {}
    for resource in sorted(resources, key=first_live):
        own = own_reference(resource)
        if own is not None and own not in places.values():
            places[f"{resource['resourceType']}/{resource.get('id')}"] = own
    if all(place == own for place, own in places.items()):
        return list(resources)
    return [_renamed(resource, places) for resource in resources]


def first_live(resource: Mapping[str, Any]) -> tuple[bool, str]:
    """Sort copies of one resource: what has not been taken back first, then by the server's id."""
    known = resource.get("resourceType") in {"Claim", "ChargeItem"}
    return (known and state_of(dict(resource)) not in LIVE, str(resource.get("id")))


def as_sent(resource: Mapping[str, Any], reference: str, places: Mapping[str, str]) -> dict[str, Any]:
    """Return a resource as it goes to a server that chooses the ids.

    Args:
        resource: with ids of ours.
        reference: ``Type/id`` with its id of ours.
        places: where the server keeps the others, by reference with the id of ours.

    Returns:
        Without id, with its mark, references as the server knows them.
    """
    sent: dict[str, Any] = _with_places({key: value for key, value in resource.items() if key != "id"}, places)
    own = reference.partition("/")[2]
    if resource["resourceType"] == "Provenance":
        meta = dict(sent.get("meta") or {})
        tags = [tag for tag in meta.get("tag") or () if tag.get("system") != RESOURCE_ID]
        return {**sent, "meta": {**meta, "tag": [*tags, {"system": RESOURCE_ID, "code": own}]}}
    marks = [mark for mark in sent.get("identifier") or () if mark.get("system") != RESOURCE_ID]
    return {**sent, "identifier": [*marks, {"system": RESOURCE_ID, "value": own}]}


def own_references_in(resource: Mapping[str, Any]) -> set[str]:
    """Return what of ours a resource refers to, by ids as they stand in it."""
    return {text for text in _references(resource) if text.partition("/")[0] in OWN_TYPES}


def _renamed(resource: dict[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    own = places.get(f"{resource['resourceType']}/{resource.get('id')}")
    if resource["resourceType"] not in OWN_TYPES:
        return resource
    renamed: dict[str, Any] = _with_places(resource, places)
    return renamed if own is None else {**renamed, "id": own.partition("/")[2]}


def _with_places(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_with_places(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_places(item, places) for key, item in value.items()}
    if isinstance(value.get("reference"), str):
        place, mark, version = value["reference"].partition("/_history/")
        if place in places:
            changed["reference"] = places[place] + mark + version
    return changed


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"].partition("/_history/")[0]
        for item in value.values():
            yield from _references(item)
