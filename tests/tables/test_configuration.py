"""Precedence (flag, environment, profile, file, default) and what a wrong configuration says."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from caretally.errors import ConfigurationError
from caretally.tables import Secret, attestations, load_configuration, policy_book, sites

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caretally.tables import Configuration, Tables

GOOD = """
[server]
base_url = "https://fhir.example.org/fhir"
auth = "bearer"
token_env = "FHIR_TOKEN"
page_size = 500

[policy]
dos = "with_last"

[site.main]
organization = "Organization/GRP1"
zone = "America/Chicago"
tin = "12-3456789"
npi = "1234567893"
default_practitioner = "Practitioner/P1"

[site.main.fee_schedule]
99490 = "85.00"

[site.elsewhere]
place_of_service = "22"
kind = "hospital-department"

[writeback]
tenant = "northside"

[store]
url = "state"

[practice.attestations.access-24-7]
from = 2024-01-01
by = "Practitioner/P1"

[profile.test.server]
base_url = "https://test.example.org/fhir"
auth = "none"

[profile.test.policy]
hospice = "warn"
"""
ENVIRONMENT = {"FHIR_TOKEN": "s3cret-value", "HOME": "/root", "CARETALLY_LOG": "not ours"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "caretally.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Callable[..., str]:
    def read(text: str, *, then: Callable[[Configuration], object] | None = None, **options: Any) -> str:
        path = tmp_path / "wrong.toml"
        path.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            (then or repr)(load_configuration(path, **{"environment": {}, **options}))
        assert caught.value.exit_code == 3
        return str(caught.value)

    return read


def test_without_a_file_everything_has_its_default() -> None:
    found = load_configuration(None, environment={})
    assert found.file is None
    assert found.server.base_url is None
    assert found.server.page_size == 200
    assert found.writeback.release == "review"
    assert found.writeback.tenant == "default"
    assert found.store_url is None
    assert sites(found) == ()


def test_the_file_is_read(file: Path) -> None:
    found = load_configuration(file, environment=ENVIRONMENT)
    assert found.file == file
    assert found.server.page_size == 500
    assert found.policy == {"dos": "with_last"}
    assert found.origins["server.page_size"] == str(file)
    assert found.store_url == str(file.parent / "state")


def test_environment_wins_over_the_file(file: Path) -> None:
    variables = {
        **ENVIRONMENT,
        "CARETALLY_SERVER__PAGE_SIZE": "50",
        "CARETALLY_SERVER__RETRY__ATTEMPTS": "2",
        "CARETALLY_SERVER__VERIFY_CERTIFICATE": "false",
        "CARETALLY_SERVER__ALLOWED_ALIAS_BASES": "https://a.example/fhir, https://b.example/fhir",
        "CARETALLY_POLICY__CONSENT_MAX_AGE_MONTHS": "12",
        "CARETALLY_POLICY__INITIATING_VISIT__ACCEPT_TCM": "false",
        "CARETALLY_SITE__MAIN__POLICY__HOSPICE": "block",
        "CARETALLY_SITE__MAIN__FEE_SCHEDULE__99490": "90.00",
    }
    found = load_configuration(file, environment=variables)
    assert found.server.page_size == 50
    assert found.server.retry.attempts == 2
    assert found.server.verify_certificate is False
    assert found.server.allowed_alias_bases == ["https://a.example/fhir", "https://b.example/fhir"]
    assert found.policy == {"dos": "with_last", "consent_max_age_months": 12, "initiating_visit": {"accept_tcm": False}}
    assert found.site["main"].policy == {"hospice": "block"}
    assert found.site["main"].fee_schedule == {"99490": Decimal("90.00")}
    assert found.origins["server.page_size"] == "environment CARETALLY_SERVER__PAGE_SIZE"


def test_flags_win_over_the_environment(file: Path) -> None:
    found = load_configuration(
        file,
        environment={**ENVIRONMENT, "CARETALLY_SERVER__PAGE_SIZE": "50"},
        overrides={"server.page_size": 20, "writeback.tenant": None, "policy": {"dos": "month_end"}},
    )
    assert found.server.page_size == 20
    assert found.origins["server.page_size"] == "flag"
    assert found.writeback.tenant == "northside"
    assert found.policy["dos"] == "month_end"


def test_a_profile_overlays_the_file_and_no_more(file: Path) -> None:
    found = load_configuration(file, environment=ENVIRONMENT, profile="test")
    assert found.server.base_url == "https://test.example.org/fhir"
    assert found.server.page_size == 500
    assert found.policy == {"dos": "with_last", "hospice": "warn"}
    assert load_configuration(file, environment=ENVIRONMENT).policy == {"dos": "with_last"}


def test_environment_wins_over_a_profile(file: Path) -> None:
    found = load_configuration(file, environment={**ENVIRONMENT, "CARETALLY_POLICY__HOSPICE": "block"}, profile="test")
    assert found.policy["hospice"] == "block"


def test_a_name_in_the_environment_finds_the_site_as_it_is_spelt(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[site.North-Side]\nzone = "America/Denver"\n')
    found = load_configuration(path, environment={"CARETALLY_SITE__NORTH_SIDE__LOCALITY": "13282"})
    assert list(found.site) == ["North-Side"]
    assert found.site["North-Side"].locality == "13282"


def test_a_token_comes_from_the_environment_and_is_never_shown(file: Path) -> None:
    found = load_configuration(file, environment=ENVIRONMENT)
    assert found.server_token is not None
    assert found.server_token.reveal() == "s3cret-value"
    for text in (repr(found), str(found), repr(found.server_token), str(found.server_token), found.model_dump_json()):
        assert "s3cret" not in text


def test_the_environment_may_hold_the_token_itself(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[server]\nauth = "bearer"\n')
    found = load_configuration(path, environment={"CARETALLY_SERVER__TOKEN": "12345"})
    assert found.server_token is not None
    assert found.server_token.reveal() == "12345"


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    token.chmod(0o600)
    path = tmp_path / "c.toml"
    path.write_text('[server]\nauth = "bearer"\ntoken_file = "token"\n')
    secret = load_configuration(path, environment={}).server_token
    assert secret is not None
    assert secret.reveal() == "first"
    token.write_text("second")
    assert secret.reveal() == "second"
    token.write_text(" \n")
    with pytest.raises(ConfigurationError, match="is empty"):
        secret.reveal()
    token.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        secret.reveal()


def test_a_token_file_open_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    token.chmod(0o644)
    if os.getuid() == 0:
        os.chown(token, 12345, 12345)
    monkeypatch.setattr(os, "getuid", lambda: token.stat().st_uid)
    with pytest.raises(ConfigurationError, match="open to other users; run: chmod 600"):
        Secret.from_file(token).reveal()
    token.chmod(0o600)
    assert Secret.from_file(token).reveal() == "x"


def test_a_store_address_with_a_password_comes_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[store]\nurl_env = "STORE"\n')
    address = "postgresql://caretally:pw@db/caretally"
    found = load_configuration(path, environment={"STORE": address})
    assert found.store_url == address
    assert "pw" not in repr(found)
    direct = load_configuration(None, environment={"CARETALLY_STORE__URL": address})
    assert direct.store_url == address
    assert "pw@" not in repr(direct)


def test_sites_are_those_of_the_facts(file: Path) -> None:
    main, elsewhere = sites(load_configuration(file, environment=ENVIRONMENT))
    assert main.organization == "Organization/GRP1"
    assert main.zone is not None
    assert main.zone.key == "America/Chicago"
    assert main.fee_schedule == {"99490": Decimal("85.00")}
    assert main.default_practitioner == "Practitioner/P1"
    assert (elsewhere.place_of_service, elsewhere.kind, elsewhere.zone) == ("22", "hospital-department", None)


def test_attestations_are_those_of_the_facts(file: Path) -> None:
    (found,) = attestations(load_configuration(file, environment=ENVIRONMENT))
    assert (found.name, found.held_from, found.held_to, found.by) == (
        "access-24-7",
        date(2024, 1, 1),
        None,
        "Practitioner/P1",
    )


WRONG = {
    "inline token": ('[server]\ntoken = "abc"', ["[server] token", "token_file", "token_env"]),
    "inline token in a profile": ('[profile.x.server]\npassword = "abc"', ["[profile.x.server] password"]),
    "password in the address": ('[server]\nbase_url = "https://u:p@x/fhir"', ["base_url", "holds a password"]),
    "password in the proxy": ('[server]\nproxy = "http://u:p@x"', ["proxy", "holds a password"]),
    "password in the store": ('[store]\nurl = "postgresql://u:p@h/d"', ["[store] url", "url_env"]),
    "misspelt key": ('[server]\nbase_ulr = "https://x/fhir"', ["[server] base_ulr", "did you mean base_url?"]),
    "misspelt table": ("[servr]\nx = 1", ["[servr]", "did you mean server?"]),
    "wrong type": ('[server]\npage_size = "50"', ["[server] page_size", "found '50', wanted a whole number"]),
    "out of range": ("[server]\npage_size = 0", ["found 0, wanted 1 or more"]),
    "unknown switch": ('[policy]\nhospise = "hold"', ["[policy] hospise", "did you mean hospice?"]),
    "unknown switch of a site": ('[site.a.policy]\nhospise = "hold"', ["[site.a.policy] hospise"]),
    "unknown switch of a payer": ('[payer.a.policy]\nhospise = "hold"', ["[payer.a.policy] hospise"]),
    "unknown switch of a profile": ('[profile.t.policy]\ndos = "x"', ["[profile.t.policy] dos", "threshold"]),
    "nested switch": ("[policy.initiating_visit]\nlookback_years = 9", ["[policy.initiating_visit] lookback_years"]),
    "npi": ('[site.a]\nnpi = "123"', ["[site.a] npi", "an NPI of ten digits"]),
    "tin": ('[site.a]\ntin = "1"', ["[site.a] tin", "12-3456789"]),
    "organization": ('[site.a]\norganization = "GRP1"', ["[site.a] organization", "Organization/123"]),
    "float charge": ("[site.a.fee_schedule]\n99490 = 85.0", ["[site.a.fee_schedule] 99490", 'for example "85.0"']),
    "charge with a comma": ('[site.a.fee_schedule]\n99490 = "85,00"', ["write a point, not a comma"]),
    "charge for no code": ('[site.a.fee_schedule]\n994 = "85"', ["[site.a.fee_schedule] 994", "CPT or HCPCS"]),
    "tenant": ('[writeback]\ntenant = "https://x"', ["[writeback] tenant", "a short name that never changes"]),
    "kind": ('[site.a]\nkind = "ofice"', ["[site.a] kind", "did you mean office?"]),
    "no TOML": ("[server", ["not valid TOML"]),
    "bearer without a token": ('[server]\nauth = "bearer"', ["there is no token"]),
    "basic without a password": ('[server]\nauth = "basic"\nusername = "u"', ["password_file or password_env"]),
    "variable that is not set": ('[server]\nauth = "bearer"\ntoken_env = "T"', ["no variable T"]),
    "two tokens": ('[server]\nauth = "bearer"\ntoken_env = "T"\ntoken_file = "t"', ["both set"]),
    "half a certificate": ('[server]\nclient_key_file = "k"', ["belong together"]),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named_with_its_place(wrong: Callable[..., str], mistake: str) -> None:
    text, parts = WRONG[mistake]
    message = wrong(text)
    for part in parts:
        assert part in message


def test_a_token_without_auth_is_named(wrong: Callable[..., str]) -> None:
    assert 'set auth = "bearer"' in wrong('[server]\ntoken_env = "T"', environment={"T": "x"})


def test_a_variable_is_named_when_it_is_wrong(wrong: Callable[..., str]) -> None:
    message = wrong("", environment={"CARETALLY_SERVER__PAGE_SIZE": "many"})
    assert message.startswith("environment CARETALLY_SERVER__PAGE_SIZE: [server] page_size: found 'many'")
    message = wrong("", environment={"CARETALLY_SERVR__PAGE_SIZE": "1"})
    assert "unknown table 'servr'; did you mean server?" in message
    message = wrong("", environment={"CARETALLY_SERVER__PAGE_SZE": "1"})
    assert "did you mean page_size?" in message


def test_a_flag_is_named_when_it_is_wrong(wrong: Callable[..., str]) -> None:
    assert wrong("", overrides={"server.page_size": -1}).startswith("flag: [server] page_size: found -1")


def test_an_unknown_profile_is_named(wrong: Callable[..., str]) -> None:
    assert "no [profile.tset]; did you mean test?" in wrong("[profile.test]", profile="tset")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        load_configuration(tmp_path / "nowhere.toml", environment={})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[site.a]\nnpi = "1234567890"', "[site.a] npi: the check digit does not fit"),
        ('[site.a]\nzone = "Mars/Olympus"', "[site.a] zone: 'Mars/Olympus' is not an IANA time zone"),
        ("[site.a]\n[site.b]", "no organization (the default site) is also [site.a]"),
        (
            '[site.a]\norganization = "Organization/1"\n[site.b]\norganization = "Organization/1"',
            "Organization/1 is also [site.a]",
        ),
    ],
)
def test_wrong_sites_are_named(wrong: Callable[..., str], text: str, part: str) -> None:
    assert part in wrong(text, then=sites)


def test_an_attestation_that_ends_early_is_named(wrong: Callable[..., str]) -> None:
    text = "[practice.attestations.x]\nfrom = 2024-02-01\nto = 2024-01-01"
    assert "[practice.attestations.x] to" in wrong(text, then=attestations)


def test_a_wrong_cap_is_found_with_the_tables(wrong: Callable[..., str], tables: Tables) -> None:
    message = wrong("[policy.caps]\n99490 = 1", then=lambda found: policy_book(tables, found))
    assert "policy.caps.99490: 99490 is no add-on code" in message
