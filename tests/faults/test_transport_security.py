"""A server behind TLS whose links go down to plain http, and a log-in that points at a cloud's metadata."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from caretally.fhir.keys import new_private_key
from tests.faults.command import Commands
from tests.faults.front import Exchange, Front, Injection, Reply, in_memory
from tests.faults.spoiling import next_is, redirects
from tests.faults.trial import TOKEN, reasons_of, sync
from tests.sync.practices import golden, together
from tests.sync.syncing_server import SyncingServer

SEARCH = r"^GET /fhir/Encounter\?patient=g02-pat"


def plain(exchange: Exchange) -> str:
    """Our own address, without TLS."""
    return f"{exchange.front.base.replace('https:', 'http:')}/Encounter?patient=g02-pat"


@pytest.mark.parametrize("way", ["next link", "redirect"])
def test_a_token_never_goes_to_the_same_server_in_plain_text(
    command_lanes: list[Commands], tmp_path: Path, way: str
) -> None:
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    rows = together(golden("G02", "g02-"))
    held = SyncingServer((one for kind in rows.values() for one in kind), page=3)
    with Front(in_memory(held), tls=tls) as front:
        front.begin([Injection(SEARCH, next_is(plain) if way == "next link" else redirects(plain), None)])
        ended = sync(command_lanes[0], front, tmp_path / "run", {"ca_file": str(tmp_path / "ca.pem")}, "search")
        assert ended.code == 5, ended.out + ended.err
        assert all("elsewhere" in one or "redirects are never followed" in one for one in reasons_of(ended))
        assert front.spoilt == 1
        assert all(one.encrypted for one in front.seen)
        assert any(TOKEN in one.headers.get("Authorization", "") for one in front.seen)


METADATA = (
    "http://169.254.169.254/token",
    "https://169.254.169.254/token",
    "https://[::ffff:169.254.169.254]/token",
    "https://2852039166/token",
    "https://0xA9FEA9FE/token",
    "https://169.254.43518/token",
    "https://[fd00:ec2::254]/token",
    "https://metadata.google.internal/token",
)


@pytest.mark.parametrize("address", METADATA)
def test_a_log_in_at_the_metadata_service_of_a_cloud_is_refused(
    command_lanes: list[Commands], tmp_path: Path, address: str
) -> None:
    def told(_asked: Any, _front: Any) -> Reply:
        return Reply(200, {"Content-Type": "application/json"}, orjson.dumps({"token_endpoint": address}))

    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "key.pem").write_bytes(new_private_key("ES384"))
    with Front(told) as front:
        (tmp_path / "caretally.toml").write_text(
            f'[server]\nbase_url = "{front.base}"\nauth = "smart"\nclient_id = "test"\nprivate_key_file = "key.pem"\n'
        )
        words = ("sync", front.base, "--config", "caretally.toml", "--month", "2025-01", "--out", "out", "--json")
        ended = command_lanes[0].run(*words, folder=tmp_path)
        assert (ended.code, ended.document()["error"]["kind"]) == (4, "ForeignAddressError"), ended.out
        assert ended.connected == {f"127.0.0.1 {front.port}"}
