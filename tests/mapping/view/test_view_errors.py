"""A wrong view says which file, which column or place, which character, and what was wanted."""

from __future__ import annotations

from typing import Any

import pytest

from caretally.errors import TableError
from caretally.mapping import ViewError, compile_view
from caretally.mapping.view.definition import FOUND_BY


def view(**changes: Any) -> dict[str, Any]:
    return {"resource": "Encounter", "select": [{"column": [{"name": "id", "path": "id"}]}], **changes}


def column(**changes: Any) -> dict[str, Any]:
    return view(select=[{"column": [{"name": "id", "path": "id", **changes}]}])


def branches(*columns: dict[str, Any]) -> dict[str, Any]:
    return view(select=[{"unionAll": [{"column": [part]} for part in columns]}])


def nested(levels: int) -> dict[str, Any]:
    part: dict[str, Any] = {"column": [{"name": "id", "path": "id"}]}
    for _ in range(levels):
        part = {"select": [part]}
    return view(select=[part])


def test_an_error_in_an_expression_names_file_column_place_and_character() -> None:
    wrong = view(select=[{"select": [{"column": [{"name": "minutes", "path": "length.where(code = 'min'.value"}]}]}])
    with pytest.raises(ViewError) as caught:
        compile_view(wrong, source="views/encounter.json")
    error = caught.value
    assert error.file == "views/encounter.json"
    assert error.where == 'column "minutes" (select[0].select[0].column[0].path), offset 31'
    assert error.position == 31
    assert str(error) == (
        'views/encounter.json, column "minutes" (select[0].select[0].column[0].path), offset 31: '
        "found the end of the expression, wanted ')', in \"length.where(code = 'min'.value\""
    )


def test_a_view_error_is_an_error_of_a_table_file() -> None:
    assert issubclass(ViewError, TableError)
    assert ViewError.exit_code == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "found a list, wanted a ViewDefinition"),
        (view(resourceType="Patient"), "resourceType: found 'Patient', wanted 'ViewDefinition'"),
        ({"select": []}, "resource: found nothing"),
        (view(resource="Encouter"), "resource: found 'Encouter', wanted a resource type"),
        (view(resource=["Encounter"]), "resource: found ['Encounter']"),
        (view(name="my view"), "name: found 'my view', wanted a name of letters"),
        (view(wher=[{"path": "true"}]), "found the key 'wher', wanted one of name, resource, constant, select, where"),
        (view(select=None), "select: found no column"),
        (view(select=[]), "select: found no column"),
        (view(select={"column": []}), "select: found an object, wanted a list"),
        (view(select=["id"]), "select[0]: found a text, wanted an object"),
        (view(select=[{}]), "select[0]: found no column"),
        (view(select=[{"forEach": "type", "column": []}]), "select[0]: found no column"),
        (view(select=[{"colum": []}]), "select[0]: found the key 'colum', wanted one of column, select"),
        (view(select=[{"forEach": "a", "repeat": ["b"]}]), "select[0]: found forEach and repeat, wanted at most one"),
        (view(select=[{"forEach": 1}]), "select[0].forEach: found an integer, wanted a FHIRPath expression"),
        (view(select=[{"forEachOrNull": "a["}]), "select[0].forEachOrNull, offset 2: found the end"),
        (view(select=[{"repeat": "item"}]), "select[0].repeat: found a text, wanted a list"),
        (view(select=[{"repeat": []}]), "select[0].repeat: found a list, wanted a list of FHIRPath"),
        (view(select=[{"repeat": ["item", "+"]}]), "select[0].repeat[1], offset 1: found the end"),
        (nested(30), "nested selects"),
        (column(name=None), "select[0].column[0].name: found None"),
        (column(name="_id"), "select[0].column[0].name: found '_id'"),
        (column(path=None), 'column "id" (select[0].column[0].path): found nothing, wanted a FHIRPath'),
        (column(path="id id"), 'column "id" (select[0].column[0].path), offset 3: found a name'),
        (column(type="strng"), "column \"id\" (select[0].column[0].type): found 'strng', wanted a FHIR type"),
        (column(type=1), 'column "id" (select[0].column[0].type): found an integer'),
        (column(collection="yes"), 'column "id" (select[0].column[0].collection): found a text'),
        (column(default=1), "select[0].column[0]: found the key 'default'"),
        (
            view(select=[{"column": [{"name": "id", "path": "id"}], "select": view()["select"]}]),
            'column "id": found this name twice',
        ),
        (
            branches({"name": "a", "path": "id"}, {"name": "b", "path": "id"}),
            "select[0].unionAll[1]: found the columns b, wanted those of the first branch in the same order: a",
        ),
        (
            branches({"name": "a", "path": "id", "type": "id"}, {"name": "a", "path": "id", "type": "code"}),
            'column "a" (select[0].unionAll[1]): found the type code, wanted id',
        ),
        (
            branches({"name": "a", "path": "id"}, {"name": "a", "path": "id", "collection": True}),
            'column "a" (select[0].unionAll[1]): found another "collection"',
        ),
        (view(where={"path": "true"}), "where: found an object, wanted a list"),
        (view(where=[{"path": "status = "}]), "where[0].path, offset 9: found the end"),
        (view(where=[{"path": "'yes'"}]), "where[0].path, offset 0: found a text, wanted a condition"),
        (view(where=[{"expression": "true"}]), "where[0]: found the key 'expression'"),
        (view(constant=[{"name": "a"}]), "constant[0]: found no value, wanted exactly one"),
        (view(constant=[{"valueCode": "a"}]), "constant[0].name: found None"),
        (
            view(constant=[{"name": "a", "valueCode": "x", "valueId": "y"}]),
            "constant[0]: found valueCode and valueId, wanted exactly one",
        ),
        (view(constant=[{"name": "a", "valueInteger": True}]), "constant[0].valueInteger: found a boolean"),
        (
            view(constant=[{"name": "a", "valueDate": "2025-02-30"}]),
            "constant[0].valueDate: found a text, wanted a date",
        ),
        (view(constant=[{"name": "a", "valueQuantity": {}}]), "constant[0]: found the key 'valueQuantity'"),
        (
            view(constant=[{"name": "rowIndex", "valueInteger": 1}]),
            "constant[0].name: found 'rowIndex', which FHIRPath",
        ),
        (
            view(constant=[{"name": "a", "valueInteger": 1}, {"name": "a", "valueInteger": 2}]),
            "constant[1].name: found 'a', a second time",
        ),
    ],
)
def test_what_is_wrong_is_found_before_the_first_resource(wrong: Any, message: str) -> None:
    with pytest.raises(ViewError) as caught:
        compile_view(wrong, source="v.json")
    assert str(caught.value).startswith("v.json")
    assert message in str(caught.value)


def test_without_a_file_the_message_begins_with_the_place() -> None:
    with pytest.raises(ViewError, match=r"^where\[0\]\.path, offset 2: "):
        compile_view(view(where=[{"path": "a."}]))


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        ({"url": FOUND_BY, "valueString": "everybody"}, "extension[0].valueString"),
        ({"url": FOUND_BY, "valueString": "code=1 2"}, "extension[0].valueString"),
        ({"url": FOUND_BY, "valueCode": "code=1"}, "extension[0]"),
    ],
)
def test_how_people_are_found_is_a_search(extension: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError) as caught:
        compile_view(view(extension=[extension]))
    assert message in str(caught.value)
    fine = compile_view(view(extension=[{"url": FOUND_BY, "valueString": "code=http://loinc.org|1-8&date={month}"}]))
    assert fine.found_by == ("code=http://loinc.org|1-8&date={month}",)
