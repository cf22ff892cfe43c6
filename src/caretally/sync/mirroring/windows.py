"""A span of time in windows, so that no search for changes is without bound, and a crash repeats little of it."""

from __future__ import annotations

from datetime import datetime, timedelta

WINDOW = timedelta(days=1)
MOST_WINDOWS = 31
"""Of a longer span the windows are wider."""
Window = tuple[str, str | None]
"""Where it begins, and where the next one begins; None: nowhere."""


def windows(since: str, until: str | None) -> list[Window]:
    """Cut the time from an instant on into windows that touch and do not overlap.

    The last one has no end: whatever the server's clock says, nothing is too new for it.

    Args:
        since: ISO 8601 with an offset.
        until: about now, the same; None: nobody knows, and one window has to do.
    """
    begin = datetime.fromisoformat(since)
    span = timedelta() if until is None else datetime.fromisoformat(until) - begin
    count = min(MOST_WINDOWS, -(-span // WINDOW))
    if count <= 1:
        return [(since, None)]
    step = timedelta(seconds=span.total_seconds() // count)
    edges = [since, *((begin + step * number).isoformat(timespec="seconds") for number in range(1, count))]
    return list(zip(edges, [*edges[1:], None], strict=True))
