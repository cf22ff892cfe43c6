"""A wrong setting is named before the first request, and a secret is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from caretally.errors import ConfigurationError
from caretally.fhir import (
    BasicAuthentication,
    BearerAuthentication,
    FhirServer,
    RetrySettings,
    ServerSettings,
)

SECRET = "canary-secret"


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("https://ehr.example/fhir/", "https://ehr.example/fhir"),
            ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/fhir"),
            ("HTTPS://EHR.example", "https://ehr.example"),
            ("https://ehr.example:443/fhir", "https://ehr.example/fhir"),
        ],
    )
    def test_is_kept_in_one_form(self, given: str, kept: str) -> None:
        assert ServerSettings(base_url=given).base_url == kept

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "ehr.example/fhir",
            "ftp://ehr.example/fhir",
            "https:///fhir",
            "https://user:canary-secret@ehr.example/fhir",
            "https://@ehr.example/fhir",
            "https://ehr.example/fhir?tenant=canary-secret",
            "https://ehr.example/fhir#x",
            "https://ehr.example/fh ir",
            "https://ehr.example\\fhir",
            "https://ehr.example:99999999/fhir",
            "https://ehr.example:443:443/fhir",
            "https://ehr.exämple/fhir",
        ],
    )
    def test_is_refused_with_what_is_wanted(self, given: str) -> None:
        with pytest.raises(ConfigurationError, match=r"wanted is an address such as https://") as caught:
            ServerSettings(base_url=given)
        assert SECRET not in str(caught.value)
        with pytest.raises(ConfigurationError, match="allowed_alias_bases"):
            ServerSettings(base_url="https://ehr.example", allowed_alias_bases=(given,))


class TestSecrets:
    def test_are_in_no_repr(self) -> None:
        for auth in (BearerAuthentication(token=SECRET), BasicAuthentication(user="u", password=SECRET)):
            settings = ServerSettings(
                base_url="https://ehr.example",
                auth=auth,
                extra_headers={"X-Api-Key": SECRET},
                proxy=f"http://u:{SECRET}@proxy.example",
            )
            assert SECRET not in repr(settings)
            assert SECRET not in repr(FhirServer(settings).transport.__dict__)

    @pytest.mark.parametrize(
        "more",
        [
            {"auth": BearerAuthentication(token=SECRET)},
            {"auth": BasicAuthentication(user="u", password=SECRET)},
            {"extra_headers": {"X-Api-Key": SECRET}},
        ],
    )
    def test_do_not_cross_the_network_unencrypted(self, more: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="allow_plain_http_credentials"):
            ServerSettings(base_url="http://ehr.example/fhir", **more)
        ServerSettings(base_url="http://ehr.example/fhir", allow_plain_http_credentials=True, **more)
        for here in ("http://127.0.0.1:8080/fhir", "http://[::1]/fhir", "http://localhost/fhir"):
            ServerSettings(base_url=here, **more)


class TestOtherSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("page_size", 0),
            ("max_pages", -1),
            ("timeout_seconds", 0),
            ("answer_seconds", 0),
            ("max_response_bytes", 0),
            ("max_in_flight", 0),
            ("retry", RetrySettings(attempts=0)),
            ("retry", RetrySettings(wait_budget_seconds=-1)),
        ],
    )
    def test_numbers_must_make_sense(self, name: str, value: object) -> None:
        with pytest.raises(ConfigurationError, match=name):
            ServerSettings(base_url="https://ehr.example", **{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["Authorization", "host", "Cookie", "Accept-Encoding"])
    def test_our_own_headers_cannot_be_set(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=name):
            ServerSettings(base_url="https://ehr.example", extra_headers={name: "x"})

    def test_header_injection_is_refused(self) -> None:
        for more in (
            {"extra_headers": {"X": "a\r\nHost: evil"}},
            {"user_agent": "a\nb"},
            {"auth": BearerAuthentication(token="a\nb")},
            {"auth": BearerAuthentication(token="")},
            {"auth": BasicAuthentication(user="a:b", password="c")},
        ):
            with pytest.raises(ConfigurationError):
                ServerSettings(base_url="https://ehr.example", **more)

    @pytest.mark.parametrize("more", [{"ca_file": "/nowhere.pem"}, {"client_certificate": ("/no.pem", "/no.key")}])
    def test_a_missing_certificate_is_a_configuration_error(self, more: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="readable PEM"):
            FhirServer(ServerSettings(base_url="https://ehr.example", **more))
