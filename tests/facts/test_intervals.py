from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from caretally.facts.intervals import Interval, subtract, total_seconds, union

spans = st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda p: Interval(p[0], p[0] + p[1]))


def seconds(intervals: list[Interval] | tuple[Interval, ...]) -> set[int]:
    return {s for i in intervals for s in range(i.start, i.end)}


@given(st.lists(spans))
def test_a_union_holds_each_second_once(intervals: list[Interval]) -> None:
    merged = union(intervals)
    assert seconds(merged) == seconds(intervals)
    assert total_seconds(intervals) == len(seconds(intervals)) == sum(i.seconds for i in merged)
    assert all(a.end < b.start for a, b in pairwise(merged))


@given(spans, st.lists(spans))
def test_what_is_left_and_what_is_taken_make_the_whole(interval: Interval, holes: list[Interval]) -> None:
    left = subtract(interval, holes)
    assert seconds(left) == seconds([interval]) - seconds(holes)


@given(spans, spans)
def test_an_intersection_is_what_both_hold(one: Interval, other: Interval) -> None:
    found = one.intersection(other)
    assert (seconds([found]) if found else set()) == seconds([one]) & seconds([other])
