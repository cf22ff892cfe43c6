"""What a payer asks for with a records request: complete, readable, printable, and nothing in it unescaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.composition import Composition
from pypdf import PdfReader

from tests.cli.january import MONTH, STAFF_45, January

PARTS = (
    "Claim",
    "Patient",
    "Billing practitioner",
    "Consent",
    "Initiating visit",
    "Conditions",
    "Care plan",
    "Documentation",
    "Minutes",
    "Versions of the evidence",
    "Gates",
    "Thresholds",
    "Choice",
    "Versions",
)
HOSTILE = '<script>alert("x")</script>&'


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> January:
    january = January(tmp_path_factory.mktemp("packet"), a=STAFF_45)
    january.one("Patient/a-pat")["name"] = [{"family": HOSTILE, "given": ["Pat"]}]
    january.apply()
    january.review("hold", "a-pat", *MONTH, "--why", HOSTILE)
    january.review("release", "a-pat", *MONTH)
    january.apply()
    january.approve("a-pat")
    return january


def packet(january: January, out: Path, form: str, *about: str) -> bytes:
    words = about or (f"Claim/{january.live()[0]['id']}",)
    january.call("packet", january.out, *words, "--format", form, "--out", out)
    assert out.stat().st_mode & 0o077 == 0, "protected health information is for its owner only"
    return out.read_bytes()


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "action"}]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data.strip())
        self.text.append(data)


def test_the_page_holds_everything_and_nothing_from_outside(billed: January, tmp_path: Path) -> None:
    page = Page()
    text = packet(billed, tmp_path / "p.html", "html").decode()
    page.feed(text)
    assert [name for name in PARTS if name not in page.headings] == []
    assert "script" not in page.tags
    assert page.addresses == []
    assert "url(" not in text
    said = " ".join("".join(page.text).split())
    claim = billed.live()[0]
    for wanted in (
        f"Claim/{claim['id']}, active, account number C",
        "99490",
        "99439",
        'Pat <script>alert("x")</script>&',
        "45 min counted + 0 min excluded = 45 min logged",
        "explained: service, cost-sharing, one-practitioner, may-stop",
        "ASCO guide, January 2025",
        "as it was",
        f"why: {HOSTILE}",
        "policy of payer: medicare",
    ):
        assert wanted in said, wanted


def test_the_pdf_says_the_same(billed: January, tmp_path: Path) -> None:
    out = tmp_path / "p.pdf"
    packet(billed, out, "pdf", "a-pat", *MONTH)
    reader = PdfReader(out)
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert len(reader.pages) >= 2
    assert [name for name in PARTS if name not in text] == []
    assert "alert" in text
    assert "It holds protected health information." in text


def test_the_document_begins_with_a_composition_whose_references_lead_into_it(billed: January, tmp_path: Path) -> None:
    bundle = json.loads(packet(billed, tmp_path / "p.json", "fhir"))
    first, *others = [entry["resource"] for entry in bundle["entry"]]
    assert (bundle["type"], first["resourceType"], first["status"]) == ("document", "Composition", "final")
    assert all(key in bundle for key in ("identifier", "timestamp"))
    held = {f"{one['resourceType']}/{one['id']}" for one in others}
    assert {"Patient/a-pat", "Consent/a-consent"} <= held
    assert {name.partition("/")[0] for name in held} >= {"Claim", "CarePlan", "Encounter", "Condition", "Practitioner"}
    cited = {e["reference"] for section in first["section"] for e in section.get("entry", ())}
    assert cited <= held
    assert first["subject"]["reference"] in held
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    assert all(
        url.endswith(f"{e['resource']['resourceType']}/{e['resource']['id']}")
        for url, e in zip(urls, bundle["entry"], strict=True)
    )
    for section in first["section"]:
        assert section["text"]["div"].startswith('<div xmlns="http://www.w3.org/1999/xhtml">')
        assert "<script" not in section["text"]["div"]


def test_the_document_is_fhir(billed: January, tmp_path: Path) -> None:
    bundle: dict[str, Any] = json.loads(packet(billed, tmp_path / "p.json", "fhir"))
    Composition.model_validate(bundle["entry"][0]["resource"])
    Bundle.model_validate({**bundle, "entry": bundle["entry"][:1]})


def test_evidence_that_changed_since_is_named(billed: January, tmp_path: Path) -> None:
    later = billed.copied(tmp_path / "later")
    later.one("Consent/a-consent")["status"] = "inactive"
    later.remove("Encounter/a-time-2")
    later.save()
    words = (f"Claim/{later.live()[0]['id']}", "--source", str(later.source))
    text = packet(later, tmp_path / "p.html", "html", *words).decode()
    assert re.search(r"Consent/a-consent</td><td[^>]*>[^<]+</td><td>changed since the answer", text)
    assert re.search(r"Encounter/a-time-2</td><td[^>]*>[^<]+</td><td>no longer in the record", text)


def test_what_is_not_there_is_refused(billed: January, tmp_path: Path) -> None:
    for words, said in (
        (("Claim/none",), "there is no claim of ours 'Claim/none'"),
        (("nobody", *MONTH), "no answer for Patient/nobody in 2025-01"),
        (("a-pat", *MONTH, "--format", "docx"), "is no format of a packet; wanted html, pdf, fhir"),
    ):
        assert said in billed.call("packet", billed.out, *words, code=2).err
    missing = tmp_path / "none" / "p.html"
    assert "cannot be written" in billed.call("packet", billed.out, "a-pat", *MONTH, "--out", missing, code=6).err
