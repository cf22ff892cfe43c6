"""Wrong expressions are refused when they are compiled, at the character that is wrong."""

from __future__ import annotations

import pytest

from caretally.mapping.view.fhirpath.compiler import compile_expression
from caretally.mapping.view.fhirpath.errors import ExpressionError


@pytest.mark.parametrize(
    ("expression", "position", "message"),
    [
        ("", 0, "empty expression"),
        ("   ", 0, "empty expression"),
        ("a.", 2, "the end of the expression, wanted the name of an element"),
        ("a..b", 2, "'.', wanted the name of an element"),
        ("a.where(", 8, "the end of the expression, wanted a path"),
        ("a.where(b = 1", 13, "wanted ')'"),
        ("a b", 2, "a name 'b', wanted an operator"),
        ("a = = b", 4, "'=', wanted a path"),
        ("a[0", 3, "wanted ']'"),
        ("a['x']", 2, "wanted an index"),
        ("name.frist()", 5, "the function frist(), wanted one of"),
        ("name.first(1)", 5, "first() with 1 arguments, wanted 0"),
        ("iif(a)", 0, "iif() with 1 arguments, wanted 2 to 3"),
        ("a = 'open", 4, "a text without its closing quote"),
        ("a.`open", 2, "a quoted name without its closing backquote"),
        ("a /* open", 2, "a comment without its end"),
        ("a = 'x\\q'", 6, "the escape"),
        ("a # b", 2, "'#', which starts nothing"),
        ("start > @20", 8, "unfinished date"),
        ("start > @2025-02-30", 8, "wanted a date or time that exists"),
        ("value.ofType(Quantitiy)", 13, "wanted a type of FHIR R4"),
        ("value is Strng", 9, "wanted a type of FHIR R4"),
        ("value.ofType('Quantity')", 13, "wanted the name of a type"),
        ("value.first().ofType(Quantity)", 21, "right after the element's name"),
        ("subject.getReferenceKey(Patinet)", 24, "wanted a resource type"),
        ("a.where(use = %usee)", 14, "%usee, which is not defined; wanted one of %use"),
        ("Patient.name", 0, "'Patient', wanted the name of an element or 'Encounter'"),
        ("$index", 0, "$index and $total are not supported"),
        ("period.start < now()", 15, "same rows on every day"),
        ("subject.resolve()", 8, "a view sees one resource"),
        ("code.memberOf('x')", 5, "no terminology server"),
        ("id.matches('(')", 11, "regular expression"),
        ("extension(1)", 10, "wanted the url of an extension"),
        ("-'a'", 1, "no number after '-'"),
        ("a ~ b", 2, "wanted an operator"),
        ("4 'mg'", 2, "wanted an operator"),
        ("1234567890123456789", 0, "a number of 19 characters"),
        ("(" * 41 + "a" + ")" * 41, 40, "nested brackets"),
        ("-" * 50 + "1", 40, "nested brackets"),
        (".".join("a" * 300), 400, "more than 400 tokens"),
    ],
)
def test_the_error_names_the_place_and_what_was_wanted(expression: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression, {"use": ("official", "code")}, "Encounter")
    assert message in caught.value.message
    assert caught.value.position == position
