"""What can go wrong with the store, each under the exit code that fits, and the one place that translates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.errors import ConfigurationError, LockedError, WriteError

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext


class StoreDamagedError(ConfigurationError):
    """The file is not a store, or its content is damaged."""


class StoreVersionError(ConfigurationError):
    """The store was made by a newer release."""


class StoreUpgradeError(ConfigurationError):
    """The store was made by an older release and is not changed before somebody has made a backup."""


class StoreBindingError(ConfigurationError):
    """The store belongs to another server, folder or tenant."""


class StoreUnusableError(ConfigurationError):
    """The store cannot be opened where the configuration says."""


class StoreWriteError(WriteError):
    """The store cannot be written: read-only, or the disk is full."""


class StoreLostError(WriteError):
    """The database that holds the store went away in the middle of a run."""


class StoreBusyError(LockedError):
    """Another process holds the store."""


_SIGNS: tuple[tuple[tuple[str, ...], type[ConfigurationError | WriteError | LockedError], str], ...] = (
    (
        ("database is locked", "database table is locked", "database schema is locked"),
        StoreBusyError,
        "the store {place} is held by another process: wait until the other run has ended",
    ),
    (
        ("not a database", "malformed", "file is encrypted"),
        StoreDamagedError,
        (
            "the store {place} is damaged or is not a Caretally store: move it away and run again; claims on file are "
            "found by their identifiers, recorded decisions must be brought back from a backup"
        ),
    ),
    (
        ("readonly", "read-only", "permission denied"),
        StoreWriteError,
        "the store {place} cannot be written: give this user the right to write the file and its folder",
    ),
    (
        ("disk is full", "no space left", "disk full"),
        StoreWriteError,
        "the disk that holds the store {place} is full: make room and run again; what was recorded is kept",
    ),
    (
        ("disk i/o error",),
        StoreWriteError,
        "the disk that holds the store {place} fails to read or write: check it and run again",
    ),
    (
        (
            "terminating connection",
            "server closed the connection",
            "connection is lost",
            "the connection is closed",
            "connection is bad",
            "consuming input failed",
            "sending query failed",
            "no connection to the server",
        ),
        StoreLostError,
        (
            "the database of the store {place} went away: start it and run again; what was recorded is kept, and what "
            "was on its way is looked up on the server first"
        ),
    ),
    (
        ("authentication failed", "no password supplied", 'database "', 'role "', "no pg_hba.conf entry"),
        StoreUnusableError,
        (
            "the database of the store {place} does not let us in: user, password (by url_env) or the database's name "
            "is wrong, or the database has not been made yet"
        ),
    ),
    (
        ("starting up", "shutting down", "connection refused", "connection failed", "failed to resolve host"),
        StoreUnusableError,
        "the database of the store {place} does not answer: start it, or correct the address of [store] or --store",
    ),
    (
        ("unable to open",),
        StoreUnusableError,
        "the store {place} cannot be opened: its folder must exist and be writable, and the path must be a file",
    ),
)


def translate(context: ExceptionContext, place: str) -> None:
    """Raise our own error in place of the driver's; anything unknown stays what it is (a fault of ours).

    Raises:
        StoreDamagedError, StoreUnusableError, StoreWriteError, StoreBusyError: what the driver's words mean.
    """
    text = str(context.original_exception).lower()
    for signs, error, message in _SIGNS:
        if any(sign in text for sign in signs):
            # Without the statement: its parameters may hold patient data.
            raise error(message.format(place=place)) from context.original_exception
