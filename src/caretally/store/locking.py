"""One run at a time: a lock that the operating system or the database gives back when its holder dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from caretally.errors import LockedError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.store.opening import Store


@contextmanager
def file_lock(path: Path, *, held: str) -> Iterator[None]:
    """Hold a lock file; it stays where it is afterwards, empty, because removing it would let two runs in.

    Args:
        path: the file; its folder must exist.
        held: what is locked, for the message.

    Raises:
        LockedError: another process holds it.
        WriteError: the file cannot be made.
    """
    try:
        # Inheritance by child processes would keep the lock alive: Python opens files without it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WriteError(f"{held}: the lock file {path} cannot be made ({error.strerror})") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"{held} is in use by another run; wait until it has ended") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def store_lock(store: Store, name: str) -> Iterator[None]:
    """Hold the store for one run.

    Raises:
        LockedError: another run holds it.
    """
    if store.engine.dialect.name == "sqlite":
        with file_lock(Path(store.place + ".lock"), held=f"the store {store.place}"):
            yield
        return
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with store.engine.connect() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
            raise LockedError(f"the store {store.place} is in use by another run; wait until it has ended")
        # The lock belongs to the session, not to the transaction, which must not stay open during a run.
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
            connection.commit()
