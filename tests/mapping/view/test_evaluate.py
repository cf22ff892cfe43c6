"""The stream of rows: lazy, compiled once, stopped by the first bad resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from caretally.mapping import RowError, ViewError, compile_view, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEW: dict[str, Any] = {
    "name": "patients",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id", "type": "id"}]}],
}


def test_resources_are_read_only_as_rows_are_asked_for() -> None:
    read: list[int] = []

    def source() -> Iterator[dict[str, Any]]:
        number = 0
        while True:
            read.append(number)
            yield {"resourceType": "Patient", "id": str(number)}
            number += 1

    rows = evaluate(VIEW, source())
    assert read == []
    assert next(rows) == {"id": "0"}
    assert next(rows) == {"id": "1"}
    assert read == [0, 1]


def test_the_view_is_checked_at_the_call_not_at_the_first_row() -> None:
    with pytest.raises(ViewError):
        evaluate({"resource": "Patient"}, [])


def test_the_view_is_compiled_once_whatever_happens_to_it_later() -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    rows = evaluate(view, [{"resourceType": "Patient", "id": "a"}] * 2)
    assert next(rows) == {"id": "a"}
    view.clear()
    assert next(rows) == {"id": "a"}


def test_a_bad_resource_ends_the_stream_but_not_a_compiled_view() -> None:
    resources = [{"resourceType": "Patient", "id": key} for key in ("a", ["x", "y"], "b")]
    rows = evaluate(VIEW, resources)
    assert next(rows) == {"id": "a"}
    with pytest.raises(RowError):
        next(rows)
    view = compile_view(VIEW, source="patients.json")
    assert (view.name, view.resource, view.columns, view.source) == ("patients", "Patient", ("id",), "patients.json")
    good, refused = [], []
    for resource in resources:
        try:
            good += view.rows(resource)
        except RowError as error:
            refused.append((error.view, error.column))
    assert good == [{"id": "a"}, {"id": "b"}]
    assert refused == [("patients.json", "id")]
