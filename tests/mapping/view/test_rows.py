"""Resources that do not fit: one RowError that names the column, never another error and never a value."""

from __future__ import annotations

from typing import Any

import pytest

from caretally.mapping import RowError, compile_view


def rows(part: dict[str, Any], resource: dict[str, Any], **view: Any) -> list[dict[str, Any]]:
    whole = {"name": "under_test", "resource": "Patient", "select": [part], **view}
    return compile_view(whole).rows({"resourceType": "Patient", "id": "p1", **resource})


@pytest.mark.parametrize(
    ("column", "resource", "message"),
    [
        ({"path": "name.family"}, {"name": [{"family": "Ada"}, {"family": "Bob"}]}, "found 2 values, wanted at most"),
        ({"path": "name"}, {"name": {"family": "Ada"}}, "found an object, wanted a single value"),
        ({"path": "name", "type": "HumanName"}, {"name": "Ada"}, "found a text, wanted HumanName"),
        ({"path": "gender", "type": "code"}, {"gender": 5}, "found an integer, wanted code"),
        ({"path": "active", "type": "boolean"}, {"active": "Ada"}, "found a text, wanted boolean"),
        ({"path": "n", "type": "integer"}, {"n": 1.5}, "found a number, wanted integer"),
        ({"path": "n", "type": "integer"}, {"n": True}, "found a boolean, wanted integer"),
        ({"path": "n", "type": "http://hl7.org/fhirpath/System.Decimal"}, {"n": "1"}, "found a text, wanted decimal"),
        ({"path": "n", "collection": True, "type": "string"}, {"n": ["Ada", 1]}, "found an integer, wanted string"),
        ({"path": "name.family.upper()"}, {"name": {"family": 3}}, "found an integer, wanted a text"),
        ({"path": "gender > 3"}, {"gender": "Ada"}, "found a text and an integer"),
    ],
)
def test_a_cell_that_does_not_fit_names_its_column_and_not_its_value(
    column: dict[str, Any], resource: dict[str, Any], message: str
) -> None:
    with pytest.raises(RowError) as caught:
        rows({"column": [{"name": "fine", "path": "id"}, {"name": "cell", **column}]}, resource)
    error = caught.value
    assert error.column == "cell"
    assert error.reference == "Patient/p1"
    assert error.view == "under_test"
    assert message in error.message
    assert str(error).startswith("under_test, cell: ")
    assert "Ada" not in str(error)


ID = {"column": [{"name": "id", "path": "id"}]}


@pytest.mark.parametrize(
    ("part", "resource", "column"),
    [
        ({"forEach": "name.where(use > 1)", **ID}, {"name": {"use": "x"}}, "select[0].forEach"),
        ({"repeat": ["$this"], **ID}, {}, "select[0].repeat"),
        ({"repeat": ["'again'"], **ID}, {}, "select[0].repeat"),
        ({"repeat": ["%resource.contact | contact"], **ID}, {"contact": [{"a": 1}, {"a": 2}]}, "select[0].repeat"),
        ({"repeat": ["name.single()"], **ID}, {"name": [{}, {}]}, "select[0].repeat"),
    ],
)
def test_an_iteration_that_does_not_work_names_its_place(
    part: dict[str, Any], resource: dict[str, Any], column: str
) -> None:
    with pytest.raises(RowError) as caught:
        rows(part, resource)
    assert caught.value.column == column


@pytest.mark.parametrize("found", ["Ada", 1, {"a": 1}, [True, False]])
def test_a_condition_that_is_no_boolean_is_refused(found: Any) -> None:
    with pytest.raises(RowError) as caught:
        rows(ID, {"active": found}, where=[{"path": "true"}, {"path": "active"}])
    assert caught.value.column == "where[1].path"
    assert "wanted a boolean" in caught.value.message


@pytest.mark.parametrize("found", [None, [], False, [False]])
def test_a_condition_that_does_not_hold_gives_no_row(found: Any) -> None:
    assert rows(ID, {"active": found}, where=[{"path": "active"}]) == []


def test_a_condition_on_a_list_of_one_boolean_holds() -> None:
    assert rows(ID, {"active": [True]}, where=[{"path": "active"}]) == [{"id": "p1"}]


@pytest.mark.parametrize("resource", [None, [], "Patient", 1])
def test_what_is_no_resource_is_refused(resource: Any) -> None:
    view = compile_view({"resource": "Patient", "select": [ID]})
    with pytest.raises(RowError, match="wanted a resource"):
        view.rows(resource)


@pytest.mark.parametrize("key", ["Ada Lovelace", 7, None, "x" * 65, ["p1"]])
def test_an_id_that_is_none_is_not_repeated(key: Any) -> None:
    with pytest.raises(RowError) as caught:
        rows({"column": [{"name": "n", "path": "n.single()"}]}, {"id": key, "n": [1, 2]})
    assert caught.value.reference is None


def test_a_repeat_as_deep_as_any_parser_reads_does_not_touch_the_stack() -> None:
    resource: dict[str, Any] = {"linkId": "leaf"}
    for number in range(5_000):
        resource = {"linkId": str(number), "item": [resource]}
    view = compile_view(
        {
            "resource": "QuestionnaireResponse",
            "select": [{"repeat": ["item"], "column": [{"name": "link", "path": "linkId"}]}],
        }
    )
    found = view.rows({"resourceType": "QuestionnaireResponse", "item": resource})
    assert len(found) == 5_001
    assert found[-1] == {"link": "leaf"}
