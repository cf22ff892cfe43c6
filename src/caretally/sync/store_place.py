"""Where the store of a sink lies when nobody says otherwise, and what it is bound to."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from platformdirs import user_state_path

from caretally.store import StoreBinding
from caretally.store.opening import STORE_FILE, store_file
from caretally.sync.sinks.folder import FolderSink

if TYPE_CHECKING:
    from caretally.sync.writes import Sink

_NAME_LENGTH = 24


def store_of(sink: Sink, *, named: str | None, tenant: str) -> tuple[str, StoreBinding]:
    """Return where the store of a sink is, and what it must belong to.

    Args:
        sink: where claims go.
        named: folder or database URL as people gave it; None: inside a folder sink, else in the user's state
            directory, one for each base URL.
        tenant: of the configuration.
    """
    if isinstance(sink, FolderSink):
        inside = str(sink.path / STORE_FILE)
        location = inside if named is None else store_file(named)
        target = sink.target if location == inside else f"folder:{sink.path.resolve()}"
        return location, StoreBinding(target=target, tenant=tenant)
    location = store_file(str(server_folder(sink.target)) if named is None else named)
    return location, StoreBinding(target=sink.target, tenant=tenant)


def server_folder(target: str) -> str:
    """Return the folder of a server's store in the user's state directory."""
    name = sha256(target.encode()).hexdigest()[:_NAME_LENGTH]
    return str(user_state_path("caretally") / "servers" / name)
