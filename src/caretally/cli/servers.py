"""FHIR servers as source and sink of a command, each opened once, with their settings and credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caretally import __version__
from caretally.cli.endpoints import bare
from caretally.errors import ConfigurationError
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
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.server import ServerSource

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import ExitStack

    from caretally.fhir import AuthSettings
    from caretally.tables import Configuration, Tables


@dataclass(kw_only=True)
class Servers:
    """The servers of one command.

    Attributes:
        configuration: for their settings and credentials.
        tables: for terminology and resource types.
        two: the command names two, so that somebody must say whose the credentials are.
        opened: closes their connections at the end.
    """

    configuration: Configuration
    tables: Tables
    two: bool
    opened: ExitStack
    _servers: dict[str, FhirServer] = field(default_factory=dict)

    def source(self, address: str) -> ServerSource:
        """Read a server.

        Raises:
            ConfigurationError: see `server_settings`.
        """
        return ServerSource(server=self._server(address), terminology=self.tables.terminology)

    def sink(self, address: str) -> ServerSink:
        """Write to a server, as the configuration says.

        Raises:
            ConfigurationError: see `server_settings`.
        """
        writeback = self.configuration.writeback
        return ServerSink(
            server=self._server(address),
            resource_types={kind.name: kind for kind in self.tables.resource_types},
            strategy=None if writeback.strategy == "automatic" else WriteStrategy(writeback.strategy),
            in_flight=writeback.in_flight,
            together=writeback.months_per_transaction,
        )

    def _server(self, address: str) -> FhirServer:
        types = [kind.name for kind in self.tables.resource_types]
        settings = server_settings(self.configuration, address, read_types=types, two_servers=self.two)
        if settings.base_url not in self._servers:
            self._servers[settings.base_url] = self.opened.enter_context(FhirServer(settings))
        return self._servers[settings.base_url]


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
        if table.base_url is not None and bare(table.base_url) != bare(address):
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
