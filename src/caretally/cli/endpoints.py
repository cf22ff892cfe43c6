"""From the words SOURCE, ``--out`` and ``--to`` to a source and a sink, with the server's settings and credentials."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caretally import __version__
from caretally.errors import ConfigurationError, UsageError
from caretally.fhir import (
    BasicAuthentication,
    BearerAuthentication,
    FhirServer,
    NoAuthentication,
    RetrySettings,
    ServerSettings,
    SmartAuthentication,
)
from caretally.fhir.capability import WRITTEN_TYPES, WriteStrategy
from caretally.fhir.scopes import needed_scopes
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from caretally.fhir import AuthSettings
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
    with ExitStack() as opened:
        servers: dict[str, FhirServer] = {}

        def server(url: str, *, others: bool) -> FhirServer:
            settings = server_settings(configuration, url, read_types=types, two_servers=others)
            if settings.base_url not in servers:
                servers[settings.base_url] = opened.enter_context(FhirServer(settings))
            return servers[settings.base_url]

        two = is_address(source) and to is not None and _bare(source) != _bare(to)
        if is_address(source):
            read: Source = ServerSource(server=server(source, others=two), terminology=tables.terminology)
        else:
            read = FolderSource(Path(source).expanduser())
        target = to if to is not None else source if out is None and is_address(source) else None
        sink: Sink | None = None
        if out is not None:
            sink = FolderSink(path=Path(out).expanduser(), resource_types=types)
        elif target is not None:
            named = configuration.writeback.strategy
            strategy = None if named == "automatic" else WriteStrategy(named)
            sink = ServerSink(
                server=server(target, others=two),
                resource_types=types,
                strategy=strategy,
                in_flight=configuration.writeback.in_flight,
                together=configuration.writeback.months_per_transaction,
            )
        yield Endpoints(source=read, sink=sink)


def is_address(text: str) -> bool:
    """Whether a SOURCE is a web address rather than a folder."""
    return text.lower().startswith(_WEB)


def _bare(address: str) -> str:
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


def server_settings(
    configuration: Configuration, address: str, *, read_types: Collection[str] = (), two_servers: bool = False
) -> ServerSettings:
    """Return how a server is spoken to: ``[server]`` of the configuration, for the address of the command line.

    Credentials go to the server of ``base_url`` only; where the configuration names none, to the one server of the
    command.

    Args:
        configuration: in force.
        address: of the server.
        read_types: resource types that are read, for the scopes of a SMART log-in.
        two_servers: the command names two.

    Raises:
        ConfigurationError: a setting is wrong, or nobody can say which server the credentials are for.
    """
    table = configuration.server
    auth = _auth(configuration, read_types)
    if not isinstance(auth, NoAuthentication):
        if table.base_url is None and two_servers:
            raise ConfigurationError(
                "[server] holds credentials and the command names two servers: say in [server] base_url which one "
                "they are for"
            )
        if table.base_url is not None and _bare(table.base_url) != _bare(address):
            auth = NoAuthentication()
    certificate = None
    if table.client_certificate_file is not None and table.client_key_file is not None:
        certificate = (_path(configuration, table.client_certificate_file), _path(configuration, table.client_key_file))
    return ServerSettings(
        base_url=address,
        auth=auth,
        timeout_seconds=table.timeout_seconds,
        answer_seconds=table.answer_seconds,
        retry=RetrySettings(
            attempts=table.retry.attempts,
            wait_budget_seconds=table.retry.wait_budget_seconds,
        ),
        page_size=table.page_size,
        max_pages=table.max_pages,
        max_response_bytes=table.max_response_bytes,
        max_in_flight=table.max_in_flight,
        max_export_file_bytes=table.max_export_file_bytes,
        export_file_origins=tuple(table.export_file_origins),
        allowed_alias_bases=tuple(table.allowed_alias_bases),
        user_agent=f"caretally/{__version__}",
        verify_certificate=table.verify_certificate,
        ca_file=None if table.ca_file is None else _path(configuration, table.ca_file),
        client_certificate=certificate,
        proxy=table.proxy,
        allow_plain_http_credentials=table.allow_plain_http_credentials,
    )


def _auth(configuration: Configuration, read_types: Collection[str]) -> AuthSettings:
    table = configuration.server
    if table.auth == "smart" and configuration.server_private_key is not None and table.client_id is not None:
        return SmartAuthentication(
            client_id=table.client_id,
            private_key=configuration.server_private_key.reveal(),
            key_id=table.key_id,
            scopes=tuple(table.scopes),
            scopes_v1=needed_scopes(read_types, WRITTEN_TYPES, version=1),
            scopes_v2=needed_scopes(read_types, WRITTEN_TYPES),
            token_url=table.token_url,
            jwks_url=table.jwks_url,
            assertion_seconds=table.assertion_seconds,
        )
    if table.auth == "bearer" and configuration.server_token is not None:
        return BearerAuthentication(token=configuration.server_token.reveal())
    if table.auth == "basic" and configuration.server_password is not None and table.username is not None:
        return BasicAuthentication(user=table.username, password=configuration.server_password.reveal())
    return NoAuthentication()


def _path(configuration: Configuration, text: str) -> str:
    return str(configuration.path(text))
