"""Named places at which a test can kill the process, to prove that nothing is left half-written.

``CARETALLY_FAILPOINT=name`` ends the process at the place of that name as a kill would: no cleanup, no flush.
``name@3`` does so when the place is passed for the third time. Without the variable a place costs a look-up.
"""

from __future__ import annotations

import os
from collections import Counter

KILLED = 137
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Mark a place where a crash must do no harm."""
    wanted = os.environ.get("CARETALLY_FAILPOINT")
    if wanted is None:
        return
    place, _, count = wanted.partition("@")
    if place == name:
        _passed[name] += 1
        if _passed[name] >= int(count or 1):
            os._exit(KILLED)
