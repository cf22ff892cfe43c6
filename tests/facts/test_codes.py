from __future__ import annotations

from datetime import date

from caretally.facts.codes import CPT, ICD10CM, NUCC, CodeMap, CodeRule, CodeSet, Coding


def test_a_set_finds_codes_prefixes_and_patterns_of_the_same_system_only() -> None:
    codes = CodeSet(
        "any",
        (
            CodeRule(CPT, code="99214"),
            CodeRule(ICD10CM, prefix="E11"),
            CodeRule(NUCC, pattern="20[0-9A-Z]{8}"),
        ),
    )
    assert codes.contains(Coding(CPT, "99214"))
    assert codes.contains(Coding(ICD10CM, "E11.65"))
    assert codes.contains(Coding(NUCC, "207RH0003X"))
    assert not codes.contains(Coding("", "99214"))
    assert not codes.contains(Coding(CPT, "E11.65"))
    assert not codes.contains(Coding(NUCC, "1207RH0003X"))
    assert not codes.contains(Coding(ICD10CM, "E1"))


def test_a_row_holds_from_its_first_to_its_last_day() -> None:
    codes = CodeSet("old", (CodeRule(CPT, code="99441", valid_to=date(2024, 12, 31)),))
    assert codes.contains(Coding(CPT, "99441"), date(2024, 12, 31))
    assert not codes.contains(Coding(CPT, "99441"), date(2025, 1, 1))
    assert codes.contains(Coding(CPT, "99441"))


def test_a_map_answers_with_the_first_coding_it_knows() -> None:
    found = CodeMap("m", ((CodeRule("s", code="a"), "x"), (CodeRule("s", code="b"), "y")))
    assert found.target([Coding("s", "z"), Coding("s", "b"), Coding("s", "a")]) == "y"
    assert found.target([Coding("t", "a")]) is None
