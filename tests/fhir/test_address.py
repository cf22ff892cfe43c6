"""Which addresses get the token, and how addresses are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.fhir.address import ServiceBase, origin_of
from caretally.fhir.errors import ForeignAddressError

BASE = ServiceBase("https://ehr.example/fhir/r4")

FOREIGN = [
    "https://evil.example/fhir/r4/Encounter",
    "https://ehr.example.evil.example/fhir/r4/Encounter",
    "https://evil.example/?x=https://ehr.example/fhir/r4",
    "https://evil.example/https://ehr.example/fhir/r4/Encounter",
    "https://ehr.example@evil.example/fhir/r4/Encounter",
    "https://ehr.example:443@evil.example/fhir/r4/Encounter",
    "https://user@ehr.example/fhir/r4/Encounter",
    "https://user:secret@ehr.example/fhir/r4/Encounter",
    "https://@ehr.example/fhir/r4/Encounter",
    "https://ehr.example\\@evil.example/fhir/r4/Encounter",
    "https:\\\\evil.example\\fhir\\r4",
    "https://evil.example#@ehr.example/fhir/r4/Encounter",
    "http://ehr.example/fhir/r4/Encounter",
    "ftp://ehr.example/fhir/r4/Encounter",
    "file:///fhir/r4/Encounter",
    "https://ehr.example:8443/fhir/r4/Encounter",
    "https://ehr.example:443:443/fhir/r4/Encounter",
    "https://ehr.example./fhir/r4/Encounter",
    "https://ehr.example/fhir/r4evil/Encounter",
    "https://ehr.example/fhir",
    "https://ehr.example/",
    "https://ehr.example//fhir/r4/Encounter",
    "https://ehr.example/fhir/r4/../admin",
    "https://ehr.example/fhir/r4/%2e%2e/admin",
    "https://ehr.example/fhir/r4/%252e%252e/admin",
    "https://ehr.example/fhir/r4/..%2fadmin",
    "https://ehr.example/fhir/r4/x%5c..%5cadmin",
    "https://[::ffff:10.0.0.1]/fhir/r4/Encounter",
    "https://[::1]/fhir/r4/Encounter",
    "https://169.254.169.254/latest/meta-data",
    "//evil.example/fhir/r4/Encounter",
    "///evil.example/fhir/r4",
    "/admin",
    "https://ehr.example/fhir/r4/Encounter\r\nX: y",
    "https://ehr.example/fhir/r4/Enc ounter",
    "javascript:alert(1)",
    "https://",
    "https://[::1",
]


class TestGuard:
    @pytest.mark.parametrize("link", FOREIGN)
    def test_a_foreign_link_is_refused_by_name(self, link: str) -> None:
        with pytest.raises(ForeignAddressError):
            BASE.resolve(link, resource_type="Encounter")

    @pytest.mark.parametrize("link", [link for link in FOREIGN if not link.startswith("/")])
    def test_a_foreign_address_is_not_asked(self, link: str) -> None:
        with pytest.raises(ForeignAddressError):
            BASE.check(link)

    def test_a_mapped_address_is_another_host(self) -> None:
        base = ServiceBase("http://127.0.0.1:8080/fhir")
        for host in ("[::ffff:127.0.0.1]", "[::1]", "2130706433", "0x7f.1", "localhost"):
            with pytest.raises(ForeignAddressError):
                base.check(f"http://{host}:8080/fhir/Patient")

    def test_the_error_shows_no_more_than_the_origin(self) -> None:
        with pytest.raises(ForeignAddressError) as caught:
            BASE.check("https://evil.example/fhir?name=CANARY")
        assert "https://evil.example" in str(caught.value)
        assert "CANARY" not in str(caught.value)

    @given(st.text(max_size=80))
    def test_whatever_a_server_writes_stays_below_the_base_or_is_refused(self, link: str) -> None:
        try:
            address = BASE.resolve(link, resource_type="Encounter")
        except ForeignAddressError:
            return
        assert address == BASE.url or address.startswith((f"{BASE.url}/", f"{BASE.url}?"))


class TestResolve:
    @pytest.mark.parametrize(
        ("link", "address"),
        [
            ("https://ehr.example/fhir/r4?_getpages=1", "https://ehr.example/fhir/r4?_getpages=1"),
            ("https://EHR.example:443/fhir/r4/Encounter?p=2", "https://ehr.example/fhir/r4/Encounter?p=2"),
            ("Encounter?p=2", "https://ehr.example/fhir/r4/Encounter?p=2"),
            ("?_page=2", "https://ehr.example/fhir/r4/Encounter?_page=2"),
            ("/fhir/r4/Encounter?p=2", "https://ehr.example/fhir/r4/Encounter?p=2"),
            ("//ehr.example/fhir/r4/Encounter?p=2", "https://ehr.example/fhir/r4/Encounter?p=2"),
            ("Encounter?cursor=a%2Fb%3D%3D&x=1", "https://ehr.example/fhir/r4/Encounter?cursor=a%2Fb%3D%3D&x=1"),
        ],
    )
    def test_links_of_the_server_itself(self, link: str, address: str) -> None:
        assert BASE.resolve(link, resource_type="Encounter") == address

    def test_a_configured_alias_is_rewritten_to_the_base(self) -> None:
        base = ServiceBase("https://ehr.example/fhir/r4", ["http://inner:8080/api"])
        link = "http://inner:8080/api/Encounter?cursor=a%2Fb&p=2"
        assert base.resolve(link, resource_type="Encounter") == "https://ehr.example/fhir/r4/Encounter?cursor=a%2Fb&p=2"
        for other in ("http://inner:8081/api/Encounter", "http://inner:8080/apis/x", "http://u@inner:8080/api/x"):
            with pytest.raises(ForeignAddressError):
                base.resolve(other, resource_type="Encounter")

    def test_an_alias_is_never_asked_itself(self) -> None:
        with pytest.raises(ForeignAddressError):
            ServiceBase("https://ehr.example/fhir", ["http://inner/fhir"]).check("http://inner/fhir/Patient")


class TestAddress:
    def test_values_are_encoded(self) -> None:
        address = BASE.address("Encounter", [("identifier", "urn:x|a&b=c d"), ("date", "ge2025-01-01")])
        assert address == f"{BASE.url}/Encounter?identifier=urn:x%7Ca%26b%3Dc%20d&date=ge2025-01-01"


class TestTemplate:
    @pytest.mark.parametrize(
        ("address", "template"),
        [
            ("Encounter?subject=Patient/CANARY&date=ge2025&date=lt2026", "/Encounter?subject&date"),
            ("Claim/CANARY", "/Claim/{id}"),
            ("Patient/CANARY/_history/CANARY", "/Patient/{id}/_history/{id}"),
            ("Patient/_search", "/Patient/_search"),
            ("Patient/CANARY/$everything", "/Patient/{id}/$everything"),
            ("metadata", "/metadata"),
            ("?_getpages=CANARY&_getpagesoffset=20", "/?_getpages&_getpagesoffset"),
            ("Encounter?CANARY", "/Encounter?{parameter}"),
            ("Encounter?CANARY9=1", "/Encounter?{parameter}"),
            ("Encounter?_has:Person:link:id=CANARY", "/Encounter?_has:Person:link:id"),
        ],
    )
    def test_neither_ids_nor_values_are_shown(self, address: str, template: str) -> None:
        assert BASE.template(f"{BASE.url}/{address}") == template

    def test_a_foreign_address_is_not_shown(self) -> None:
        assert BASE.template("https://evil.example/CANARY") == "(foreign address)"


def test_only_the_origin_of_an_address_is_shown() -> None:
    assert origin_of("https://other.example:8443/login?user=CANARY") == "https://other.example:8443"
    assert origin_of("https://[2001:db8::1]/x") == "https://[2001:db8::1]"
    assert origin_of("/relative") is None
    assert origin_of("https://user@other.example/") is None
