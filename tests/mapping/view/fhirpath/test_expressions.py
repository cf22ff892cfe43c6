"""What each expression gives for one resource, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from caretally.mapping.view.fhirpath.compiler import compile_expression
from caretally.mapping.view.fhirpath.errors import EvaluationError
from caretally.mapping.view.fhirpath.values import Scope, items

CALL: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "call-7",
    "status": "finished",
    "active": False,
    "class": {"code": "VR"},
    "subject": {"reference": "Patient/ada"},
    "serviceProvider": {"reference": "https://other.example/fhir/Organization/clinic"},
    "partOf": {"reference": "Encounter/visit-3/_history/2"},
    "period": {"start": "2025-03-04T09:00:00-05:00", "end": "2025-03-04T09:23:30-05:00"},
    "length": {"value": 23.5, "code": "min"},
    "type": [
        {"coding": [{"system": "http://snomed.info/sct", "code": "185317003"}, {"system": "urn:cpt", "code": "99490"}]},
        {"coding": [{"system": "urn:cpt", "code": "99439"}], "text": "add-on"},
    ],
    "participant": [
        {"individual": {"reference": "Practitioner/nurse"}, "rank": 2},
        {"individual": {"reference": "Device/robot"}},
        {"rank": 1},
    ],
    "note": ["first", None, "second"],
    "_status": {"extension": [{"url": "urn:why", "valueString": "closed by phone"}]},
    "extension": [
        {"url": "urn:minutes", "valueInteger": 20},
        {"url": "urn:minutes", "valueQuantity": {"value": 3}},
        {"url": "urn:seen", "valueDateTime": "2025-03"},
    ],
    "contained": [{"resourceType": "Location", "id": "here"}, {"resourceType": "Practitioner", "id": "nurse"}],
    "odd": [["nested"], {"deep": [["list"]]}],
}

CONSTANTS = {"cpt": ("urn:cpt", "uri"), "two": (2, "integer"), "day": ("2025-03-04", "date")}


def evaluate(expression: str, resource: Any = None) -> list[Any]:
    focus = CALL if resource is None else resource
    compiled, _ = compile_expression(expression, CONSTANTS, "Encounter")
    return list(items(compiled.run(focus, Scope(focus, focus, 5))))


PATHS = [
    ("status", ["finished"]),
    ("Encounter.status", ["finished"]),
    ("`class`.code", ["VR"]),
    ("type.coding.code", ["185317003", "99490", "99439"]),
    ("type.text", ["add-on"]),
    ("nothing.at.all", []),
    ("status.code", []),
    ("note", ["first", "second"]),
    ("odd.deep", [["list"]]),
    ("odd.deep.deeper", []),
    ("type[1].text", ["add-on"]),
    ("type[%two]", []),
    ("type[0].coding[1].code", ["99490"]),
    ("$this.id", ["call-7"]),
    ("%resource.id", ["call-7"]),
    ("type.where(%resource.status = 'finished').text", ["add-on"]),
    ("%rowIndex", [5]),
    ("%sct", ["http://snomed.info/sct"]),
    ("{}", []),
    ("'a\\'b\\u0041\\n'", ["a'bA\n"]),
    ("/* why */ status // and an end", ["finished"]),
    ("@2025-03-04", ["2025-03-04"]),
    ("@T09:30", ["09:30"]),
    ("3", [3]),
    ("2.50", [2.5]),
    ("-(3) + 1", [-2]),
]

CHOICES = [
    ("extension.value.ofType(integer)", [20]),
    ("extension.where(url = 'urn:minutes').value.ofType(Quantity).value", [3]),
    ("extension('urn:minutes').value.exists()", [True]),
    ("extension('urn:none').value.exists()", [False]),
    ("extension('urn:seen').value", ["2025-03"]),
    ("extension('urn:seen').value is dateTime", [True]),
    ("extension('urn:seen').value is Quantity", [False]),
    ("extension('urn:none').value is Quantity", []),
    ("(extension('urn:minutes').value as Quantity).value", [3]),
    ("status.extension('urn:why').value.ofType(string)", ["closed by phone"]),
    ("status.extension.url", ["urn:why"]),
    ("contained.ofType(Practitioner).id", ["nurse"]),
    ("contained.where($this is FHIR.Location).id", ["here"]),
    ("status is System.String", [True]),
    ("active.is(boolean)", [True]),
    ("length.value is decimal", [True]),
    ("type.ofType(CodeableConcept).text", ["add-on"]),
    ("contained[0] is Resource", [True]),
]

KEYS = [
    ("getResourceKey()", ["call-7"]),
    ("subject.getResourceKey()", []),
    ("subject.getReferenceKey()", ["ada"]),
    ("subject.getReferenceKey(Patient)", ["ada"]),
    ("subject.getReferenceKey(Group)", []),
    ("participant.individual.getReferenceKey(Practitioner)", ["nurse"]),
    ("serviceProvider.getReferenceKey()", []),
    ("partOf.getReferenceKey(Encounter)", ["visit-3"]),
    ("status.getReferenceKey()", []),
]

COLLECTIONS = [
    ("type.exists()", [True]),
    ("type.exists(text = 'add-on')", [True]),
    ("nothing.exists()", [False]),
    ("nothing.empty()", [True]),
    ("type.count()", [2]),
    ("nothing.count()", [0]),
    ("type.coding.where(system = %cpt).code", ["99490", "99439"]),
    ("type.coding.where(system = %cpt and code = '99439').exists()", [True]),
    ("type.coding.where(false)", []),
    ("type.coding.code.first()", ["185317003"]),
    ("type.coding.code.last()", ["99439"]),
    ("type.coding.code.tail()", ["99490", "99439"]),
    ("type.coding.code.skip(2)", ["99439"]),
    ("type.coding.code.take(1)", ["185317003"]),
    ("type.where(text.exists()).single().text", ["add-on"]),
    ("type.select(coding.first().code)", ["185317003", "99439"]),
    ("type.coding.system.distinct()", ["http://snomed.info/sct", "urn:cpt"]),
    ("type.coding.all(code.exists())", [True]),
    ("type.all(text.exists())", [False]),
    ("participant.rank | type.coding.count() | 2", [2, 1, 3]),
    ("participant.rank.union(1)", [2, 1]),
    ("participant.rank.combine(1)", [2, 1, 1]),
    ("'99490' in type.coding.code", [True]),
    ("type.coding.code contains '1'", [False]),
    ("nothing in type.coding.code", []),
    ("iif(active, 'yes', 'no')", ["no"]),
    ("iif(length.exists(), length.value)", [23.5]),
    ("length.iif(code = 'min', value, 0)", [23.5]),
    ("status.hasValue()", [True]),
    ("period.hasValue()", [False]),
]

LOGIC = [
    ("active or status = 'finished'", [True]),
    ("active and nothing", [False]),
    ("nothing and true", []),
    ("nothing or true", [True]),
    ("nothing or false", []),
    ("active.not()", [True]),
    ("nothing.not()", []),
    ("status.not()", [False]),
    ("active xor true", [True]),
    ("nothing xor true", []),
    ("active implies nothing", [True]),
    ("true implies active", [False]),
    ("nothing implies true", [True]),
    ("1 + 1 = 2 and 2 > 1 or false", [True]),
    ("false and true or true", [True]),
    ("status = 'finished' = true", [True]),
]

COMPARISONS = [
    ("status = 'finished'", [True]),
    ("status != 'planned'", [True]),
    ("nothing = 'x'", []),
    ("nothing != nothing", []),
    ("participant.rank = (2 | 1)", [True]),
    ("participant.rank = 2", [False]),
    ("1 = 1.0", [True]),
    ("true = 1", [False]),
    ("'1' = 1", [False]),
    ("class = class", [True]),
    ("length.value > 20", [True]),
    ("length.value <= 23.5", [True]),
    ("'b' > 'a'", [True]),
    ("nothing < 1", []),
    ("period.start < period.end", [True]),
    ("period.start >= @2025-03-01", [True]),
    ("period.start = @2025-03-04T14:00:00Z", [True]),
    ("period.start = @2025-03-04", []),
    ("period.start = %day", []),
    ("period.start > @2025-03-04T09:00", []),
    ("period.start > @2025-03", []),
    ("@2025-03-04 = @2025-03-05", [False]),
    ("@T09:30 < @T10:00", [True]),
    ("period.start = 'soon'", [False]),
]

ARITHMETIC = [
    ("0.1 + 0.2", [0.3]),
    ("length.value * 60", [1410.0]),
    ("7 div 2", [3]),
    ("-7 div 2", [-3]),
    ("7 mod 2", [1]),
    ("7 / 2", [3.5]),
    ("1 / 0", []),
    ("1 + nothing", []),
    ("2 + 3 * 4", [14]),
    ("(2 + 3) * 4", [20]),
    ("10 - 2 - 3", [5]),
    ("'a' + 'b'", ["ab"]),
    ("'a' + nothing", []),
    ("'a' & nothing & 'b'", ["ab"]),
    ("-length.value", [-23.5]),
]

TEXTS = [
    ("type.coding.code.join('/')", ["185317003/99490/99439"]),
    ("note.join()", ["firstsecond"]),
    ("nothing.join(',')", [""]),
    ("status.contains('ish')", [True]),
    ("status.startsWith('fin')", [True]),
    ("status.endsWith('fin')", [False]),
    ("nothing.startsWith('x')", []),
    ("status.upper().lower().length()", [8]),
    ("status.substring(3)", ["ished"]),
    ("status.substring(0, 3)", ["fin"]),
    ("status.substring(8)", []),
    ("status.indexOf('i')", [1]),
    ("' x '.trim()", ["x"]),
    ("'a,b'.split(',')", ["a", "b"]),
    ("'a.b'.replace('.', '-')", ["a-b"]),
    ("id.matches('^call-[0-9]+$')", [True]),
    ("id.replaceMatches('[0-9]+', '\\\\1')", ["call-\\1"]),
    ("'12'.toInteger() + 1", [13]),
    ("'twelve'.toInteger()", []),
    ("true.toInteger()", [1]),
    ("'1.5'.toDecimal()", [1.5]),
    ("length.value.toString()", ["23.5"]),
    ("active.toString()", ["false"]),
    ("'Y'.toBoolean()", [True]),
    ("'maybe'.toBoolean()", []),
]

BOUNDARIES = [
    ("length.value.lowBoundary()", [23.45]),
    ("length.value.highBoundary()", [23.55]),
    ("20.lowBoundary()", [19.5]),
    ("nothing.lowBoundary()", []),
    ("@2024-02.highBoundary()", ["2024-02-29"]),
    ("@2025.lowBoundary()", ["2025-01-01"]),
    ("extension('urn:seen').value.ofType(dateTime).lowBoundary()", ["2025-03-01T00:00:00.000+14:00"]),
    ("extension('urn:seen').value.ofType(dateTime).first().highBoundary()", ["2025-03-31T23:59:59.999-12:00"]),
    ("period.start.lowBoundary()", ["2025-03-04T09:00:00.000-05:00"]),
    ("period.lowBoundary()", ["2025-03-04T09:00:00.000-05:00"]),
    ("period.highBoundary()", ["2025-03-04T09:23:30.999-05:00"]),
    ("@T12:30.highBoundary()", ["12:30:59.999"]),
]

TABLE = [*PATHS, *CHOICES, *KEYS, *COLLECTIONS, *LOGIC, *COMPARISONS, *ARITHMETIC, *TEXTS, *BOUNDARIES]


@pytest.mark.parametrize(("expression", "expected"), TABLE)
def test_an_expression_gives_what_the_specification_says(expression: str, expected: list[Any]) -> None:
    found = evaluate(expression)
    assert found == expected
    assert [type(item) for item in found] == [type(item) for item in expected]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("type.coding.code > 'a'", "3 values"),
        ("type.single()", "2 values"),
        ("participant.rank + 1", "2 values"),
        ("status + 1", "a text + an integer, wanted two numbers"),
        ("status > 1", "a text and an integer"),
        ("period > 1", "an object and an integer"),
        ("period.start > status", "a date or time and a text that is none"),
        ("active.upper()", "a boolean, wanted a text"),
        ("type.join(',')", "an object to join"),
        ("status & 1", "wanted texts on both sides"),
        ("-status", "wanted a number"),
        ("status.lowBoundary()", "a text that is no date"),
        ("type.take(status)", "wanted an integer"),
        ("type[status]", "wanted an integer"),
        ("(type.coding.code and true)", "3 values"),
        ("status.matches(status & '(')", "regular expression"),
    ],
)
def test_values_that_do_not_fit_are_refused_without_being_shown(expression: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert message in str(caught.value)
    assert "finished" not in str(caught.value)


@pytest.mark.parametrize("focus", ["text", 7, True, 1.5, [], {}, [None], [[]]])
def test_a_path_into_anything_that_has_no_elements_is_empty(focus: Any) -> None:
    assert evaluate("a.b[0].c.ofType(Quantity).value", focus) == []
    assert evaluate("value.exists()", focus) == [False]
    assert evaluate("getResourceKey()", focus) == []


def test_objects_too_deep_to_compare_are_an_evaluation_error() -> None:
    def nested() -> dict[str, Any]:
        node: dict[str, Any] = {}
        for _ in range(20_000):
            node = {"a": node}
        return node

    focus = {"left": nested(), "right": nested()}
    with pytest.raises(EvaluationError, match="nested too deeply"):
        evaluate("left = right", focus)
