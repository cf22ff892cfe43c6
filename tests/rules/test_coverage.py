"""No row of any table without a pair of cases, and the published page says which."""

from __future__ import annotations

from tests.rules.coverage import page
from tests.rules.coverage.pairs import never


def test_every_pair_shows_what_it_claims_and_its_neighbour_just_does_not() -> None:
    wrong = {
        pair.name: lacking
        for pair, first, second in page.decided()
        if (lacking := page.missing_rows(pair, first - second))
    }
    assert not wrong


def test_the_names_of_pairs_differ() -> None:
    names = [pair.name for pair, _, _ in page.decided()]
    assert len(names) == len(set(names))


def test_a_pair_names_rows_that_exist() -> None:
    known = {*page.rows(), *never(), "enough conditions"}
    assert sorted({row for pair, _, _ in page.decided() for row in pair.rows} - known) == []


def test_every_row_of_every_table_has_a_pair_of_cases() -> None:
    """A row is missing here: CONTRIBUTING.md, "Cases", says how to add a pair."""
    assert [row for row in page.rows() if row not in page.shown_by()] == []


def test_the_tests_of_other_rooms_exist() -> None:
    assert page.absent_tests() == []


def test_the_page_is_up_to_date() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run scripts/make_coverage.py"


def test_what_cannot_be_shown_is_a_row_and_is_not_shown() -> None:
    assert sorted(set(never()) - set(page.all_rows())) == []
    assert sorted(set(never()) & set(page.shown_by())) == []
