"""Named places at which a test can kill the process, to prove that nothing is left half-written.

``CARETALLY_FAILPOINT=name`` kills the process (SIGKILL) at the place of that name: no cleanup, no flush.
``name@3`` does so when the place is passed for the third time. Without the variable a place costs a look-up.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

_passed: Counter[str] = Counter()
_counting = threading.Lock()


def failpoint(name: str) -> None:
    """Mark a place where a crash must do no harm."""
    wanted = os.environ.get("CARETALLY_FAILPOINT")
    if wanted is None:
        return
    place, _, count = wanted.partition("@")
    if place == name:
        with _counting:
            _passed[name] += 1
            if _passed[name] >= int(count or 1):
                os.kill(os.getpid(), signal.SIGKILL)
