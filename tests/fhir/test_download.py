"""Files of an export: unpacked piece by piece, and never more than the disk and the memory were promised."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.fhir.support import BASE, Script, transport_to

from caretally.fhir import RetrySettings
from caretally.fhir import errors as e

LINE = b'{"resourceType":"Patient","id":"p1"}\n'


def fetched(path: Path, body: bytes, *, packed: bool = False, **settings: Any) -> bytes:
    headers = {"content-type": "application/fhir+ndjson"} | ({"content-encoding": "gzip"} if packed else {})
    content = gzip.compress(body) if packed else body
    script = Script(lambda _request: httpx.Response(200, headers=headers, stream=httpx.ByteStream(content)))
    transport = transport_to(script, retry=RetrySettings(attempts=1), **settings)
    transport.download(f"{BASE}/files/1", path, accept="application/fhir+ndjson", with_credentials=True)
    return path.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_comes_as_it_is(tmp_path: Path, packed: bool) -> None:
    assert fetched(tmp_path / "f", LINE * 9_999, packed=packed) == LINE * 9_999


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_fits_nowhere_ends_the_download(tmp_path: Path, packed: bool) -> None:
    body = LINE * 3 + b"a" * 300_000 + b"\n" + LINE
    assert fetched(tmp_path / "f", body, packed=packed, max_response_bytes=400_000) == body
    with pytest.raises(e.AnswerTooLargeError, match="a line of more than 200000 bytes"):
        fetched(tmp_path / "f", body, packed=packed, max_response_bytes=200_000)
    assert (tmp_path / "f").stat().st_size < 300_000


def test_a_file_over_its_limit_ends_the_download(tmp_path: Path) -> None:
    with pytest.raises(e.AnswerTooLargeError, match="the file has more than 1000 bytes"):
        fetched(tmp_path / "f", LINE * 99, max_export_file_bytes=1_000)
