"""A server of a private network, by configuration: an authority of its own, client certificates, a proxy on the way."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from tests.cli.running import inside as run
from tests.fhir.support import TOKEN
from tests.fhir.tls_server import ConnectProxy, TlsServer

from caretally.cli.servers import server_settings
from caretally.errors import ConfigurationError
from caretally.fhir import FhirServer, ServerSettings
from caretally.fhir import errors as e
from caretally.tables import load_configuration


@dataclass
class Files:
    """Of one authority, in a folder: its certificate, and a client's certificate and key."""

    folder: Path
    authority: trustme.CA

    def context(self, *names: str, asks: bool = False, **more: Any) -> ssl.SSLContext:
        """For a server with a certificate for `names`; `asks` for one of the client's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("localhost",)), **more).configure_cert(context)
        if asks:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other-authority.pem")
    for name, signer in (("client", authority), ("stranger", trustme.CA())):
        issued = signer.issue_cert(f"{name}.example")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    key = serialization.load_pem_private_key((folder / "client.key").read_bytes(), None)
    (folder / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password"),
        )
    )
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    return Files(folder, authority)


CA = 'ca_file = "authority.pem"\n'
OURS = 'client_certificate_file = "client.pem"\nclient_key_file = "client.key"\n'


def settings(files: Files, base: str, text: str) -> ServerSettings:
    file = files.folder / "caretally.toml"
    file.write_text(
        f'[server]\nbase_url = "{base}"\nauth = "bearer"\ntoken_file = "token"\ntimeout_seconds = 5.0\n{text}'
        "[server.retry]\nattempts = 2\nwait_budget_seconds = 1.0\n"
    )
    return server_settings(load_configuration(file, environment={}), base)


def read(files: Files, base: str, text: str) -> Any:
    with FhirServer(settings(files, base, text)) as server:
        found = server.read("Patient", "p1")
    assert found is not None
    return found.resource


@pytest.fixture
def plain(files: Files) -> Iterator[TlsServer]:
    with TlsServer(files.context()) as server:
        yield server


class TestAuthority:
    def test_of_the_practice_is_trusted_when_its_file_is_given(self, files: Files, plain: TlsServer) -> None:
        assert read(files, plain.base, CA)["id"] == "p1"
        assert f"Authorization: Bearer {TOKEN}".encode() in plain.heads[0]

    @pytest.mark.parametrize("text", ["", 'ca_file = "other-authority.pem"\n'], ids=["public ones", "another one"])
    def test_another_is_not_and_the_message_says_what_to_do(self, files: Files, plain: TlsServer, text: str) -> None:
        with pytest.raises(e.UntrustedServerError, match=r"not trusted.*give its certificate as ca_file of \[server\]"):
            read(files, plain.base, text)
        assert plain.heads == []

    def test_a_certificate_for_another_host_is_named(self, files: Files) -> None:
        with TlsServer(files.context("other.example")) as server:
            with pytest.raises(e.UntrustedServerError, match="for another host; set base_url"):
                read(files, server.base, CA)
            with pytest.raises(e.UntrustedServerError, match="for another host"):
                read(files, server.base.replace("localhost", "127.0.0.1"), CA)
        assert server.heads == []

    def test_one_that_has_expired_is_named(self, files: Files) -> None:
        expired = files.context(not_after=datetime(2024, 1, 1, tzinfo=UTC))
        wanted = "has expired; its administrator"
        with TlsServer(expired) as server, pytest.raises(e.UntrustedServerError, match=wanted):
            read(files, server.base, CA)
        assert server.heads == []


class TestClientCertificate:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_is_shown_to_a_server_that_asks(self, files: Files, version: ssl.TLSVersion) -> None:
        context = files.context(asks=True)
        context.maximum_version = version
        with TlsServer(context) as server:
            assert read(files, server.base, CA + OURS)["id"] == "p1"
        assert server.subjects == ["client.example"]

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_none_is_named_with_what_to_do(self, files: Files, version: ssl.TLSVersion) -> None:
        context = files.context(asks=True)
        context.maximum_version = version
        wanted = r"asks for a client certificate; give it as client_certificate_file and client_key_file of \[server\]"
        with TlsServer(context) as server, pytest.raises(e.UntrustedServerError, match=wanted):
            read(files, server.base, CA)
        assert server.heads == []

    def test_a_strangers_is_named(self, files: Files) -> None:
        stranger = OURS.replace("client.pem", "stranger.pem").replace("client.key", "stranger.key")
        wanted = "does not accept our client certificate; check client_certificate_file"
        with TlsServer(files.context(asks=True)) as server, pytest.raises(e.UntrustedServerError, match=wanted):
            read(files, server.base, CA + stranger)

    @pytest.mark.parametrize(
        ("certificate", "key", "why"),
        [
            ("client.pem", "stranger.key", "KEY_VALUES_MISMATCH"),
            ("client.pem", "locked.key", "without a password"),
            ("missing.pem", "client.key", "FileNotFoundError"),
            ("token", "client.key", "readable PEM files"),
        ],
    )
    def test_files_that_cannot_be_used_are_named_and_nobody_is_asked_for_a_password(
        self, files: Files, certificate: str, key: str, why: str
    ) -> None:
        text = f'client_certificate_file = "{certificate}"\nclient_key_file = "{key}"\n'
        with pytest.raises(ConfigurationError, match=rf"client_certificate_file and client_key_file.*{why}"):
            FhirServer(settings(files, "https://localhost/fhir", text))

    def test_an_authority_that_cannot_be_used_is_named(self, files: Files) -> None:
        for name in ("missing.pem", "token"):
            with pytest.raises(ConfigurationError, match="ca_file cannot be used"):
                FhirServer(settings(files, "https://localhost/fhir", f'ca_file = "{name}"\n'))


class TestProxy:
    def test_lets_through_and_reads_no_secret(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # the environment's is not ours
        with TlsServer(files.context(asks=True)) as server, ConnectProxy() as proxy:
            assert read(files, server.base, f'{CA}{OURS}proxy = "{proxy.address}"\n')["id"] == "p1"
        assert server.subjects == ["client.example"]
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n".encode())
        assert len(proxy.relayed) > 100
        for secret in (TOKEN.encode(), b"uthorization", b"Patient", b"p1"):
            assert secret not in head + proxy.relayed.replace(b"http/1.1", b"")
        assert TOKEN.encode() in server.heads[0]

    def test_a_name_and_password_for_it_go_to_it_alone(self, files: Files, plain: TlsServer) -> None:
        with ConnectProxy() as proxy:
            address = proxy.address.replace("//", "//tester:canary-proxy-password@")
            chosen = settings(files, plain.base, CA)
            with FhirServer(ServerSettings(base_url=plain.base, ca_file=chosen.ca_file, proxy=address)) as server:
                assert server.read("Patient", "p1") is not None
                assert "canary" not in repr(server.settings)
        assert b"Proxy-Authorization: Basic dGVzdGVyOmNhbmFyeS1wcm94eS1wYXNzd29yZA==" in proxy.heads[0]
        assert b"roxy-" not in plain.heads[0]

    def test_one_that_refuses_is_named_with_its_number(self, files: Files, plain: TlsServer) -> None:
        wanted = r"the proxy lets nothing through \(407\).*proxy"
        with ConnectProxy(refuses=True) as proxy, pytest.raises(e.ServerUnreachableError, match=wanted):
            read(files, plain.base, f'{CA}proxy = "{proxy.address}"\n')
        assert plain.heads == []

    def test_one_that_is_not_there_is_named(self, files: Files, plain: TlsServer) -> None:
        with pytest.raises(e.ServerUnreachableError, match=r"cannot be reached.*proxy"):
            read(files, plain.base, f'{CA}proxy = "http://127.0.0.1:9"\n')
        assert plain.heads == []

    def test_the_server_is_checked_through_it_too(self, files: Files, plain: TlsServer) -> None:
        with ConnectProxy() as proxy, pytest.raises(e.UntrustedServerError, match="ca_file"):
            read(files, plain.base, f'proxy = "{proxy.address}"\n')
        assert plain.heads == []


def test_the_command_line_shows_where_the_files_are_and_no_secret(files: Files, plain: TlsServer) -> None:
    settings(files, plain.base, f'{CA}{OURS}proxy = "http://proxy.example:3128"\n')
    done = run("config", "show", "--config", str(files.folder / "caretally.toml"), "--json")
    assert done.code == 0, done.err
    for name in ("ca_file", "client_certificate_file", "client_key_file", "proxy"):
        assert f"server.{name}" in done.out
    assert TOKEN not in done.out + done.err
    assert "PRIVATE KEY" not in done.out + done.err


def test_the_doctor_says_what_is_missing(files: Files) -> None:
    with TlsServer(files.context(asks=True)) as server:
        settings(files, server.base, CA)
        done = run("doctor", server.base, "--config", str(files.folder / "caretally.toml"))
    assert done.code != 0
    assert "client_certificate_file" in done.out
    assert TOKEN not in done.out + done.err
