"""The pages of the contract are what views, profiles and code say."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = ("input-contract.md", "output-contract.md", "implementation-guide.html")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contract")
    subprocess.run([sys.executable, ROOT / "scripts" / "make_contract.py", folder], check=True)
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_sources_say(written: Path, name: str) -> None:
    assert (written / name).read_text() == (REFERENCE / name).read_text(), "run scripts/make_contract.py"


def test_every_view_and_every_refusal_stands_in_the_input_contract() -> None:
    text = (REFERENCE / "input-contract.md").read_text()
    for path in (ROOT / "mappings" / "views").rglob("*.json"):
        name = re.search(r'"name": "(\w+)"', path.read_text())
        assert name is not None
        assert f"`{name[1]}`" in text
    refused = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text.partition("## What is refused")[2], re.MULTILINE))
    assert len(refused) > 25
    assert all(refused.values())


class Page(HTMLParser):
    """Notes what a page needs from elsewhere, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.add(str(found["id"]))
        self.links |= {str(found[name]) for name in ("href", "src") if found.get(name)}
        if tag not in {"meta", "br", "img", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_guide_is_one_page_that_stands_alone() -> None:
    page = Page()
    page.feed((REFERENCE / "implementation-guide.html").read_text())
    assert page.open == []
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= page.ids
