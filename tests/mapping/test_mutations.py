"""However a resource is broken, mapping gives facts or a named refusal, never an exception."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.patients import PRACTICE_TYPES, mapped, resources

pytestmark = pytest.mark.prove
EXAMPLES = 5_000 if os.environ.get("CARETALLY_PROVE") else 500
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "2025-02-30", "Practitioner/P1", "http://unitsofmeasure.org"]),
    # Made afresh each time: a later change may reach into it.
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [[]]),
    st.builds(lambda: [None]),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a resource."""
    found = [path] if path else []
    if isinstance(node, dict):
        for key, value in node.items():
            found += places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += places(value, (*path, index))
    return found


@st.composite
def broken(draw: st.DrawFn) -> list[dict[str, Any]]:
    given_resources = resources(draw(st.sampled_from(["G02", "G08", "G23", "G31", "G36", "G37"])))
    for _ in range(draw(st.integers(1, 3))):
        resource = draw(st.sampled_from(given_resources))
        path = draw(st.sampled_from(places(resource)))
        holder: Any = resource
        try:
            for step in path[:-1]:
                holder = holder[step]
            action = draw(st.sampled_from(["drop", "retype", "duplicate"]))
            if action == "drop":
                del holder[path[-1]]
            elif action == "retype":
                holder[path[-1]] = draw(ODD)
            else:
                holder[path[-1]] = [holder[path[-1]], holder[path[-1]]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has removed the place
    return given_resources


@given(broken())
@settings(max_examples=EXAMPLES)
def test_a_broken_patient_is_mapped_or_refused_by_name(given_resources: list[dict[str, Any]]) -> None:
    found = mapped(given_resources)
    own = [r for r in given_resources if r.get("resourceType") not in PRACTICE_TYPES]
    assert sum(found.accounted.values()) == len(own)
    assert all(issue.code and issue.wanted for issue in found.issues)
