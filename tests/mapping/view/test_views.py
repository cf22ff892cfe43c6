"""Whole views over whole resources: the cases are data, in cases/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caretally.mapping import compile_view, evaluate

CASES = [
    pytest.param(group["resources"], case, id=case["title"])
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for group in [json.loads(file.read_text("utf-8"))]
    for case in group["cases"]
]


@pytest.mark.parametrize(("resources", "case"), CASES)
def test_a_view_gives_these_rows_in_this_order(resources: list[dict[str, Any]], case: dict[str, Any]) -> None:
    rows = list(evaluate(case["view"], resources))
    assert compile_view(case["view"]).columns == tuple(case["columns"])
    assert all(list(row) == case["columns"] for row in rows)
    assert [list(row.values()) for row in rows] == case["rows"]


def test_the_resource_is_never_changed_and_lists_are_copies() -> None:
    resource = {"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}
    before = json.dumps(resource)
    column = {"name": "given", "path": "name.given", "collection": True}
    contact = {"forEachOrNull": "contact", "column": [{"name": "relation", "path": "relationship.text"}]}
    view = compile_view({"resource": "Patient", "select": [{"column": [column]}, contact]})
    view.rows(resource)[0]["given"].append("C")
    view.rows(resource)[0]["x"] = 1
    assert json.dumps(resource) == before
    assert view.rows(resource) == [{"given": ["A", "B"], "relation": None}]
