"""One run at a time: a lock that the operating system or the database gives back when its holder dies.

A file is locked by the operating system. On PostgreSQL the lock belongs to a session of the database, which ends
with its process; for a machine that vanished without a word there is a lease beside it: a row with an end, by the
clock of the database, that its holder moves on. A holder whose lease ended finds out before it sends anything more.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import platform
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from caretally.errors import CaretallyError, LockedError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from caretally.store.opening import Store

LEASE_SECONDS = 60.0
"""How long the lease of a machine that vanished keeps others out; it is moved on four times in that while."""

_MILLISECONDS = 1_000
_NOW = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
_PAUSE_SECONDS = 0.2
_TAKE_OVER_TRIES = 25


def _clock() -> float:
    """Seconds that go on also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Hold:
    """That a store is ours for now.

    Attributes:
        seconds: how long it stays ours without a sign of life; a lock of the operating system needs none.
    """

    place: str
    seconds: float = math.inf
    heard: float = field(default_factory=_clock)
    lost: bool = False

    def check(self) -> None:
        """Refuse to go on when somebody else may have the store by now.

        Raises:
            LockedError: the lease ended, because this process stood still or the database was away.
        """
        if self.lost or _clock() - self.heard > self.seconds:
            raise LockedError(
                f"the hold on the store {self.place} was lost, because this process stood still or the database was "
                "away; nothing more was sent. Run again: what was sent is looked up first"
            )


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
def store_lock(store: Store, name: str, *, seconds: float = LEASE_SECONDS) -> Iterator[Hold]:
    """Hold the store for one run.

    Args:
        store: to hold.
        name: of what is held; others may be held at the same time.
        seconds: length of a lease, where there is one.

    Raises:
        LockedError: another run holds it.
    """
    if store.engine.dialect.name == "sqlite":
        with file_lock(Path(store.place + ".lock"), held=f"the store {store.place}"):
            yield Hold(store.place)
        return
    # A connection of its own, for as long as the lock is held: the lock ends with it.
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        lease = _Lease(connection, name, int(seconds * _MILLISECONDS))
        lease.take(store.place)
        with lease.kept(Hold(store.place, seconds)) as hold:
            yield hold


class _Lease:
    """A lock of a database session, and the row that tells until when its holder was last heard of."""

    def __init__(self, connection: Connection, name: str, milliseconds: int) -> None:
        self.connection = connection
        self.name = name
        self.milliseconds = milliseconds
        self.holder = f"{platform.node()}:{os.getpid()}:{uuid4().hex}"
        self.key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)

    def take(self, place: str) -> None:
        """Get the lock, also from a holder whose lease has ended.

        Raises:
            LockedError: another run holds it.
        """
        for _ in range(_TAKE_OVER_TRIES):
            if self.connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self.key}).scalar():
                self._write()
                return
            if not self._end_session_of_expired():
                machine = self._holder().partition(":")[0]
                by = f" on {machine}" if machine else ""
                raise LockedError(f"the store {place} is in use by another run{by}; wait until it has ended")
            time.sleep(_PAUSE_SECONDS)
        raise LockedError(
            f"the store {place} is held by a run that has not been heard of for a while, and its session of the "
            "database cannot be ended: end it (pg_terminate_backend), and run again"
        )

    @contextmanager
    def kept(self, hold: Hold) -> Iterator[Hold]:
        """Move the lease on until the end."""
        done = threading.Event()
        thread = threading.Thread(target=self._renew, args=(done, hold), name="store lease", daemon=True)
        thread.start()
        try:
            yield hold
        finally:
            done.set()
            thread.join()
            with suppress(CaretallyError, SQLAlchemyError):  # the database may be gone, and the lock with it
                self.connection.execute(
                    text("DELETE FROM lease WHERE name = :name AND holder = :holder"),
                    {"name": self.name, "holder": self.holder},
                )
                self.connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self.key})

    def _write(self) -> None:
        self.connection.execute(
            text(
                "INSERT INTO lease (name, holder, session, taken_at, expires_at) "  # noqa: S608 -- only our constant
                f"VALUES (:name, :holder, pg_backend_pid(), {_NOW}, {_NOW} + :length) "
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, session = excluded.session, "
                "taken_at = excluded.taken_at, expires_at = excluded.expires_at"
            ),
            {"name": self.name, "holder": self.holder, "length": self.milliseconds},
        )

    def _renew(self, done: threading.Event, hold: Hold) -> None:
        while not done.wait(hold.seconds / 4):
            asked = _clock()
            try:
                moved = self.connection.execute(
                    text(
                        f"UPDATE lease SET expires_at = {_NOW} + :length "  # noqa: S608 -- only our constant
                        f"WHERE name = :name AND holder = :holder AND expires_at > {_NOW}"
                    ),
                    {"name": self.name, "holder": self.holder, "length": self.milliseconds},
                ).rowcount
            except Exception:  # noqa: BLE001 -- whatever it was: nobody can say any more that the store is ours
                moved = 0
            if not moved:
                hold.lost = True
                return
            hold.heard = asked

    def _holder(self) -> str:
        found = self.connection.execute(text("SELECT holder FROM lease WHERE name = :name"), {"name": self.name})
        return str(found.scalar() or "")

    def _end_session_of_expired(self) -> bool:
        """End the session of a holder whose lease is over; whether there was one."""
        row = self.connection.execute(
            text(
                f"SELECT pg_terminate_backend(l.pid) FROM lease JOIN pg_locks l ON l.pid = lease.session "  # noqa: S608
                f"WHERE l.locktype = 'advisory' AND lease.name = :name AND lease.expires_at <= {_NOW}"
            ),
            {"name": self.name},
        ).first()
        return row is not None
