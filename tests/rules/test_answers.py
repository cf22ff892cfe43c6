"""The whole answer to every case is the one that was last looked at."""

from __future__ import annotations

import pytest

from tests.rules import answers

KEPT = answers.kept()
GROUPS = [answers.names()[start : start + 20] for start in range(0, len(answers.names()), 20)]


@pytest.mark.parametrize("names", GROUPS, ids=[f"{i}-{names[0]}" for i, names in enumerate(GROUPS, 1)])
def test_answers_are_those_that_were_last_looked_at(names: tuple[str, ...]) -> None:
    """When this fails on purpose: run scripts/make_answers.py and read what it changed."""
    for name in names:
        assert answers.told(name, answers.answer(name)) == KEPT.get(name), name


def test_nothing_is_kept_that_is_no_case() -> None:
    assert list(KEPT) == list(answers.names())
