"""The whole answer to every case is the one that was last looked at."""

from __future__ import annotations

import pytest

from tests.rules import answers

KEPT = answers.kept()
CASES = answers.names()


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_the_one_that_was_last_looked_at(name: str) -> None:
    """When this fails on purpose: run scripts/make_answers.py and read what it changed."""
    assert answers.told(name, answers.answer(name)) == KEPT[name]


def test_nothing_is_kept_that_is_no_case() -> None:
    assert list(KEPT) == list(CASES)
