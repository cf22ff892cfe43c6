"""One server's wish for patience, kept by everybody who speaks with it.

A server that answers one request with Retry-After means the client, not the request: as long as it wants to be left
alone no other thread asks it anything either.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from caretally.fhir.errors import Exchange, RetryLaterError

if TYPE_CHECKING:
    from collections.abc import Callable


class Patience:
    """Until when one server is left alone; shared by threads.

    Args:
        budget_seconds: longest wait of one request.
        clock: seconds that only grow.
        sleep: waits so many seconds.
    """

    def __init__(self, budget_seconds: float, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._budget = budget_seconds
        self._clock, self._sleep = clock, sleep
        self._until = float("-inf")
        self._asked_by = Exchange(method="", path="")
        self._lock = threading.Lock()

    def asked(self, seconds: float | None, exchange: Exchange) -> None:
        """Note how long a server asks to wait in its answer to `exchange`; None: it does not say."""
        if seconds is None:
            return
        with self._lock:
            until = self._clock() + seconds
            if until > self._until:
                self._until, self._asked_by = until, exchange

    def left(self) -> float:
        """Give the seconds for which the server still wants to be left alone; 0 when it does not."""
        return max(0.0, self._until - self._clock())

    def keep(self) -> None:
        """Wait until the server may be asked again.

        Raises:
            RetryLaterError: that is later than the budget allows.
        """
        waited_for = float("-inf")
        # Another thread may be told to wait longer meanwhile. Each end is slept for once, whatever the clock says then.
        while self._until > waited_for and (seconds := self.left()) > 0:
            if seconds > self._budget:
                raise RetryLaterError(self._asked_by, wait_seconds=seconds, budget_seconds=self._budget)
            waited_for = self._until
            self._sleep(seconds)
