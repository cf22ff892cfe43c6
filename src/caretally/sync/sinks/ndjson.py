"""Replacing a file as a whole: at any moment the old one or the new one stands there, never half of one."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from caretally.errors import WriteError
from caretally.sync.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content takes the place of a file at the end, or nothing of it after an error.

    The new content is on the disk before the name changes, and the folder after it.

    Raises:
        WriteError: the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        # A name that no reader takes for data, in the same folder, for a rename works only there.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            failpoint(f"written:{path.name}")
            os.fsync(stream.fileno())
        _take_over_mode(temporary, path)
        temporary.replace(path)
        failpoint(f"replaced:{path.name}")
        _sync_folder(path.parent)
    except OSError as error:
        raise WriteError(f"{path} cannot be written ({error.strerror}); the file stays as it was") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what an interrupted run left behind; only for the holder of the folder's lock."""
    for path in folder.glob(".*.part"):
        with suppress(OSError):
            path.unlink()


def _take_over_mode(temporary: Path, path: Path) -> None:
    """Keep the rights of the file that is replaced; a new one is its owner's only, as mkstemp made it."""
    with suppress(FileNotFoundError):
        temporary.chmod(path.stat().st_mode & 0o777)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
