from __future__ import annotations

import pytest

from caretally.facts.identifiers import is_icd10cm, is_mbi, is_npi, is_place_of_service, is_taxonomy, is_tin, plain_mbi


@pytest.mark.parametrize("npi", ["1234567893", "1999900016", "1999901014"])
def test_an_npi(npi: str) -> None:
    assert is_npi(npi)
    assert sum(is_npi(npi[:-1] + digit) for digit in "0123456789") == 1


@pytest.mark.parametrize("text", ["", "123456789", "12345678930", "9999901012", "123456789X", "１２３４５６７８９３"])  # noqa: RUF001
def test_no_npi(text: str) -> None:
    assert not is_npi(text)


def test_an_mbi_in_each_way_of_writing() -> None:
    for text in ("1EG4TE5MK73", "1EG4-TE5-MK73", "1eg4 te5 mk73"):
        assert is_mbi(text)
        assert plain_mbi(text) == "1EG4TE5MK73"


@pytest.mark.parametrize(
    "text", ["", "0EG4TE5MK73", "1SG4TE5MK73", "1EG4TE5MK7", "1EG4TE5MK733", "1EG4TE5BK73", "123-45-6789A"]
)
def test_no_mbi(text: str) -> None:
    assert not is_mbi(text)


@pytest.mark.parametrize("code", ["I10", "E11.9", "I50.22", "C50.911", "U07.1", "S72.001A", "C7A.00", "e119"])
def test_the_shape_of_an_icd10cm_code(code: str) -> None:
    assert is_icd10cm(code)


@pytest.mark.parametrize("code", ["", "I1", "44054006", "E11.", "E11.12345", "250.00", "EE1", "I-10"])
def test_another_shape(code: str) -> None:
    assert not is_icd10cm(code)


def test_taxonomies_tax_numbers_and_places() -> None:
    assert is_taxonomy("207RX0202X")
    assert not is_taxonomy("207RX0202")
    assert is_tin("12-3456789")
    assert is_tin("123456789")
    assert not is_tin("12-345678")
    assert is_place_of_service("11")
    assert not any(is_place_of_service(text) for text in ("", "1", "99", "00", "111", "ab"))
