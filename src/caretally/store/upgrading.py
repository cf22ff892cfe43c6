"""Bringing the tables of a store up to date: never without a copy of what was there before."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from caretally.store import schema
from caretally.store.errors import StoreUnusableError, StoreUpgradeError, StoreVersionError, StoreWriteError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from caretally.store.opening import Store

HEAD = "0005"
"""Latest migration; revisions are numbered, so that a newer store can be told from a damaged one."""

_ALEMBIC = threading.Lock()
"""Alembic keeps where it is in globals: two stores of one process are brought up to date one after the other."""


def upgrade(store: Store, *, backed_up: bool) -> Path | None:
    """Make the tables of a new store, or bring those of an older one up to date.

    A file is copied first, beside itself. A database is left as it is until somebody says that there is a backup.

    Args:
        store: open, whatever its version.
        backed_up: a person vouches for a backup of the database.

    Returns:
        The copy that was made; None where none was needed.

    Raises:
        StoreVersionError: it was made by a newer release.
        StoreUnusableError: it holds tables of something else.
        StoreUpgradeError: it is an older one on a database server, and nobody has said that there is a backup.
        StoreWriteError: the copy cannot be made; the store is left as it was.
    """
    with store.reading() as connection:
        before = revision_of(connection, store.place)
    if before == HEAD:
        return None
    copy = None
    if before is not None:
        if store.engine.dialect.name == "sqlite":
            copy = _copy(Path(store.place), before)
        elif not backed_up:
            raise StoreUpgradeError(
                f"the store {store.place} has version {before}, made by an older release; this one needs {HEAD}. Make "
                "a backup of the database (pg_dump), then run: caretally store upgrade --backed-up"
            )
    with store.writing() as connection:
        now = revision_of(connection, store.place)
        if now is None:
            make_tables(connection)
        elif now != HEAD:  # else another process was faster
            run_migrations(connection)
    return copy


def revision_of(connection: Connection, place: str) -> str | None:
    """Return the version of a store; None for an empty database.

    Raises:
        StoreVersionError: it was made by a newer release.
        StoreUnusableError: it holds tables of something else.
    """
    names = inspect(connection).get_table_names()
    if "alembic_version" not in names:
        if names:
            raise StoreUnusableError(f"{place} holds other tables ({len(names)}) and is not a Caretally store")
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    revision = None if found is None else str(found)
    if revision is not None and revision > HEAD:
        raise StoreVersionError(
            f"the store {place} has version {revision}, made by a newer release; this one knows up to {HEAD}. "
            "Update Caretally, or use another store"
        )
    return revision


def _copy(path: Path, revision: str) -> Path:
    """Copy a SQLite file as it stands, with what its write-ahead log holds; an older copy of the version stays."""
    copy = path.with_name(f"{path.name}.{revision}.backup")
    number = 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.{revision}.backup-{number}")
    try:
        descriptor = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            source, target = sqlite3.connect(path), sqlite3.connect(copy)
            try:
                source.backup(target)
            finally:
                target.close()
                source.close()
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise StoreWriteError(
            f"the store {path} was made by an older release, and no copy of it can be made beside it "
            f"({type(error).__name__}); nothing was changed: make room or give this user the right, and run again"
        ) from error
    return copy


def make_tables(connection: Connection) -> None:
    """Make the tables of a new store as they are now, without going through their history (tests compare both)."""
    schema.metadata.create_all(connection)
    # As Alembic makes it, which goes on from here when this store is an older one.
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def run_migrations(connection: Connection) -> None:
    """Take a store from where it is, or from nothing, through one migration after the other."""
    # Imported here: it costs a third of a second that only an older store need pay.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "caretally.store:migrations")
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, "head")
