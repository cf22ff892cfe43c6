"""From the words SOURCE, ``--out`` and ``--to`` to a source and a sink."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caretally.errors import UsageError
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sources.folder import FolderSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.sync.pulling import Source
    from caretally.sync.writes import Sink
    from caretally.tables import Configuration, Tables

_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a run reads and where it writes; no sink: a plan without one."""

    source: Source
    sink: Sink | None


@contextmanager
def endpoints(
    configuration: Configuration, tables: Tables, *, source: str, out: str | None, to: str | None, write: bool
) -> Iterator[Endpoints]:
    """Open the source and the sink of a run, and close their connections at the end.

    Args:
        configuration: for the server's settings and credentials.
        tables: for terminology and resource types.
        source: FHIR base URL or folder.
        out: folder to write to.
        to: server to write to.
        write: whether a sink is needed.

    Raises:
        UsageError: the words do not fit together.
        ConfigurationError: the server's settings are wrong.
    """
    _check_words(source, out, to, write=write)
    types = {kind.name: kind for kind in tables.resource_types}
    target = to if to is not None else source if out is None and is_address(source) else None
    with ExitStack() as opened:
        read: Source | None = None if is_address(source) else FolderSource(Path(source).expanduser())
        sink: Sink | None = None if out is None else FolderSink(path=Path(out).expanduser(), resource_types=types)
        if read is None or target is not None:
            # Who reads and writes folders need not wait until everything that speaks HTTP is loaded.
            from caretally.cli.servers import Servers  # noqa: PLC0415

            two = is_address(source) and to is not None and bare(source) != bare(to)
            servers = Servers(configuration=configuration, tables=tables, two=two, opened=opened)
            read = servers.source(source) if read is None else read
            sink = sink if target is None else servers.sink(target)
        yield Endpoints(source=read, sink=sink)


def is_address(text: str) -> bool:
    """Whether a SOURCE is a web address rather than a folder."""
    return text.lower().startswith(_WEB)


def bare(address: str) -> str:
    """Return an address as it is compared with another."""
    return address.rstrip("/")


def _check_words(source: str, out: str | None, to: str | None, *, write: bool) -> None:
    if out is not None and to is not None:
        raise UsageError("--out and --to are both given; results go to one place: keep one of them")
    if to is not None and not is_address(to):
        raise UsageError(f"--to '{to}' is not a web address; wanted a FHIR base URL such as https://fhir.example/r4")
    if out is not None and is_address(out):
        raise UsageError(f"--out '{out}' is a web address; a server is named with --to")
    if "://" in source and not is_address(source):
        raise UsageError(f"SOURCE '{source}' is neither a folder nor an address that begins with http:// or https://")
    if write and not is_address(source) and out is None and to is None:
        raise UsageError(
            f"SOURCE '{source}' is a folder, so apply must be told where the results go: --out FOLDER or --to URL"
        )
