"""Which store was used last, so that `explain` right after `apply` needs no address.

A small file in the user's state directory holds the folder or file. A database URL is not kept: it may hold a
password, and it stands in the configuration anyway.
"""

from __future__ import annotations

import contextlib

from platformdirs import user_state_path


def remember_store(location: str) -> None:
    """Keep a folder or file as the store used last; quietly not where the directory cannot be written."""
    if "://" in location:
        return
    path = user_state_path("caretally") / "last-store"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(location + "\n", encoding="utf-8")


def last_store() -> str | None:
    """Return the store used last; None where nothing is known."""
    try:
        text = (user_state_path("caretally") / "last-store").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return text or None
