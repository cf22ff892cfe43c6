"""Sources and sinks from words, and where credentials go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caretally.cli.endpoints import endpoints
from caretally.cli.servers import server_settings
from caretally.errors import ConfigurationError
from caretally.fhir import BasicAuthentication, BearerAuthentication, NoAuthentication
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sinks.server import ServerSink
from caretally.sync.sources.folder import FolderSource
from caretally.sync.sources.server import ServerSource
from caretally.tables import Configuration, load_configuration, load_tables

if TYPE_CHECKING:
    from pathlib import Path

OURS, OTHER = "https://fhir.example/r4", "https://other.example/r4"


def configuration(tmp_path: Path, text: str) -> Configuration:
    (tmp_path / "token").write_text("the-token\n")
    (tmp_path / "token").chmod(0o600)
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load_configuration(file, environment={})


def test_a_token_goes_to_the_server_of_the_configuration_only(tmp_path: Path) -> None:
    ours = configuration(tmp_path, f'[server]\nbase_url = "{OURS}/"\nauth = "bearer"\ntoken_file = "token"\n')
    assert server_settings(ours, OURS).auth == BearerAuthentication(token="the-token")
    assert server_settings(ours, OTHER).auth == NoAuthentication()
    assert server_settings(ours, OURS + ".evil.example").auth == NoAuthentication()
    assert "the-token" not in repr(server_settings(ours, OURS))


def test_without_an_address_the_token_is_for_the_one_server_of_the_command(tmp_path: Path) -> None:
    ours = configuration(tmp_path, '[server]\nauth = "basic"\nusername = "u"\npassword_file = "token"\n')
    assert server_settings(ours, OTHER).auth == BasicAuthentication(user="u", password="the-token")
    with pytest.raises(ConfigurationError, match="two servers"):
        server_settings(ours, OTHER, two_servers=True)


def test_every_setting_of_the_server_arrives(tmp_path: Path) -> None:
    text = (
        "[server]\ntimeout_seconds = 5.0\nanswer_seconds = 6.0\npage_size = 7\nmax_pages = 8\n"
        "max_response_bytes = 9000\nmax_in_flight = 10\nverify_certificate = false\n"
        'allowed_alias_bases = ["https://inside.example/r4"]\nca_file = "ca.pem"\n'
        'client_certificate_file = "c.pem"\nclient_key_file = "k.pem"\nproxy = "http://proxy.example:8080"\n'
        "[server.retry]\nattempts = 2\nwait_budget_seconds = 3.0\n"
    )
    found = server_settings(configuration(tmp_path, text), OURS)
    assert (found.timeout_seconds, found.answer_seconds, found.page_size, found.max_pages) == (5.0, 6.0, 7, 8)
    assert (found.max_response_bytes, found.max_in_flight, found.verify_certificate) == (9000, 10, False)
    assert (found.retry.attempts, found.retry.wait_budget_seconds) == (2, 3.0)
    assert found.allowed_alias_bases == ("https://inside.example/r4",)
    assert found.ca_file == str(tmp_path / "ca.pem")
    assert found.client_certificate == (str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))
    assert found.proxy == "http://proxy.example:8080"


def test_words_become_sources_and_sinks(tmp_path: Path) -> None:
    tables, plain = load_tables(), configuration(tmp_path, "")
    with endpoints(plain, tables, source="folder", out=None, to=None, write=False) as ends:
        assert isinstance(ends.source, FolderSource)
        assert ends.sink is None
    with endpoints(plain, tables, source=OURS, out=None, to=None, write=True) as ends:
        assert isinstance(ends.source, ServerSource)
        assert isinstance(ends.sink, ServerSink)
        assert ends.sink.server is ends.source.server
    with endpoints(plain, tables, source=OURS, out="folder", to=None, write=True) as ends:
        assert isinstance(ends.sink, FolderSink)
    with endpoints(plain, tables, source="folder", out=None, to=OTHER, write=True) as ends:
        assert isinstance(ends.source, FolderSource)
        assert isinstance(ends.sink, ServerSink)
        assert ends.sink.description == OTHER
    with endpoints(plain, tables, source=OURS + "/", out=None, to=OURS, write=True) as ends:
        assert isinstance(ends.source, ServerSource)
        assert isinstance(ends.sink, ServerSink)
        assert ends.sink.server is ends.source.server
