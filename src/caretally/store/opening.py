"""Opening a store: the engine, the migrations, and the check that the store is ours to use."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import immutabledict

from caretally.errors import ConfigurationError
from caretally.store import schema
from caretally.store.errors import StoreBindingError, StoreUnusableError, translate
from caretally.store.upgrading import HEAD, revision_of, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import ExceptionContext

__all__ = [
    "HEAD",
    "STORE_FILE",
    "Store",
    "StoreBinding",
    "open_existing_store",
    "open_store",
    "open_store_for_reading",
    "store_file",
    "temporary_store",
]

STORE_FILE = "caretally.sqlite"
"""Name of the store inside a folder."""

BUSY_SECONDS = 10
_WRITE, _MAY_BE_LOST = "caretally_write", "caretally_may_be_lost"
_WRITER_LOCK = 5_820_411_006  # any number, the same in every release
_POSTGRESQL = {
    "connect_timeout": BUSY_SECONDS,
    "application_name": "caretally",
    # A machine that vanished is noticed within a minute, on either side.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # What is committed must be on the disk of the database, whatever its own default is.
    "options": (
        "-c synchronous_commit=on -c timezone=UTC "
        "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBinding:
    """What a store belongs to; one made for something else is refused, because its intents are not ours.

    Attributes:
        target: ``folder:.`` for a store inside its sink folder, ``folder:/path`` for one elsewhere, or
            ``server:`` and the base URL.
        tenant: the practice's stable name in the configuration; it is part of every claim's identity.
    """

    target: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Store:
    """An open store; `store.runs`, `staging`, `answers`, `outbox` and `decisions` read and write it."""

    engine: Engine
    place: str
    """What a message calls the store; without credentials."""
    folder: Path | None = field(default=None)
    """Temporary folder that disappears when the store is closed."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading; what it sees does not change while it is open."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, *, may_be_lost: bool = False) -> Iterator[Connection]:
        """Give a connection for writing; all of it is kept at the end, or nothing after an error.

        Args:
            may_be_lost: do not wait for the disk, for what can be read again from where it came. Whatever ends the
                process, it is kept; when the machine itself loses power, the last of these commits may be gone, all
                of each, and never one that a commit without this followed.
        """
        options = {_WRITE: True, _MAY_BE_LOST: may_be_lost}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                if may_be_lost:
                    connection.execute(text("SET LOCAL synchronous_commit TO off"))
                # One writer after the other, as in a file: numbers that are counted on stay without gaps and copies.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
            yield connection

    def close(self) -> None:
        """Give back the file or connections; a temporary store is deleted."""
        self.engine.dispose()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(location: str | Path, *, binding: StoreBinding, opened_at: str, backed_up: bool = False) -> Store:
    """Open a store, make it where there is none, and bring its tables up to date.

    Args:
        location: path of a SQLite file, or a database URL.
        binding: what the store must belong to; a new one is bound to it.
        opened_at: instant in UTC, ISO 8601.
        backed_up: see `upgrading.upgrade`.

    Raises:
        StoreVersionError: it was made by a newer release.
        StoreUpgradeError: it is an older one on a database server that nobody has backed up.
        StoreBindingError: it belongs to another server, folder or tenant.
        StoreDamagedError, StoreUnusableError, StoreWriteError, StoreBusyError: it cannot be used now.
    """
    url = _url(location)
    _keep_private(url)
    store = Store(_engine(url), _place(url))
    try:
        upgrade(store, backed_up=backed_up)
        _bind(store, binding, opened_at)
    except BaseException:
        store.close()
        raise
    return store


def open_existing_store(location: str | Path, *, backed_up: bool = False) -> Store:
    """Open a store that is there, whatever it belongs to, to look something up.

    Args:
        location: path of a SQLite file, or a database URL.
        backed_up: see `upgrading.upgrade`.

    Raises:
        StoreUnusableError: there is none.
        StoreVersionError, StoreDamagedError, StoreWriteError, StoreBusyError: as for `open_store`.
    """
    url = _url(location)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise StoreUnusableError(f"there is no store at {_place(url)}: run apply first, or name another with --store")
    store = Store(_engine(url), _place(url))
    try:
        upgrade(store, backed_up=backed_up)
    except BaseException:
        store.close()
        raise
    return store


def open_store_for_reading(location: str | Path) -> Store:
    """Open a store that is there and leave no trace in it; one of an older release is brought up to date first.

    Raises:
        StoreUnusableError, StoreVersionError, StoreDamagedError, StoreBusyError: as for `open_existing_store`.
    """
    url = _url(location)
    if url.get_backend_name() != "sqlite":
        return open_existing_store(location)
    path = Path(str(url.database))
    # Not mode=ro: such a connection leaves its helper files behind. This one takes them away and writes nothing.
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "handle_error", lambda context: translate(context, str(path)))
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
    store = Store(engine, str(path))
    with store.reading() as connection:
        current = revision_of(connection, store.place) == HEAD
    if current:
        return store
    store.close()
    return open_existing_store(location)


def store_target(store: Store) -> str:
    """Return what a store belongs to, as in `StoreBinding.target`.

    Raises:
        StoreUnusableError: it belongs to nothing yet.
    """
    table = schema.store_binding
    with store.reading() as connection:
        found = connection.execute(select(table.c.target)).scalar()
    if found is None:
        raise StoreUnusableError(f"the store {store.place} belongs to nothing yet: run apply first")
    return str(found)


def temporary_store(*, opened_at: str) -> Store:
    """Make a store that is deleted when it is closed, for a plan that must leave no trace."""
    folder = Path(tempfile.mkdtemp(prefix="caretally-"))
    url = _url(folder / STORE_FILE)
    _keep_private(url)
    store = Store(_engine(url), _place(url), folder)
    try:
        upgrade(store, backed_up=False)
        _bind(store, StoreBinding(target="temporary", tenant=""), opened_at)
    except BaseException:
        store.close()
        raise
    return store


def store_file(location: str) -> str:
    """Give what `open_store` wants for a folder or database URL, as people name a store."""
    return location if "://" in location else str(Path(location).expanduser() / STORE_FILE)


def _url(location: str | Path) -> URL:
    if isinstance(location, Path) or "://" not in location:
        path = Path(location).expanduser().absolute()
        if path.is_dir():
            raise StoreUnusableError(f"the store {path} is a folder; wanted is a file, for example {path}/store.sqlite")
        return URL.create("sqlite", database=str(path))
    try:
        url = make_url(location)
    except ArgumentError:
        raise ConfigurationError(
            "the store is neither a path nor a database URL such as postgresql+psycopg://user@host/name"
        ) from None
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"the store is a {url.get_backend_name()} database; wanted is a file for SQLite or a postgresql URL"
        )
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # the one driver that we are tested with
    if url.get_backend_name() == "sqlite" and not url.database:
        raise ConfigurationError("a store in memory forgets what was sent; give the path of a file")
    return url


def _keep_private(url: URL) -> None:
    """Make a new file readable by its owner only: a store holds patient data."""
    if url.get_backend_name() != "sqlite":
        return
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreUnusableError(
            f"the store {path} cannot be opened ({error.strerror}); its folder must exist and be writable"
        ) from error


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url._replace(username=None, password=None, query=immutabledict()).render_as_string()


def _engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS} if sqlite else _POSTGRESQL
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the store's database needs the Python package {error.name}, which is not installed; install it, or use "
            "a file as store"
        ) from error

    def on_error(context: ExceptionContext) -> None:
        translate(context, _place(url))

    event.listen(engine, "handle_error", on_error)
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own idea of when a transaction begins leaves DDL outside; we begin ourselves (below).
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "auto_vacuum=INCREMENTAL",  # counts only before the first table: what a pull took can be given back
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=FAST",  # what was pulled is patient data and must not stay in free pages
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: taking it in the middle would fail without waiting.
    options = connection.get_execution_options()
    write = options.get(_WRITE, False)
    if write:
        # Not for good: the pool gives this connection to the next writer, whatever that one needs.
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get(_MAY_BE_LOST, False) else 'FULL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _bind(store: Store, binding: StoreBinding, opened_at: str) -> None:
    table = schema.store_binding
    with store.reading() as connection:
        row = connection.execute(select(table.c.target, table.c.tenant)).first()
    if row is None:
        with store.writing() as connection:
            if connection.execute(select(table.c.target)).first() is None:
                connection.execute(
                    insert(table).values(only=1, target=binding.target, tenant=binding.tenant, created_at=opened_at)
                )
            row = connection.execute(select(table.c.target, table.c.tenant)).one()
    if row.target != binding.target:
        raise StoreBindingError(
            f"the store {store.place} belongs to {row.target}, this run writes to {binding.target}: give another "
            "store with --store"
        )
    if row.tenant != binding.tenant:
        raise StoreBindingError(
            f"the store {store.place} belongs to the tenant '{row.tenant}', the configuration says "
            f"'{binding.tenant}': claims would get new identities and be written twice. Restore the tenant's name, or "
            "use another store and sink"
        )
