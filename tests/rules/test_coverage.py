"""No row of any table without a pair of cases, and the published page says which."""

from __future__ import annotations

from tests.rules.coverage import page


def test_every_pair_shows_what_it_claims_and_its_neighbour_just_does_not() -> None:
    wrong = {pair.name: lacking for pair in page.all_pairs() if (lacking := page.missing_rows(pair))}
    assert not wrong


def test_the_names_of_pairs_differ() -> None:
    names = [pair.name for pair in page.all_pairs()]
    assert len(names) == len(set(names))


def test_a_pair_names_rows_that_exist() -> None:
    known = set(page.rows())
    assert sorted({row for pair in page.all_pairs() for row in pair.rows} - known) == []
