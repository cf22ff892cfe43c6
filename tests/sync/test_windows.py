"""Windows touch, do not overlap, and the last one is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from caretally.sync.mirroring.windows import MOST_WINDOWS, WINDOW, windows

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- given a zone


@given(moments, st.timedeltas(timedelta(days=-3), timedelta(days=9000)))
def test_they_cover_everything_once(begin: datetime, span: timedelta) -> None:
    since = begin.isoformat(timespec="seconds")
    found = windows(since, (begin + span).isoformat(timespec="seconds"))
    assert (found[0][0], found[-1][1]) == (since, None)
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert 1 <= len(found) <= MOST_WINDOWS
    starts = [datetime.fromisoformat(start) for start, _ in found]
    assert starts == sorted(set(starts))
    if span < WINDOW * MOST_WINDOWS:
        edges = [*starts, max(begin + span, starts[-1])]
        assert max(later - earlier for earlier, later in pairwise(edges)) <= WINDOW * 1.01


def test_without_an_end_one_has_to_do() -> None:
    assert windows("2025-02-10T09:00:00+00:00", None) == [("2025-02-10T09:00:00+00:00", None)]
