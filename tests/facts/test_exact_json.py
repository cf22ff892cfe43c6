"""Amounts survive writing and reading digit for digit, and digests see values only."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.facts import exact_json

finite_decimals = st.decimals(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | finite_decimals,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def same(one: object, other: object) -> bool:
    """Compare as JSON does: by value and, for decimals, also by their digits."""
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


class TestDumps:
    def test_trailing_zeros_of_an_amount_stay(self) -> None:
        claim = {"total": {"value": Decimal("60.50"), "currency": "USD"}, "id": "cm-1"}
        assert exact_json.dumps(claim) == b'{"total":{"value":60.50,"currency":"USD"},"id":"cm-1"}'

    @pytest.mark.parametrize("text", ["0.00", "-0.10", "62.10", "100", "1E-7", "12345678901234567890.123456789"])
    def test_each_digit_stays(self, text: str) -> None:
        assert exact_json.dumps([Decimal(text)]) == f"[{Decimal(text)}]".encode()

    def test_a_float_is_refused_with_the_cure(self) -> None:
        with pytest.raises(TypeError, match=r"decimal\.Decimal"):
            exact_json.dumps({"value": 60.5})

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
    def test_what_json_cannot_hold_is_refused(self, number: str) -> None:
        with pytest.raises(ValueError, match="JSON has no number"):
            exact_json.dumps(Decimal(number))
        with pytest.raises(ValueError, match="JSON has no number"):
            exact_json.canonical(Decimal(number))

    def test_other_types_are_refused(self) -> None:
        for writer in (exact_json.dumps, exact_json.canonical):
            with pytest.raises(TypeError):
                writer({"value": {1, 2}})
            with pytest.raises(TypeError):
                writer({1: "a number is no key"})

    @given(documents)
    def test_what_was_written_is_read_back(self, document: object) -> None:
        assert same(exact_json.loads(exact_json.dumps(document)), document)


class TestRewrite:
    @given(documents)
    def test_it_writes_what_was_read_as_dumps_does(self, document: object) -> None:
        read = exact_json.loads(exact_json.dumps(document))
        assert exact_json.rewrite(read) == exact_json.dumps(read)

    @pytest.mark.parametrize("text", [b"[60.50]", b"[1E-7]", b"[18446744073709551616]", b"[-9223372036854775809,0.10]"])
    def test_each_digit_stays_also_of_numbers_that_no_processor_holds(self, text: bytes) -> None:
        assert exact_json.rewrite(exact_json.loads(text)) == text
        assert exact_json.dumps(exact_json.loads(text)) == text

    def test_what_is_not_json_is_refused_by_name(self) -> None:
        with pytest.raises(TypeError, match="set is not JSON"):
            exact_json.rewrite({"value": {1, 2}})


class TestLoads:
    def test_fractions_become_decimals_and_whole_numbers_stay(self) -> None:
        assert same(exact_json.loads(b"[60.50, 1.0e3, 7, true]"), [Decimal("60.50"), Decimal("1.0E+3"), 7, True])

    def test_a_byte_order_mark_is_no_content(self) -> None:
        assert exact_json.loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b'{"a": ',
            b"[NaN]",
            b"[Infinity]",
            b'["\\ud800"]',
            b"\xff\xfe",
            b"[1e9999999999999999999999]",
            b"[" * 200_000,
        ],
    )
    def test_what_is_not_json_is_a_value_error(self, data: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  # the text is the parser's own
            exact_json.loads(data)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        try:
            document = exact_json.loads(data)
        except ValueError:
            return
        exact_json.dumps(document)


class TestCanonical:
    def test_keys_and_numbers_have_one_form(self) -> None:
        forms = ['{"b":60.50,"a":1}', '{"a":1.0,"b":6.05e1}', '{"a":10e-1,"b":60.5000}']
        assert {exact_json.canonical(exact_json.loads(form)) for form in forms} == {b'{"a":1,"b":60.5}'}

    def test_a_float_reading_gives_the_same_digest_as_an_exact_one(self) -> None:
        data = b'{"value": 60.50, "factor": 0.1, "whole": 12.0, "small": 0.00001}'
        assert exact_json.canonical(orjson.loads(data)) == exact_json.canonical(exact_json.loads(data))

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            ("0.00", b"0"),
            ("-0", b"0"),
            ("-1.50", b"-1.5"),
            ("100", b"100"),
            ("1E+2", b"100"),
            ("0.001", b"0.001"),
            ("1E+30", b"1e30"),
            ("-1.5E-30", b"-1.5e-30"),
        ],
    )
    def test_numbers(self, number: str, text: bytes) -> None:
        assert exact_json.canonical(Decimal(number)) == text

    @given(finite_decimals)
    def test_the_value_is_kept(self, number: Decimal) -> None:
        assert Decimal(exact_json.canonical(number).decode()) == number

    @given(documents)
    def test_key_order_does_not_matter(self, document: object) -> None:
        def turned(value: object) -> object:
            if isinstance(value, dict):
                return {key: turned(value[key]) for key in reversed(value)}
            return [turned(item) for item in value] if isinstance(value, list) else value

        assert exact_json.canonical(turned(document)) == exact_json.canonical(document)
        json.loads(exact_json.canonical(document))
