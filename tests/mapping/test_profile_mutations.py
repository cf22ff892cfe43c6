"""Each element that a profile of ours speaks about is dropped, doubled, retyped or moved: facts, or a refusal."""

from __future__ import annotations

import copy
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.patients import PRACTICE_TYPES, Resource, mapped, resources
from tests.mapping.test_mutations import ODD
from tests.mapping.test_prices import definition, practice

pytestmark = pytest.mark.prove
EXAMPLES = 5_000 if os.environ.get("CARETALLY_PROVE") else 500
PROFILES = Path(__file__).parents[2] / "profiles" / "resources"
READ = ("cm-time-entry-encounter", "cm-consent", "cm-care-plan", "cm-charge-item-definition")
CASES = ("G02", "G08", "G23", "G31", "G36", "G37")


@lru_cache
def elements(profile: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The type of a profile, and the way to each element that it names or that its base asks for."""
    document = json.loads((PROFILES / f"StructureDefinition-{profile}.json").read_bytes())
    ways = {tuple(row["path"].split(".")[1:]) for row in document["differential"]["element"]}
    return document["type"], (*sorted(way for way in ways if way), ("status",), ("code",), ("type",))


def holders(node: Any, way: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Every place that a way leads to, as the object or list that holds it and its key."""
    if isinstance(node, list):
        return [found for item in node for found in holders(item, way)]
    if not isinstance(node, dict):
        return []
    names = [name for name in node if name == way[0] or (way[0].endswith("[x]") and name.startswith(way[0][:-3]))]
    if len(way) == 1:
        return [(node, name) for name in names]
    return [found for name in names for found in holders(node[name], way[1:])]


def inside(node: Any) -> list[tuple[Any, Any]]:
    """Every place below a node."""
    found: list[tuple[Any, Any]] = []
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found += [(node, key), *inside(value)]
    return found


def reordered(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: value[key] for key in draw(st.permutations(list(value)))}
    return draw(st.permutations(value)) if isinstance(value, list) else value


def change(draw: st.DrawFn, resource: Resource, way: tuple[str, ...]) -> str:
    """Change one place that a way leads to, or one below it; say what was done."""
    places = holders(resource, way)
    if not places:
        return "absent"
    holder, key = draw(st.sampled_from(places))
    holder, key = draw(st.sampled_from([(holder, key), *inside(holder[key])]))
    action = draw(st.sampled_from(["drop", "retype", "duplicate", "reorder", "wrap", "move"]))
    value = holder[key]
    if action == "drop":
        del holder[key]
    elif action == "retype":
        holder[key] = draw(ODD)
    elif action == "duplicate":
        holder[key] = [*value, *copy.deepcopy(value)] if isinstance(value, list) else [value, copy.deepcopy(value)]
    elif action == "reorder":
        holder[key] = reordered(draw, value)
    elif action == "wrap":
        holder[key] = {"value": value}
    else:
        del holder[key]
        resource[draw(st.sampled_from(["status", "subject", "period", "text", "nowhere"]))] = value
    return action


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, list[Resource]]:
    profile = draw(st.sampled_from(READ))
    kind, ways = elements(profile)
    given_resources = [definition("d1")] if profile == READ[3] else resources(draw(st.sampled_from(CASES)))
    resource = draw(st.sampled_from([r for r in given_resources if r["resourceType"] == kind]))
    for _ in range(draw(st.integers(1, 4))):
        change(draw, resource, draw(st.sampled_from(ways)))
    return profile, given_resources


@given(broken())
@settings(max_examples=EXAMPLES)
def test_whatever_happens_to_an_element_of_a_profile_it_is_a_fact_or_a_named_refusal(
    case: tuple[str, list[Resource]],
) -> None:
    profile, given_resources = case
    if profile == READ[3]:
        found = practice(*given_resources)
        assert sum(found.accounted.values()) == len(given_resources)
        assert all(issue.code and issue.wanted for issue in found.issues)
        return
    patient = mapped(given_resources)
    own = [r for r in given_resources if r.get("resourceType") not in PRACTICE_TYPES]
    assert sum(patient.accounted.values()) == len(own)
    assert all(issue.code and issue.wanted for issue in patient.issues)
