"""Whatever a server sends and whatever a file holds: RowError and ViewError are the only errors."""

# ruff: noqa: PT017  an error is allowed in these tests, not required, so pytest.raises cannot say it
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from caretally.mapping import RowError, ViewError, compile_view
from caretally.mapping.view.fhirpath.compiler import compile_expression
from caretally.mapping.view.fhirpath.errors import EvaluationError, ExpressionError
from caretally.mapping.view.fhirpath.functions import FUNCTIONS
from caretally.mapping.view.fhirpath.values import Scope

GROUPS = [json.loads(file.read_text("utf-8")) for file in sorted((Path(__file__).parent / "cases").glob("*.json"))]
PAIRS = [(case["view"], resource) for group in GROUPS for case in group["cases"] for resource in group["resources"]]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["2025-03-04", "2025-03-04T09:00:00Z", "09:30", "Patient/ada", "PPRF", "item", "id"])
)
KEYS = st.sampled_from(["id", "item", "answer", "value", "code", "resourceType", "name", "path", "select", "extension"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside, the whole excepted."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inside for place in ((*path, key), *places(value, (*path, key)))]


def mutated(data: st.DataObject, whole: Any) -> Any:
    """Return a copy in which up to three values are something else or stand inside a list."""
    changed = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        possible = places(changed)
        if not possible:
            return changed
        *way, key = data.draw(st.sampled_from(possible))
        owner = changed
        for step in way:
            owner = owner[step]
        owner[key] = data.draw(JSON | st.just([owner[key], owner[key]]) | st.just([[owner[key]]]))
    return changed


@given(st.data())
def test_a_mutated_resource_gives_rows_or_a_row_error(data: st.DataObject) -> None:
    view, resource = data.draw(st.sampled_from(PAIRS))
    changed = mutated(data, resource)
    compiled = compile_view(view)
    # The way of the real data: only what JSON can carry reaches the engine.
    parsed = orjson.loads(orjson.dumps(changed)) if is_sendable(changed) else changed
    try:
        rows = compiled.rows(parsed)
    except RowError as error:
        assert error.column
        return
    assert all(tuple(row) == compiled.columns for row in rows)


def is_sendable(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


@given(st.data())
def test_a_mutated_view_is_refused_or_works(data: st.DataObject) -> None:
    view, resource = data.draw(st.sampled_from(PAIRS))
    changed = mutated(data, view)
    try:
        compile_view(changed, source="v.json").rows(resource)
    except ViewError as error:
        assert error.file == "v.json"
        assert str(error)
    except RowError as error:
        assert error.column


PIECES = st.sampled_from(
    [
        *("id", "status", "type", "coding", "value", "length", "extension", "period", "start", "contained", "$this"),
        *("%rowIndex", "%resource", "'a'", "1", "2.5", "@2025-03-04", "@T10:00", "true", "{}", "Quantity", "Encounter"),
        *(".", ".", ".", "(", ")", "[", "]", ",", "=", "!=", "<", ">=", "+", "-", "*", "/", "div", "mod", "&", "|"),
        *("and", "or", "implies", "is", "as", "in", "contains", "'", "@", "%", "//", "`"),
        *(f".{name}()" for name in FUNCTIONS),
        *(f".{name}(" for name in FUNCTIONS),
    ]
)
RESOURCE = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "type": [{"coding": [{"code": "a"}, {"code": "b"}]}, 5, None],
    "length": {"value": 2.5},
    "period": {"start": "2025-03-04T09:00:00Z"},
    "extension": [{"url": "a", "valueQuantity": {"value": 1}}],
}


@given(st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=20))
def test_any_text_is_an_expression_or_an_expression_error(expression: str) -> None:
    try:
        compiled, _ = compile_expression(expression, {}, "Encounter")
    except ExpressionError as error:
        assert 0 <= error.position <= len(expression)
        return
    try:
        compiled.run(RESOURCE, Scope(RESOURCE, RESOURCE, 0))
    except EvaluationError as error:
        assert str(error)


STEPS = st.sampled_from([f".{name}" for name in ("type", "coding", "value", "extension", "code", "length")])
ARGUMENTS = st.sampled_from(
    ["", "'a'", "1", "true", "code", "value > 1", "'a', 'b'", "0, 1", "true, 1, id", "Quantity"]
)
CALLS = st.tuples(st.sampled_from(sorted(FUNCTIONS)), ARGUMENTS).map(lambda call: f".{call[0]}({call[1]})")


@given(st.lists(STEPS | CALLS, max_size=6).map("".join), JSON)
def test_any_chain_of_functions_over_any_json_gives_a_value_or_an_evaluation_error(chain: str, focus: Any) -> None:
    try:
        compiled, _ = compile_expression(f"$this{chain}", {}, "Encounter")
    except ExpressionError:
        return
    for resource in (RESOURCE, focus):
        try:
            compiled.run(resource, Scope(resource, resource, 0))
        except EvaluationError as error:
            assert str(error)
